"""The metric catalogue, health and logs of a process."""

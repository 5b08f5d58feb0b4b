"""What must hold for every history, searched for with Hypothesis."""

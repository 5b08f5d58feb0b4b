"""The documentation, and what renders its reference pages from the code."""

"""What the results say together: rates off their baseline, and what a pain point costs. Pure, no input or output."""

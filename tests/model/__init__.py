"""
A simulation of the protocol over the real landing and stitching, and the gate of mutants that it must catch.

What it simulates and what it does not is told in docs/convergence.md.
"""

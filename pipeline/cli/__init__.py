"""
The command `throughline`: the only package that talks to a person.

It owns the words on the terminal, the exit codes and the supervisor of a local installation. It computes nothing
about customers itself. Heavy imports happen only when the command that needs them is asked for.
"""

import sys

from pipeline.cli.guard import run


def main() -> None:
    """Run the command line and leave with its exit code."""
    sys.exit(run(sys.argv[1:]))

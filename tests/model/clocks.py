"""
The time of the simulation: one that only goes on, and the clock of each machine that differs from it and steps back.

Stamps of the protocol come from the clock of the machine that answers; only their order matters.
"""

from typing import Final

START_US: Final = 1_790_000_000_000_000


class Clocks:
    """
    True time, and how far each machine is off.

    Attributes:
        true_us: Time that has passed, in epoch microseconds.
        off_us: By machine, what its clock shows beyond the true time; it may change and be negative.
    """

    def __init__(self) -> None:
        self.true_us = START_US
        self.off_us: dict[str, int] = {}

    def now_us(self, machine: str) -> int:
        """Return what a machine's clock shows."""
        return self.true_us + self.off_us.get(machine, 0)

    def pass_by(self, microseconds: int) -> None:
        """Let time pass."""
        self.true_us += microseconds

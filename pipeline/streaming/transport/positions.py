"""
Where reading stands in each partition, and what the broker dropped before it could be read: pure.

Offsets may be missing for two reasons. Inside a fetch they are markers of transactions or records that compaction
removed: nothing is lost, and a read that finds nothing else is a chunk without records, so that whoever waits for
these offsets sees them done. *Between* fetches the position only jumps when the broker answered "out of range" and the
log now begins later: those records are gone, and the next chunk says how many (`lost`).
"""

from collections.abc import Hashable
from dataclasses import dataclass
from typing import Generic, TypeVar

Partition = TypeVar("Partition", bound=Hashable)


@dataclass(frozen=True, slots=True)
class Covered:
    """The offsets that one chunk stands for, and how many before it were lost."""

    first_offset: int
    last_offset: int
    lost: int


class ReadPositions(Generic[Partition]):
    """Next expected offset of every partition; used by one thread."""

    def __init__(self) -> None:
        self._expected: dict[Partition, int] = {}

    def restart(self, partition: Partition, offset: int) -> None:
        """Expect `offset` next: reading was moved on purpose (an assignment, a seek)."""
        self._expected[partition] = offset

    def advance(self, partition: Partition, start: int, following: int) -> Covered | None:
        """
        Take note of one read.

        Args:
            partition: What was read.
            start: Offset that the fetch asked for.
            following: Offset that the next fetch will ask for.

        Returns:
            What the read covers, be it records or offsets that have none; None if it did not get anywhere.
        """
        if following <= start:
            return None
        lost = max(0, start - self._expected.get(partition, 0))
        self._expected[partition] = following
        return Covered(start, following - 1, lost)

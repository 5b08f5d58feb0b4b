"""
Where reading stands in each partition, and what the broker dropped before it could be read: pure.

Offsets may be missing for two reasons. Inside a fetch they are markers of transactions or records that compaction
removed: nothing is lost. *Between* fetches the position only jumps when the broker answered "out of range" and the
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
        self._uncovered: dict[Partition, int] = {}
        self._lost: dict[Partition, int] = {}

    def restart(self, partition: Partition, offset: int) -> None:
        """Expect `offset` next: reading was moved on purpose (an assignment, a seek)."""
        self._expected[partition] = offset
        self._uncovered[partition] = offset
        self._lost[partition] = 0

    def advance(self, partition: Partition, start: int, following: int, *, has_records: bool) -> Covered | None:
        """
        Take note of one read.

        Args:
            partition: What was read.
            start: Offset that the fetch asked for.
            following: Offset that the next fetch will ask for.
            has_records: False if the read gave nothing but skipped offsets (markers, compaction).

        Returns:
            What the read covers, or None if it holds no record (its offsets then belong to the next chunk).
        """
        expected = self._expected.get(partition, 0)
        first = self._uncovered.get(partition, expected)
        if start != expected:
            first = start
            self._lost[partition] = self._lost.get(partition, 0) + max(0, start - expected)
        self._expected[partition] = following
        self._uncovered[partition] = first
        if not has_records:
            return None
        self._uncovered[partition] = following
        return Covered(first, following - 1, self._lost.pop(partition, 0))

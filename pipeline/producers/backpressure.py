"""
How far a feeder may run ahead of the readers of a bounded log: the rule, apart from Kafka and the clock.

The embedded broker keeps a few megabytes of each partition and then drops the oldest, read or not. So a feeder sends
to a partition only as much as was certainly read: what the reading group has not committed, plus what this feeder sent
since it last looked, stays below a limit. Other feeders send too, and nobody counts for them between two looks:
the limit must be well below the log's size divided by the feeders at work.
"""

from dataclasses import dataclass, field
from datetime import timedelta
from typing import Final, NamedTuple

# What a record costs in the log beside key and value: lengths, offset and time deltas, and its share of the header.
RECORD_OVERHEAD_BYTES: Final = 24

# A record of a size nobody knows: another producer's, before this feeder sent any.
_GUESSED_RECORD_BYTES: Final = 400

Target = tuple[str, int]
"""Topic and partition."""


class Unread(NamedTuple):
    """What a partition holds: first and next offset, and the group's committed one (None: never committed)."""

    low: int
    high: int
    committed: int | None

    @property
    def records(self) -> int:
        """Return how many records wait to be read."""
        return max(0, self.high - max(self.low, self.committed if self.committed is not None else self.low))


class LagLedger:
    """
    What a sender knows of the partitions that it sends to.

    It is asked before every record and told about every record, every delivery and every look at the broker; it never
    looks by itself. Its own unread records count with their real sizes (one large record after many small ones must not
    pass for a small one), other senders' with the average. Not for several threads at once.

    Args:
        max_lag_bytes: Unread bytes that a partition may have; 0 means no limit.
    """

    def __init__(self, max_lag_bytes: int) -> None:
        self._limit = max_lag_bytes
        self._partitions: dict[Target, _Partition] = {}
        self._records = 0
        self._bytes = 0

    def has_room(self, target: Target, size: int) -> bool:
        """Tell whether that many bytes may go now; more than the limit may when nothing at all is unread."""
        return self._fits(target, size, self._limit)

    def has_eased(self, target: Target, size: int) -> bool:
        """Tell whether, after a full stop, sending may go on: half of the limit is free, so the next stop is far."""
        return self._fits(target, size, max(self._limit // 2, size + RECORD_OVERHEAD_BYTES))

    def note_sent(self, target: Target, size: int) -> None:
        """Count a record that was handed to the producer."""
        cost = size + RECORD_OVERHEAD_BYTES
        self._records += 1
        self._bytes += cost
        if self._limit:
            self._partitions.setdefault(target, _Partition()).on_its_way += cost

    def note_settled(self, target: Target, size: int, offset: int | None) -> None:
        """Count a delivery report; the offset is None where the record was not delivered, as far as anybody knows."""
        if not self._limit:
            return
        cost = size + RECORD_OVERHEAD_BYTES
        partition = self._partitions.setdefault(target, _Partition())
        partition.on_its_way -= cost
        if offset is not None:
            partition.settled += 1
            partition.own.append(_Own(offset, cost, partition.settled))
            partition.own_bytes += cost

    def begin_look(self, target: Target) -> int:
        """Return the mark to hand to `note_look`; to be taken before the broker is asked."""
        return self._partitions.setdefault(target, _Partition()).settled

    def note_look(self, target: Target, unread: Unread, mark: int) -> bool:
        """
        Take in what the broker said.

        Returns:
            Whether the readers moved on since the last look.
        """
        partition = self._partitions[target]
        read_to = max(unread.low, unread.committed or 0)
        # A record that was there before the look and lies beyond the end is of a log that is gone (a broker that
        # keeps its log in memory was started anew).
        partition.own = [
            own for own in partition.own if own.offset >= read_to and (own.offset < unread.high or own.number > mark)
        ]
        partition.own_bytes = sum(own.cost for own in partition.own)
        others = unread.records - sum(1 for own in partition.own if own.offset < unread.high)
        partition.other_bytes = max(0, others) * self._average()
        committed = unread.committed if unread.committed is not None else -1
        moved = committed > partition.committed
        partition.committed = committed
        return moved

    def _average(self) -> int:
        return self._bytes // self._records if self._records else _GUESSED_RECORD_BYTES

    def _fits(self, target: Target, size: int, limit: int) -> bool:
        if self._limit == 0:
            return True
        partition = self._partitions.get(target)
        if partition is None or partition.other_bytes is None:
            return False
        waiting = partition.on_its_way + partition.own_bytes + partition.other_bytes
        return waiting == 0 or waiting + size + RECORD_OVERHEAD_BYTES <= limit


class _Own(NamedTuple):
    """A record of this sender's that was delivered, the so-and-so-many-th of its partition."""

    offset: int
    cost: int
    number: int


@dataclass(slots=True)
class _Partition:
    """Bytes on their way, delivered and unread, and of others; the last is None before the first look."""

    on_its_way: int = 0
    settled: int = 0
    own: list[_Own] = field(default_factory=list)
    own_bytes: int = 0
    other_bytes: int | None = None
    committed: int = -1


class StallWatch:
    """Tells when waiting for readers that do not move has lasted too long; the time is handed in."""

    def __init__(self, stall: timedelta, now: float) -> None:
        self._stall_s = stall.total_seconds()
        self._last_move = now

    def is_stalled(self, now: float, *, moved: bool) -> bool:
        """Take in one look at the readers and say whether to give up."""
        if moved:
            self._last_move = now
        return now - self._last_move > self._stall_s

"""
Which offset of one partition may be committed: pure, no clock, no Kafka.

The one rule: commit (last offset of the last chunk such that it and every chunk before it are finished) + 1, never
anything beyond work that is still in flight. Whatever is not finished is read again after a crash or a rebalance.
The ledger refuses chunks that overlap or go backwards: the caller starts a new ledger then.
"""

from collections import deque
from dataclasses import dataclass


@dataclass(slots=True)
class _Span:
    last: int
    size_bytes: int
    finished: bool = False


class AckLedger:
    """
    Chunks of one partition in the order of their delivery, and how far they are finished.

    Gaps between chunks are fine (the broker dropped records, a transaction left a marker): only what was delivered
    can be unfinished.
    """

    def __init__(self) -> None:
        self._in_flight: deque[_Span] = deque()
        self._by_last: dict[int, _Span] = {}
        self._delivered_to: int | None = None
        self._finished_to: int | None = None
        self._committed_to: int | None = None
        self.unfinished_bytes = 0

    @property
    def unfinished_chunks(self) -> int:
        """Chunks that were delivered and not finished."""
        return len(self._by_last)

    def accepts(self, first: int) -> bool:
        """Tell whether a chunk that begins at `first` continues what was delivered so far."""
        return self._delivered_to is None or first > self._delivered_to

    def deliver(self, first: int, last: int, size_bytes: int = 0) -> None:
        """
        Take note of a chunk that is handed to an agent.

        Args:
            first: Offset of its first record.
            last: Last offset that it covers.
            size_bytes: Memory it holds until it is finished.

        Raises:
            ValueError: If the chunk is empty, overlaps an earlier one or goes backwards.
        """
        if last < first or not self.accepts(first):
            raise ValueError(f"chunk {first}..{last} does not follow offset {self._delivered_to}")
        span = _Span(last, size_bytes)
        self._in_flight.append(span)
        self._by_last[last] = span
        self._delivered_to = last
        self.unfinished_bytes += size_bytes

    def finish(self, last: int) -> bool:
        """
        Take note that the chunk that ends at `last` is done for good.

        Returns:
            False if no such chunk is in flight (unknown, or finished before): nothing changes then.
        """
        span = self._by_last.pop(last, None)
        if span is None:
            return False
        span.finished = True
        self.unfinished_bytes -= span.size_bytes
        while self._in_flight and self._in_flight[0].finished:
            self._finished_to = self._in_flight.popleft().last
        return True

    def committable(self) -> int | None:
        """Return the offset to commit (that of the next record to read), or None if there is nothing new."""
        if self._finished_to is None or self._finished_to + 1 == self._committed_to:
            return None
        return self._finished_to + 1

    def committed(self, offset: int) -> None:
        """Take note that the broker has confirmed the commit of `offset`."""
        self._committed_to = offset

"""
What waits to be sent, in memory or on disk.

The one rule: an entry leaves only when `done` says so, and the first in is the first out. Whoever adds more than fits
waits; nothing is ever dropped.
"""

import threading
import time
from collections import deque
from collections.abc import Sequence
from typing import Final, Protocol

from pipeline.producers.spool import Spool, SpoolFullError

_LOOK_PAUSE_S: Final = 0.05
_MOST_BYTES: Final = 4 << 20


class Outbox(Protocol):
    """
    Entries on their way. Any thread puts them in; one thread takes them out.

    `peek` and `done` are called by that one thread alone. `put` may block; nothing raises but what it says.
    """

    def put(self, entries: Sequence[bytes], patience_s: float) -> bool:
        """Add entries, all or none; False if there was no room for that long. Returns when they are safe."""

    def peek(self, most: int) -> list[bytes]:
        """Return the first entries, at least one where there is any; does not wait."""

    def done(self, entries: int) -> None:
        """Let the first entries go."""

    def __len__(self) -> int:
        """Return how many entries are there."""

    def close(self) -> None:
        """Let go of what the outbox holds."""


class MemoryOutbox:
    """
    Entries in memory: gone with the process.

    Args:
        most: Entries that it holds.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._entries: deque[bytes] = deque()
        self._room = threading.Condition()

    def put(self, entries: Sequence[bytes], patience_s: float) -> bool:
        """Add entries when there is room for them; more than ever fit go in when it is empty."""
        with self._room:
            if not self._room.wait_for(lambda: self._fits(len(entries)), patience_s):
                return False
            self._entries.extend(entries)
            return True

    def peek(self, most: int) -> list[bytes]:
        """Return the first entries."""
        with self._room:
            return [self._entries[index] for index in range(min(most, len(self._entries)))]

    def done(self, entries: int) -> None:
        """Let the first entries go, and those who wait in."""
        with self._room:
            for _ in range(entries):
                self._entries.popleft()
            self._room.notify_all()

    def __len__(self) -> int:
        """Return how many entries are there."""
        return len(self._entries)

    def close(self) -> None:
        """Hold nothing that would have to be let go."""

    def _fits(self, entries: int) -> bool:
        return not self._entries or len(self._entries) + entries <= self._most


class DiskOutbox:
    """
    Entries on disk: there again after a crash.

    Args:
        spool: The queue on disk; closed with the outbox.
    """

    def __init__(self, spool: Spool) -> None:
        self._spool = spool

    def put(self, entries: Sequence[bytes], patience_s: float) -> bool:
        """Add entries and wait until the disk has them; while the spool is full, wait for it to drain."""
        deadline = time.monotonic() + patience_s
        while True:
            try:
                self._spool.append(entries)
            except SpoolFullError:
                if time.monotonic() >= deadline:
                    return False
                time.sleep(_LOOK_PAUSE_S)
            else:
                return True

    def peek(self, most: int) -> list[bytes]:
        """Return the first entries."""
        return self._spool.peek(most, _MOST_BYTES)

    def done(self, entries: int) -> None:
        """Let the first entries go."""
        self._spool.done(entries)

    def __len__(self) -> int:
        """Return how many entries are there."""
        return len(self._spool)

    def close(self) -> None:
        """Let go of the folder."""
        self._spool.close()

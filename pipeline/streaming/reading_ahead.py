"""
Reading the next while the present one is at work: the warehouse reads on one core, the worker computes on another.

What is read is yielded in its order, and nothing is read more than one ahead, so two of them are in memory at most.
"""

import threading
from collections.abc import Callable, Iterable, Iterator
from typing import Generic, TypeVar

Wanted = TypeVar("Wanted")
Found = TypeVar("Found")

# What is smaller is there before a thread that fetches it is awake.
_WORTH_A_THREAD = 2_000


def read_ahead(
    wanted: Iterable[Wanted], read: Callable[[Wanted], Found], size: Callable[[Wanted], int]
) -> Iterator[Found]:
    """
    Read one after the other, each while the caller works on the one before.

    Args:
        wanted: What to read; asked for the next one only after the one before was read.
        read: Reads; called once at a time, but beside what the caller does. What it raises is raised here, in its turn.
        size: How much there is to read of something: little is read in the caller's thread when its turn comes.

    Yields:
        What was read, in order.
    """
    rest = iter(wanted)
    first = next(rest, None)
    if first is None:
        return
    found = read(first)
    for following in rest:
        if size(following) < _WORTH_A_THREAD:
            yield found
            found = read(following)
        else:
            reading = _Reading(read, following)
            yield found
            found = reading.result()
    yield found


class _Reading(Generic[Wanted, Found]):
    """One read in a thread of its own: a daemon, for a read that hangs must not keep a stopped worker alive."""

    def __init__(self, read: Callable[[Wanted], Found], wanted: Wanted) -> None:
        self._read, self._wanted = read, wanted
        self._found: list[Found] = []
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="reading ahead", daemon=True)
        self._thread.start()

    def result(self) -> Found:
        """Wait, and return what was read or raise why not."""
        self._thread.join()
        if self._error is not None:
            raise self._error
        return self._found[0]

    def _run(self) -> None:
        try:
            self._found.append(self._read(self._wanted))
        except BaseException as error:  # noqa: BLE001 - panics of native code too are the caller's
            self._error = error

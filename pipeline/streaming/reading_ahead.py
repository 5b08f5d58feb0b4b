"""
Reading the next while the present one is at work: the warehouse reads on one core, the worker computes on another.

What is read is yielded in its order, and nothing is read more than one ahead, so two of them are in memory at most.
"""

from collections.abc import Callable, Generator, Iterable
from itertools import islice
from typing import TypeVar

from pipeline.streaming.beside import WORTH_A_THREAD, Beside

Found = TypeVar("Found")


def read_ahead(reads: Iterable[Found], size: Callable[[Found], int]) -> Generator[Found, None, None]:
    """
    Read one after the other, each while the caller works on the one before.

    Args:
        reads: Reads one whenever the next is asked for; by one thread at a time, but beside what the caller does. What
            it raises is raised here, in its turn.
        size: How much work something is that was read: what follows something small is read in the caller's thread
            when its turn comes, after the caller has done with everything before it.

    Yields:
        What was read, in order. When it is closed before its end, nothing is being read any more.
    """
    rest = iter(reads)

    def following() -> list[Found]:
        return list(islice(rest, 1))

    found = following()
    while found:
        if size(found[0]) < WORTH_A_THREAD:
            yield found[0]
            found = following()
        else:
            reading = Beside("reading ahead", following)
            try:
                yield found[0]
            finally:
                reading.end()
            found = reading.result()

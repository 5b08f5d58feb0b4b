"""
Reading the next while the present one is at work: the warehouse reads on one core, the worker computes on another.

What is read is yielded in its order, and nothing is read more than one ahead, so two of them are in memory at most.
"""

from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import TypeVar

from pipeline.streaming.beside import WORTH_A_THREAD, Beside

Wanted = TypeVar("Wanted")
Found = TypeVar("Found")


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
        if size(following) < WORTH_A_THREAD:
            yield found
            found = read(following)
        else:
            reading = Beside("reading ahead", partial(read, following))
            yield found
            found = reading.result()
    yield found

"""Reading ahead: in order, one ahead, and no error is lost."""

import threading
import time
from collections.abc import Iterator
from contextlib import closing

import pytest

from pipeline.streaming.reading_ahead import read_ahead

LARGE = 10_000


def test_everything_comes_in_its_order_whether_large_or_small() -> None:
    """Sizes decide by whom something is read, never when it is yielded."""
    wanted = [LARGE, 1, 2, LARGE + 1, LARGE + 2, 3]
    assert list(read_ahead(wanted, lambda number: number)) == wanted
    assert list(read_ahead(list[int](), lambda number: number)) == []


def test_the_next_is_read_while_the_present_one_is_at_work() -> None:
    """The second read ends although the caller still holds the first."""
    is_read = threading.Event()

    def reads() -> Iterator[int]:
        yield LARGE
        is_read.set()
        yield LARGE + 1

    found = read_ahead(reads(), lambda number: number)
    assert next(found) == LARGE
    assert is_read.wait(10)


def test_nothing_is_read_two_ahead() -> None:
    """The third is asked for only when the second is taken."""
    asked: list[int] = []

    def wanted() -> Iterator[int]:
        for number in range(LARGE, LARGE + 4):
            asked.append(number)
            yield number

    found = read_ahead(wanted(), lambda number: number)
    next(found)
    next(found)
    assert asked in ([LARGE, LARGE + 1], [LARGE, LARGE + 1, LARGE + 2])


def test_an_error_is_raised_in_its_turn() -> None:
    """What was read before the error is still worked on, as if nobody had read ahead."""

    def reads() -> Iterator[int]:
        yield LARGE
        raise ConnectionError("gone")

    found = read_ahead(reads(), lambda number: number)
    assert next(found) == LARGE
    with pytest.raises(ConnectionError, match="gone"):
        next(found)


def test_what_follows_something_small_is_read_by_the_caller_when_everything_before_is_done() -> None:
    done: list[int] = []
    readers: list[tuple[threading.Thread, list[int]]] = []

    def reads() -> Iterator[int]:
        for number in (LARGE, 0, LARGE):
            readers.append((threading.current_thread(), list(done)))
            yield number

    done.extend(read_ahead(reads(), lambda number: number))
    assert readers[1][0] is not threading.current_thread()
    assert readers[2] == (threading.current_thread(), [LARGE, 0])


def test_nothing_is_being_read_after_it_was_closed() -> None:
    """Who gives up in the middle and begins again has no thread of before beside him."""
    ended: list[bool] = []

    def reads() -> Iterator[int]:
        yield LARGE
        time.sleep(0.2)
        ended.append(True)
        yield LARGE

    with closing(read_ahead(reads(), lambda number: number)) as found:
        next(found)
    assert ended == [True]

"""Reading ahead: in order, one ahead, and no error is lost."""

import threading
from collections.abc import Iterator

import pytest

from pipeline.streaming.reading_ahead import read_ahead

LARGE = 10_000


def test_everything_comes_in_its_order_whether_large_or_small() -> None:
    """Sizes decide by whom something is read, never when it is yielded."""
    wanted = [LARGE, 1, 2, LARGE + 1, LARGE + 2, 3]
    assert list(read_ahead(wanted, lambda number: number * 2, lambda number: number)) == [2 * n for n in wanted]
    assert list(read_ahead([], lambda number: number, lambda number: number)) == []


def test_the_next_is_read_while_the_present_one_is_at_work() -> None:
    """The second read ends although the caller still holds the first."""
    is_read = threading.Event()

    def read(number: int) -> int:
        if number == LARGE + 1:
            is_read.set()
        return number

    found = read_ahead([LARGE, LARGE + 1], read, lambda number: number)
    assert next(found) == LARGE
    assert is_read.wait(10)


def test_nothing_is_read_two_ahead() -> None:
    """The third is asked for only when the second is taken."""
    asked: list[int] = []

    def wanted() -> Iterator[int]:
        for number in range(LARGE, LARGE + 4):
            asked.append(number)
            yield number

    found = read_ahead(wanted(), lambda number: number, lambda number: number)
    next(found)
    assert asked == [LARGE, LARGE + 1]
    next(found)
    assert asked == [LARGE, LARGE + 1, LARGE + 2]


def test_an_error_is_raised_in_its_turn() -> None:
    """What was read before the error is still worked on, as if nobody had read ahead."""

    def read(number: int) -> int:
        if number > LARGE:
            raise ConnectionError("gone")
        return number

    found = read_ahead([LARGE, LARGE + 1], read, lambda number: number)
    assert next(found) == LARGE
    with pytest.raises(ConnectionError, match="gone"):
        next(found)

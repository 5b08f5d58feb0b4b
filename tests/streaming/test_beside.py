"""Writing behind: in order, one at a time, and no error is lost."""

import threading

import pytest

from pipeline.streaming.beside import WORTH_A_THREAD, WriteBehind

LARGE = WORTH_A_THREAD


def test_everything_is_written_in_order_whether_large_or_small() -> None:
    written: list[int] = []
    with WriteBehind() as writes:
        for number, size in enumerate([LARGE, 1, LARGE, LARGE, 1, LARGE]):
            writes.write(lambda number=number: written.append(number), size)  # type: ignore[misc]  # bound at once
    assert written == list(range(6))


def test_the_caller_goes_on_while_something_is_written_and_waits_before_the_next() -> None:
    gate, written = threading.Event(), list[str]()

    def slow() -> None:
        gate.wait(10)
        written.append("slow")

    with WriteBehind() as writes:
        writes.write(slow, LARGE)
        assert written == []
        gate.set()
        writes.write(lambda: written.append("next"), 1)
        assert written == ["slow", "next"]


def test_nothing_is_written_after_what_failed() -> None:
    written: list[int] = []
    with pytest.raises(ConnectionError, match="gone"), WriteBehind() as writes:
        writes.write(fail, LARGE)
        writes.write(lambda: written.append(1), LARGE)
    assert written == []


def test_the_last_failure_is_raised_in_the_end_and_hides_no_other() -> None:
    with pytest.raises(ConnectionError, match="gone"), WriteBehind() as writes:
        writes.write(fail, LARGE)
    with pytest.raises(ValueError, match="first"), WriteBehind() as writes:
        writes.write(fail, LARGE)
        raise ValueError("first")


def fail() -> None:
    raise ConnectionError("gone")

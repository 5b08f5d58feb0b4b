"""Nothing ends a batch but its success, or that nobody wants it any more."""

import logging
from collections.abc import Awaitable, Callable
from datetime import timedelta

import pytest

from pipeline.streaming.publishing import BrokerUnavailable
from pipeline.streaming.retry import Backoff, Persistence
from pipeline.warehouse.errors import WarehouseRefused, WarehouseUnavailable

QUICK = Backoff(timedelta(milliseconds=1), timedelta(milliseconds=2))


class Panic(BaseException):
    """As polars raises it."""


class Signs:
    def __init__(self) -> None:
        self.told: list[str] = []

    def tried_again(self, cause: str, error: BaseException) -> None:
        assert error is not None
        self.told.append(cause)

    def recovered(self) -> None:
        self.told.append("recovered")

    def done(self) -> None:
        self.told.append("done")


def failing(*errors: BaseException) -> Callable[[], Awaitable[str]]:
    left = list(errors)

    async def attempt() -> str:
        if left:
            raise left.pop(0)
        return "result"

    return attempt


def never() -> bool:
    return False


async def test_tries_until_it_works_whatever_is_raised() -> None:
    signs = Signs()
    attempt = failing(
        WarehouseUnavailable("away"), BrokerUnavailable("away"), WarehouseRefused("no"), Panic("boom"), KeyError("x")
    )
    assert await Persistence(QUICK, signs).until_done("land", attempt, never) == "result"
    causes = ["warehouse", "broker", "unexpected", "unexpected", "unexpected"]
    assert signs.told == [*causes, "recovered", "done"]


async def test_success_at_once_is_only_done() -> None:
    signs = Signs()
    assert await Persistence(QUICK, signs).until_done("land", failing(), never) == "result"
    assert signs.told == ["done"]


async def test_ends_without_success_only_when_given_up() -> None:
    signs = Signs()
    attempt = failing(*[WarehouseUnavailable("away")] * 10)
    result = await Persistence(QUICK, signs).until_done("land", attempt, lambda: len(signs.told) == 3)
    assert result is None
    assert signs.told == ["warehouse"] * 3


async def test_an_outage_is_told_once_and_its_end_once(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    attempt = failing(*[WarehouseUnavailable("away")] * 5)
    await Persistence(QUICK, Signs()).until_done("land", attempt, never)
    assert [record.levelname for record in caplog.records] == ["WARNING", "INFO"]


async def test_the_unexpected_is_told_with_its_traceback(caplog: pytest.LogCaptureFixture) -> None:
    await Persistence(QUICK, Signs()).until_done("land", failing(KeyError("a"), KeyError("a"), KeyError("b")), never)
    told = [record for record in caplog.records if record.levelname == "ERROR"]
    assert [record.exc_info is not None for record in told] == [True, True]


@pytest.mark.parametrize(("tries", "full_s"), [(1, 0.1), (2, 0.2), (5, 1.6), (20, 10.0), (10_000, 10.0)])
def test_pauses_double_up_to_a_limit_and_spread(tries: int, full_s: float) -> None:
    backoff = Backoff(timedelta(seconds=0.1), timedelta(seconds=10))
    assert backoff.pause(tries, 0.0).total_seconds() == pytest.approx(full_s)
    assert backoff.pause(tries, 1.0).total_seconds() == pytest.approx(full_s / 2)

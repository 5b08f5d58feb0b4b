"""
Doing one thing until it is done: trouble of the pipeline never loses a batch, it only delays it.

Every error leads to another try of the same thing after a pause that doubles up to a limit. What differs is what is
told: an outage of the warehouse or the broker is one line when it begins and one when it ends; what nobody expected
comes with its traceback, each time another error appears.
"""

import asyncio
import logging
import random
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Protocol, TypeVar

from pipeline.streaming.publishing import BrokerUnavailable
from pipeline.warehouse.errors import WarehouseUnavailable

Result = TypeVar("Result")
logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Backoff:
    """Pauses between tries: doubling from `first` to `longest`, each cut by up to half so that workers spread out."""

    first: timedelta
    longest: timedelta

    def pause(self, tries: int, jitter: float) -> timedelta:
        """
        Return the pause after so many failed tries (from 1).

        Args:
            tries: Failed tries so far.
            jitter: Random number from 0 to 1.
        """
        doubled = self.first * (1 << min(tries - 1, 32))
        return min(self.longest, doubled) * (1 - jitter / 2)


class WorkSigns(Protocol):
    """Who is told how work goes; called from the event loop, must not block nor raise."""

    def done(self) -> None:
        """Take note that something was finished."""

    def tried_again(self, cause: str, error: BaseException) -> None:
        """Take note of a failed try; `cause` is warehouse, broker or unexpected."""

    def recovered(self) -> None:
        """Take note that it worked after failed tries."""


def cause_of(error: BaseException) -> str:
    """Name the trouble: `warehouse` or `broker` is away, everything else is `unexpected`."""
    if isinstance(error, WarehouseUnavailable):
        return "warehouse"
    return "broker" if isinstance(error, BrokerUnavailable) else "unexpected"


class Persistence:
    """
    Tries for ever.

    One per worker, used from its event loop, one thing at a time.
    """

    def __init__(self, backoff: Backoff, signs: WorkSigns) -> None:
        self._backoff = backoff
        self._signs = signs

    async def until_done(
        self, what: str, attempt: Callable[[], Awaitable[Result]], is_given_up: Callable[[], bool]
    ) -> Result | None:
        """
        Await `attempt` until it returns.

        Args:
            what: Its name in the log.
            attempt: What to do; anything it raises leads to another try.
            is_given_up: Asked before each further try; True ends the matter (partitions revoked, worker stops).

        Returns:
            What the attempt returned, or None if it was given up.
        """
        tries, began, told = 0, time.monotonic(), ""
        while True:
            try:
                result = await attempt()
            except (asyncio.CancelledError, KeyboardInterrupt, SystemExit, GeneratorExit):
                raise
            except BaseException as error:  # noqa: BLE001 - panics of Rust code are BaseExceptions; nothing may escape
                tries += 1
                cause = cause_of(error)
                told = _tell(what, cause, error, told)
                self._signs.tried_again(cause, error)
                await asyncio.sleep(self._backoff.pause(tries, random.random()).total_seconds())
                if is_given_up():
                    logger.info("%s: given up after %s tries, it was not done and is not committed", what, tries)
                    return None
                continue
            if tries:
                logger.info("%s: done after %s failed tries in %.1f s", what, tries, time.monotonic() - began)
                self._signs.recovered()
            self._signs.done()
            return result


def _tell(what: str, cause: str, error: BaseException, told: str) -> str:
    """Log a failure if it differs from the one told before; return what has been told now."""
    now = f"{cause} {type(error).__name__}" if cause != "unexpected" else f"{cause} {error!r}"
    if now == told:
        return told
    if cause == "unexpected":
        logger.error("%s: failed unexpectedly, trying again until it works", what, exc_info=error)
    else:
        logger.warning("%s: the %s is unavailable, trying again until it works: %s", what, cause, error)
    return now

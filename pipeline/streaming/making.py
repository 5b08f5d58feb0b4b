"""
Making all results of a rules version from the stored facts, a range of identifiers at a time.

A pass goes over all identifiers in the order of their keys and stitches those without a row that knows their facts. It
ends when a whole pass found none: that is what «complete» means. Facts that land meanwhile are not its business, for
their identifiers are announced to the workers of every version. After each range the progress is recorded, so whoever
goes on, the same process or another, goes on there; a range done twice, or by two at once, changes nothing.
"""

from collections.abc import Callable, Collection
from dataclasses import replace
from datetime import datetime
from typing import Protocol
from uuid import UUID

import polars as pl

from pipeline.warehouse.rules import NOWHERE, Progress, State

# Enough that reads are worth their round trip; a live batch waits no longer than one range takes.
RANGE_IDENTIFIERS = 10_000
# Passes that find something follow each other at once up to this one; later ones wait for landings to complete.
_BRISK_ROUNDS = 2


class MakingStore(Protocol):
    """
    What a making reads and records; `pipeline.warehouse.rules_making.MakingStore` keeps it.

    One caller, one call at a time. Any call may block, may raise `WarehouseUnavailable`, and may be repeated.
    """

    def progress(self) -> Progress:
        """Return how far the version is by the record."""

    def save(self, progress: Progress) -> None:
        """Record how far it is."""

    def range_after(self, position: UUID, limit: int) -> pl.Series:
        """Return the next identifiers in the order of their keys, at most `limit`; empty at the end."""

    def due(self, keys: pl.Series, since: datetime, until: datetime) -> pl.Series:
        """Return which of these identifiers have no row, not older than `since`, that knows their facts."""


class Making:
    """
    The making of one version by one worker or command.

    Args:
        store: Where facts and progress are.
        stitch: Stitches identifiers under the rules of the version; as of `stitcher.stitch_batch`, it writes whole
            blocks.
        serves: States in which it makes anything; a worker leaves making again to the command that asked for it.
        range_identifiers: Identifiers of a range.
    """

    def __init__(
        self,
        store: MakingStore,
        stitch: Callable[[pl.Series], object],
        serves: Collection[State] = (State.MAKING, State.REMAKING),
        range_identifiers: int = RANGE_IDENTIFIERS,
    ) -> None:
        self._store = store
        self._stitch = stitch
        self._serves = serves
        self._range_identifiers = range_identifiers

    def step(self) -> Progress:
        """
        Do the next range, or end a pass.

        Returns:
            How far it is now, as recorded. Call again at once unless `must_rest` or there is nothing left to make.
        """
        progress = self._store.progress()
        if progress.state not in self._serves:
            return progress
        keys = self._store.range_after(progress.position, self._range_identifiers)
        if keys.is_empty():
            after = _next_pass(progress)
        else:
            due = self._store.due(keys, progress.since, progress.until)
            if len(due):
                self._stitch(due)
            after = replace(
                progress,
                position=UUID(bytes=keys[-1]),
                found=progress.found + len(due),
                passed=progress.passed + (len(keys) if progress.round == 1 else 0),
            )
        self._store.save(after)
        return after


def must_rest(progress: Progress) -> bool:
    """Tell whether the next pass should wait a while: what it still finds waits for time to pass, not for work."""
    return progress.position == NOWHERE and progress.round > _BRISK_ROUNDS


def _next_pass(progress: Progress) -> Progress:
    if progress.found:
        return replace(progress, round=progress.round + 1, position=NOWHERE, found=0)
    return replace(progress, state=State.COMPLETE, position=NOWHERE)

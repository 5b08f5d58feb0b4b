"""
Pure functions of the real code, remembered by what they were given: the costly computing between two questions.

The rule owned here: only functions without any input or output are remembered, and only for exactly the same arguments
in the same order. The protocol (which of them is called when, on what was read when) always runs.
"""

from collections.abc import Callable, Hashable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import fields, is_dataclass
from datetime import datetime
from typing import Any, Final, cast
from unittest.mock import patch

import polars as pl

from pipeline.config import IdentitySettings
from pipeline.contracts.topics import TOUCHPOINT_TOPICS
from pipeline.stitching.rules import StitchRules
from pipeline.streaming import closure, grouping, stitcher
from pipeline.streaming.decode.values import Rejection
from pipeline.streaming.landing import Landing, Origin
from pipeline.streaming.landing.batch import Batch
from pipeline.streaming.landing.facts import Facts
from pipeline.streaming.ports import Announcer, FactStore
from pipeline.streaming.records import Chunk
from pipeline.warehouse.facts import from_micros
from tests.model.memory import Memory, Port, Questions
from tests.model.worlds import World

ORIGIN: Final = Origin("log", 1_048_576)

_PURE: Final = (
    (stitcher, "stitch"),
    (stitcher, "cluster"),
    (stitcher, "journey_changes"),
    (closure, "judge"),
    (closure, "statements_that_hold"),
)

# Name and place of the store among the arguments.
_ASKING: Final = (("close_blocks", 1), ("ledger_entries", 4))


@contextmanager
def remembered() -> Iterator[None]:
    """Remember the pure functions of stitching while this is open."""
    with ExitStack() as stack:
        # What stands there now: a mutant may have put something else in its place.
        stack.enter_context(patch.object(stitcher, "loads_of", _listing(vars(stitcher)["loads_of"])))
        for module, name in _PURE:
            stack.enter_context(patch.object(module, name, _remembering(getattr(module, name))))
        for name, place in _ASKING:
            stack.enter_context(patch.object(stitcher, name, _asking(getattr(stitcher, name), place)))
        yield


def _listing(function: Callable[..., Iterator[pl.DataFrame]]) -> Callable[..., list[pl.DataFrame]]:
    """Remember the loads that identities are read in, by how large a load may be too."""
    remembering = _remembering(lambda _size, *arguments: list(function(*arguments)))
    return lambda *arguments: cast(list[pl.DataFrame], remembering(grouping._LOAD_IDENTIFIERS, *arguments))


def _asking(function: Callable[..., Any], place: int) -> Callable[..., Any]:
    """Remember a part of a batch that asks the store, its argument in that place, by what it is given and answered."""
    memory = Memory(lambda _method, _arguments: None)

    def asking(*arguments: Any) -> Any:
        given = arguments[:place] + arguments[place + 1 :]

        def real(asked: Questions) -> Any:
            return function(*arguments[:place], Port(asked), *arguments[place + 1 :])

        return memory.run(tuple(map(_content, given)), real, arguments[place].questions.ask)

    return asking


def _remembering(function: Callable[..., Any]) -> Callable[..., Any]:
    known: dict[Hashable, Any] = {}

    def remembering(*arguments: Any) -> Any:
        given = tuple(_content(argument) for argument in arguments)
        if given not in known:
            known[given] = function(*arguments)
        return known[given]

    return remembering


def _content(argument: Any) -> Hashable:
    if isinstance(argument, pl.DataFrame):
        return tuple(argument.columns), repr(argument.rows())
    if isinstance(argument, pl.Series):
        return tuple(argument)
    if is_dataclass(argument) and not isinstance(argument, StitchRules):
        return tuple(_content(getattr(argument, one.name)) for one in fields(argument))
    return repr(argument)


class Decoded:
    """
    The facts of every record of a world, decoded and made by the real code in one batch.

    A batch of some of the records gets its facts by `Facts.of_rows`, as the real code divides a batch; the tests hold
    that to what landing the records by themselves gives.
    """

    def __init__(self, world: World, identity: IdentitySettings) -> None:
        logs = {place: log for place, log in world.logs.items() if place[0] in TOUCHPOINT_TOPICS}
        chunks = [Chunk(*place, 0, len(log) - 1, log) for place, log in logs.items()]
        landing = _Noting(identity)
        landing.land(chunks)
        self.facts, rejections = landing.noted
        places = Batch.of(chunks).coordinates.rows()
        self._row_of = {place: row for row, place in enumerate(places)}
        self._rejections = {places[rejection.row]: rejection for rejection in rejections}

    def of(self, batch: Batch) -> tuple[Facts | None, list[Rejection]]:
        """Return what `Landing` makes of a batch; facts keep the numbers that their rows have in the world."""
        places = batch.coordinates.rows()
        rejections = [
            Rejection(row, self._rejections[place].problem, self._rejections[place].schema)
            for row, place in enumerate(places)
            if place in self._rejections
        ]
        rows = [self._row_of[place] for place in places if place not in self._rejections]
        if self.facts is None or not rows:
            return None, rejections
        return self.facts.of_rows(pl.Series(sorted(rows), dtype=pl.UInt32)), rejections


class _Noting(Landing):
    """The real landing into nowhere, which notes the facts of its batch."""

    noted: tuple[Facts | None, Sequence[Rejection]] = (None, ())

    def __init__(self, identity: IdentitySettings) -> None:
        super().__init__(cast(FactStore, _Nowhere()), cast(Announcer, _Nowhere()), identity, ORIGIN)

    def _facts_of(self, batch: Batch, *more: Any) -> Any:
        self.noted = super()._facts_of(batch, *more)
        return self.noted


class _Nowhere:
    """A store and announcer that forgets."""

    def landing_stamp(self) -> datetime:
        """Return some moment."""
        return from_micros(0)

    def __getattr__(self, _method: str) -> Callable[..., None]:
        return lambda *_: None


class QuickLanding(Landing):
    """The real landing, which finds the facts of its records decoded already."""

    def __init__(self, store: FactStore, announcer: Announcer, identity: IdentitySettings, decoded: Decoded) -> None:
        super().__init__(store, announcer, identity, ORIGIN)
        self._decoded = decoded

    def _facts_of(self, batch: Batch, *_more: Any) -> Any:
        return self._decoded.of(batch)

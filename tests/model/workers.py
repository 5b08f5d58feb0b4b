"""
The workers: the product's own `LandWork` and `StitchWork`, in the loop that the product's runner is.

The rule owned here: gather, do until it is done, acknowledge, commit: in this order, one batch at a time. What is
remembered of the real code (`Memory`) sits between the work and the protocol's functions.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from random import Random
from typing import Any, Final, Protocol, cast

import polars as pl
from prometheus_client import CollectorRegistry

from pipeline.config import IdentitySettings
from pipeline.contracts.topics import STITCH_DIRTY, TOUCHPOINT_TOPICS
from pipeline.observability.metrics import Metrics
from pipeline.streaming import stitcher
from pipeline.streaming.announcing import DirtyAnnouncer
from pipeline.streaming.ports import FactStore, Publisher
from pipeline.streaming.publishing import RecordWriter
from pipeline.streaming.records import Chunk
from pipeline.streaming.stitch_port import StitchStore
from pipeline.streaming.stitcher import StitchRulesOf
from pipeline.streaming.work import LandWork, StitchWork
from pipeline.warehouse.errors import WarehouseUnavailable
from tests.model import frames
from tests.model.broker import Consumer
from tests.model.hands import Hands, Owner, Surroundings
from tests.model.memory import Memory, Port, Questions
from tests.model.pure import Decoded, QuickLanding
from tests.model.warehouse import Reader

LAND_GROUP: Final = "model-land"
MOST_RECORDS: Final = 3


def stitch_group(rules_version: int) -> str:
    """Return the consumer group of the stitching workers of one rules_version."""
    return f"model-stitch-{rules_version}"


class Silent(Metrics):
    """Metrics that nobody reads."""

    def count(self, name: str, value: float = 1, **labels: str) -> None:
        """Do nothing."""

    def observe(self, name: str, value: float, **labels: str) -> None:
        """Do nothing."""

    def observe_all(self, name: str, values: Any, **labels: str) -> None:
        """Do nothing."""


_INSERTS: Final[dict[str, Callable[[pl.DataFrame], list[Any]]]] = {
    "insert_touchpoints": frames.touchpoint_rows,
    "insert_links": frames.link_rows,
    "insert_statements": frames.statement_rows,
    "insert_landed": frames.landed_rows,
    "insert_rejected": frames.rejected_rows,
    "insert_stitched": frames.stitched_rows,
    "insert_ledger": frames.ledger_rows,
}


def rows_of(method: str, arguments: tuple[Any, ...]) -> Any:
    """Return the rows of an INSERT; None for any other call."""
    reading = _INSERTS.get(method)
    return None if reading is None else reading(*arguments)


@dataclass
class Gear:
    """
    What workers are made with; a mutant changes some of it.

    Attributes:
        memory: Of the real code, in one world; every mutant has its own.
        decoded: The facts of the world's records.
        hands: How they touch the world.
        commits_first: Whether the loop commits before it does.
    """

    memory: Memory
    decoded: Decoded
    hands: type[Hands] = Hands
    commits_first: bool = False


class Place(Surroundings, Protocol):
    """What workers need of the simulation."""

    random: Random
    gear: Gear
    has_slow_lane: bool

    def rest(self, what: str, is_ready: Callable[[], bool]) -> None:
        """Wait for a turn that makes sense."""

    def commits_now(self) -> bool:
        """Say whether what is finished is committed now."""


class Worker:
    """The loop of a worker."""

    must_sweep = False

    def __init__(self, place: Place, group: str, owner: Owner) -> None:
        self.place = place
        self.owner = owner
        self.group = group
        self.work: LandWork | StitchWork
        self.consumer = Consumer(place.broker, group, owner.worker)

    def live(self) -> None:
        """Work until it crashes."""
        while True:
            self.place.rest("polls", lambda: self.must_sweep or self.consumer.has_news())
            if self.must_sweep:
                self.must_sweep = False
                self._until_done(self.work.sweep)
            chunks = self.consumer.poll(self.place.random, MOST_RECORDS)
            if chunks and self.place.gear.commits_first:
                self.consumer.finish(chunks)
                self._commit()
            if chunks:
                self._until_done(lambda chunks=chunks: self.work.run(chunks))  # type: ignore[misc]
                self.consumer.finish(chunks)
            if not chunks or self.place.commits_now():
                self._commit()

    def _commit(self) -> None:
        self.place.step("commits")
        self.consumer.commit()

    def live_slowly(self) -> None:
        """Work on what was left to the slow lane, which is another thread of the same worker."""
        waiting = self.place.deferred.setdefault(self.owner.worker, set())
        while True:
            self.place.rest("waits in the slow lane", lambda: bool(waiting))
            keys = pl.Series("ident_key", sorted(waiting), dtype=pl.Binary)
            waiting.clear()
            self._until_done(lambda keys=keys: self.slow_work(keys))  # type: ignore[misc]

    def slow_work(self, keys: pl.Series) -> None:
        """Do what was deferred."""

    def _until_done(self, work: Callable[[], object]) -> None:
        while True:
            try:
                work()
            except WarehouseUnavailable:
                self.place.step("tries again")
            else:
                return


class _Landing:
    """Lands with what its worker remembers; nothing is made ready ahead."""

    def __init__(self, land: Callable[[Sequence[Chunk]], Any]) -> None:
        self._land = land

    def prepare(self, chunks: Sequence[Chunk]) -> Any:
        """Leave it to `land`."""

    def land(self, chunks: Sequence[Chunk], prepared: Any = None) -> Any:  # noqa: ARG002  # of the protocol
        """Land a batch."""
        return self._land(chunks)


class LandWorker(Worker):
    """Lands: the real `LandWork` over the real `Landing` and `DirtyAnnouncer`."""

    def __init__(self, place: Place, owner: Owner, identity: IdentitySettings) -> None:
        super().__init__(place, LAND_GROUP, owner)
        self._identity = identity
        self.work = LandWork(lambda: _Landing(self._land), Silent(CollectorRegistry(), ()))

    def _land(self, chunks: Sequence[Chunk]) -> Any:
        start = tuple(
            (chunk.topic, chunk.partition, chunk.first_offset, chunk.last_offset, len(chunk.records))
            for chunk in chunks
        )
        hands = self.place.gear.hands(self.place, self.owner)
        return self.place.gear.memory.run(start, lambda questions: self._really(questions, chunks), hands.perform)

    def _really(self, questions: Questions, chunks: Sequence[Chunk]) -> Any:
        port = Port(questions)
        announcer = DirtyAnnouncer(cast(RecordWriter, port))
        return QuickLanding(cast(FactStore, port), announcer, self._identity, self.place.gear.decoded).land(chunks)


class _Sweeper:
    """The store of the sweep, which is asked outside of any batch."""

    def __init__(self, ask: Callable[[str, tuple[Any, ...]], tuple[Any, ...]]) -> None:
        self._ask = ask

    def stale_identifiers(self, limit: int, since: datetime | None = None) -> pl.Series:
        """Ask for stale identifiers."""
        answer = self._ask("stale_identifiers", (limit, frames.micros(since) if since else 0))
        return cast(pl.Series, frames.frame_of("stale_identifiers", answer))


class _Stitching(StitchWork):
    """The real work of a stitching worker; only the computing between two calls is remembered."""

    def __init__(self, place: Place, owner: Owner, rules: StitchRulesOf) -> None:
        self.place = place
        self.owner = owner
        sweeper = _Sweeper(lambda method, arguments: self._hands().perform(method, arguments))
        super().__init__(
            lambda: cast(StitchStore, sweeper),
            cast(Publisher, None),
            rules,
            owner.worker,
            Silent(CollectorRegistry(), ()),
        )

    def _hands(self) -> Hands:
        return self.place.gear.hands(self.place, self.owner)

    def _stitch(self, keys: pl.Series, defer: Callable[[pl.Series], None] | None = None) -> None:  # noqa: ARG002
        # No customer of a schedule is large: the slow lane is not played.
        start = (self._rules.stitching.rules_version, frozenset(keys.to_list()))
        self.place.gear.memory.run(start, lambda questions: self._really(keys, questions), self._hands().perform)

    def _really(self, keys: pl.Series, questions: Questions) -> object:
        port = Port(questions)
        dirty = keys.sort()
        return stitcher.stitch_batch(dirty, cast(StitchStore, port), cast(Publisher, port), self._rules, "worker")


class StitchWorker(Worker):
    """Stitches: the real `StitchWork` over the real `stitch_batch`."""

    def __init__(self, place: Place, owner: Owner, rules: StitchRulesOf) -> None:
        super().__init__(place, stitch_group(rules.stitching.rules_version), owner)
        self.work: _Stitching = _Stitching(place, owner, rules)

    def slow_work(self, keys: pl.Series) -> None:
        """Stitch large customers."""
        self.work._stitch(keys)


def reader_of(rules: StitchRulesOf) -> Reader:
    """Return how workers with these rules read."""
    return Reader(rules.stitching.rules_version, rules.stitching.sweep_margin // timedelta(microseconds=1))


TOPICS: Final = {"land": TOUCHPOINT_TOPICS, "stitch": (STITCH_DIRTY,)}

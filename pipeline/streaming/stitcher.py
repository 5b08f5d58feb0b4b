"""
STITCH: from dirty identifiers to the current rows of everybody they concern, in the order that makes it converge.

The version is registered before anything is read, whole blocks are read, one row per identifier is written, then the
changes are published; the caller commits last. Repeating a batch, or doing it twice at once, changes nothing but the
version. Nothing is caught here: trouble of the pipeline goes to the caller, which tries the same batch again.
"""

from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime
from time import perf_counter

import polars as pl

from pipeline.config import IdentitySettings, StitchingSettings
from pipeline.config_pain import PainPointSettings
from pipeline.identity.cluster import cluster
from pipeline.stitching.rules import StitchRules
from pipeline.stitching.stitch import stitch
from pipeline.streaming.beside import WriteBehind
from pipeline.streaming.changes import journey_changes
from pipeline.streaming.closure import Closure, close_blocks
from pipeline.streaming.grouping import Sizes, grouped, loads_of, without_large
from pipeline.streaming.ledger import ledger_entries
from pipeline.streaming.ports import Publisher
from pipeline.streaming.reading_ahead import read_ahead
from pipeline.streaming.stitch_port import StitchStore
from pipeline.warehouse.apart import FactsApart

# Blocks are found around this many dirty identifiers at a time, which bounds the memory of it, however many are dirty.
_SLICE_IDENTIFIERS = 60_000
# So many times as many they reach. What is left is one slice where it is likely to reach no more.
_REACH = 4


@dataclass(frozen=True)
class StitchRulesOf:
    """
    All rules that results depend on.

    Attributes:
        identity: Caps.
        stitching: Gaps and the version of the rules.
        pain_points: Thresholds.
    """

    identity: IdentitySettings
    stitching: StitchingSettings
    pain_points: PainPointSettings


@dataclass(frozen=True)
class StitchOutcome:
    """
    What one batch did.

    Attributes:
        version: The registered version of its last snapshot.
        identifiers: Rows written.
        facts: Touchpoints read.
        published: Journeys published, tombstones included.
        seconds: Time by part: closure, read, compute, ledger, publish, write. Of what is done beside others, the time
            that it was waited for.
    """

    version: datetime
    identifiers: int
    facts: int
    published: int
    seconds: dict[str, float]


def stitch_batch(
    dirty: pl.Series,
    store: StitchStore,
    publisher: Publisher,
    rules: StitchRulesOf,
    worker: str,
    defer: Callable[[pl.Series], None] | None = None,
) -> StitchOutcome:
    """
    Make the rows of all blocks around dirty identifiers anew.

    Args:
        dirty: 16-byte keys; may repeat.
        store: Where to read and write.
        publisher: Takes the journeys that changed.
        rules: Everything the results depend on.
        worker: Name of this worker, for the register of versions.
        defer: Takes the dirty identifiers of large customers, whose rows are then left as they are: they stay older
            than their facts, so the sweep knows of them whatever becomes of who took them. None: all are made anew.

    Returns:
        Counts and times.

    Raises:
        WarehouseUnavailable: Nothing of this batch may be committed; do it again.
        WarehouseRefused: As above, but a person has to look.
    """
    clock = _Stopwatch()
    with WriteBehind() as writes:
        batch = _Batch(store, publisher, rules, defer, clock, writes)
        version = batch.stitch(dirty.unique(maintain_order=True), worker)
    return StitchOutcome(version, batch.identifiers, batch.facts, batch.published, clock.seconds)


class _Batch:
    """
    Stitches the dirty identifiers of a batch, slice after slice, and counts.

    Every slice has a version and a snapshot of its own, so it is a batch like any other; but the whole blocks of one
    hold many of the dirty identifiers of the next ones, and those need not be done again.
    """

    def __init__(
        self,
        store: StitchStore,
        publisher: Publisher,
        rules: StitchRulesOf,
        defer: Callable[[pl.Series], None] | None,
        clock: "_Stopwatch",
        writes: WriteBehind,
    ) -> None:
        self._store, self._publisher, self._rules, self._defer = store, publisher, rules, defer
        self._clock, self._writes = clock, writes
        self._sizes = Sizes()
        # Hashes of everybody who was in a slice, for the rows of the last ones may not be written yet.
        self._met = pl.Series(dtype=pl.UInt64)
        self.identifiers = self.facts = self.published = 0

    def stitch(self, left: pl.Series, worker: str) -> datetime:
        """
        Make the rows of all blocks around dirty identifiers anew.

        Args:
            left: The dirty identifiers: 16-byte keys, distinct.
            worker: Name of this worker, for the register of versions.

        Returns:
            The version of the last slice.
        """
        versions: list[datetime] = []
        reads = self._loads(left, worker, versions)
        with closing(read_ahead(reads, lambda load: load.identities.height if load else 0)) as loads:
            for load in loads:
                if load is None:
                    continue
                self._clock.lap("read", "closure", load.closing)
                for group in load.groups():
                    self._write(group, load.blocks, load.version)
        return versions[-1]

    def _loads(self, left: pl.Series, worker: str, versions: list[datetime]) -> Iterator["_Load | None"]:
        """
        Read load after load, slice after slice: the blocks of a slice are found while the last load of another is made.

        What a slice settles is taken off those that follow: its rows are being written (or deferred), and nobody else
        has to learn of it. Whoever crossed a cap is not settled: his neighbours hear of it only if he is dirty.
        """
        size = _SLICE_IDENTIFIERS
        while True:
            dirty = left.head(size)
            began = perf_counter()
            version = self._store.register_version(worker)
            versions.append(version)
            blocks = close_blocks(dirty, self._store, self._rules.identity)
            identities = cluster(blocks.identifiers, blocks.links, blocks.statements.aliases, blocks.statements.unlinks)
            took = perf_counter() - began
            self.identifiers += identities.height
            if self._is_back(identities["ident_key"]):
                # What he was is what an earlier slice writes. After this nothing the caller himself reads on, when he
                # has made all that came before.
                yield None
                self._writes.wait()
            for whole in loads_of(identities, dirty, blocks.hubs, self._sizes):
                yield self._read(whole, dirty, blocks, version, took)
                took = 0.0
            settled = _without(identities["ident_key"], blocks.crossed["ident_key"])
            after = _without(left.slice(size), settled)
            if after.is_empty():
                break
            size, left = _slice_of(after, identities.height / (len(left) - len(after))), after

    def _is_back(self, keys: pl.Series) -> bool:
        """Tell whether somebody may have been in a slice before, as happens where what links them landed since."""
        hashes = keys.hash()
        is_back = bool(hashes.is_in(self._met.implode()).any())
        self._met = pl.concat([self._met, hashes])
        return is_back

    def _read(
        self, whole: pl.DataFrame, dirty: pl.Series, blocks: Closure, version: datetime, closing: float
    ) -> "_Load":
        before = self._store.journeys(whole["ident_key"])
        large = self._rules.stitching.large_customer
        kept = without_large(whole, before, dirty, large, self._defer) if self._defer else whole
        load = grouped(kept, self._sizes.group)
        facts = self._store.facts_apart(load.select("ident_key", "group"))
        if not load.is_empty():
            self._sizes.learn(load.height, facts.height)
        return _Load(load, before, facts, blocks, version, closing)

    def _write(self, read: "_Group", blocks: Closure, version: datetime) -> None:
        rules, store, clock = self._rules, self._store, self._clock
        stitch_rules = StitchRules.from_settings(rules.stitching, rules.pain_points)
        rows = stitch(read.facts, read.identities, stitch_rules).with_columns(
            version=pl.lit(version, pl.Datetime("us", "UTC")),
            rules_version=pl.lit(rules.stitching.rules_version, pl.UInt32),
        )
        clock.lap("compute")
        entries = ledger_entries(read.before, rows, read.facts, blocks, store, rules.identity)
        clock.lap("ledger")
        changes = journey_changes(read.before, rows)
        clock.lap("publish")
        self._writes.write(lambda: self._insert(entries, rows, changes), rows.height)
        clock.lap("write")
        self.facts += read.facts.height
        self.published += changes.height

    def _insert(self, entries: pl.DataFrame, rows: pl.DataFrame, changes: pl.DataFrame) -> None:
        # Before the rows: a batch that dies in between is done again and finds the same change.
        self._store.insert_ledger(entries)
        self._store.insert_stitched(rows)
        self._publisher.publish(changes)


def _slice_of(left: pl.Series, reached_by_each: float) -> int:
    """Return how many make the next slice, when each that was taken off by the last one reached so many."""
    is_little = len(left) * reached_by_each <= _REACH * _SLICE_IDENTIFIERS
    return len(left) if is_little else _SLICE_IDENTIFIERS


def _without(keys: pl.Series, settled: pl.Series) -> pl.Series:
    """Return the keys that are not settled, in their order."""
    frame = keys.rename("ident_key").to_frame()
    return frame.join(settled.rename("ident_key").to_frame(), on="ident_key", how="anti", maintain_order="left")[
        "ident_key"
    ]


@dataclass(frozen=True, slots=True)
class _Group:
    """What was read of a group of customers: themselves, their journeys before, their facts."""

    identities: pl.DataFrame
    before: pl.DataFrame
    facts: pl.DataFrame


@dataclass(frozen=True, slots=True)
class _Load:
    """
    What was read of customers of a slice: themselves with their `group`, their journeys before, their facts by group.

    `closing` are the seconds in which the slice's blocks were found, with its first load.
    """

    identities: pl.DataFrame
    before: pl.DataFrame
    facts: FactsApart
    blocks: Closure
    version: datetime
    closing: float

    def groups(self) -> Iterator[_Group]:
        """Hand out the groups in the order of writing; each once."""
        for number, identities in enumerate(self.identities.partition_by("group", include_key=False)):
            before = self.before.join(identities.select("ident_key"), on="ident_key", how="semi")
            yield _Group(identities, before, self.facts.take(number))


class _Stopwatch:
    """Adds up the seconds spent in each part."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self._since = perf_counter()

    def lap(self, part: str, before_it: str = "", took: float = 0.0) -> None:
        """End a part, before which another may have been waited for, that took so long."""
        now = perf_counter()
        waited = now - self._since
        self._since = now
        if took:
            self._add(before_it, min(took, waited))
        self._add(part, max(0.0, waited - took))

    def _add(self, part: str, seconds: float) -> None:
        self.seconds[part] = self.seconds.get(part, 0.0) + seconds

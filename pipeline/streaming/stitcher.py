"""
STITCH: from dirty identifiers to the current rows of everybody they concern, in the order that makes it converge.

The version is registered before anything is read, whole blocks are read, one row per identifier is written, then the
changes are published; the caller commits last. Repeating a batch, or doing it twice at once, changes nothing but the
version. Nothing is caught here: trouble of the pipeline goes to the caller, which tries the same batch again.
"""

from collections.abc import Callable, Iterator
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
        seconds: Time by part: closure, read, compute, write, publish.
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
    left = dirty.unique(maintain_order=True)
    with WriteBehind() as writes:
        batch = _Batch(store, publisher, rules, defer, clock, writes)
        while True:
            version = store.register_version(worker)
            settled = batch.stitch(left.head(_SLICE_IDENTIFIERS), version)
            left = _without(left.slice(_SLICE_IDENTIFIERS), settled)
            if left.is_empty():
                break
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
        self.identifiers = self.facts = self.published = 0

    def stitch(self, dirty: pl.Series, version: datetime) -> pl.Series:
        """
        Make the rows of all blocks around dirty identifiers anew.

        Args:
            dirty: 16-byte keys, distinct.
            version: Registered before this call.

        Returns:
            Identifiers whose announcement is settled by it: their rows are being written (or deferred), and nobody
            else has to learn of them. Whoever crossed a cap is not among them: his neighbours hear of it only if he is
            dirty.
        """
        blocks = close_blocks(dirty, self._store, self._rules.identity)
        identities = cluster(blocks.identifiers, blocks.links, blocks.statements.aliases, blocks.statements.unlinks)
        # Who was in the slice before may be here again, with what links them landed since: then what they were is what
        # that slice wrote.
        self._writes.wait()
        self._clock.lap("closure")
        loads = loads_of(identities, dirty, blocks.hubs, self._sizes)
        for load in read_ahead(loads, lambda whole: self._read(whole, dirty), lambda whole: whole.height):
            self._clock.lap("read")
            for group in load.groups():
                self._write(group, blocks, version)
        self.identifiers += identities.height
        return _without(identities["ident_key"], blocks.crossed["ident_key"])

    def _read(self, whole: pl.DataFrame, dirty: pl.Series) -> "_Load":
        before = self._store.journeys(whole["ident_key"])
        large = self._rules.stitching.large_customer
        kept = without_large(whole, before, dirty, large, self._defer) if self._defer else whole
        load = grouped(kept, self._sizes.group)
        facts = self._store.facts_apart(load.select("ident_key", "group"))
        if not load.is_empty():
            self._sizes.learn(load.height, facts.height)
        return _Load(load, before, facts)

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
    """What was read of customers: themselves with their `group`, their journeys before, their facts by group."""

    identities: pl.DataFrame
    before: pl.DataFrame
    facts: FactsApart

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

    def lap(self, part: str) -> None:
        now = perf_counter()
        self.seconds[part] = self.seconds.get(part, 0.0) + now - self._since
        self._since = now

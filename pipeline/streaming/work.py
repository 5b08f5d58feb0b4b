"""
What the workers do with a batch: land it, or stitch the identifiers that it names.

Here the protocols (landing, stitcher) meet the warehouse, Kafka and the metrics. Connections are opened by the first
batch, in the work thread, so that a warehouse that is away at the start is waited for like any other outage.
"""

import logging
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Protocol

import numpy as np
import numpy.typing as npt
import polars as pl
import pyarrow as pa

from pipeline.contracts.updates import KEY_BYTES, Dirty, decode_dirty
from pipeline.observability.metrics import Metrics
from pipeline.streaming.landing.prepared import Prepared
from pipeline.streaming.making import Making, must_rest
from pipeline.streaming.ports import Publisher
from pipeline.streaming.records import Chunk
from pipeline.streaming.slow_lane import SlowLane
from pipeline.streaming.stitch_port import StitchStore
from pipeline.streaming.stitcher import StitchOutcome, StitchRulesOf, stitch_batch
from pipeline.warehouse.rules import Progress, State

logger = logging.getLogger(__name__)

# A sweep looks at everything at the start and every so many times; in between only at what landed since the last one.
FULL_SWEEP_EVERY = 10
# Announced batches wait no longer than it takes to stitch so many.
SWEPT_AT_ONCE = 400_000
# Clocks of the worker and the warehouse may differ by this much.
CLOCK_SLACK = timedelta(minutes=10)


class LandReport(Protocol):
    """What the metrics need to know of a landed batch."""

    @property
    def stored(self) -> int:
        """Events that are now in the warehouse."""

    @property
    def reasons(self) -> Mapping[str, int]:
        """Rejected records by reason."""

    @property
    def received_at_ms(self) -> pl.Series:
        """Receipt of each stored event, in epoch milliseconds."""

    @property
    def seconds(self) -> Mapping[str, float]:
        """Time by part."""

    @property
    def announced(self) -> int:
        """Identifiers announced to the stitching workers."""


class Lands(Protocol):
    """Lands batches; see `pipeline.streaming.landing`."""

    def prepare(self, chunks: Sequence[Chunk]) -> Prepared:
        """Make the facts of a batch, which touches nothing outside; may be called while another batch is landed."""

    def land(self, chunks: Sequence[Chunk], prepared: Prepared | None = None) -> LandReport:
        """Land a batch, with its facts where they are made already."""


class LandWork:
    """Lands chunks of touchpoint topics; the `BatchWork` of a landing worker."""

    name = "land"

    def __init__(self, open_landing: Callable[[], Lands], metrics: Metrics) -> None:
        self._open_landing = open_landing
        self._landing: Lands | None = None
        self._metrics = metrics

    def size(self, chunk: Chunk) -> int:
        """Return the number of records."""
        return len(chunk.records)

    def age(self, chunk: Chunk) -> timedelta:
        """Return how long ago the newest record of the chunk was written to its topic."""
        written_ms = chunk.records[-1].timestamp if chunk.records else -1
        return timedelta(0) if written_ms < 0 else _age(written_ms)

    def is_last(self, chunk: Chunk) -> bool:  # noqa: ARG002  # of the protocol
        """Return False: a producer does not say whether it has more."""
        return False

    def run(self, chunks: Sequence[Chunk]) -> None:
        """Land a batch; it is then in the warehouse and announced."""
        self._run(chunks, None, 0.0)

    def prepare(self, chunks: Sequence[Chunk]) -> Callable[[], None]:
        """Make the facts of a batch while another is landed; return what lands it."""
        if self._landing is None:
            return lambda: self.run(chunks)
        began = time.perf_counter()
        prepared = self._landing.prepare(chunks)
        took = time.perf_counter() - began
        return lambda: self._run(chunks, prepared, took)

    def sweep(self) -> bool:
        """Do nothing: whoever lands has nothing to look for."""
        return False

    def _run(self, chunks: Sequence[Chunk], prepared: Prepared | None, took_ahead: float) -> None:
        if self._landing is None:
            self._landing = self._open_landing()
        began = time.perf_counter()
        report = self._landing.land(chunks) if prepared is None else self._landing.land(chunks, prepared)
        self._tell(chunks, report, took_ahead + time.perf_counter() - began)

    def _tell(self, chunks: Sequence[Chunk], report: LandReport, seconds: float) -> None:
        metrics = self._metrics
        ages_s = _ages_s(report.received_at_ms.cast(pl.Float64).to_numpy())
        records = sum(len(chunk.records) for chunk in chunks)
        metrics.count("throughline_events_total", records, stage="land", outcome="received")
        metrics.count("throughline_events_total", report.stored, stage="land", outcome="stored")
        metrics.count("throughline_events_total", sum(report.reasons.values()), stage="land", outcome="rejected")
        for reason, count in report.reasons.items():
            metrics.count("throughline_rejected_total", count, reason=reason)
        for chunk in chunks:
            if chunk.lost:
                metrics.count("throughline_lost_records_total", chunk.lost, topic=chunk.topic)
        metrics.observe_all("throughline_freshness_seconds", ages_s, stage="land")
        metrics.count("throughline_announced_keys_total", report.announced)
        metrics.observe("throughline_batch_size", records, stage="land")
        metrics.observe("throughline_stage_seconds", seconds, stage="land", part="batch")
        for part, taken in report.seconds.items():
            metrics.observe("throughline_stage_seconds", taken, stage="land", part=part)


class StitchWork:
    """Stitches the identifiers that chunks of `stitch.dirty` name; the `BatchWork` of a stitching worker."""

    name = "stitch"

    def __init__(
        self,
        open_store: Callable[[], StitchStore],
        publisher: Publisher,
        rules: StitchRulesOf,
        worker: str,
        metrics: Metrics,
        open_making: Callable[[Callable[[pl.Series], object]], Making] | None = None,
    ) -> None:
        self._open_making = open_making
        self._making: Making | None = None
        self._is_dropped = False
        self._open_store = open_store
        self._store: StitchStore | None = None
        self._publisher = publisher
        self._rules = rules
        self._worker = worker
        self._metrics = metrics
        self._slow_lane: SlowLane | None = None
        self._sweeps = 0
        self._swept_to: datetime | None = None

    def size(self, chunk: Chunk) -> int:
        """Return how many identifiers the chunk names, more or less."""
        return sum([len(record.value or b"") for record in chunk.records]) // KEY_BYTES

    def age(self, chunk: Chunk) -> timedelta:
        """Return how long ago the events were received that the newest announcement of the chunk tells of."""
        received_ms = _newest(chunk).received_at_ms
        return timedelta(0) if received_ms is None else _age(received_ms)

    def is_last(self, chunk: Chunk) -> bool:
        """Tell whether nothing more waited to be landed when the newest announcement of the chunk was made."""
        return _newest(chunk).more_waits is False

    def run(self, chunks: Sequence[Chunk]) -> None:
        """Stitch everybody whom the batch names; but for large customers, their rows are then in and published."""
        announced = announcements(chunks)
        keys = dirty_keys(announced)
        for chunk in chunks:
            if chunk.lost:
                self._metrics.count("throughline_lost_records_total", chunk.lost, topic=chunk.topic)
        if len(keys) and not self._is_dropped:
            self._stitch(keys, self._defer)
        received_ms = [dirty.received_at_ms for dirty in announced if dirty.received_at_ms is not None]
        ages_s = _ages_s(np.array(received_ms, dtype=np.float64))
        self._metrics.observe_all("throughline_freshness_seconds", ages_s, stage="stitch")

    def sweep(self) -> bool:
        """Find identifiers whose announcement was lost and stitch them; True if there may be more."""
        progress = self._make()
        if progress is not None and not progress.state.is_whole:
            return not self._is_dropped and not must_rest(progress)
        limit, began = min(SWEPT_AT_ONCE, self._rules.stitching.max_batch_keys), datetime.now(UTC)
        is_full = self._swept_to is None or self._sweeps % FULL_SWEEP_EVERY == 0
        found = self._opened().stale_identifiers(limit, None if is_full else self._swept_to)
        self._metrics.count("throughline_sweeps_total")
        if len(found):
            self._metrics.count("throughline_sweep_finds_total", len(found))
            logger.info("sweep: %s identifiers have facts newer than their row; stitching them", len(found))
            self._stitch(found)
        if len(found) >= limit:
            return True
        self._sweeps += 1
        self._swept_to = began - 2 * self._rules.stitching.sweep_margin - CLOCK_SLACK
        return False

    def _make(self) -> Progress | None:
        """Make a range of the results that this version does not have yet, where another worker or none does."""
        if self._open_making is None:
            return None
        if self._making is None:
            self._making = self._open_making(self._stitch)
        progress = self._making.step()
        if progress.state is State.DROPPED and not self._is_dropped:
            self._is_dropped = True
            logger.error(
                "rules version %s was dropped; this worker only reads on: stop it", self._rules.stitching.rules_version
            )
        return progress

    def _opened(self) -> StitchStore:
        if self._store is None:
            self._store = self._open_store()
        return self._store

    def _defer(self, keys: pl.Series) -> None:
        """Leave large customers to the slow lane, which has a connection of its own."""
        if self._slow_lane is None:
            store = self._open_store()
            self._slow_lane = SlowLane(lambda dirty: self._stitch_with(store, dirty, None))
        self._metrics.count("throughline_deferred_keys_total", len(keys))
        self._slow_lane.add(keys)

    def _stitch(self, keys: pl.Series, defer: Callable[[pl.Series], None] | None = None) -> None:
        self._stitch_with(self._opened(), keys, defer)

    def _stitch_with(self, store: StitchStore, keys: pl.Series, defer: Callable[[pl.Series], None] | None) -> None:
        began = time.perf_counter()
        outcome = stitch_batch(keys, store, self._publisher, self._rules, self._worker, defer)
        self._tell(len(keys), outcome, time.perf_counter() - began)

    def _tell(self, keys: int, outcome: StitchOutcome, seconds: float) -> None:
        metrics = self._metrics
        metrics.count("throughline_events_total", outcome.facts, stage="stitch", outcome="received")
        metrics.count("throughline_events_total", outcome.facts, stage="stitch", outcome="stored")
        metrics.count("throughline_journeys_published_total", outcome.published)
        metrics.observe("throughline_batch_size", keys, stage="stitch")
        metrics.observe("throughline_stage_seconds", seconds, stage="stitch", part="batch")
        for part, taken in outcome.seconds.items():
            metrics.observe("throughline_stage_seconds", taken, stage="stitch", part=part)
        if "write" in outcome.seconds:
            metrics.observe("throughline_warehouse_insert_seconds", outcome.seconds["write"], table="stitched")


def _age(at_ms: int) -> timedelta:
    """Return how long ago something happened; zero where the clock that dated it is ahead of ours."""
    return timedelta(seconds=max(0.0, time.time() - at_ms / 1000))


def _ages_s(received_ms: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Return how long ago records were received; 0 where a producer's clock, ahead of ours, dated the receipt."""
    return np.maximum(time.time() - received_ms / 1000, 0.0)


def _newest(chunk: Chunk) -> Dirty:
    """Return the newest announcement of a chunk; one that says nothing where there is none or it is not ours."""
    try:
        return decode_dirty(chunk.records[-1].value or b"") if chunk.records else Dirty(b"")
    except ValueError:
        # `announcements` says so.
        return Dirty(b"")


def announcements(chunks: Sequence[Chunk]) -> list[Dirty]:
    """
    Read what chunks of `stitch.dirty` announce.

    A record that is not ours is left out and logged: only workers write that topic, and the sweep finds what it named.
    """
    found = []
    for chunk in chunks:
        for record in chunk.records:
            try:
                found.append(decode_dirty(record.value or b""))
            except ValueError as error:
                logger.warning("%s/%s offset %s: left out, %s", chunk.topic, chunk.partition, record.offset, error)
    return found


def dirty_keys(announced: Iterable[Dirty]) -> pl.Series:
    """Return the distinct identifiers that announcements name."""
    packed = b"".join(dirty.keys for dirty in announced)
    size = pa.binary(KEY_BYTES)
    keys = pa.FixedSizeBinaryArray.from_buffers(size, len(packed) // KEY_BYTES, [None, pa.py_buffer(packed)])
    return pl.Series("ident_key", keys, dtype=pl.Binary).unique(maintain_order=True)

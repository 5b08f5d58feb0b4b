"""
LAND: from chunks of records to facts in the warehouse and announced identifiers, in the order that makes it converge.

The order, never another: a stamp; facts (touchpoints, links, statements, rejected records); a second stamp, by which
all of them are in; the landed ranges; the announcement. The caller commits offsets last. Nothing is caught but the
warehouse's refusal of rows: trouble of the pipeline goes to the caller, which lands the same batch again, and the same
batch landed again is the same facts.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

import polars as pl

from pipeline.config import IdentitySettings
from pipeline.identity.keys import KeyRing
from pipeline.streaming.decode.confluent import Opened
from pipeline.streaming.decode.values import Rejection, ValueDecoder
from pipeline.streaming.decode.verdicts import judge
from pipeline.streaming.landing.batch import Batch
from pipeline.streaming.landing.facts import Facts, make_facts
from pipeline.streaming.landing.parking import ParkingLot, judged_frames
from pipeline.streaming.landing.prepared import Prepared, Stopwatch
from pipeline.streaming.landing.rejected import landed_rows, rejected_rows
from pipeline.streaming.landing.writing import write_facts, write_rejected
from pipeline.streaming.ports import Announcer, FactStore
from pipeline.streaming.records import Chunk


@dataclass(frozen=True, slots=True)
class Origin:
    """
    Where records come from.

    Attributes:
        log_id: Incarnation of the Kafka log; offsets count within one.
        max_record_bytes: Longer values are rejected unread.
    """

    log_id: str
    max_record_bytes: int


@dataclass(frozen=True, slots=True)
class LandOutcome:
    """
    What one batch did.

    Attributes:
        records: Records in it.
        stored: Records that became touchpoints (a duplicate counts again).
        rejected: The others.
        reasons: The others by reason.
        lost: Offsets that the broker dropped before they were read.
        received_at_ms: When the stored ones were received, epoch milliseconds.
        seconds: Time by part: decode, facts, insert, complete, announce.
        announced: Identifiers announced, once under each subject.
    """

    records: int
    stored: int
    rejected: int
    reasons: dict[str, int]
    lost: int
    received_at_ms: pl.Series
    seconds: dict[str, float]
    announced: int = 0


class Landing:
    """
    Lands batches one after the other; the next may be made ready in another thread meanwhile.

    Args:
        store: Where facts go.
        announcer: Who is told.
        identity: How identifiers are normalised and hashed.
        origin: Where records come from.
        lot: Opens the frames of a schema registry and parks what it cannot resolve; None where there is no registry.
    """

    def __init__(
        self,
        store: FactStore,
        announcer: Announcer,
        identity: IdentitySettings,
        origin: Origin,
        lot: ParkingLot | None = None,
    ) -> None:
        self._store = store
        self._announcer = announcer
        self._origin = origin
        self._keyring = KeyRing(identity)
        self._lot = lot
        self._decoder = (
            ValueDecoder(origin.max_record_bytes)
            if lot is None
            else ValueDecoder(origin.max_record_bytes, lot.frames.schema_of)
        )

    def prepare(self, chunks: Sequence[Chunk]) -> Prepared:
        """Make the facts of a batch; the warehouse and Kafka are not spoken to."""
        watch = Stopwatch()
        batch = Batch.of(chunks)
        opened = None if self._lot is None else self._lot.frames.open(batch.values)
        facts, rejections = self._facts_of(batch, opened, watch)
        return Prepared(batch, opened, facts, rejections, watch.seconds)

    def land(self, chunks: Sequence[Chunk], prepared: Prepared | None = None) -> LandOutcome:
        """
        Land chunks of any topics and partitions as one batch.

        Args:
            chunks: What was read; their offsets may be committed when this returns.
            prepared: What `prepare` made of them, where they were made ready.

        Returns:
            Counts and times.

        Raises:
            WarehouseUnavailable: Nothing of this batch may be committed; land it again.
            WarehouseRefused: As above: the warehouse takes nothing at all, so a person has to look.
            Exception: Whatever the announcer raised; land it again.
        """
        ready = self.prepare(chunks) if prepared is None else prepared
        batch, opened, facts, rejections = ready.batch, ready.opened, ready.facts, ready.rejections
        watch = Stopwatch(ready.seconds)
        landed_at = self._store.landing_stamp()
        if facts is not None:
            refused = write_facts(self._store, facts, landed_at)
            rejections = [*rejections, *refused]
        write_rejected(self._store, rejected_rows(batch, rejections, self._origin.log_id, landed_at))
        if self._lot is not None and opened is not None:
            self._lot.park(batch, opened.unresolved, self._origin.log_id)
        watch.lap("insert")
        completed_at = self._store.landing_stamp()
        self._store.insert_landed(landed_rows(batch, rejections, self._origin.log_id, (landed_at, completed_at)))
        watch.lap("complete")
        announced = pl.DataFrame() if facts is None else facts.announcements()
        if facts is not None:
            self._announcer.announce(announced, int(facts.touchpoints["received_at"].dt.epoch("ms").to_numpy().min()))
        watch.lap("announce")
        return replace(_outcome(batch, facts, rejections, watch.seconds), announced=announced.height)

    def _facts_of(self, batch: Batch, opened: Opened | None, watch: Stopwatch) -> tuple[Facts | None, list[Rejection]]:
        """Return the facts of a batch (None: nothing in it is an event) and what was rejected."""
        decoded = self._decoder.decode(batch.values if opened is None else opened.values)
        if opened is not None:
            decoded = replace(decoded, rejections=judged_frames(decoded.rejections, opened))
        if not decoded.families:
            return None, decoded.rejections
        judged = judge(decoded, batch.places)
        watch.lap("decode")
        facts, nameless = make_facts(judged, self._keyring)
        rejections = [*judged.rejections, *nameless]
        if facts is None:
            return None, rejections
        placed = facts.touchpoints.with_columns(
            *batch.coordinates[facts.touchpoints["row"]], log_id=pl.lit(self._origin.log_id)
        )
        watch.lap("facts")
        return replace(facts, touchpoints=placed), rejections


def _outcome(
    batch: Batch, facts: Facts | None, rejections: Sequence[Rejection], seconds: dict[str, float]
) -> LandOutcome:
    refused = [rejection.row for rejection in rejections]
    received = pl.Series("received_at", [], dtype=pl.Int64)
    if facts is not None:
        landed = facts.touchpoints.filter(~pl.col("row").is_in(refused)) if refused else facts.touchpoints
        received = landed["received_at"].dt.epoch("ms")
    return LandOutcome(
        records=len(batch.values),
        stored=received.len(),
        rejected=len(rejections),
        reasons=dict(Counter(rejection.problem.reason.value for rejection in rejections)),
        lost=sum(chunk.lost for chunk in batch.chunks),
        received_at_ms=received,
        seconds=seconds,
    )

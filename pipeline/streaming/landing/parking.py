"""
Records that wait for the registry: set aside while their neighbours land, tried again until it answers.

The rule it owns: what cannot be resolved is neither landed nor rejected, and never lost: it is kept with its
coordinates before its offset counts as done. When its schema is known it goes through landing as if it were read just
then, at its own coordinates and with its own time.
"""

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from pipeline.streaming.decode.confluent import ConfluentFrames, Opened
from pipeline.streaming.decode.values import Rejection
from pipeline.streaming.landing.batch import Batch
from pipeline.streaming.records import Chunk
from pipeline.warehouse.parking import ParkedRecord, Parking

MOST_AT_ONCE = 10_000


class Lands(Protocol):
    """Whatever lands chunks of one log."""

    def land(self, chunks: Sequence[Chunk]) -> object:
        """Land chunks; see `Landing.land`."""


@dataclass(frozen=True, slots=True)
class ParkingLot:
    """
    What a landing needs where there is a registry.

    Attributes:
        frames: Opens its frames.
        parking: Keeps what cannot be resolved.
    """

    frames: ConfluentFrames
    parking: Parking

    def park(self, batch: Batch, unresolved: Mapping[int, str], log_id: str) -> None:
        """Keep the records of these rows; to be called before their offsets count as landed."""
        if not unresolved:
            return
        places = batch.coordinates[list(unresolved)].iter_rows()
        records = [_parked(batch, row, log_id, place) for row, place in zip(unresolved, places, strict=True)]
        self.parking.park(records, list(unresolved.values()))


def judged_frames(rejections: Sequence[Rejection], opened: Opened) -> list[Rejection]:
    """Return what the decoder rejected, less what waits, and with the registry's words where it knows better."""
    return [
        replace(rejection, problem=opened.foreign.get(rejection.row, rejection.problem))
        for rejection in rejections
        if rejection.row not in opened.unresolved
    ]


def retry_parked(lot: ParkingLot, landing_of: Callable[[str], Lands]) -> int:
    """
    Land those parked records whose schema is known by now.

    Args:
        lot: Where they are.
        landing_of: Returns the landing for records of a log.

    Returns:
        How many still wait.

    Raises:
        WarehouseUnavailable: Try again later; nothing is lost.
    """
    waiting = lot.parking.waiting(MOST_AT_ONCE)
    if not waiting:
        return 0
    unresolved = lot.frames.open([record.value for record in waiting]).unresolved
    ready: defaultdict[str, list[ParkedRecord]] = defaultdict(list)
    for row, record in enumerate(waiting):
        if row not in unresolved:
            ready[record.log_id].append(record)
    for log_id, records in ready.items():
        landing_of(log_id).land(
            [Chunk(record.topic, record.partition, record.offset, record.offset, [record]) for record in records]
        )
        lot.parking.release(records)
    if unresolved and len(waiting) == MOST_AT_ONCE:
        # Those behind them have their turn next time.
        lot.parking.park([waiting[row] for row in unresolved], list(unresolved.values()))
    return len(unresolved)


def _parked(batch: Batch, row: int, log_id: str, place: tuple[str, int, int]) -> ParkedRecord:
    record = batch.records[row]
    topic, partition, offset = place
    return ParkedRecord(log_id, topic, partition, offset, record.timestamp, record.key, record.value or b"")

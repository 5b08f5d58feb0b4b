"""The real LAND and STITCH over the warehouse in memory, in the hands of a test that deals out the work."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

import polars as pl

from pipeline.config import IdentitySettings, StitchingSettings
from pipeline.config_pain import PainPointSettings
from pipeline.contracts.touchpoint import encode_touchpoint, parse_touchpoint
from pipeline.stitching.frames import STITCHED_SCHEMA
from pipeline.streaming.landing import Landing, Origin
from pipeline.streaming.records import Chunk
from pipeline.streaming.stitcher import StitchRulesOf, stitch_batch
from tests.convergence.inprocess import MAX_RECORD_BYTES, Stored
from tests.properties.store import MemoryWarehouse

EPOCH_NAIVE = datetime(1970, 1, 1)  # noqa: DTZ001 - frames give times without their zone
Result = dict[bytes, dict[str, Any]]
# The sentence is prose, and versions are of the run; everything else is judged.
NOT_JUDGED = frozenset({"pain_detail"})


class Workers:
    """
    One landing and many stitching workers.

    Args:
        identity: How identifiers are spelled, hashed and capped.
    """

    def __init__(self, identity: IdentitySettings) -> None:
        self.warehouse = MemoryWarehouse()
        self.rules = StitchRulesOf(identity, StitchingSettings(), PainPointSettings())
        self.dirty: list[bytes] = []
        self._landing = Landing(self.warehouse, self, identity, Origin("log", MAX_RECORD_BYTES))
        self._offset = 0
        self._unwritten: list[pl.DataFrame] = []

    def land(self, events: Sequence[Mapping[str, Any]]) -> None:
        """Land touchpoints as one batch; those that name nobody are refused as everywhere."""
        by_topic: dict[str, list[bytes]] = {}
        for touchpoint in events:
            event = parse_touchpoint(touchpoint)
            assert isinstance(event, dict), event
            encoded = encode_touchpoint(event)
            by_topic.setdefault(encoded.topic, []).append(encoded.value)
        chunks = []
        for topic, values in by_topic.items():
            records = [Stored(self._offset + place, value) for place, value in enumerate(values)]
            chunks.append(Chunk(topic, 0, records[0].offset, records[-1].offset, records))
            self._offset += len(records)
        self._landing.land(chunks)

    def stitch(self, keys: Sequence[bytes], *, is_slow: bool = False) -> None:
        """Let a worker stitch; a slow one writes only when `catch_up` lets it."""
        store = _Slow(self.warehouse, self._unwritten) if is_slow else self.warehouse
        stitch_batch(pl.Series("ident_key", keys, pl.Binary), store, self, self.rules, "worker")

    def catch_up(self) -> None:
        """Let the slow workers write what they had read long ago."""
        while self._unwritten:
            self.warehouse.insert_stitched(self._unwritten.pop())

    def finish(self) -> None:
        """Stitch what is announced, let everybody write, and sweep until nothing is stale, as `wait` does."""
        self.stitch(self.dirty)
        self.dirty.clear()
        self.catch_up()
        while not (stale := self.warehouse.stale_identifiers(1000)).is_empty():
            self.stitch(stale.to_list())

    def results(self) -> Result:
        """Return the columns of every winning row by identifier, times in milliseconds."""
        names = [name for name in STITCHED_SCHEMA if name not in NOT_JUDGED]
        return {key: {name: _plain(row[name]) for name in names} for key, row in self.warehouse.winners.items()}

    def announce(self, keys: pl.DataFrame, received_at_ms: int | None) -> None:  # noqa: ARG002 - of the protocol
        """Remember what LAND announces."""
        self.dirty += keys["ident_key"].to_list()

    def publish(self, changes: pl.DataFrame) -> None:
        """Nobody reads what is published here."""


class _Slow:
    """A store whose INSERT of results comes late."""

    def __init__(self, warehouse: MemoryWarehouse, unwritten: list[pl.DataFrame]) -> None:
        self._warehouse = warehouse
        self._unwritten = unwritten

    def __getattr__(self, name: str) -> Any:
        return getattr(self._warehouse, name)

    def insert_stitched(self, frame: pl.DataFrame) -> None:
        self._unwritten.append(frame)


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return (value.replace(tzinfo=None) - EPOCH_NAIVE) // timedelta(milliseconds=1)
    return [_plain(inner) for inner in value] if isinstance(value, list) else value

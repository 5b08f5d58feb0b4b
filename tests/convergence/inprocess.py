"""LAND and STITCH in this process over the real warehouse, with the two topics as lists that a test may deal out."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import polars as pl

from pipeline.cli.clickhouse import Warehouse
from pipeline.config import ClickHouseSettings, IdentitySettings, StitchingSettings
from pipeline.config_pain import PainPointSettings
from pipeline.contracts.touchpoint import encode_touchpoint, parse_touchpoint
from pipeline.streaming.landing import Landing, Origin
from pipeline.streaming.records import Chunk
from pipeline.streaming.stitcher import StitchRulesOf, stitch_batch
from pipeline.warehouse.connection import connect
from pipeline.warehouse.facts import FactStore
from pipeline.warehouse.results import StitchStore
from tests.convergence.dump import Dump, dump_of

RECEIVED_MS = 1_780_000_000_000
HASH_KEY = "convergence"
MAX_RECORD_BYTES = 1_048_576


@dataclass(frozen=True)
class Stored:
    """A record as a consumer hands it over."""

    offset: int
    value: bytes
    timestamp: int = RECEIVED_MS
    key: bytes | None = None


class Pipeline:
    """
    One landing and any number of stitching workers, taken step by step.

    Args:
        database: An empty, migrated database.
        identity: How identifiers are spelled, hashed and capped.
        workers: How many stitching workers there are; each has a connection of its own.
    """

    def __init__(self, database: ClickHouseSettings, identity: IdentitySettings, workers: int = 1) -> None:
        self.rules = StitchRulesOf(identity, StitchingSettings(), PainPointSettings())
        self.dirty: list[bytes] = []
        self._warehouse = Warehouse(database.url.get_secret_value())
        self._client = connect(database)
        self._landing = Landing(FactStore(connect(database)), self, identity, Origin("log", MAX_RECORD_BYTES))
        self._stores = [StitchStore(connect(database), 1, timedelta(seconds=120)) for _ in range(workers)]
        self._offset = 0

    def land(self, events: Sequence[Mapping[str, Any]], received_ms: int = RECEIVED_MS) -> None:
        """Land touchpoints as one batch, in their order; what is announced becomes dirty."""
        by_topic: dict[str, list[bytes]] = {}
        for touchpoint in events:
            event = parse_touchpoint(touchpoint)
            assert isinstance(event, dict), event
            encoded = encode_touchpoint(event)
            by_topic.setdefault(encoded.topic, []).append(encoded.value)
        chunks = []
        for topic, values in by_topic.items():
            records = [Stored(self._offset + place, value, received_ms) for place, value in enumerate(values)]
            chunks.append(Chunk(topic, 0, records[0].offset, records[-1].offset, records))
            self._offset += len(records)
        self._landing.land(chunks)

    def stitch(self, keys: Sequence[bytes] | None = None, worker: int = 0) -> None:
        """Let a worker make the rows of these identifiers anew, or of everything dirty."""
        if keys is None:
            keys, self.dirty = self.dirty, []
        found = pl.Series("ident_key", keys, pl.Binary)
        stitch_batch(found, self._stores[worker], self, self.rules, f"worker-{worker}")

    def forget(self) -> None:
        """Empty the warehouse of facts and results."""
        for table in ("touchpoints", "identity_links", "identity_statements", "landed", "stitched", "identity_ledger"):
            self._client.command(f"TRUNCATE TABLE {table}")

    def dump(self) -> Dump:
        """Return the order-free views."""
        return dump_of(self._warehouse)

    def announce(self, keys: pl.DataFrame, received_at_ms: int | None) -> None:  # noqa: ARG002  # of the protocol
        """Remember what LAND announces."""
        self.dirty += keys["ident_key"].to_list()

    def publish(self, changes: pl.DataFrame) -> None:
        """Take what STITCH publishes; nobody reads it here."""

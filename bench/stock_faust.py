"""
The peer: a plain Faust app that does the same job one event at a time, as Faust's own guide shows it.

It decodes each Avro record, keeps one journey per key in memory (kinder to it than a Table with its changelog), and
writes every event with its journey to the same warehouse in batches of 1,000 rows. It knows no identities: the key of
the record is its customer. Run as `python -m bench.stock_faust BOOTSTRAP CLICKHOUSE_URL EVENTS`; prints seconds.
"""

import io
import json
import logging
import sys
import time
from datetime import UTC, datetime
from typing import Any

import clickhouse_connect
import fastavro
import faust

from pipeline.contracts.schemas import schema_by_fingerprint
from pipeline.contracts.topics import TOUCHPOINT_TOPICS

JOURNEY_GAP_MS = 30 * 86_400_000
FLUSH_ROWS = 1_000
COLUMNS = ["key", "event_id", "type", "occurred_at", "journey", "touchpoints"]
TABLE = """
CREATE OR REPLACE TABLE stock_journeys (key String, event_id String, type LowCardinality(String),
occurred_at DateTime64(3, 'UTC'), journey UInt32, touchpoints UInt32) ENGINE = MergeTree ORDER BY (key, occurred_at)
"""


class Journeys:
    """The state of every key, and the rows that wait to be written."""

    def __init__(self, url: str, events: int) -> None:
        self._client = clickhouse_connect.get_client(dsn=url, autogenerate_session_id=False)
        self._client.command(TABLE)
        self._state: dict[bytes, tuple[int, int, int]] = {}
        self._rows: list[list[Any]] = []
        self._left = events
        self._started = 0.0

    def take(self, key: bytes, value: bytes) -> bool:
        """Add one event to its journey; true when it was the last."""
        self._started = self._started or time.perf_counter()
        schema = schema_by_fingerprint(value[2:10])
        assert schema is not None
        event: Any = fastavro.schemaless_reader(io.BytesIO(value[10:]), schema.parsed, None)
        at: int = event["occurred_at"]
        last, journey, touchpoints = self._state.get(key, (at, 1, 0))
        if at - last > JOURNEY_GAP_MS:
            journey, touchpoints = journey + 1, 0
        self._state[key] = (at, journey, touchpoints + 1)
        self._rows.append(
            [key.decode(), event["id"], event["type"], datetime.fromtimestamp(at / 1000, UTC), journey, touchpoints + 1]
        )
        self._left -= 1
        if len(self._rows) >= FLUSH_ROWS or not self._left:
            self._client.insert("stock_journeys", self._rows, column_names=COLUMNS)
            self._rows = []
        return not self._left

    def seconds(self) -> float:
        """Time since the first event."""
        return time.perf_counter() - self._started


def create_app(bootstrap: str, journeys: Journeys) -> faust.App:
    """Make the app; it stops itself after the last event."""
    app = faust.App(
        "bench-stock",
        broker=f"kafka://{bootstrap}",
        store="memory://",
        topic_allow_declare=False,
        web_enabled=False,
        worker_redirect_stdouts=False,
        value_serializer="raw",
        key_serializer="raw",
        stream_wait_empty=False,
        consumer_auto_offset_reset="earliest",
    )
    topic = app.topic(*TOUCHPOINT_TOPICS, key_type=bytes, value_type=bytes)

    @app.agent(topic)  # type: ignore[untyped-decorator]  # Faust carries no types
    async def stitch(stream: Any) -> None:
        async for key, value in stream.items():
            if journeys.take(key, value):
                print(json.dumps({"seconds": journeys.seconds()}), flush=True)

    return app


def main() -> None:
    """Run the worker until the parent ends it."""
    bootstrap, url, events = sys.argv[1:4]
    app = create_app(bootstrap, Journeys(url, int(events)))
    faust.Worker(app, loglevel=logging.ERROR).execute_from_commandline()


if __name__ == "__main__":
    main()

"""What `wait` says of records that the broker dropped before anybody read them."""

from datetime import UTC, datetime
from typing import Any

import polars as pl
from confluent_kafka import Producer

from pipeline.cli.visibility import Visibility
from pipeline.cli.watermarks import Watermarks
from pipeline.config import ClickHouseSettings, Settings
from pipeline.contracts.topics import TOUCHPOINT_TOPICS
from pipeline.warehouse.connection import connect
from pipeline.warehouse.facts import FactStore
from pipeline.warehouse.tables import LANDED
from tests.conftest import MakeBroker

LARGER_THAN_A_PARTITION = 6_000_000


def landed(first: int, last: int, lost: int = 0, topic: str = TOUCHPOINT_TOPICS[0]) -> pl.DataFrame:
    stamp = datetime.now(UTC)
    row: dict[str, Any] = {
        "log_id": "log",
        "topic": topic,
        "partition": 0,
        "first_offset": first,
        "last_offset": last,
        "records": last - first + 1 - lost,
        "rejected": 0,
        "lost": lost,
        "landed_at": stamp,
        "completed_at": stamp,
    }
    frame = pl.DataFrame([row])
    return frame.with_columns(
        pl.col("partition").cast(pl.UInt16),
        pl.col("records", "rejected").cast(pl.UInt32),
        pl.col("lost").cast(pl.UInt64),
    ).select(LANDED.column_names)


def test_records_that_are_gone_unread_are_behind_until_they_are_counted(
    make_broker: MakeBroker, fresh_database: ClickHouseSettings
) -> None:
    broker = make_broker(dict.fromkeys(TOUCHPOINT_TOPICS, 1))
    store = FactStore(connect(fresh_database))
    settings = Settings.model_validate(
        {"kafka": {"bootstrap": broker.bootstrap, "log_id": "log"}, "clickhouse": fresh_database.model_dump()}
    )
    producer = Producer({"bootstrap.servers": broker.bootstrap, "message.max.bytes": 50_000_000})
    for size in (10, 10, LARGER_THAN_A_PARTITION):
        producer.produce(TOUCHPOINT_TOPICS[0], b"x" * size)
        assert producer.flush(30) == 0
    store.insert_landed(landed(0, 0))
    with Watermarks(broker.bootstrap) as watermarks:
        look = Visibility(settings, watermarks, 0.0, lambda _: None)
        (behind,) = look.await_landed()
        assert "2 more were dropped by the broker before they were read" in str(behind)
        store.insert_landed(landed(1, 2, lost=2))
        assert (look.await_landed(), look.lost) == ([], 2)
        other = TOUCHPOINT_TOPICS[1]
        producer.produce(other, b"x")
        assert producer.flush(30) == 0
        # What is dropped while we wait is never landed, and said once; from then on it is a loss like those before.
        meanwhile = Visibility(settings, watermarks, 30.0, lambda _: store.insert_landed(landed(0, 0, 1, other)))
        (behind,) = meanwhile.await_landed()
        assert str(behind) == "records lost: 1 (the broker dropped them before they were read)"
        assert (look.await_landed(), look.lost) == ([], 3)

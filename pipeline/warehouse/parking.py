"""
Parked records: read from Kafka, accounted for, and waiting until somebody can say what schema they have.

One rule: a record is released only after it was landed or rejected at its own coordinates. So killing a worker between
the two only lands it once more, and the same record landed again is the same fact.
"""

import base64
from collections.abc import Sequence
from dataclasses import dataclass

import polars as pl
from clickhouse_connect.driver.client import Client

from pipeline.warehouse.errors import translated
from pipeline.warehouse.facts import FactStore
from pipeline.warehouse.inserts import insert_frame
from pipeline.warehouse.tables import PARKED

_WAITING = """
    SELECT log_id, topic, toInt32(partition), offset, timestamp, isNull(key), base64Encode(ifNull(key, '')),
        base64Encode(payload)
    FROM parked FINAL WHERE is_waiting ORDER BY changed_at, topic, partition, offset LIMIT {limit:UInt32}
"""


@dataclass(frozen=True, slots=True)
class ParkedRecord:
    """A record as it was read, with its coordinates; it fits where records of Kafka go."""

    log_id: str
    topic: str
    partition: int
    offset: int
    timestamp: int
    key: bytes | None
    value: bytes


class Parking:
    """Where records wait; one client, one thread."""

    def __init__(self, client: Client) -> None:
        self._client = client

    def park(self, records: Sequence[ParkedRecord], reasons: Sequence[str]) -> None:
        """
        Keep records; the same may be parked again.

        Raises:
            WarehouseUnavailable: If the outcome is unknown; park them again.
        """
        self._write(records, reasons, is_waiting=True)

    def waiting(self, limit: int) -> list[ParkedRecord]:
        """
        Return records that wait, those first that have not been tried for longest.

        Raises:
            WarehouseUnavailable: If the warehouse does not answer.
        """
        with translated():
            rows = self._client.query(_WAITING, parameters={"limit": limit}).result_rows
        return [
            ParkedRecord(
                log_id=row[0],
                topic=row[1],
                partition=row[2],
                offset=row[3],
                timestamp=row[4],
                key=None if row[5] else base64.b64decode(row[6]),
                value=base64.b64decode(row[7]),
            )
            for row in rows
        ]

    def release(self, records: Sequence[ParkedRecord]) -> None:
        """
        Let go of records that were landed or rejected.

        Raises:
            WarehouseUnavailable: If the outcome is unknown; release them again.
        """
        self._write(records, [""] * len(records), is_waiting=False)

    def _write(self, records: Sequence[ParkedRecord], reasons: Sequence[str], *, is_waiting: bool) -> None:
        if not records:
            return
        frame = pl.DataFrame(
            {
                "log_id": [record.log_id for record in records],
                "topic": [record.topic for record in records],
                "partition": pl.Series([record.partition for record in records], dtype=pl.UInt16),
                "offset": pl.Series([record.offset for record in records], dtype=pl.Int64),
                "timestamp": pl.Series([record.timestamp for record in records], dtype=pl.Int64),
                "key": pl.Series([record.key if is_waiting else None for record in records], dtype=pl.Binary),
                "payload": pl.Series([record.value if is_waiting else b"" for record in records], dtype=pl.Binary),
                "why": list(reasons),
            }
        )
        stamp = pl.lit(FactStore(self._client).landing_stamp()).cast(pl.Datetime("us", "UTC"))
        insert_frame(self._client, PARKED, frame.with_columns(changed_at=stamp, is_waiting=pl.lit(is_waiting)))

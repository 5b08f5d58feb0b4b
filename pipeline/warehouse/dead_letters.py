"""
Dead letters: which there are, and what was done about each.

One rule: nothing of a dead letter is ever changed or deleted. A repair is a row beside it, and says whether it holds
only together with what landing says later (see `v_rejected`).
"""

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import polars as pl
from clickhouse_connect.driver.client import Client

from pipeline.warehouse.errors import translated
from pipeline.warehouse.facts import FactStore
from pipeline.warehouse.inserts import insert_frame
from pipeline.warehouse.tables import REPAIRS

_FOUND = """
    SELECT log_id, topic, toInt32(partition), offset, toUnixTimestamp64Milli(rejected_at), reason, detail,
        ifNull(schema, ''), state, isNull(payload), base64Encode(ifNull(payload, '')), base64Encode(ifNull(key, '')),
        patch
    FROM v_rejected
    LEFT ANY JOIN
    (
        SELECT log_id, topic, partition, offset, toNullable(patch) AS patch FROM repairs FINAL
    ) AS m USING (log_id, topic, partition, offset)
    WHERE ({topic:String} = '' OR topic = {topic:String}) AND ({reason:String} = '' OR reason = {reason:String})
        AND ({schema:String} = '' OR schema = {schema:String})
        AND (empty({places:Array(String)})
            OR has({places:Array(String)}, concat(topic, ':', toString(partition), ':', toString(offset))))
        AND ({settled:Bool} OR state = 'open')
    ORDER BY rejected_at, log_id, topic, partition, offset
    LIMIT {limit:UInt32}
"""


@dataclass(frozen=True, slots=True)
class Selection:
    """
    Which dead letters are meant; what is empty does not restrict.

    Attributes:
        places: `topic:partition:offset` of single ones.
        is_settled: Whether those that are repaired or dropped are meant too.
    """

    places: tuple[str, ...] = ()
    topic: str = ""
    reason: str = ""
    schema: str = ""
    is_settled: bool = False
    limit: int = 1_000_000


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """
    One rejected record, its original bytes and its state.

    Attributes:
        payload: None for a tombstone.
        patch: Of its last repair; None where there was none.
    """

    log_id: str
    topic: str
    partition: int
    offset: int
    rejected_at_ms: int
    reason: str
    detail: str
    schema: str
    state: str
    payload: bytes | None
    key: bytes
    patch: str | None = None

    @property
    def place(self) -> str:
        """How people name it."""
        return f"{self.topic}:{self.partition}:{self.offset}"

    @property
    def name(self) -> str:
        """How a replay names it: also with the log, in which its offset counts."""
        return f"{self.log_id}/{self.place}"


@dataclass(frozen=True, slots=True)
class Repair:
    """What was done about a dead letter: `fixed`, `replayed` or `dropped`, by whom and with which patch."""

    letter: DeadLetter
    action: str
    by: str
    patch: str = ""
    event_id: str = ""


class DeadLetters:
    """Reads dead letters and writes down their repairs, through one client."""

    def __init__(self, client: Client) -> None:
        self._client = client

    def find(self, selection: Selection) -> list[DeadLetter]:
        """
        Return the dead letters that are meant, oldest first; of a place in several logs all.

        Raises:
            WarehouseUnavailable: If the warehouse does not answer.
        """
        chosen = {
            "places": list(selection.places),
            "topic": selection.topic,
            "reason": selection.reason,
            "schema": selection.schema,
            "settled": selection.is_settled,
            "limit": selection.limit,
        }
        with translated():
            rows = self._client.query(_FOUND, parameters=chosen).result_rows
        return [_letter(row) for row in rows]

    def stamp(self) -> datetime:
        """Return the stamp of repairs whose records are sent after it: what is landed later has a later one."""
        return FactStore(self._client).landing_stamp()

    def settle(self, repairs: Sequence[Repair], repaired_at: datetime) -> None:
        """
        Write down what was done; the same rows may be written again.

        Raises:
            WarehouseUnavailable: If the outcome is unknown; write them again.
        """
        frame = pl.DataFrame(
            {
                "log_id": [repair.letter.log_id for repair in repairs],
                "topic": [repair.letter.topic for repair in repairs],
                "partition": pl.Series([repair.letter.partition for repair in repairs], dtype=pl.UInt16),
                "offset": pl.Series([repair.letter.offset for repair in repairs], dtype=pl.Int64),
                "action": [repair.action for repair in repairs],
                "repaired_by": [repair.by for repair in repairs],
                "patch": [repair.patch for repair in repairs],
                "event_id": [repair.event_id for repair in repairs],
            }
        ).with_columns(repaired_at=pl.lit(repaired_at).cast(pl.Datetime("us", "UTC")))
        insert_frame(self._client, REPAIRS, frame)


def _letter(row: Sequence[Any]) -> DeadLetter:
    log_id, topic, partition, offset, rejected_at_ms, reason, detail, schema, state, has_none, payload, key, patch = row
    return DeadLetter(
        log_id=log_id,
        topic=topic,
        partition=partition,
        offset=offset,
        rejected_at_ms=rejected_at_ms,
        reason=reason,
        detail=detail,
        schema=schema,
        state=state,
        payload=None if has_none else base64.b64decode(payload),
        key=base64.b64decode(key),
        patch=patch,
    )

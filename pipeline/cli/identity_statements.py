"""
Statements about identity by hand: making the touchpoint, finding one that was made, and sending it.

A statement names its two identifiers in clear; the warehouse keeps only their keys. Whoever takes one back therefore
names the two again, or the record is read once more from Kafka, while it is still there.
"""

import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final
from uuid import UUID

import polars as pl
from confluent_kafka import Consumer, KafkaException, TopicPartition

from pipeline.cli.customer import key_of
from pipeline.cli.errors import WRONG_USAGE, CommandError
from pipeline.cli.feeding import open_importer, translated
from pipeline.cli.reach import Reach
from pipeline.cli.watermarks import Watermarks
from pipeline.config import Settings
from pipeline.contracts.kinds import KIND_RANK
from pipeline.contracts.touchpoint import decode_touchpoint
from pipeline.identity.causes import Said, statements_said
from pipeline.identity.statements import ALIAS
from pipeline.producers.feeder import Feeder
from pipeline.streaming.ledger_preview import Statement
from pipeline.warehouse.connection import connect
from pipeline.warehouse.results import StitchStore

ALIASED: Final = "identity.aliased"
UNLINKED: Final = "identity.unlinked"
SOURCE: Final = "throughline"
_READ_S: Final = 15.0
_FIND = """
SELECT DISTINCT toString(a) AS a, withdraws FROM identity_statements
WHERE event_id = {id:String} OR toString(event_uid) = {id:String}
"""
_PLACE = """
SELECT topic, partition, offset, log_id FROM touchpoints FINAL
WHERE type IN ('identity.aliased', 'identity.unlinked') AND event_uid = {event:UUID}
"""

Side = tuple[str, str]
"""Kind and value of an identifier, as they were typed."""


@dataclass(frozen=True)
class Draft:
    """A statement that is about to be made: the touchpoint, and the same as the rules see it."""

    touchpoint: dict[str, Any]
    statement: Statement


def draft(
    type_name: str, sides: tuple[Side, Side], settings: Settings, said: Said | None = None, reason: str = ""
) -> Draft:
    """
    Make a statement about identity.

    Args:
        type_name: identity.aliased or identity.unlinked.
        sides: The two identifiers.
        settings: How identifiers are hashed.
        said: The statement that it takes back; None: it states.
        reason: Why, in words.

    Raises:
        CommandError: If a value identifies nobody.
    """
    moment = datetime.fromtimestamp(time.time_ns() // 1_000_000 / 1000, UTC)
    (a_kind, a), (b_kind, b) = sides
    touchpoint: dict[str, Any] = {
        "id": str(uuid.uuid4()),
        "type": type_name,
        "source": said.source if said else SOURCE,
        "occurred_at": moment.isoformat(timespec="milliseconds"),
        "identities": [{"kind": a_kind, "value": a}],
        "body": {"a": {"kind": a_kind, "value": a}, "b": {"kind": b_kind, "value": b}},
    }
    if said is not None:
        touchpoint["withdraws"] = said.event_id
    if reason:
        touchpoint["body"]["reason"] = reason
    statement = Statement(
        a=key_of(a_kind, a, settings.identity),
        a_kind=KIND_RANK[a_kind],
        b=key_of(b_kind, b, settings.identity),
        b_kind=KIND_RANK[b_kind],
        code=1 if type_name == ALIASED else 2,
        withdraws=said.event_id if said else "",
        source=touchpoint["source"],
        event_id=touchpoint["id"],
        occurred_at=moment,
    )
    return Draft(touchpoint, statement)


def send(found: Reach, touchpoint: Mapping[str, Any]) -> None:
    """
    Send a touchpoint as the importers do; it is in Kafka when this returns.

    Raises:
        CommandError: If it may not enter, or Kafka does not take it.
    """
    with translated(), Feeder(found.settings.kafka) as feeder:
        importer = open_importer(found.settings, feeder.send)
        importer.take(1, dict(touchpoint))
        for fault in importer.report.faults:
            raise CommandError(
                f"the touchpoint is refused: {fault.problem.reason}, {fault.problem.detail}",
                where=fault.problem.pointer,
                exit_code=WRONG_USAGE,
            )


def said_already(statement: Statement, store: StitchStore) -> Said | None:
    """
    Find a statement that holds and says what another is about to say; of several the earliest.

    Args:
        statement: The one that is about to be made.
        store: Reads the statements that are landed.
    """
    keys = pl.Series("ident_key", [statement.a, statement.b], dtype=pl.Binary)
    for said in statements_said(store.statements(keys)):
        is_same = {said.a, said.b} == {statement.a, statement.b} and said.is_alias == (statement.code == ALIAS)
        if is_same and said.withdrawn_by is None:
            return said
    return None


def find_statement(event_id: str, source: str, settings: Settings, store: StitchStore) -> Said:
    """
    Find the statement that an id names.

    Args:
        event_id: The producer's id of it, or its event_uid.
        source: Its source, where several have that id; empty: there is only one.
        settings: Where the warehouse is.
        store: Reads the statements.

    Raises:
        CommandError: If there is none, or several, or it is a withdrawal or was taken back already.
    """
    rows = connect(settings.clickhouse).query(_FIND, parameters={"id": event_id}).result_rows
    keys = pl.Series("ident_key", sorted({UUID(row[0]).bytes for row in rows}), dtype=pl.Binary)
    known = statements_said(store.statements(keys)) if len(keys) else []
    named = [said for said in known if event_id in (said.event_id, str(UUID(bytes=said.event_uid)))]
    chosen = [said for said in named if source in ("", said.source)]
    if not chosen and rows and all(row[1] for row in rows):
        raise CommandError(
            f"{event_id} is a withdrawal, and a withdrawal cannot be taken back",
            remedy="say the statement again: `throughline identity merge` or `throughline identity split`",
        )
    if not chosen:
        raise CommandError(
            f"no statement about identity has the id {event_id}" + (f" and the source {source}" if source else ""),
            remedy="`throughline query \"SELECT * FROM v_touchpoints WHERE type LIKE 'identity.%'\"` lists them; "
            "`throughline wait` makes sure that everything sent so far is in",
        )
    if len(chosen) > 1:
        raise CommandError(
            f"{len(chosen)} statements have the id {event_id}",
            where=", ".join(sorted({said.source for said in chosen})),
            remedy="name one with --source, or by its event_uid",
            exit_code=WRONG_USAGE,
        )
    (said,) = chosen
    if said.withdrawn_by is not None:
        raise CommandError(f"{event_id} was taken back already, by {said.withdrawn_by.event_id}")
    return said


def sides_of(said: Said, settings: Settings) -> tuple[Side, Side]:
    """
    Read in Kafka which identifiers a statement names in clear.

    Raises:
        CommandError: If its record is not there any more.
    """
    client = connect(settings.clickhouse)
    for topic, partition, offset, log_id in client.query(
        _PLACE, parameters={"event": str(UUID(bytes=said.event_uid))}
    ).result_rows:
        with Watermarks(settings.kafka.bootstrap) as watermarks:
            is_same_log = log_id == (settings.kafka.log_id or watermarks.log_id())
        value = _read_record(settings, topic, partition, offset) if is_same_log else None
        event = decode_touchpoint(value) if value is not None else None
        if isinstance(event, dict) and event["id"] == said.event_id and event["source"] == said.source:
            a, b = event["body"]["a"], event["body"]["b"]
            return (a["kind"], a["value"]), (b["kind"], b["value"])
    raise CommandError(
        f"the record of {said.event_id} is not in Kafka any more, and the warehouse keeps only keyed hashes",
        remedy=f"name the two identifiers again: throughline identity withdraw {said.event_id} KIND:VALUE KIND:VALUE",
    )


def _read_record(settings: Settings, topic: str, partition: int, offset: int) -> bytes | None:
    """Return the value of one record; None where it is gone."""
    consumer = Consumer(
        {
            "bootstrap.servers": settings.kafka.bootstrap,
            "group.id": "throughline-look",
            "enable.auto.commit": False,
            "auto.offset.reset": "error",
            "log_level": 0,
        }
    )
    try:
        consumer.assign([TopicPartition(topic, partition, offset)])
        record = consumer.poll(_READ_S)
        if record is None or record.error() is not None or record.offset() != offset:
            return None
        return record.value()
    except KafkaException:
        return None
    finally:
        consumer.close()

"""
Between frames and plain tuples: what the real code is given, and what it hands over.

Stamps go in as plain numbers of microseconds. Nothing here decides anything.
"""

import json
from collections.abc import Iterator
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any, Final

import polars as pl

from pipeline.stitching.frames import EVIDENCE_FIELDS, FACTS_SCHEMA, ORDERED_PRODUCTS, TIME, conform_facts
from pipeline.streaming.closure import SAID_SCHEMA
from pipeline.warehouse.facts import from_micros
from tests.model.tables import LandedRow, LedgerRow, LinkRow, RejectedRow, StatementRow, StitchedRow, TouchpointRow
from tests.model.warehouse import JOURNEY, Answer
from tests.oracle.stories import ordered_products

_ATOMS: Final = frozenset({bytes, str, int, float, bool, type(None)})
_EPOCH: Final = from_micros(0)
_EVIDENCE: Final = {name for name, _ in EVIDENCE_FIELDS}

SCHEMAS: Final[dict[str, dict[str, pl.DataType]]] = {
    "links": {
        "ident_key": pl.Binary(),
        "kind": pl.Int8(),
        "neighbour": pl.Binary(),
        "neighbour_kind": pl.Int8(),
        "seen": TIME,
    },
    "kinds": {"ident_key": pl.Binary(), "kind": pl.Int8()},
    "statements": SAID_SCHEMA,
    "facts": dict(FACTS_SCHEMA),
    "journeys": {
        name: pl.Binary() if name.endswith(("_key", "_uid", "_id")) else TIME if name.endswith("_at") else pl.UInt32()
        for name in JOURNEY
    },
    "former_members": {"customer_uid": pl.Binary(), "ident_key": pl.Binary()},
    "link_touchpoints": {
        "subject": pl.Binary(),
        "other": pl.Binary(),
        "event_uid": pl.Binary(),
        "event_id": pl.String(),
        "source": pl.String(),
        "type": pl.String(),
        "occurred_at": TIME,
    },
}


@lru_cache(maxsize=2_000)
def frame_of(method: str, answer: Answer) -> pl.DataFrame | pl.Series:
    """Return an answer as the real store gives it."""
    if method in ("overlooked_neighbours", "stale_identifiers", "named"):
        return pl.Series("ident_key", list(answer), dtype=pl.Binary)
    schema = SCHEMAS[method]
    plain = {name: pl.Int64() if dtype == TIME else dtype for name, dtype in schema.items()}
    frame = pl.DataFrame(answer, schema=plain, orient="row").with_columns(
        pl.col(name).cast(TIME) for name, dtype in schema.items() if dtype == TIME
    )
    return conform_facts(frame) if method == "facts" else frame


def touchpoint_rows(frame: pl.DataFrame) -> list[TouchpointRow]:
    """Read an INSERT into `touchpoints`."""
    rows = []
    for line in frame.to_dicts():
        body = json.loads(line["body"])
        facts = tuple(_kept(_fact(name, line, body)) for name in FACTS_SCHEMA)
        rows.append(
            TouchpointRow(
                line["ident_key"],
                line["kind"],
                plain(line["occurred_at"]),
                line["event_uid"],
                line["content_version"],
                micros(line["landed_at"]),
                facts,
                tuple(named["ident_key"] for named in line["identities"]),
                (line["event_id"], line["source"], line["type"]),
            )
        )
    return rows


def _fact(name: str, line: dict[str, Any], body: dict[str, Any]) -> Any:
    """Return what the read of facts makes of a stored row."""
    if name in _EVIDENCE:
        return body.get(name)
    if name == "product_id":
        return line["product_ids"][0] if line["product_ids"] else ""
    if name == "calendar":
        return next((entry["value"] for entry in line["attributes"] if entry["key"] == "calendar"), "")
    if name == ORDERED_PRODUCTS:
        return ordered_products(line["type"], line["product_ids"], body)
    return line[name]


def link_rows(frame: pl.DataFrame) -> list[LinkRow]:
    """Read an INSERT into `identity_links`."""
    names = ["ident_key", "kind", "neighbour", "neighbour_kind", "first_seen", "first_landed_at", "landed_at"]
    return [
        LinkRow(key, kind, neighbour, neighbour_kind, plain(seen), micros(first), micros(last))
        for key, kind, neighbour, neighbour_kind, seen, first, last in frame.select(names).iter_rows()
    ]


def statement_rows(frame: pl.DataFrame) -> list[StatementRow]:
    """Read an INSERT into `identity_statements`."""
    return [
        StatementRow(
            line["a"],
            line["b"],
            line["event_uid"],
            line["content_version"],
            micros(line["landed_at"]),
            tuple(plain(line[name]) for name in SCHEMAS["statements"]),
        )
        for line in frame.to_dicts()
    ]


def landed_rows(frame: pl.DataFrame) -> list[LandedRow]:
    """Read an INSERT into `landed`."""
    return [
        LandedRow(
            (line["log_id"], line["topic"], line["partition"], line["first_offset"], line["last_offset"]),
            line["records"],
            line["rejected"],
            line["lost"],
            micros(line["landed_at"]),
            micros(line["completed_at"]),
        )
        for line in frame.to_dicts()
    ]


def rejected_rows(frame: pl.DataFrame) -> list[RejectedRow]:
    """Read an INSERT into `rejected`."""
    return [
        RejectedRow(
            (line["log_id"], line["topic"], line["partition"], line["offset"]),
            line["reason"],
            micros(line["landed_at"]),
        )
        for line in frame.to_dicts()
    ]


def stitched_rows(frame: pl.DataFrame) -> list[StitchedRow]:
    """Read an INSERT into `stitched`."""
    return [
        StitchedRow(
            line["rules_version"],
            line["ident_key"],
            line["kind"],
            micros(line["version"]),
            line["customer_uid"],
            line["shared"],
            line["is_anchor"],
            {name: plain(value) for name, value in line.items()},
        )
        for line in frame.to_dicts()
    ]


def ledger_rows(frame: pl.DataFrame) -> list[LedgerRow]:
    """Read an INSERT into `identity_ledger`."""
    return [
        LedgerRow(
            line["rules_version"],
            line["ident_key"],
            micros(line["version"]),
            line["customer_uid"],
            line["cause_event_uid"],
            line["rule"],
        )
        for line in frame.to_dicts()
    ]


def plain(value: Any) -> Any:
    """Turn times into epoch milliseconds, all the way down."""
    if type(value) in _ATOMS:
        return value
    if isinstance(value, datetime):
        return (value - _EPOCH) // timedelta(milliseconds=1)
    if isinstance(value, list):
        return [plain(inner) for inner in value]
    return {name: plain(inner) for name, inner in value.items()} if isinstance(value, dict) else value


def frozen(value: Any) -> Any:
    """Return what the real code hands over as something that can be compared and kept."""
    if isinstance(value, pl.Series):
        return tuple(sorted(set(value.to_list())))
    if isinstance(value, pl.DataFrame):
        return tuple(sorted((tuple(_kept(cell) for cell in row) for row in value.iter_rows()), key=repr))
    return tuple(value) if isinstance(value, Iterator) else value


def _kept(cell: Any) -> Any:
    if type(cell) in _ATOMS:
        return cell
    return tuple(_kept(inner) for inner in cell) if isinstance(cell, list) else plain(cell)


def micros(moment: datetime) -> int:
    """Return a stamp as epoch microseconds."""
    return (moment - _EPOCH) // timedelta(microseconds=1)

"""Rows for the tests of the warehouse: frames that fit the tables, with values that differ from row to row."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import polars as pl

from pipeline.warehouse.tables import TOUCHPOINTS

START = datetime(2026, 3, 1, 9, 0, tzinfo=UTC)
MILLIS = pl.Datetime("ms", "UTC")
MICROS = pl.Datetime("us", "UTC")

_IDENTIFIERS = pl.List(pl.Struct({"kind": pl.Int8, "ident_key": pl.Binary}))
_DTYPES: Mapping[str, Any] = {
    "kind": pl.Int8,
    "a_kind": pl.Int8,
    "b_kind": pl.Int8,
    "neighbour_kind": pl.Int8,
    "statement": pl.Int8,
    "occurred_at": MILLIS,
    "received_at": MILLIS,
    "sent_at": MILLIS,
    "rejected_at": MILLIS,
    "first_seen": MILLIS,
    "landed_at": MICROS,
    "first_landed_at": MICROS,
    "completed_at": MICROS,
    "version": MICROS,
    "clock_skew_ms": pl.Int64,
    "revision": pl.UInt32,
    "identities": _IDENTIFIERS,
    "product_ids": pl.List(pl.String),
    "is_bot": pl.Boolean,
    "consent": pl.List(pl.Struct({"purpose": pl.String, "granted": pl.Boolean})),
    "amount_minor": pl.Int64,
    "attributes": pl.List(pl.Struct({"key": pl.String, "value": pl.String})),
    "partition": pl.UInt16,
    "offset": pl.Int64,
    "first_offset": pl.Int64,
    "last_offset": pl.Int64,
    "records": pl.UInt32,
    "rejected": pl.UInt32,
    "lost": pl.UInt64,
    "payload": pl.Binary,
}

# Texts of a touchpoint that are empty where there is none.
_TEXTS = [
    column.name
    for column in TOUCHPOINTS.columns
    if column.type in ("String", "LowCardinality(String)") and column.name not in ("event_id", "source", "type", "body")
]


def key(number: int) -> bytes:
    """Return a 16-byte key that sorts as its number."""
    return number.to_bytes(16, "big")


def frame(rows: list[dict[str, Any]]) -> pl.DataFrame:
    """Make a frame of rows with the types that LAND's frames have."""
    return pl.DataFrame(rows, schema_overrides={name: _DTYPES[name] for name in rows[0] if name in _DTYPES})


def touchpoint(number: int = 1, **changes: object) -> dict[str, Any]:
    """Return one row of `touchpoints`, whole and plausible."""
    occurred_at = START + timedelta(minutes=number)
    return {
        **dict.fromkeys(_TEXTS, ""),
        "ident_key": key(1),
        "kind": 0,
        "occurred_at": occurred_at,
        "event_uid": key(1000 + number),
        "content_version": key(1),
        "event_id": f"e-{number}",
        "source": "shop",
        "type": "web.page_viewed",
        "channel": "web",
        "direction": "inbound",
        "received_at": occurred_at + timedelta(seconds=1),
        "sent_at": None,
        "clock_skew_ms": None,
        "revision": 0,
        "identities": [{"kind": 0, "ident_key": key(1)}],
        "product_ids": [],
        "is_bot": False,
        "consent": [],
        "amount_minor": None,
        "attributes": [],
        "body": "{}",
        "log_id": "log",
        "topic": "touchpoints.web",
        "partition": 0,
        "offset": number,
        "landed_at": START,
        **changes,
    }


def link(a: int, b: int, **changes: object) -> dict[str, Any]:
    """Return one direction of a link between two keys."""
    return {
        "ident_key": key(a),
        "kind": 0,
        "neighbour": key(b),
        "neighbour_kind": 2,
        "first_seen": START,
        "first_landed_at": START,
        "landed_at": START,
        **changes,
    }


def statement(number: int = 1, **changes: object) -> dict[str, Any]:
    """Return one row of `identity_statements`."""
    return {
        "a": key(1),
        "a_kind": 0,
        "b": key(2),
        "b_kind": 0,
        "statement": 1,
        "withdraws": "",
        "source": "desk",
        "event_id": f"s-{number}",
        "occurred_at": START,
        "event_uid": key(5000 + number),
        "content_version": key(1),
        "landed_at": START,
        **changes,
    }


def landed(first: int, last: int, **changes: object) -> dict[str, Any]:
    """Return one landed range."""
    return {
        "log_id": "log",
        "topic": "touchpoints.web",
        "partition": 0,
        "first_offset": first,
        "last_offset": last,
        "records": last - first + 1,
        "rejected": 0,
        "lost": 0,
        "landed_at": START,
        "completed_at": START,
        **changes,
    }


def rejected(offset: int, **changes: object) -> dict[str, Any]:
    """Return one rejected record."""
    return {
        "log_id": "log",
        "topic": "touchpoints.web",
        "partition": 0,
        "offset": offset,
        "rejected_at": START,
        "reason": "undecodable",
        "detail": "cut short",
        "schema": "",
        "key": "email:a@example.org",
        "payload": b"\xc3\x01\xff\x00",
        "landed_at": START,
        "replay_of": "",
        **changes,
    }

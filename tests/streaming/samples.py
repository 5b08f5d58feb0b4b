"""Records for tests of decoding and landing: the golden examples, small events, and events read back from columns."""

import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import polars as pl

from pipeline.contracts.examples import example_of
from pipeline.contracts.kinds import KINDS
from pipeline.contracts.schemas import body_fields, schemas_folder
from pipeline.contracts.topics import topic_of_family
from pipeline.contracts.touchpoint import encode_touchpoint, parse_touchpoint
from pipeline.contracts.types import family_of, touchpoint_types
from pipeline.streaming.records import Chunk

RECEIVED_MS = 1_800_000_000_000


@dataclass(frozen=True, slots=True)
class SentRecord:
    """A record as a consumer hands it over."""

    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None


@cache
def golden(type_name: str) -> bytes:
    """Return the golden bytes of a type; made where nobody wrote its example."""
    file = schemas_folder() / "examples" / f"{type_name}.avro"
    if file.exists():
        return file.read_bytes()
    made = parse_touchpoint(example_of(type_name))
    assert isinstance(made, dict)
    return encode_touchpoint(made).value


@cache
def all_golden() -> tuple[bytes, ...]:
    """Return the golden bytes of every type."""
    return tuple(golden(name) for name in touchpoint_types())


def event(**changed: Any) -> dict[str, Any]:
    """Return a page view of one cookie and one e-mail address, with some fields changed."""
    made: dict[str, Any] = {
        "id": "e-1",
        "type": "web.page_viewed",
        "source": "shop",
        "subject": None,
        "occurred_at": 1_700_000_000_000,
        "sent_at": None,
        "received_at": None,
        "revision": 0,
        "withdraws": None,
        "channel": "web",
        "direction": "inbound",
        "identities": [identity("cookie_id", "ck-1"), identity("email", "Ann@Example.com")],
        "refs": None,
        "session_id": None,
        "context": None,
        "consent": [],
        "amount": None,
        "attributes": [],
        "body": None,
    }
    return {**made, **changed}


def identity(kind: str, value: str) -> dict[str, Any]:
    """Return an entry of `identities`."""
    return {"kind": kind, "value": value, "hashed": False, "verified": False}


def statement(verb: str, a: Mapping[str, str], b: Mapping[str, str], **changed: Any) -> dict[str, Any]:
    """Return a statement about identity, named by its first side."""
    sides = {"type": f"identity.{verb}", "body": {"a": dict(a), "b": dict(b)}, "channel": "other"}
    return event(**{**sides, "direction": "system", "identities": [identity(a["kind"], a["value"])], **changed})


def encoded(sent: Mapping[str, Any]) -> bytes:
    """Return the value of an event's record."""
    return encode_touchpoint(sent).value


def chunk(topic: str, values: Sequence[bytes | None], first_offset: int = 0, **changed: Any) -> Chunk:
    """Return a chunk of values, received at `RECEIVED_MS`."""
    records = [
        SentRecord(first_offset + place, RECEIVED_MS, f"key-{place}".encode(), value)
        for place, value in enumerate(values)
    ]
    last = first_offset + max(len(records), 1) - 1
    return Chunk(topic, changed.get("partition", 0), first_offset, last, records, changed.get("lost", 0))


def topic_of(type_name: str) -> str:
    """Return the topic that a type belongs to."""
    return topic_of_family(family_of(type_name) or "")


def places(families: Sequence[str], timestamps: Sequence[int | None] | None = None) -> pl.DataFrame:
    """Return coordinates of rows as verdicts need them."""
    given = timestamps if timestamps is not None else [RECEIVED_MS] * len(families)
    return pl.DataFrame({"family": families, "timestamp": given}, schema={"family": pl.String, "timestamp": pl.Int64})


def read_back(columns: pl.DataFrame, family: str) -> list[dict[str, Any]]:
    """Return the events that flat columns hold, in the form in which the contract decodes one (no defaults)."""
    return [_event_of(line, family) for line in columns.iter_rows(named=True)]


def _event_of(line: Mapping[str, Any], family: str) -> dict[str, Any]:
    out: dict[str, Any] = {"refs": {}, "context": {}, "amount": {}, "body": {}}
    for name, value in line.items():
        outer, _, inner = name.partition(".")
        if inner:
            if value is not None:
                out[outer][inner] = _side(value) if isinstance(value, dict) else _sparse(value)
        elif name != "row":
            out[name] = value
    for name in ("refs", "context", "amount", "body"):
        out[name] = out[name] or None
    out["identities"] = [
        {**entry, "kind": KINDS[entry["kind"]], "hashed": entry["hashed"] == -1, "verified": entry["verified"] == -1}
        for entry in out["identities"]
    ]
    assert set(out["body"] or {}) <= set(body_fields(family))
    return out


def _side(value: dict[str, Any]) -> dict[str, Any]:
    return {**value, "kind": KINDS[value["kind"]]}


def _sparse(value: Any) -> Any:
    if isinstance(value, list):
        return [{k: v for k, v in item.items() if v is not None} if isinstance(item, dict) else item for item in value]
    return value


def bits_of(number: float) -> int:
    """Return the 64 bits of a fraction as a signed whole number."""
    return int(struct.unpack("<q", struct.pack("<d", number))[0])

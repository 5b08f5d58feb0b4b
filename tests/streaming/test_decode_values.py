"""Framing of values, and writers whose schema is older or newer than ours."""

import copy
import io
import json
from collections.abc import Callable
from typing import Any

import fastavro
import pytest
from fastavro.schema import fingerprint, to_parsing_canonical_form

from pipeline.contracts.kinds import KIND_RANK
from pipeline.contracts.reasons import Reason
from pipeline.contracts.schemas import WriterSchema, family_schema
from pipeline.contracts.wire import encode_single_object
from pipeline.streaming.decode.values import ValueDecoder
from tests.streaming.samples import encoded, event, golden

GOOD = encoded(event(id="good"))
MAX_BYTES = 4096


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        pytest.param(None, Reason.TOMBSTONE, id="tombstone"),
        pytest.param(b"", Reason.UNDECODABLE, id="empty"),
        pytest.param(b"\xc3\x01", Reason.UNDECODABLE, id="marker only"),
        pytest.param(b"garbage and more", Reason.UNDECODABLE, id="no marker"),
        pytest.param(b"\x00\x00\x00\x00\x07payload", Reason.UNKNOWN_SCHEMA, id="Confluent framing"),
        pytest.param(b"\xc3\x01unknown!payload", Reason.UNKNOWN_SCHEMA, id="unknown fingerprint"),
        pytest.param(GOOD + bytes(MAX_BYTES), Reason.TOO_LARGE, id="too large"),
    ],
)
def test_what_is_framed_wrongly_gets_one_verdict(value: bytes | None, reason: Reason) -> None:
    decoded = ValueDecoder(MAX_BYTES).decode([GOOD, value, GOOD])
    assert [(rejection.row, rejection.problem.reason) for rejection in decoded.rejections] == [(1, reason)]
    assert decoded.families["web"]["row"].to_list() == [0, 2]


def test_the_largest_value_is_read() -> None:
    value = encoded(event(session_id="s" * 3000))
    decoded = ValueDecoder(len(value)).decode([value])
    assert decoded.families["web"]["session_id"].to_list() == ["s" * 3000]


def test_families_are_told_apart_by_their_schema() -> None:
    values = [golden("order.placed"), GOOD, golden("survey.answered"), golden("order.changed")]
    decoded = ValueDecoder(MAX_BYTES).decode(values)
    rows = {family: frame["row"].to_list() for family, frame in decoded.families.items()}
    assert rows == {"orders": [0, 3], "web": [1], "feedback": [2]}


def changed_schema(change: Callable[[dict[str, Any]], object], family: str = "web") -> WriterSchema:
    """Return another version of a family's schema."""
    schema = copy.deepcopy(json.loads(json.dumps(dict(family_schema(family)))))
    change(schema)
    canonical = to_parsing_canonical_form(schema)
    mark = bytes.fromhex(fingerprint(canonical, "CRC-64-AVRO"))
    return WriterSchema(family, mark, schema, fastavro.parse_schema(schema), canonical)


def write(schema: WriterSchema, sent: dict[str, Any]) -> bytes:
    buffer = io.BytesIO()
    fastavro.schemaless_writer(buffer, schema.parsed, sent)
    return encode_single_object(schema.fingerprint, buffer.getvalue())


def field_of(schema: dict[str, Any], name: str) -> dict[str, Any]:
    found: dict[str, Any] = next(field for field in schema["fields"] if field["name"] == name)
    return found


def body_of(schema: dict[str, Any]) -> dict[str, Any]:
    body: dict[str, Any] = field_of(schema, "body")["type"][1]
    return body


def decode_with(schema: WriterSchema, value: bytes) -> dict[str, Any]:
    decoder = ValueDecoder(MAX_BYTES, {schema.fingerprint: schema}.get)
    decoded = decoder.decode([value])
    assert decoded.rejections == []
    (frame,) = decoded.families.values()
    return frame.to_dicts()[0]


def test_fields_that_an_old_writer_did_not_know_are_null_or_empty() -> None:
    def older(schema: dict[str, Any]) -> None:
        dropped = {"session_id", "attributes", "context", "consent"}
        schema["fields"] = [field for field in schema["fields"] if field["name"] not in dropped]
        body_of(schema)["fields"] = [field for field in body_of(schema)["fields"] if field["name"] != "dwell_ms"]
        field_of(schema, "identities")["type"]["items"]["fields"].pop()

    schema = changed_schema(older)
    assert schema.fingerprint != GOOD[2:10]
    found = decode_with(schema, write(schema, event(body={"content_group": "help"})))
    assert found["session_id"] is None
    assert found["attributes"] == found["consent"] == []
    assert found["context.url"] is None
    assert found["body.dwell_ms"] is None
    assert found["body.content_group"] == "help"
    assert found["identities"][0]["value"] == "ck-1"
    assert found["identities"][0]["verified"] is None


def test_fields_and_symbols_that_a_new_writer_added_are_left_out() -> None:
    def newer(schema: dict[str, Any]) -> None:
        schema["fields"].insert(3, {"name": "mood", "type": ["null", "string"], "default": None})
        channel = field_of(schema, "channel")["type"][1]
        channel["symbols"].insert(0, "hologram")
        kind = field_of(schema, "identities")["type"]["items"]["fields"][0]["type"]
        kind["symbols"].insert(2, "retina")
        body_of(schema)["fields"].append({"name": "smell", "type": ["null", "string"], "default": None})

    schema = changed_schema(newer)
    identities = [
        {"kind": kind, "value": kind, "hashed": False, "verified": True} for kind in ("retina", "customer_id", "phone")
    ]
    sent = event(mood="fine", channel="hologram", identities=identities, body={"smell": "rose"})
    found = decode_with(schema, write(schema, sent))
    assert found["channel"] == "other"
    ranks = [KIND_RANK[kind] for kind in ("other", "customer_id", "phone")]
    assert [entry["kind"] for entry in found["identities"]] == ranks
    assert [entry["verified"] for entry in found["identities"]] == [-1, -1, -1]
    assert not any("smell" in name or "mood" in name for name in found)


def test_a_schema_that_cannot_be_read_as_columns_refuses_its_records_only() -> None:
    def with_map(schema: dict[str, Any]) -> None:
        schema["fields"].append({"name": "counts", "type": {"type": "map", "values": "int"}})

    schema = changed_schema(with_map)
    decoder = ValueDecoder(MAX_BYTES, {schema.fingerprint: schema}.get)
    decoded = decoder.decode([encode_single_object(schema.fingerprint, b"x"), None])
    reasons = [rejection.problem.reason for rejection in decoded.rejections]
    assert sorted(reasons) == [Reason.TOMBSTONE, Reason.UNKNOWN_SCHEMA]

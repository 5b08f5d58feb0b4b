"""Bytes on the wire: single objects, what is no touchpoint, and that no bytes stop the reader."""

import io
import math
import time
from typing import Any

import fastavro
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipeline.contracts.encoding import record_writer
from pipeline.contracts.kinds import CHANNELS, DIRECTIONS, KINDS
from pipeline.contracts.reasons import Problem, Reason
from pipeline.contracts.schemas import AvroField, body_fields, envelope_fields, writer_schema
from pipeline.contracts.times import EARLIEST_MS, LATEST_MS
from pipeline.contracts.touchpoint import decode_touchpoint, encode_touchpoint, parse_touchpoint, to_json
from pipeline.contracts.types import STATEMENT_TYPES, touchpoint_types
from pipeline.contracts.wire import Framed, encode_single_object, split
from tests.contracts.golden import FOLDER, example, parsed

ORDER = (FOLDER / "order.placed.avro").read_bytes()

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
names = texts.filter(bool)
times = st.integers(EARLIEST_MS, LATEST_MS)


def values_of(field: AvroField) -> st.SearchStrategy[Any]:
    """Generate JSON values that a field takes."""
    match field.kind:
        case "string":
            return texts
        case "int":
            return st.integers(0, 2**31 - 1)
        case "long":
            return st.integers(-(2**63), 2**63 - 1)
        case "double":
            return st.floats(allow_nan=False, allow_infinity=False)
        case "boolean":
            return st.booleans()
        case "timestamp":
            return times
        case "enum":
            return st.sampled_from(field.symbols)
        case "record":
            return records_of(field.fields)
        case "array<string>":
            return st.lists(texts, max_size=3)
        case "array<record>":
            return st.lists(records_of(field.fields), max_size=3)
        case "bytes":
            raise AssertionError


def records_of(fields: tuple[AvroField, ...]) -> st.SearchStrategy[dict[str, Any]]:
    required = {field.name: values_of(field) for field in fields if not (field.nullable or field.has_default)}
    optional = {field.name: values_of(field) for field in fields if field.nullable or field.has_default}
    return st.fixed_dictionaries(required, optional=optional)


@st.composite
def touchpoints(draw: st.DrawFn) -> dict[str, Any]:
    """Generate right touchpoints of all types but statements."""
    name = draw(st.sampled_from([name for name in touchpoint_types() if name not in STATEMENT_TYPES]))
    row = touchpoint_types()[name]
    free = tuple(
        field
        for field in envelope_fields().values()
        if field.name not in ("id", "type", "source", "amount", "withdraws", "identities")
    )
    touchpoint = draw(records_of(free))
    touchpoint.update(id=draw(names), type=name, source=draw(names))
    touchpoint["identities"] = draw(
        st.lists(records_of(envelope_fields()["identities"].fields), min_size=1, max_size=3)
    )
    if draw(st.booleans()):
        touchpoint["amount"] = {"minor": draw(st.integers(-(2**63), 2**63 - 1)), "currency": "JPY"}
    body = {field: draw(values_of(body_fields(row.family)[field])) for field in row.required}
    body.update(draw(records_of(tuple(body_fields(row.family)[field] for field in row.body if field not in body))))
    touchpoint["body"] = body
    return touchpoint


@given(touchpoints())
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_what_is_encoded_decodes_to_the_same(touchpoint: dict[str, Any]) -> None:
    """JSON → event → bytes → event → JSON → event; and the bytes are those that fastavro writes."""
    event = parsed(touchpoint)
    encoded = encode_touchpoint(event)
    assert decode_touchpoint(encoded.value) == event
    assert parsed(to_json(event)) == event
    buffer = io.BytesIO()
    family = touchpoint_types()[event["type"]].family
    fastavro.schemaless_writer(buffer, writer_schema(family).parsed, event)
    assert encoded.value[10:] == buffer.getvalue()


@given(st.binary(max_size=300), st.sampled_from(["web", "support", "orders", "accounts"]))
@settings(max_examples=300, deadline=None)
def test_garbage_is_refused_and_nothing_else_happens(garbage: bytes, family: str) -> None:
    """Any bytes, with and without the header of a schema, end in an event or a problem."""
    for value in (garbage, encode_single_object(writer_schema(family).fingerprint, garbage)):
        decoded = decode_touchpoint(value)
        assert isinstance(decoded, dict | Problem)


@given(st.data())
@settings(max_examples=300, deadline=None)
def test_a_damaged_record_is_refused_or_still_a_touchpoint(data: st.DataObject) -> None:
    """Flipped, cut and lengthened records: whatever decodes is an event that encodes again."""
    value = bytearray((FOLDER / f"{data.draw(st.sampled_from(list(touchpoint_types())))}.avro").read_bytes())
    place = data.draw(st.integers(0, len(value) - 1))
    match data.draw(st.sampled_from(["flip", "cut", "lengthen"])):
        case "flip":
            value[place] ^= 1 << data.draw(st.integers(0, 7))
        case "cut":
            del value[place:]
        case "lengthen":
            value += data.draw(st.binary(min_size=1, max_size=5))
    decoded = decode_touchpoint(bytes(value))
    if isinstance(decoded, dict):
        assert decode_touchpoint(encode_touchpoint(decoded).value) == decoded


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | texts,
        lambda inner: st.lists(inner) | st.dictionaries(texts, inner),
        max_leaves=10,
    )
)
@settings(max_examples=150, deadline=None)
def test_any_json_in_any_field_is_judged(value: object) -> None:
    """No value in any place raises."""
    right = example("order.placed")
    for name in (*envelope_fields(), "body"):
        assert isinstance(parse_touchpoint({**right, name: value}), dict | list)
    for name in right["body"]:
        assert isinstance(parse_touchpoint({**right, "body": {name: value}}), dict | list)


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (None, Reason.TOMBSTONE),
        (b"", Reason.UNDECODABLE),
        (b"{}", Reason.UNDECODABLE),
        (b"\xc3\x01", Reason.UNDECODABLE),
        (b"\xc3\x01" + bytes(8), Reason.UNKNOWN_SCHEMA),
        (b"\x00\x00\x00\x00\x07payload", Reason.UNKNOWN_SCHEMA),
        (ORDER[:-1], Reason.UNDECODABLE),
        (ORDER + b"\x00", Reason.UNDECODABLE),
        (ORDER[:10], Reason.UNDECODABLE),
        (bytes(3 * 1_048_576), Reason.TOO_LARGE),
    ],
)
def test_values_that_are_no_touchpoint(value: bytes | None, reason: Reason) -> None:
    problem = decode_touchpoint(value)
    assert isinstance(problem, Problem)
    assert problem.reason == reason
    assert problem.detail


def test_confluent_framing_is_named_in_the_refusal() -> None:
    problem = split(b"\x00\x00\x00\x01\x00rest")
    assert isinstance(problem, Problem)
    assert "schema id 256" in problem.detail


def test_split_takes_a_value_apart_without_copying() -> None:
    framed = split(ORDER)
    assert isinstance(framed, Framed)
    assert framed.fingerprint == writer_schema("orders").fingerprint
    assert framed.payload.obj is ORDER
    assert encode_single_object(framed.fingerprint, bytes(framed.payload)) == ORDER


def foreign(family: str, **fields: Any) -> Problem:
    """Decode a record that another producer wrote with our schema, but without our checks."""
    event: dict[str, Any] = {"id": "1", "type": "", "source": "s", "occurred_at": 0, **fields}
    event.setdefault("identities", [{"kind": "customer_id", "value": "1"}])
    buffer = io.BytesIO()
    fastavro.schemaless_writer(buffer, writer_schema(family).parsed, event)
    decoded = decode_touchpoint(encode_single_object(writer_schema(family).fingerprint, buffer.getvalue()))
    assert isinstance(decoded, Problem), decoded
    return decoded


@pytest.mark.parametrize(
    ("family", "fields", "reason", "pointer"),
    [
        ("web", {"type": "web.vanished"}, Reason.UNKNOWN_TYPE, "/type"),
        ("web", {"type": "order.placed"}, Reason.WRONG_TOPIC, "/type"),
        ("web", {"type": "web.page_viewed", "id": ""}, Reason.INVALID_VALUE, "/id"),
        ("web", {"type": "web.page_viewed", "occurred_at": 2**62}, Reason.INVALID_VALUE, "/occurred_at"),
        ("web", {"type": "web.page_viewed", "identities": []}, Reason.NO_IDENTIFIER, "/identities"),
        ("web", {"type": "web.page_viewed", "body": {"query": "x"}}, Reason.UNKNOWN_FIELD, "/body/query"),
        ("web", {"type": "web.page_viewed", "withdraws": "x"}, Reason.BAD_STATEMENT, "/withdraws"),
        ("web", {"type": "web.page_viewed", "revision": -1}, Reason.INVALID_VALUE, "/revision"),
        (
            "web",
            {"type": "web.page_viewed", "amount": {"minor": 1, "currency": "eur"}},
            Reason.INVALID_VALUE,
            "/amount/currency",
        ),
        ("accounts", {"type": "custom.tracked"}, Reason.MISSING_FIELD, "/body/name"),
        ("support", {"type": "support.call_ended", "body": {"wait_s": math.nan}}, Reason.INVALID_VALUE, "/body/wait_s"),
        (
            "orders",
            {"type": "order.placed", "body": {"lines": [{}, {"quantity": math.inf}]}},
            Reason.INVALID_VALUE,
            "/body/lines/1/quantity",
        ),
        (
            "orders",
            {"type": "order.placed", "body": {"promised_delivery_at": -(2**60)}},
            Reason.INVALID_VALUE,
            "/body/promised_delivery_at",
        ),
    ],
)
def test_records_of_foreign_producers_are_held_to_the_same_rules(
    family: str, fields: dict[str, Any], reason: Reason, pointer: str
) -> None:
    problem = foreign(family, **fields)
    assert (problem.reason, problem.pointer) == (reason, pointer)


def test_a_foreign_record_without_channel_gets_the_default_of_its_type() -> None:
    buffer = io.BytesIO()
    event = {"id": "1", "type": "delivery.shipped", "source": "s", "occurred_at": 0, "refs": {"shipment_id": "x"}}
    fastavro.schemaless_writer(buffer, writer_schema("deliveries").parsed, event)
    decoded = decode_touchpoint(encode_single_object(writer_schema("deliveries").fingerprint, buffer.getvalue()))
    assert isinstance(decoded, dict)
    assert (decoded["channel"], decoded["direction"]) == ("post", "outbound")


@pytest.mark.parametrize("count", [2**62, -(2**62), -(2**63), 2**40])
def test_absurd_counts_end_at_once(count: int) -> None:
    """A list that says it has more items than the record has bytes is not waited for."""
    buffer = io.BytesIO()
    for part, schema in (("1", "string"), ("web.page_viewed", "string"), ("s", "string"), (count, "long")):
        fastavro.schemaless_writer(buffer, schema, part)
    prefix = ORDER[10:]
    for payload in (buffer.getvalue(), buffer.getvalue() * 3, _with_list_count(count), prefix[:40] + b"\xff" * 4000):
        started = time.monotonic()
        problem = decode_touchpoint(encode_single_object(writer_schema("web").fingerprint, payload))
        assert isinstance(problem, Problem)
        assert time.monotonic() - started < 2


def _with_list_count(count: int) -> bytes:
    """Write a record whose list of identities claims this many items."""
    payload = bytearray()
    record_writer(tuple(envelope_fields().values())[:11])(
        payload, {"id": "1", "type": "web.page_viewed", "source": "s", "occurred_at": 0, "revision": 0}
    )
    buffer = io.BytesIO()
    fastavro.schemaless_writer(buffer, "long", count)
    return bytes(payload) + buffer.getvalue() + bytes(200)


def test_the_largest_record_of_many_small_items_is_read_within_bounds() -> None:
    """A megabyte of the smallest identities there are decodes in seconds, not minutes."""
    identities = [{"kind": "other", "value": ""}] * 250_000
    event = {"id": "1", "type": "web.page_viewed", "source": "s", "occurred_at": 0, "identities": identities}
    payload = bytearray()
    record_writer(envelope_fields().values())(payload, {**event, "revision": 0})
    value = encode_single_object(writer_schema("web").fingerprint, bytes(payload) + b"\x00")
    assert len(value) > 1_000_000
    started = time.monotonic()
    decoded = decode_touchpoint(value)
    assert isinstance(decoded, dict)
    assert len(decoded["identities"]) == len(identities)
    assert time.monotonic() - started < 20


def test_symbols_are_the_lists_in_code() -> None:
    """The generators above draw from schemas; this holds them to the closed lists."""
    fields = envelope_fields()
    assert (fields["channel"].symbols, fields["direction"].symbols) == (CHANNELS, DIRECTIONS)
    assert fields["identities"].fields[0].symbols == KINDS

"""
One touchpoint between its forms: JSON, the event in memory, and the record on the wire.

The event in memory is a plain dict with every field of the envelope; records within (refs, context, amount, body) are
None or hold just their non-null fields, lists are there even when empty, times are epoch milliseconds. This is the path
for one touchpoint at a time: producers, the collector, and the records that a columnar decoder sets aside.
"""

import io
import json
from collections.abc import Callable, Mapping
from functools import cache, lru_cache
from typing import Any, NamedTuple

import fastavro

from pipeline.contracts import meaning
from pipeline.contracts.encoding import Write, record_writer
from pipeline.contracts.reading import RecordReader
from pipeline.contracts.reasons import Problem, Reason
from pipeline.contracts.schemas import (
    AvroField,
    WriterSchema,
    body_fields,
    envelope_fields,
    fields_by_name,
    fields_of,
    schema_by_fingerprint,
    writer_schema,
)
from pipeline.contracts.skim import Skim, fault_of, skimmer
from pipeline.contracts.times import format_rfc3339, is_storable
from pipeline.contracts.topics import topic_of_family
from pipeline.contracts.types import FAMILIES, TouchpointType, touchpoint_types
from pipeline.contracts.wire import Framed, encode_single_object, split

LARGEST_VALUE_BYTES = 2 * 1_048_576
"""Twice the largest record that producers send: a list in it cannot become more than about 120 MB of objects."""

_LISTS = ("identities", "consent", "attributes")
_UTM = ("source", "medium", "campaign", "term", "content")


class EncodedTouchpoint(NamedTuple):
    """A touchpoint ready for Kafka."""

    topic: str
    key: bytes
    value: bytes


def parse_touchpoint(value: object) -> dict[str, Any] | list[Problem]:
    """
    Read a touchpoint from decoded JSON.

    Returns:
        The event with its defaults filled in, or everything that is wrong with it.
    """
    problems: list[Problem] = []
    if not isinstance(value, dict):
        return [Problem(Reason.WRONG_TYPE, "", "a touchpoint is a JSON object")]
    envelope = dict(value)
    raw_body = envelope.pop("body", None)
    if type(envelope.get("context")) is dict and "utm" in envelope["context"]:
        envelope["context"] = _flat_utm(envelope["context"], problems)
    read = _envelope_reader()(envelope, None, problems) or {}
    body: dict[str, Any] | None = None
    row = touchpoint_types().get(read["type"]) if read.get("type") else None
    if row is not None:
        body = _body_reader(row.name)({} if raw_body is None else raw_body, (None, "body"), problems)
        read["body"] = body
        problems += meaning.check_statement(row, read)
    elif read.get("type"):
        problems.append(Problem(Reason.UNKNOWN_TYPE, "/type", "no such type; what has none yet is custom.tracked"))
    problems += meaning.check_envelope(read)
    if not any(problem.pointer.startswith(("/identities", "/refs")) for problem in problems):
        problems += meaning.check_identifiers(read)
    if problems or row is None:
        return problems
    event = {**_empty_envelope(), **read}
    event["body"] = body or None
    event["context"] = event["context"] or None
    event["revision"] = event["revision"] or 0
    event["channel"] = event["channel"] or row.channel
    event["direction"] = event["direction"] or row.direction
    return event


def to_json(event: Mapping[str, Any]) -> dict[str, Any]:
    """Return an event as a JSON object that reads back as the same event; times are RFC 3339."""
    shown = shown_fields(event, envelope_fields())
    if event["body"]:
        shown["body"] = shown_fields(event["body"], body_fields(touchpoint_types()[event["type"]].family))
    return shown


def encode_touchpoint(event: Mapping[str, Any]) -> EncodedTouchpoint:
    """Return the record of an event: its topic, the key `KIND:VALUE` of its strongest identifier, and its value."""
    row = touchpoint_types()[event["type"]]
    payload = bytearray()
    _writer(row.family)(payload, event)
    kind, value = meaning.identifiers_of(event)[0]
    return EncodedTouchpoint(
        topic=topic_of_family(row.family),
        key=f"{kind}:{value}".encode(),
        value=encode_single_object(writer_schema(row.family).fingerprint, bytes(payload)),
    )


def decode_touchpoint(
    value: bytes | None,
    largest_bytes: int = LARGEST_VALUE_BYTES,
    schema_of: Callable[[bytes], WriterSchema | None] = schema_by_fingerprint,
) -> dict[str, Any] | Problem:
    """
    Read a touchpoint from a record's value, whatever its bytes are.

    Args:
        value: The value, None for a tombstone.
        largest_bytes: Longer ones are not looked at.
        schema_of: Finds the schema that the value was written with; what an earlier one lacks is absent.

    Returns:
        The event, or the first thing that is wrong with it.
    """
    if value is not None and len(value) > largest_bytes:
        return Problem(Reason.TOO_LARGE, "", f"{len(value)} bytes; at most {largest_bytes} are read")
    framed = split(value)
    if isinstance(framed, Problem):
        return framed
    schema = schema_of(framed.fingerprint)
    if schema is None:
        detail = f"no touchpoint schema has the fingerprint {framed.fingerprint.hex()}"
        return Problem(Reason.UNKNOWN_SCHEMA, "", detail)
    decoded = decode_payload(framed, schema)
    if isinstance(decoded, Problem):
        return decoded
    if schema.name in FAMILIES and schema.fingerprint != writer_schema(schema.name).fingerprint:
        decoded = _known(decoded, fields_by_name(schema.name))
    row = touchpoint_types().get(decoded["type"])
    if row is None:
        return Problem(Reason.UNKNOWN_TYPE, "/type", "no such type; what has none yet is custom.tracked")
    if row.family != schema.name:
        detail = f"{row.name} belongs to {topic_of_family(row.family)}, not to the schema {schema.name}"
        return Problem(Reason.WRONG_TOPIC, "/type", detail)
    return _first_problem(row, decoded) or _with_defaults(row, decoded)


def decode_payload(framed: Framed, schema: WriterSchema) -> dict[str, Any] | Problem:
    """Read the bytes behind a frame by the writer's schema, and judge nothing but whether they are of it."""
    payload = bytes(framed.payload)
    fault = fault_of(_skim_of(schema.canonical), payload, 0)
    if fault is not None:
        return Problem(Reason.UNDECODABLE, "", fault)
    return _without_nulls(fastavro.schemaless_reader(io.BytesIO(payload), schema.parsed, None))


@lru_cache(maxsize=256)
def _skim_of(canonical: str) -> Skim:
    return skimmer(json.loads(canonical))


def _without_nulls(record: Any) -> dict[str, Any]:  # noqa: ANN401 - whatever the schema holds
    """Drop nulls within the records of the envelope and of the body; the envelope has all its fields."""
    event = {**_empty_envelope(), "body": None, **{name: _sparse(value) for name, value in record.items()}}
    for name in _LISTS:
        event[name] = event[name] or []
    event["revision"] = event["revision"] or 0
    return event


def _known(record: Mapping[str, Any], fields: Mapping[str, AvroField]) -> dict[str, Any]:
    """Leave out what another version of the schema has and ours has not; a symbol that we lack is the default one."""
    return {name: _known_value(value, fields[name]) for name, value in record.items() if name in fields}


def _known_value(value: Any, field: AvroField) -> Any:  # noqa: ANN401 - whatever the schema holds
    match field.kind:
        case "enum" if value is not None and value not in field.symbols:
            return field.symbol_default
        case "record" if value:
            return _known(value, {part.name: part for part in field.fields}) or None
        case "array<record>" if value:
            parts = {part.name: part for part in field.fields}
            return [_known(item, parts) for item in value]
    return value


def _sparse(value: Any) -> Any:  # noqa: ANN401 - whatever the schema holds
    if isinstance(value, dict):
        return {name: _sparse(item) for name, item in value.items() if item is not None} or None
    if isinstance(value, list):
        return [_sparse(item) or {} if isinstance(item, dict) else item for item in value]
    return value


def _first_problem(row: TouchpointType, event: Mapping[str, Any]) -> Problem | None:
    for problems in (
        meaning.check_envelope(event),
        meaning.check_values(row, event),
        meaning.check_body(row, event["body"] or {}),
        meaning.check_statement(row, event),
        meaning.check_identifiers(event),
    ):
        for problem in problems:
            return problem
    return None


def _with_defaults(row: TouchpointType, event: dict[str, Any]) -> dict[str, Any]:
    event["channel"] = event["channel"] or row.channel
    event["direction"] = event["direction"] or row.direction
    return event


def shown_fields(record: Mapping[str, Any], fields: Mapping[str, AvroField]) -> dict[str, Any]:
    """Return a record as JSON; a time that the warehouse cannot hold stays a number."""
    return {
        name: _shown(record[name], field)
        for name, field in fields.items()
        if record.get(name) is not None and not _is_default(record[name], field)
    }


def _shown(value: Any, field: AvroField) -> Any:  # noqa: ANN401 - whatever the schema holds
    match field.kind:
        case "timestamp":
            return format_rfc3339(value) if is_storable(value) else value
        case "record":
            return shown_fields(value, {part.name: part for part in field.fields})
        case "array<record>":
            parts = {part.name: part for part in field.fields}
            return [shown_fields(item, parts) for item in value]
    return value


def _is_default(value: object, field: AvroField) -> bool:
    return field.has_default and not field.nullable and not value


def _flat_utm(context: dict[str, Any], problems: list[Problem]) -> dict[str, Any]:
    """Read `context.utm {source, …}`, as many senders nest it, as `context.utm_source`, …; the flat field wins."""
    flat = {name: value for name, value in context.items() if name != "utm"}
    nested = _utm_reader()(context["utm"] or {}, ((None, "context"), "utm"), problems) or {}
    return {**{f"utm_{name}": value for name, value in nested.items()}, **flat}


@cache
def _writer(family: str) -> Write:
    return record_writer(fields_of(writer_schema(family)))


@cache
def _utm_reader() -> RecordReader:
    return RecordReader(AvroField(name, "string", "", nullable=True, has_default=True) for name in _UTM)


@cache
def _empty_envelope() -> dict[str, Any]:
    return dict.fromkeys(envelope_fields())


@cache
def _envelope_reader() -> RecordReader:
    return RecordReader(envelope_fields().values())


@cache
def _body_reader(type_name: str) -> RecordReader:
    row = touchpoint_types()[type_name]
    fields = body_fields(row.family)
    return RecordReader((fields[name] for name in row.body), row.required, foreign=fields)

"""
Plain touchpoints written straight from JSON to the wire, in one pass.

Nearly every touchpoint is plain: every field known, of the right type, none of them null. For such a one this path does
what `parse_touchpoint` and `encode_touchpoint` do, byte for byte, in a third of their time. It judges nothing: where it
has the slightest doubt it returns None, and the careful path says what is wrong, if anything is. A test holds both
together over every type and over whatever a fuzzer makes of them.
"""

import math
from collections.abc import Callable, Mapping
from functools import cache, lru_cache
from struct import Struct
from typing import Any, NamedTuple, NoReturn

from pipeline.contracts.currencies import CURRENCIES
from pipeline.contracts.encoding import record_writer, writer_of
from pipeline.contracts.kinds import KIND_RANK, REFERENCE_KINDS
from pipeline.contracts.schemas import AvroField, body_fields, fields_of, writer_schema
from pipeline.contracts.shapes import (
    Doubt,
    Dump,
    Field,
    Remembered,
    Shapes,
    dump_long,
    dump_text,
    list_of,
    record_of,
)
from pipeline.contracts.times import is_storable, parse_rfc3339
from pipeline.contracts.topics import topic_of_family
from pipeline.contracts.touchpoint import EncodedTouchpoint
from pipeline.contracts.types import STATEMENT_TYPES, TouchpointType, touchpoint_types
from pipeline.contracts.wire import encode_single_object

_NULL = b"\0"
_VALUE = b"\2"
_INTEGERS = {"int": 32, "long": 64}
_NEVER_SENT = "\0"
_WEAKER_THAN_ALL = len(KIND_RANK)
_OCCURRED, _SENT, _RECEIVED = "occurred_at", "sent_at", "received_at"


class Straight(NamedTuple):
    """
    A plain touchpoint on the wire.

    Attributes:
        record: What goes to Kafka.
        content: The value as if it had neither `sent_at` nor `received_at`.
        occurred_at: Epoch milliseconds.
        received_at: Epoch milliseconds.
    """

    record: EncodedTouchpoint
    content: bytes
    occurred_at: int
    received_at: int


def write_straight(value: object, received_at: int, *, keeps_receipt: bool) -> Straight | None:
    """
    Write a plain touchpoint.

    Args:
        value: Decoded JSON.
        received_at: Moment of the receipt, epoch milliseconds.
        keeps_receipt: Whether a `received_at` that the touchpoint brings is believed.

    Returns:
        The touchpoint on the wire, or None where the careful path must look at it.
    """
    try:
        return _route(value["type"])(value, received_at, keeps_receipt)  # type: ignore[index] # a doubt, as all else
    except (Doubt, TypeError, KeyError, AttributeError, ValueError, IndexError, OverflowError):
        # Whatever a value is that it should not be: a number has no encode(), a list is no key of a table.
        return None


_Route = Callable[[Any, int, bool], Straight]


@cache
def _route(type_name: str) -> _Route:
    row = touchpoint_types()[type_name]
    if row.name in STATEMENT_TYPES:
        raise KeyError(type_name)
    schema = writer_schema(row.family)
    names = [field.name for field in fields_of(schema)]
    cut = names.index(_SENT)
    if names[cut - 1 : cut + 2] != [_OCCURRED, _SENT, _RECEIVED]:
        raise ValueError("the schemas keep these times together; or content would not be one piece")
    fields = [_envelope_field(field, row) for field in fields_of(schema)]
    header = Field(_NEVER_SENT, _doubt, b"", encode_single_object(schema.fingerprint, b""))
    return _route_over(topic_of_family(row.family), Shapes([header, *fields[: cut - 1]]), Shapes(fields[cut + 2 :]))


def _route_over(topic: str, before: Shapes, after: Shapes) -> _Route:
    both = (before.names | after.names | {"type", _OCCURRED, _SENT, _RECEIVED}) - {_NEVER_SENT}

    def find(shape: tuple[Any, ...]) -> tuple[Dump, Dump]:
        if not both.issuperset(shape):
            raise Doubt
        return before.dump_of(shape), after.dump_of(shape)

    dumps = Remembered(find)

    def route(value: Any, received_at: int, keeps_receipt: bool) -> Straight:  # noqa: ANN401 - decoded JSON
        dump_head, dump_tail = dumps[tuple(value)]
        if not value["id"] or not value["source"]:
            raise Doubt
        occurred_at = _time(value[_OCCURRED])
        head = dump_head(value) + dump_long(occurred_at)
        tail = dump_tail(value)
        sent = _VALUE + _dump_time(value[_SENT]) if _SENT in value else _NULL
        if _RECEIVED in value:
            moment = _time(value[_RECEIVED])
            if keeps_receipt:
                received_at = moment
        wire = b"".join((head, sent, _VALUE, _dump_receipt(received_at), tail))
        record = EncodedTouchpoint(topic, _key_of(value), wire)
        return Straight(record, b"".join((head, _NULL, _NULL, tail)), occurred_at, received_at)

    return route


def _key_of(value: Mapping[str, Any]) -> bytes:
    """Return `KIND:VALUE` of the strongest identifier."""
    identities: list[Any] = value.get("identities") or []
    refs = value.get("refs")
    if len(identities) == 1 and not refs:
        (only,) = identities
        return f"{only['kind']}:{only['value']}".encode()
    best, kind, text = _WEAKER_THAN_ALL, "", ""
    for each in identities:
        rank = KIND_RANK[each["kind"]]
        if rank < best or (rank == best and each["value"] < text):
            best, kind, text = rank, each["kind"], each["value"]
    if refs:
        for name in REFERENCE_KINDS:
            rank = KIND_RANK[name]
            if rank <= best and refs.get(name) and (rank < best or refs[name] < text):
                best, kind, text = rank, name, refs[name]
    if not kind:
        raise Doubt
    return f"{kind}:{text}".encode()


def _envelope_field(field: AvroField, row: TouchpointType) -> Field:
    match field.name:
        case "type":
            # It is the row's own name, or this would be another row's route: the same bytes each time.
            return Field(_NEVER_SENT, _doubt, b"", dump_text(row.name))
        case "withdraws":
            return Field(field.name, _doubt, _VALUE, _NULL)
        case "revision":
            return Field(field.name, _dump_revision, b"", _NULL)
        case "channel" | "direction":
            symbols = _symbols(field)
            default = row.channel if field.name == "channel" else row.direction
            return Field(field.name, symbols, _VALUE, _VALUE + symbols[default])
        case "context":
            return Field(field.name, record_of(map(_field, field.fields), may_be_empty=False), _VALUE, _NULL)
        case "amount":
            return Field(field.name, record_of(map(_amount_field, field.fields)), _VALUE, _NULL)
        case "body":
            return _body_field(row)
    return _field(field)


def _amount_field(field: AvroField) -> Field:
    made = _field(field)
    return made._replace(dump=_CURRENCY_TEXTS) if field.name == "currency" else made


def _body_field(row: TouchpointType) -> Field:
    """Return the body's field: of its own fields those of the type may be there, the other types' may not."""
    fields = body_fields(row.family)
    made = [_field(field) for field in fields.values()]
    demanded = [field._replace(absent=None) if field.name in row.required else field for field in made]
    dump = record_of(demanded, may_be_empty=False, foreign=set(fields) - set(row.body))
    return Field("body", dump, _VALUE, None if row.required else _NULL)


def _field(field: AvroField) -> Field:
    dump = _dump(field)
    if field.nullable:
        return Field(field.name, dump, _VALUE, _NULL)
    if not field.has_default:
        return Field(field.name, dump, b"", None)
    absent = bytearray()
    record_writer([field])(absent, {})
    return Field(field.name, dump, b"", bytes(absent))


def _dump(field: AvroField) -> Dump | Mapping[str, bytes]:
    match field.kind:
        case "string":
            return dump_text
        case "boolean":
            return _dump_flag
        case "int" | "long":
            return _dump_integer(_INTEGERS[field.kind])
        case "double":
            return _dump_number
        case "timestamp":
            return _dump_time
        case "enum":
            return _symbols(field)
        case "record":
            return record_of(map(_field, field.fields))
        case "array<string>":
            return list_of(dump_text)
        case "array<record>":
            return list_of(record_of(map(_field, field.fields)))
        case "bytes":
            return _doubt


def _symbols(field: AvroField) -> Mapping[str, bytes]:
    """Return the bytes of each symbol of an enum; one that is none is a KeyError."""
    write = writer_of(field)
    found = {}
    for symbol in field.symbols:
        out = bytearray()
        write(out, symbol)
        found[symbol] = bytes(out)
    return found


_CURRENCY_TEXTS = {currency: dump_text(currency) for currency in CURRENCIES}


def _dump_integer(bits: int) -> Dump:
    limit = 1 << (bits - 1)

    def dump(value: Any) -> bytes:  # noqa: ANN401 - decoded JSON
        if type(value) is not int or not -limit <= value < limit:
            raise Doubt
        return dump_long(value)

    return dump


def _dump_flag(value: object) -> bytes:
    if type(value) is not bool:
        raise Doubt
    return b"\1" if value else b"\0"


_pack_double = Struct("<d").pack


def _dump_number(value: object) -> bytes:
    if type(value) is not float and type(value) is not int:
        raise Doubt
    number = float(value)
    if not math.isfinite(number):
        raise Doubt
    return _pack_double(number)


def _dump_revision(value: object) -> bytes:
    if type(value) is not int or not 0 <= value < 1 << 31:
        raise Doubt
    return dump_long(value)


def _dump_time(value: object) -> bytes:
    return dump_long(_time(value))


# All touchpoints of a request have one receipt, and a file's have few a second.
_dump_receipt = lru_cache(maxsize=64)(dump_long)


def _time(value: object) -> int:
    moment = value if type(value) is int else parse_rfc3339(value) if type(value) is str else None
    if moment is None or not is_storable(moment):
        raise Doubt
    return moment


def _doubt(_value: object) -> NoReturn:
    raise Doubt

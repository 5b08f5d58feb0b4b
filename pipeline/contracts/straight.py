"""
Plain touchpoints written straight from JSON to the wire, in one pass.

Nearly every touchpoint is plain: every field known, of the right type, none of them null. For such a one this path does
what `parse_touchpoint` and `encode_touchpoint` do, byte for byte, in a third of their time. It judges nothing: where it
has the slightest doubt it returns None, and the careful path says what is wrong, if anything is. A test holds both
together over every type and over whatever a fuzzer makes of them.
"""

import math
from collections.abc import Callable, Iterable, Mapping
from functools import cache
from typing import Any, NamedTuple, NoReturn, cast

from pipeline.contracts.currencies import CURRENCIES
from pipeline.contracts.encoding import Write, record_writer, write_long, writer_of
from pipeline.contracts.kinds import KIND_RANK, REFERENCE_KINDS
from pipeline.contracts.schemas import AvroField, body_fields, fields_of, writer_schema
from pipeline.contracts.times import is_storable, parse_rfc3339
from pipeline.contracts.topics import topic_of_family
from pipeline.contracts.touchpoint import EncodedTouchpoint
from pipeline.contracts.types import STATEMENT_TYPES, TouchpointType, touchpoint_types
from pipeline.contracts.wire import encode_single_object

_NULL = b"\0"
_VALUE = b"\2"
_USUAL_SIZES = 512
_INTEGERS = {"int": 32, "long": 64}
_SENT, _RECEIVED = "sent_at", "received_at"


def _size_bytes(size: int) -> bytes:
    out = bytearray()
    write_long(out, size)
    return bytes(out)


_SIZE = tuple(_size_bytes(size) for size in range(_USUAL_SIZES))
_VALUE_SIZE = tuple(_VALUE + size for size in _SIZE)


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


class _Doubt(Exception):  # noqa: N818 - nothing is wrong yet
    """This touchpoint goes the careful way."""


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
    except (_Doubt, TypeError, KeyError, AttributeError, ValueError, IndexError, OverflowError):
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
    if names[cut : cut + 2] != [_SENT, _RECEIVED]:
        raise ValueError("the schemas keep sent_at and received_at together; or content would not be one piece")
    fields = [_envelope_step(field, row) for field in fields_of(schema)]
    return _route_over(row, encode_single_object(schema.fingerprint, b""), fields[:cut], fields[cut + 2 :])


def _route_over(row: TouchpointType, header: bytes, before: "list[_Step]", after: "list[_Step]") -> _Route:
    topic = topic_of_family(row.family)
    write_before, write_after = _steps_writer(before), _steps_writer(after)

    def route(value: Any, received_at: int, keeps_receipt: bool) -> Straight:  # noqa: ANN401 - decoded JSON
        out = bytearray(header)
        found = write_before(out, value)
        tail = bytearray()
        found += write_after(tail, value)
        content = bytes(out) + _NULL + _NULL + tail
        sent = value.get(_SENT)
        if sent is None:
            out += _NULL
        else:
            found += 1
            out += _VALUE
            _write_time(out, sent)
        received = value.get(_RECEIVED)
        if received is not None:
            found += 1
            moment = _time(received)
            if keeps_receipt:
                received_at = moment
        out += _VALUE
        write_long(out, received_at)
        out += tail
        if found != len(value):
            raise _Doubt
        record = EncodedTouchpoint(topic, _key_of(value), bytes(out))
        return Straight(record, content, _time(value["occurred_at"]), received_at)

    return route


def _key_of(value: Mapping[str, Any]) -> bytes:
    """Return `KIND:VALUE` of the strongest identifier."""
    identities: list[Any] = value.get("identities") or []
    refs = value.get("refs")
    if len(identities) == 1 and not refs:
        (only,) = identities
        return f"{only['kind']}:{only['value']}".encode()
    found = [(KIND_RANK[each["kind"]], each["value"], each["kind"]) for each in identities]
    if refs:
        found += [(KIND_RANK[kind], refs[kind], kind) for kind in REFERENCE_KINDS if refs.get(kind)]
    if not found:
        raise _Doubt
    _, text, kind = min(found)
    return f"{kind}:{text}".encode()


class _Step(NamedTuple):
    """A field of a record: how its value is written, and the bytes that stand for its absence (None: a doubt)."""

    name: str
    write: Write
    absent: bytes | None


def _steps_writer(steps: Iterable[_Step]) -> Callable[[bytearray, Any], int]:
    """Return a writer of these fields that says how many of them were there."""
    plan = tuple((step.name, step.write, cast(bytes, step.absent)) for step in steps)
    fields = len(plan)

    def write(out: bytearray, value: Any) -> int:  # noqa: ANN401 - decoded JSON
        missing = 0
        get = value.get
        for name, write_value, absent in plan:
            item = get(name)
            if item is not None:
                write_value(out, item)
            else:
                out += absent  # a required field has None here, and that is a TypeError: a doubt
                missing += 1
        return fields - missing

    return write


def _envelope_step(field: AvroField, row: TouchpointType) -> _Step:
    match field.name:
        case "id" | "type" | "source":
            return _Step(field.name, _write_name, None)
        case "withdraws":
            return _Step(field.name, _write_doubt, _NULL)
        case "revision":
            return _Step(field.name, _write_revision, _NULL)
        case "channel" | "direction":
            default = bytearray(_VALUE)
            writer_of(field)(default, row.channel if field.name == "channel" else row.direction)
            return _Step(field.name, _nullable(writer_of(field)), bytes(default))
        case "context":
            return _Step(field.name, _nullable(_record_writer(map(_step, field.fields), may_be_empty=False)), _NULL)
        case "amount":
            steps = [_amount_step(part) for part in field.fields]
            return _Step(field.name, _nullable(_record_writer(steps)), _NULL)
        case "body":
            return _body_step(row)
    return _step(field)


def _amount_step(field: AvroField) -> _Step:
    return _Step("currency", _write_currency, None) if field.name == "currency" else _step(field)


def _body_step(row: TouchpointType) -> _Step:
    """Return the body's step: the type's own fields, and the constant bytes of those that are other types'."""
    own = frozenset(row.body)
    steps: list[tuple[_Step | None, bytes]] = [(None, b"")]
    for field in body_fields(row.family).values():
        if field.name in own:
            step = _step(field)
            steps.append((step._replace(absent=None) if field.name in row.required else step, b""))
        else:
            steps[-1] = (steps[-1][0], steps[-1][1] + _NULL)
    begin = _VALUE + steps[0][1]
    plan = tuple((step, foreign) for step, foreign in steps if step is not None)

    def write(out: bytearray, body: Any) -> None:  # noqa: ANN401 - decoded JSON
        if not body and body == {} and not row.required:
            out += _NULL
            return
        out += begin
        found = 0
        get = body.get
        for (name, write_value, absent), foreign in plan:
            item = get(name)
            if item is not None:
                write_value(out, item)
                found += 1
            elif absent is not None:
                out += absent
            else:
                raise _Doubt
            out += foreign
        if found != len(body) or not found:
            raise _Doubt

    return _Step("body", write, None if row.required else _NULL)


def _step(field: AvroField) -> _Step:
    write = _writer(field)
    if field.nullable:
        return _Step(field.name, _write_nullable_text if write is _write_text else _nullable(write), _NULL)
    if not field.has_default:
        return _Step(field.name, write, None)
    absent = bytearray()
    record_writer([field])(absent, {})
    return _Step(field.name, write, bytes(absent))


def _writer(field: AvroField) -> Write:
    match field.kind:
        case "string":
            return _write_text
        case "boolean":
            return _write_flag
        case "int" | "long":
            return _integer_writer(_INTEGERS[field.kind])
        case "double":
            return _write_number
        case "timestamp":
            return _write_time
        case "enum":
            return writer_of(field)  # a symbol that is none is a KeyError
        case "record":
            return _record_writer(map(_step, field.fields))
        case "array<string>":
            return _list_writer(_write_text)
        case "array<record>":
            return _list_writer(_record_writer(map(_step, field.fields)))
        case "bytes":
            return _write_doubt


def _record_writer(steps: Iterable[_Step], *, may_be_empty: bool = True) -> Write:
    write_steps = _steps_writer(steps)

    def write(out: bytearray, value: Any) -> None:  # noqa: ANN401 - decoded JSON
        if write_steps(out, value) != len(value) or not (may_be_empty or value):
            raise _Doubt

    return write


def _nullable(write: Write) -> Write:
    def write_nullable(out: bytearray, value: Any) -> None:  # noqa: ANN401 - decoded JSON
        out += _VALUE
        write(out, value)

    return write_nullable


def _list_writer(write_item: Write) -> Write:
    def write(out: bytearray, items: Any) -> None:  # noqa: ANN401 - decoded JSON
        if type(items) is not list:
            raise _Doubt
        if items:
            write_long(out, len(items))
            for item in items:
                write_item(out, item)
        out += _NULL

    return write


def _integer_writer(bits: int) -> Write:
    limit = 1 << (bits - 1)

    def write(out: bytearray, value: Any) -> None:  # noqa: ANN401 - decoded JSON
        if type(value) is not int or not -limit <= value < limit:
            raise _Doubt
        write_long(out, value)

    return write


def _write_text(out: bytearray, value: str) -> None:
    data = value.encode()
    size = len(data)
    if size < _USUAL_SIZES:
        out += _SIZE[size]
    else:
        write_long(out, size)
    out += data


def _write_nullable_text(out: bytearray, value: str) -> None:
    data = value.encode()
    size = len(data)
    if size < _USUAL_SIZES:
        out += _VALUE_SIZE[size]
    else:
        out += _VALUE
        write_long(out, size)
    out += data


def _write_name(out: bytearray, value: str) -> None:
    if not value:
        raise _Doubt
    _write_text(out, value)


def _write_currency(out: bytearray, value: str) -> None:
    if value not in CURRENCIES:
        raise _Doubt
    _write_text(out, value)


def _write_flag(out: bytearray, value: object) -> None:
    if type(value) is not bool:
        raise _Doubt
    out.append(value)


_write_double = writer_of(AvroField("", "double", "", nullable=False, has_default=False))


def _write_number(out: bytearray, value: object) -> None:
    if type(value) is not float and type(value) is not int:
        raise _Doubt
    number = float(value)
    if not math.isfinite(number):
        raise _Doubt
    _write_double(out, number)


def _write_revision(out: bytearray, value: object) -> None:
    if type(value) is not int or not 0 <= value < 1 << 31:
        raise _Doubt
    write_long(out, value)


def _write_time(out: bytearray, value: object) -> None:
    write_long(out, _time(value))


def _time(value: object) -> int:
    moment = value if type(value) is int else parse_rfc3339(value) if type(value) is str else None
    if moment is None or not is_storable(moment):
        raise _Doubt
    return moment


def _write_doubt(_out: bytearray, _value: object) -> NoReturn:
    raise _Doubt

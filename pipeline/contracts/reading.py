"""
Readers that turn JSON values into Avro ones, made once from the fields of a schema.

A reader finds every fault, not the first, and never raises because of the data. It judges shape only: what a
touchpoint means is judged in `meaning.py`, for JSON and Avro alike.
"""

import math
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from pipeline.contracts.reasons import Problem, Reason, pointer_to
from pipeline.contracts.schemas import AvroField
from pipeline.contracts.times import is_storable, parse_rfc3339

Place = tuple[Any, str | int] | None
"""Where a value stands: the place around it and the step to it; None is the event. Written out only for a problem."""

Read = Callable[[object, Place, list[Problem]], Any]
"""Reads one value that stands somewhere; adds what is wrong to the list and then returns None."""

MOST_PROBLEMS = 100
"""Reading stops about here: a list of a hundred thousand wrong items needs no report on each."""

_INTEGERS = {"int": 32, "long": 64}
_DECIMAL_TEXT = re.compile(r"\s*[+-]?(\d+(\.\d*)?|\.\d+)\s*", re.ASCII)


class RecordReader:
    """
    Reads a JSON object as a record: nulls are left out, what has a default is filled in.

    Args:
        fields: Fields that the object may have.
        required: Names that must be there beside those that the schema demands.
        foreign: Names that are not the object's own, but may stand there as null.
    """

    def __init__(self, fields: Iterable[AvroField], required: Iterable[str] = (), foreign: Iterable[str] = ()) -> None:
        fields = tuple(fields)
        demanded = frozenset(required)
        filled = [field for field in fields if field.has_default and not field.nullable]
        self._readers: Mapping[str, Read] = {field.name: reader_of(field) for field in fields}
        self._required = tuple(
            field.name for field in fields if field.name in demanded or not (field.nullable or field.has_default)
        )
        self._foreign = frozenset(foreign)
        self._lists = tuple(field.name for field in filled if field.kind.startswith("array"))
        self._flags = tuple(field.name for field in filled if field.kind == "boolean")

    def __call__(self, value: object, place: Place, problems: list[Problem]) -> dict[str, Any] | None:
        """Read one object; the result lacks what was faulty."""
        if not isinstance(value, dict):
            problems.append(_wrong(place, "an object", value))
            return None
        record: dict[str, Any] = {}
        for name, item in value.items():
            reader = self._readers.get(name)
            if reader is None:
                if item is not None or name not in self._foreign:
                    problems.append(_problem(Reason.UNKNOWN_FIELD, (place, name), "there is no such field"))
                    if len(problems) >= MOST_PROBLEMS:
                        break
            elif type(item) is str and reader is read_text and item.isascii():
                record[name] = item  # most values are such
            elif item is not None:
                record[name] = reader(item, (place, name), problems)
        problems += [
            _problem(Reason.MISSING_FIELD, (place, name), "this field is required")
            for name in self._required
            if value.get(name) is None
        ]
        for name in self._lists:
            record.setdefault(name, [])
        for name in self._flags:
            record.setdefault(name, False)
        return record


def reader_of(field: AvroField) -> Read:
    """Return the reader of a field's non-null values."""
    match field.kind:
        case "string":
            return read_text
        case "boolean":
            return read_flag
        case "int" | "long":
            return _integer_reader(_INTEGERS[field.kind])
        case "double":
            return _read_number_or_text if field.takes_text else read_number
        case "timestamp":
            return read_time
        case "enum":
            return _enum_reader(field.symbols)
        case "record":
            return RecordReader(field.fields)
        case "array<string>":
            return _list_reader(read_text)
        case "array<record>":
            return _list_reader(RecordReader(field.fields))
        case "bytes":
            raise ValueError(f"{field.name}: JSON has no bytes")


def read_text(value: object, place: Place, problems: list[Problem]) -> str | None:
    """Read a text; half a surrogate pair is none."""
    if type(value) is not str:
        problems.append(_wrong(place, "a string", value))
        return None
    if not value.isascii() and not _is_unicode(value):
        problems.append(_problem(Reason.INVALID_VALUE, place, "half a surrogate pair is no text"))
        return None
    return value


def read_flag(value: object, place: Place, problems: list[Problem]) -> bool | None:
    """Read true or false."""
    if type(value) is bool:
        return value
    problems.append(_wrong(place, "true or false", value))
    return None


def read_number(value: object, place: Place, problems: list[Problem]) -> float | None:
    """Read a finite number."""
    if type(value) is float or type(value) is int:
        try:
            number = float(value)
        except OverflowError:
            number = math.inf
        if math.isfinite(number):
            return number
        problems.append(_problem(Reason.INVALID_VALUE, place, "not a finite number"))
        return None
    problems.append(_wrong(place, "a number", value))
    return None


def read_time(value: object, place: Place, problems: list[Problem]) -> int | None:
    """Read RFC 3339 or epoch milliseconds."""
    if type(value) is str:
        time = parse_rfc3339(value)
        if time is None:
            detail = f"{_shown(value)} is no RFC 3339 time, as 2026-03-01T10:04:00Z (the offset is required)"
            problems.append(_problem(Reason.INVALID_VALUE, place, detail))
            return None
    else:
        time = _whole(value)
        if time is None:
            problems.append(_wrong(place, "an RFC 3339 time or epoch milliseconds", value))
            return None
    if is_storable(time):
        return time
    problems.append(_problem(Reason.INVALID_VALUE, place, "times lie between the years 1900 and 2299"))
    return None


def _read_number_or_text(value: object, place: Place, problems: list[Problem]) -> float | None:
    if isinstance(value, str) and _DECIMAL_TEXT.fullmatch(value):
        value = float(value)
    return read_number(value, place, problems)


def _integer_reader(bits: int) -> Read:
    limit = 1 << (bits - 1)

    def read(value: object, place: Place, problems: list[Problem]) -> int | None:
        number = _whole(value)
        if number is None:
            problems.append(_wrong(place, "a whole number", value))
            return None
        if -limit <= number < limit:
            return number
        problems.append(_problem(Reason.INVALID_VALUE, place, f"does not fit {bits} bits"))
        return None

    return read


def _enum_reader(symbols: tuple[str, ...]) -> Read:
    known = frozenset(symbols)
    expected = ", ".join(symbols)

    def read(value: object, place: Place, problems: list[Problem]) -> str | None:
        if type(value) is not str:
            problems.append(_wrong(place, "a string", value))
            return None
        if value in known:
            return value
        problems.append(_problem(Reason.INVALID_VALUE, place, f"{_shown(value)} is none of {expected}"))
        return None

    return read


def _list_reader(read_item: Read) -> Read:
    def read(value: object, place: Place, problems: list[Problem]) -> list[Any] | None:
        if not isinstance(value, list):
            problems.append(_wrong(place, "an array", value))
            return None
        items = []
        for index, item in enumerate(value):
            items.append(read_item(item, (place, index), problems))
            if len(problems) >= MOST_PROBLEMS:
                break
        return items

    return read


def _whole(value: object) -> int | None:
    """Return a JSON number without fraction as int; true and false are none, 5.0 is one."""
    if type(value) is int:
        return value
    if type(value) is float and value.is_integer():
        return int(value)
    return None


def _is_unicode(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _problem(reason: Reason, place: Place, detail: str) -> Problem:
    steps: list[str | int] = []
    while place is not None:
        place, step = place
        steps.append(step)
    return Problem(reason, pointer_to(*reversed(steps)), detail)


def _wrong(place: Place, expected: str, value: object) -> Problem:
    return _problem(Reason.WRONG_TYPE, place, f"expected {expected}, found {_type_name(value)}")


def _type_name(value: object) -> str:
    match value:
        case None:
            return "null"
        case bool():
            return "a boolean"
        case int() | float():
            return f"the number {_shown(value)}"
        case str():
            return "a string"
        case list():
            return "an array"
        case dict():
            return "an object"
    return type(value).__name__


def _shown(value: object) -> str:
    """Return a value short enough to stand in a message."""
    text = repr(value) if not isinstance(value, int) or value.bit_length() < 128 else "of many digits"
    return text if len(text) <= 40 else text[:40] + "…"

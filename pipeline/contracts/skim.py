"""
One record at a time, checked byte by byte against the schema it was written with; keeps no values.

The one rule: only what Avro allows passes. Readers differ on the rest (fastavro takes the index of a union as a Python
index and any byte but 0 for true, polars any index but null's for the other branch), so bytes that nobody may write
would mean what the reader at hand makes of them. Numbers may be longer than they need, up to ten bytes, and arrays may
come in several blocks: that is allowed, and read alike everywhere.
"""

from collections.abc import Callable, Mapping
from typing import Any

Skim = Callable[[bytes, int], int]
"""Reads a value at a place and returns the place after it."""

_NUMBER_BYTES = 10
_LEAST = -(2**63)


class BrokenRecordError(ValueError):
    """The bytes are not what the schema says; the message names the field."""


def fault_of(skim: Skim, value: bytes, begin: int) -> str | None:
    """Return what is wrong with a record that begins there and reaches to the end of the bytes, None where nothing."""
    try:
        end = skim(value, begin)
    except BrokenRecordError as error:
        return str(error)
    return f"{len(value) - end} bytes are left over after the record" if end < len(value) else None


def skimmer(schema: Any) -> Skim:  # noqa: ANN401 - a schema as JSON
    """
    Return the reader of values of a schema.

    Raises:
        ValueError: If it has a type that touchpoints may not have.
    """
    return _skimmer(schema, "", {})


def _skimmer(schema: Any, pointer: str, named: dict[str, Any]) -> Skim:  # noqa: ANN401 - a schema as JSON
    if isinstance(schema, list):
        return _union([_skimmer(branch, pointer, named) for branch in schema], pointer)
    kind = schema["type"] if isinstance(schema, Mapping) else schema
    if isinstance(schema, Mapping) and "name" in schema:
        named[_full_name(schema)] = schema
    match kind:
        case "null":
            return lambda _data, at: at
        case "boolean":
            return _flag(pointer)
        case "int" | "long":
            return _integer(pointer, 31 if kind == "int" else 63)
        case "float" | "double":
            return _fixed(4 if kind == "float" else 8, pointer)
        case "string" | "bytes":
            return _text(pointer, is_text=kind == "string")
        case "enum":
            return _enum(len(schema["symbols"]), pointer)
        case "array":
            return _array(_skimmer(schema["items"], f"{pointer}/-", named), pointer)
        case "record":
            return _record([_skimmer(f["type"], f"{pointer}/{f['name']}", named) for f in schema["fields"]])
        case str() if kind in named:
            return _skimmer(named[kind], pointer, {name: each for name, each in named.items() if name != kind})
        case Mapping() | list():
            return _skimmer(kind, pointer, named)
    raise ValueError(f"{pointer}: {kind!r} is no type of touchpoints")


def _full_name(schema: Mapping[str, Any]) -> str:
    name: str = schema["name"]
    namespace = schema.get("namespace")
    return f"{namespace}.{name}" if namespace and "." not in name else name


def _record(parts: list[Skim]) -> Skim:
    def skim(data: bytes, at: int) -> int:
        for part in parts:
            at = part(data, at)
        return at

    return skim


def _union(branches: list[Skim], pointer: str) -> Skim:
    def skim(data: bytes, at: int) -> int:
        index, at = _number(data, at, pointer)
        if not 0 <= index < len(branches):
            raise BrokenRecordError(f"{pointer}: branch {index} of a union of {len(branches)}")
        return branches[index](data, at)

    return skim


def _array(skim_item: Skim, pointer: str) -> Skim:
    def skim(data: bytes, at: int) -> int:
        while True:
            count, at = _number(data, at, pointer)
            if count == 0:
                return at
            if count < 0:
                _, at = _number(data, at, pointer)
                if count == _LEAST:
                    raise BrokenRecordError(f"{pointer}: an array of {count} items")
            for _ in range(abs(count)):
                at = skim_item(data, at)

    return skim


def _text(pointer: str, *, is_text: bool) -> Skim:
    def skim(data: bytes, at: int) -> int:
        length, at = _number(data, at, pointer)
        end = at + length
        if length < 0 or end > len(data):
            raise BrokenRecordError(f"{pointer}: a length of {length} bytes, {len(data) - at} are left")
        if is_text:
            try:
                str(data[at:end], "utf-8")
            except UnicodeDecodeError as error:
                raise BrokenRecordError(f"{pointer}: no UTF-8: {error.reason}") from error
        return end

    return skim


def _integer(pointer: str, bits: int) -> Skim:
    def skim(data: bytes, at: int) -> int:
        number, at = _number(data, at, pointer)
        if not -1 << bits <= number < 1 << bits:
            raise BrokenRecordError(f"{pointer}: an int has 32 bits")
        return at

    return skim


def _enum(symbols: int, pointer: str) -> Skim:
    def skim(data: bytes, at: int) -> int:
        index, at = _number(data, at, pointer)
        if not 0 <= index < symbols:
            raise BrokenRecordError(f"{pointer}: the enum has {symbols} symbols")
        return at

    return skim


def _flag(pointer: str) -> Skim:
    def skim(data: bytes, at: int) -> int:
        if at >= len(data):
            raise BrokenRecordError(f"{pointer}: the record ends early")
        if data[at] > 1:
            raise BrokenRecordError(f"{pointer}: a boolean is the byte 0 or 1")
        return at + 1

    return skim


def _fixed(size: int, pointer: str) -> Skim:
    def skim(data: bytes, at: int) -> int:
        if at + size > len(data):
            raise BrokenRecordError(f"{pointer}: the record ends early")
        return at + size

    return skim


def _number(data: bytes, at: int, pointer: str) -> tuple[int, int]:
    """Return the number at a place and the place after it."""
    bits = 0
    for place in range(_NUMBER_BYTES):
        if at >= len(data):
            raise BrokenRecordError(f"{pointer}: the record ends early")
        byte = data[at]
        at += 1
        bits |= (byte & 0x7F) << 7 * place
        if byte < 0x80:
            bits &= 0xFFFF_FFFF_FFFF_FFFF
            return bits >> 1 ^ -(bits & 1), at
    raise BrokenRecordError(f"{pointer}: a number of more than {_NUMBER_BYTES} bytes")

"""
One record at a time, read by the very rules by which blocks are read; says where it breaks, keeps no values.

It exists because other readers differ on bytes that nobody should send (fastavro takes the index of a union as a
Python index, negative ones too, and numbers of any length), and a verdict must not depend on which of two readers a
record met. The rules are those of polars 2.1: any index of a union but 0 is its second branch; numbers have at most
ten bytes; a negative count of an array is followed by a size that means nothing.
"""

from collections.abc import Callable
from typing import Any

from pipeline.streaming.decode.reframe import HEAD_BYTES

Skim = Callable[[bytes, int], int]
"""Reads a value at a place and returns the place after it."""

_NUMBER_BYTES = 10
_LEAST = -(2**63)


class BrokenRecordError(ValueError):
    """The bytes are not what the schema says; the message names the field."""


def fault_of(skim: Skim, value: bytes) -> str | None:
    """Return what is wrong with a value (head included), or None where a block of it alone would be believed."""
    try:
        end = skim(value, HEAD_BYTES)
    except BrokenRecordError as error:
        return str(error)
    return f"{len(value) - end} bytes are left over after the record" if end < len(value) else None


def skimmer(rewritten: Any, pointer: str = "") -> Skim:  # noqa: ANN401 - a schema as JSON
    """Return the reader of values of a re-framed schema (`reframe`), which knows few types."""
    if isinstance(rewritten, list):
        return _union(rewritten, pointer)
    if rewritten == "long":
        return lambda data, at: _number(data, at, pointer)[1]
    if rewritten in ("float", "double"):
        return _fixed(4 if rewritten == "float" else 8, pointer)
    if rewritten in ("string", "bytes"):
        return _text(pointer, is_text=rewritten == "string")
    if rewritten["type"] == "array":
        return _array(skimmer(rewritten["items"], f"{pointer}/-"), pointer)
    parts = [skimmer(field["type"], f"{pointer}/{field['name']}") for field in rewritten["fields"]]

    def skim_record(data: bytes, at: int) -> int:
        for part in parts:
            at = part(data, at)
        return at

    return skim_record


def _union(branches: list[Any], pointer: str) -> Skim:
    null_first = branches[0] == "null"
    skim_value = skimmer(branches[1] if null_first else branches[0], pointer)

    def skim(data: bytes, at: int) -> int:
        index, at = _number(data, at, pointer)
        return skim_value(data, at) if (index != 0) == null_first else at

    return skim


def _array(skim_item: Skim, pointer: str) -> Skim:
    def skim(data: bytes, at: int) -> int:
        while True:
            count, at = _number(data, at, pointer)
            if count == 0:
                return at
            if count < 0:
                _, at = _number(data, at, pointer)
                count = 0 if count == _LEAST else -count
            for _ in range(count):
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

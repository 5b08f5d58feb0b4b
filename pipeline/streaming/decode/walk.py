"""
Whether a block's records hold bytes that Avro does not allow, for all of them at once.

A union's index is no value and a boolean of several bytes reads as one: neither leaves a trace in the columns, so both
are looked for in the bytes. A walk goes over all records in step, field by field, with one place for each. The rule it
owns: whoever meets anything unusual there, allowed or not, is put on a byte 0 behind all records and stays behind them;
so he ends elsewhere than his record does, and is told to be in doubt. What becomes of him is for `skim` to say.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from pipeline.streaming.decode.reframe import HEAD_BYTES

Bytes = npt.NDArray[np.uint8]
Places = npt.NDArray[np.int64]
Walk = Callable[[Bytes, Places], Places]
"""Goes from the places of a value to those behind it."""

# A walk over few records costs more than skimming them, and an array of many items as many steps.
_FEW = 32
_MOST_ITEMS = 64


def in_doubt(walk: Walk, values: Sequence[bytes]) -> list[int]:
    """
    Return the places of the values (heads included) that must be skimmed; all others are what their schema says.

    Args:
        walk: Of their writer schema.
        values: A block that was believed.
    """
    if len(values) < _FEW:
        return list(range(len(values)))
    data = np.frombuffer(b"".join((*values, b"\0")), dtype=np.uint8)
    ends = np.cumsum(np.fromiter(map(len, values), dtype=np.int64, count=len(values)))
    begins = np.concatenate((np.zeros(1, dtype=np.int64), ends[:-1])) + HEAD_BYTES
    found: list[int] = np.flatnonzero(walk(data, begins) != ends).tolist()
    return found


def walker(schema: Any, named: dict[str, Any] | None = None) -> Walk:  # noqa: ANN401 - a schema as JSON
    """Return the walk over values of a schema that `reframe` can read."""
    named = {} if named is None else named
    if isinstance(schema, list):
        (value,) = (branch for branch in schema if branch != "null")
        return _union(walker(value, named), 2 * schema.index(value))
    kind = schema["type"] if isinstance(schema, Mapping) else schema
    if isinstance(schema, Mapping) and "name" in schema:
        named[schema["name"]] = schema
    match kind:
        case "boolean":
            return _flag
        case "int" | "long" | "enum":
            return _number
        case "float":
            return lambda _data, at: at + 4
        case "double":
            return lambda _data, at: at + 8
        case "string" | "bytes":
            return _text
        case "array":
            return _array(walker(schema["items"], named))
        case "record":
            return _record([walker(field["type"], named) for field in schema["fields"]])
    return walker(named[kind] if isinstance(kind, str) else kind, named)


def _record(parts: list[Walk]) -> Walk:
    def walk(data: Bytes, at: Places) -> Places:
        for part in parts:
            at = part(data, at)
        return at

    return walk


def _union(walk_value: Walk, value_byte: int) -> Walk:
    def walk(data: Bytes, at: Places) -> Places:
        index = data.take(at, mode="clip")
        at = _leave(data, at + 1, index & ~np.uint8(2))
        is_there = index == value_byte
        count = np.count_nonzero(is_there)
        if count == len(at):
            return walk_value(data, at)
        if count:
            at[is_there] = walk_value(data, at[is_there])
        return at

    return walk


def _array(walk_item: Walk) -> Walk:
    def walk(data: Bytes, at: Places) -> Places:
        items, at = _length(data, at)
        live = np.flatnonzero(items)
        at_item, left = at[live], items[live]
        for _ in range(_MOST_ITEMS):
            if not len(live):
                return at
            at_item = walk_item(data, at_item)
            left = left - 1
            is_end = left == 0
            if is_end.any():
                left[is_end], at_item[is_end] = _length(data, at_item[is_end])
                at[live] = at_item
                goes_on = left != 0
                live, at_item, left = live[goes_on], at_item[goes_on], left[goes_on]
        at[live] = len(data)
        return at

    return walk


def _flag(data: Bytes, at: Places) -> Places:
    return _leave(data, at + 1, data.take(at, mode="clip") > 1)


def _text(data: Bytes, at: Places) -> Places:
    length, at = _length(data, at)
    return at + length


def _length(data: Bytes, at: Places) -> tuple[Places, Places]:
    """Return the counts at the places, of one or two bytes each and not negative, and the places behind."""
    first = data.take(at, mode="clip").astype(np.int64)
    at = at + 1
    is_long = first >= 0x80
    count = first >> 1
    if is_long.any():
        second = data.take(at, mode="clip").astype(np.int64)
        at += is_long
        count = np.where(is_long, (first & 0x7F | second << 7) >> 1, count)
        is_odd = is_long & (second >= 0x80) | (first & 1 != 0)
    else:
        is_odd = first & 1 != 0
    left = _leave(data, at, is_odd)
    return (np.where(is_odd, 0, count), left) if is_odd.any() else (count, left)


def _number(data: Bytes, at: Places) -> Places:
    goes_on = data.take(at, mode="clip") >= 0x80
    at = at + 1
    while goes_on.any():
        byte = data.take(at, mode="clip")
        at += goes_on
        goes_on &= byte >= 0x80
    return at


def _leave(data: Bytes, at: Places, is_odd: npt.NDArray[Any]) -> Places:
    """Put those who met something unusual behind all records."""
    if is_odd.any():
        at[is_odd.astype(bool)] = len(data)
    return at

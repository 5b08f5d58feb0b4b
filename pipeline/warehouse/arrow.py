"""
From polars frames to the Arrow that ClickHouse reads without converting.

One rule: the Arrow type of a column follows from its declared ClickHouse type alone, so a frame that does not fit is
found here, before a byte is sent. 16-byte values are big-endian in frames; ClickHouse reads a UUID so and a UInt128
the other way round.
"""

import re
from typing import Any, TypeAlias

import numpy as np
import polars as pl
import pyarrow as pa

from pipeline.warehouse.declarations import Table
from pipeline.warehouse.errors import WarehouseRefused

AnyArray: TypeAlias = "pa.Array[Any]"

_KEY_BYTES = 16
_WRAPPED = re.compile(r"(Nullable|LowCardinality|Array|SimpleAggregateFunction|Tuple)\((.*)\)", re.DOTALL)
_CODE = re.compile(r"' = (-?\d+)")
_SCALARS: dict[str, pa.DataType] = {
    "String": pa.large_string(),
    "Bool": pa.bool_(),
    "Int64": pa.int64(),
    "UInt8": pa.uint8(),
    "UInt16": pa.uint16(),
    "UInt32": pa.uint32(),
    "UInt64": pa.uint64(),
    "DateTime64(3, 'UTC')": pa.timestamp("ms", tz="UTC"),
    "DateTime64(6, 'UTC')": pa.timestamp("us", tz="UTC"),
}


def arrow_table(frame: pl.DataFrame, table: Table) -> pa.Table:
    """
    Turn a frame into the Arrow table of a declared table.

    Args:
        frame: Columns by the table's names, in any order; each column of the table must be there.
        table: The declaration.

    Returns:
        The same rows, columns in the table's order, without those that hold nothing but what ClickHouse fills in where
        a column is not sent: most columns of most batches, and reading them takes more time than making them.

    Raises:
        WarehouseRefused: If columns are missing or unknown, or a value does not fit its type.
    """
    missing = sorted(set(table.column_names) - set(frame.columns))
    unknown = sorted(set(frame.columns) - set(table.column_names))
    if missing or unknown:
        raise WarehouseRefused(f"{table.name}: columns missing {missing}, unknown {unknown}")
    source = frame.select(table.column_names).rechunk().to_arrow(compat_level=pl.CompatLevel.oldest())
    columns: dict[str, AnyArray] = {}
    for column in table.columns:
        values = as_one(source.column(column.name))
        try:
            made = converted(values, column.type)
        except (pa.ArrowException, ValueError, KeyError) as error:
            raise WarehouseRefused(f"{table.name}.{column.name}: {error}") from error
        if column.name in table.order_by or not _is_filled_in(made):
            columns[column.name] = made
    return pa.Table.from_arrays(list(columns.values()), names=list(columns))


def _is_filled_in(values: AnyArray) -> bool:
    """Tell whether all values are null, an empty text or an empty list: what a column that is not sent has."""
    if values.null_count:
        return bool(values.null_count == len(values))
    if isinstance(values, pa.LargeListArray | pa.LargeStringArray | pa.LargeBinaryArray):
        offset_buffer = values.buffers()[1]
        assert offset_buffer is not None
        offsets = np.frombuffer(memoryview(offset_buffer), np.int64)
        return bool(offsets[values.offset] == offsets[values.offset + len(values)])
    return isinstance(values, pa.BooleanArray) and not values.true_count


def as_one(column: "pa.ChunkedArray[Any]") -> AnyArray:
    """Return a column as one array; `combine_chunks` would copy the one that it already is."""
    whole = column.chunk(0) if column.num_chunks == 1 else column.combine_chunks()
    assert isinstance(whole, pa.Array)
    return whole


def converted(values: AnyArray, clickhouse_type: str) -> AnyArray:
    """
    Turn an array into the one that ClickHouse reads into a column of the given type.

    Raises:
        ValueError: If a value does not fit (Arrow's own errors are among these), or the type is not known here.
    """
    if clickhouse_type in ("UUID", "UInt128"):
        return _fixed_bytes(values, swap=clickhouse_type == "UInt128")
    if clickhouse_type.startswith("Enum8("):
        return _codes(values, clickhouse_type)
    if clickhouse_type in _SCALARS:
        return _scalars(values, _SCALARS[clickhouse_type])
    match = _WRAPPED.fullmatch(clickhouse_type)
    if match is None:
        raise ValueError(f"no Arrow type is known for {clickhouse_type}")
    wrapper, inner = match.groups()
    if wrapper == "Array":
        return _lists(values, inner)
    if wrapper == "Tuple":
        return _structs(values, inner)
    return converted(values, split_arguments(inner)[-1])


def split_arguments(text: str) -> list[str]:
    """Split the arguments of a ClickHouse type at its top-level commas."""
    arguments, depth, start, is_quoted = [], 0, 0, False
    for index, letter in enumerate(text):
        if letter == "'":
            is_quoted = not is_quoted
        elif is_quoted:
            continue
        elif letter == ",":
            if depth == 0:
                arguments.append(text[start:index].strip())
                start = index + 1
        else:
            depth += (letter == "(") - (letter == ")")
    return [*arguments, text[start:].strip()]


def _scalars(values: AnyArray, wanted: pa.DataType) -> AnyArray:
    # A String of ClickHouse takes any bytes; only text that claims to be text must be UTF-8.
    is_same = values.type == wanted or (pa.types.is_large_string(wanted) and pa.types.is_large_binary(values.type))
    return values if is_same else values.cast(wanted)


def _lists(values: AnyArray, inner: str) -> AnyArray:
    if not isinstance(values, pa.LargeListArray):
        raise pa.ArrowTypeError(f"a list is expected, not {values.type}")
    if values.null_count:
        raise ValueError("a list is null; ClickHouse has only empty ones")
    # Offsets count from the array's start: slices were removed by rechunk and combine_chunks.
    return pa.LargeListArray.from_arrays(values.offsets, converted(values.values, inner))


def _structs(values: AnyArray, inner: str) -> AnyArray:
    if not isinstance(values, pa.StructArray):
        raise pa.ArrowTypeError(f"a record is expected, not {values.type}")
    named = [argument.partition(" ")[::2] for argument in split_arguments(inner)]
    fields = [converted(values.field(name), type_) for name, type_ in named]
    return pa.StructArray.from_arrays(fields, names=[name for name, _ in named])


def _codes(values: AnyArray, enum: str) -> AnyArray:
    """Check the codes of an enum: ClickHouse stores what Arrow gives it and cannot read an unknown code back."""
    codes = np.array([int(code) for code in _CODE.findall(enum)], np.int8)
    if values.null_count:
        raise ValueError("an enum is null")
    values = values.cast(pa.int8())
    # The bytes themselves: Arrow's way to NumPy loads pandas first, half a second and 50 MB of a worker.
    found = np.frombuffer(memoryview(values.buffers()[1] or b""), np.int8)[values.offset : values.offset + len(values)]
    unknown = np.setdiff1d(found, codes)
    if unknown.size:
        raise ValueError(f"{unknown.tolist()} are no codes of {enum}")
    return values


def _fixed_bytes(values: AnyArray, *, swap: bool) -> AnyArray:
    """Lay 16-byte values side by side; `swap` turns each round (numpy, no loop over rows)."""
    if values.null_count:
        raise ValueError("a 16-byte value is null")
    if len(values) == 0:
        return pa.array([], pa.binary(_KEY_BYTES))
    if not pa.types.is_large_binary(values.type):
        values = values.cast(pa.large_binary())
    _, offset_buffer, data_buffer = values.buffers()
    assert offset_buffer is not None
    offsets = np.frombuffer(memoryview(offset_buffer), np.int64)[values.offset : values.offset + len(values) + 1]
    if (np.diff(offsets) != _KEY_BYTES).any():
        raise ValueError(f"a value has not {_KEY_BYTES} bytes")
    assert data_buffer is not None
    data = np.frombuffer(memoryview(data_buffer), np.uint8)[offsets[0] : offsets[-1]]
    if swap:
        data = np.ascontiguousarray(data.reshape(-1, _KEY_BYTES)[:, ::-1]).reshape(-1)
    return pa.FixedSizeBinaryArray.from_buffers(pa.binary(_KEY_BYTES), len(values), [None, pa.py_buffer(data.data)])

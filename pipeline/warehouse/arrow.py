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
_SCALARS: dict[str, pa.DataType] = {
    "UUID": pa.binary(_KEY_BYTES),
    "UInt128": pa.binary(_KEY_BYTES),
    "String": pa.large_string(),
    "Bool": pa.bool_(),
    "Int64": pa.int64(),
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
        The same rows, columns in the table's order.

    Raises:
        WarehouseRefused: If columns are missing or unknown, or a value does not fit its type.
    """
    missing = sorted(set(table.column_names) - set(frame.columns))
    unknown = sorted(set(frame.columns) - set(table.column_names))
    if missing or unknown:
        raise WarehouseRefused(f"{table.name}: columns missing {missing}, unknown {unknown}")
    source = frame.select(table.column_names).rechunk().to_arrow(compat_level=pl.CompatLevel.oldest())
    columns = []
    for column in table.columns:
        values = source.column(column.name).combine_chunks()
        try:
            columns.append(_converted(values, arrow_type(column.type), swap=column.type == "UInt128"))
        except (pa.ArrowException, ValueError) as error:
            raise WarehouseRefused(f"{table.name}.{column.name}: {error}") from error
    return pa.Table.from_arrays(columns, names=list(table.column_names))


def arrow_type(clickhouse_type: str) -> pa.DataType:
    """Return the Arrow type that ClickHouse reads into a column of the given type."""
    if clickhouse_type in _SCALARS:
        return _SCALARS[clickhouse_type]
    if clickhouse_type.startswith("Enum8("):
        return pa.int8()
    match = _WRAPPED.fullmatch(clickhouse_type)
    if match is None:
        raise ValueError(f"no Arrow type is known for {clickhouse_type}")
    wrapper, inner = match.groups()
    if wrapper == "Array":
        return pa.large_list(arrow_type(inner))
    if wrapper == "Tuple":
        return pa.struct([(name, arrow_type(type_)) for name, type_ in map(_named, split_arguments(inner))])
    return arrow_type(split_arguments(inner)[-1])


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


def _named(argument: str) -> tuple[str, str]:
    name, _, type_ = argument.partition(" ")
    return name, type_


def _converted(values: AnyArray, wanted: pa.DataType, *, swap: bool = False) -> AnyArray:
    if isinstance(wanted, pa.FixedSizeBinaryType):
        return _fixed_bytes(values, swap=swap)
    if isinstance(wanted, pa.LargeListType):
        if values.null_count:
            raise ValueError("a list is null; ClickHouse has only empty ones")
        if not isinstance(values, pa.LargeListArray):
            raise pa.ArrowTypeError(f"a list is expected, not {values.type}")
        # Offsets count from the array's start: slices were removed by rechunk and combine_chunks.
        return pa.LargeListArray.from_arrays(values.offsets, _converted(values.values, wanted.value_type))
    if isinstance(wanted, pa.StructType) and isinstance(values, pa.StructArray):
        fields = [_converted(values.field(field.name), field.type) for field in wanted]
        return pa.StructArray.from_arrays(fields, fields=list(wanted))
    # A String of ClickHouse takes any bytes; only text that claims to be text must be UTF-8.
    is_same = values.type == wanted or (pa.types.is_large_string(wanted) and pa.types.is_large_binary(values.type))
    return values if is_same else values.cast(wanted)


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

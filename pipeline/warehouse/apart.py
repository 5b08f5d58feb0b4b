"""
Facts that are read in the order of the table and handed out by groups of customers.

A customer's identifiers lie all over the table, so whoever reads some thousand customers passes nearly all of it; the
identifiers of many customers in the order of the table are read in stretches, each part of the table once. What is read
is put by for its group as it came, without the columns that hold nothing and compressed: a quarter of its size.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa

from pipeline.stitching.frames import conform_facts, empty_facts
from pipeline.warehouse.arrow import as_one

_COMPRESSED = pa.ipc.IpcWriteOptions(compression="lz4", use_threads=False)


class FactsApart:
    """
    Facts by group; each group is taken once.

    Args:
        groups: ident_key, group (from 0) of all identifiers.
    """

    def __init__(self, groups: pl.DataFrame) -> None:
        self._groups = groups.select("ident_key", pl.col("group").cast(pl.UInt32))
        last = groups["group"].max()
        self._pieces: list[list[pa.Table | pa.Buffer]] = [[] for _ in range(last + 1 if isinstance(last, int) else 0)]
        self.height = 0

    def put(self, table: pa.Table) -> None:
        """Put by what was read of some of the identifiers; columns as `conform_facts` takes them."""
        if not table.num_rows:
            return
        self.height += table.num_rows
        if len(self._pieces) == 1:
            self._pieces[0].append(table)
            return
        for group, rows in _parted(_filled(table.combine_chunks()), self._groups):
            sink = pa.BufferOutputStream()
            with pa.ipc.new_stream(sink, rows.schema, options=_COMPRESSED) as writer:
                writer.write_table(rows)
            self._pieces[group].append(sink.getvalue())

    def take(self, group: int) -> pl.DataFrame:
        """Return the facts of a group as `FACTS_SCHEMA`, and forget them; columns that nobody has are as if absent."""
        pieces, self._pieces[group] = self._pieces[group], []
        tables = [piece if isinstance(piece, pa.Table) else pa.ipc.open_stream(piece).read_all() for piece in pieces]
        if not tables:
            return empty_facts()
        frame = pl.from_arrow(pa.concat_tables(tables, promote_options="default"))
        assert isinstance(frame, pl.DataFrame)
        return conform_facts(frame)


def _parted(table: pa.Table, groups: pl.DataFrame) -> Iterator[tuple[int, pa.Table]]:
    """Split rows by the group of their identifier; whoever has no group is left out."""
    keys = pl.DataFrame({"ident_key": pl.from_arrow(table.column("ident_key"))})
    group = keys.join(groups, on="ident_key", how="left", maintain_order="left")["group"]
    order = group.arg_sort()
    # Nulls come first.
    order = order.slice(group.null_count())
    rows, found = table.take(order.to_arrow()), group.gather(order).to_numpy()
    cuts = np.append(np.flatnonzero(np.diff(found, prepend=-1)), len(found))
    for start, end in zip(cuts[:-1].tolist(), cuts[1:].tolist(), strict=True):
        yield int(found[start]), rows.slice(start, end - start)


def _filled(table: pa.Table) -> pa.Table:
    """Drop the columns in which no row has anything: most of the evidence of most facts."""
    return table.select([name for name in table.column_names if not _is_empty(table.column(name))])


def _is_empty(column: "pa.ChunkedArray[Any]") -> bool:
    if column.null_count == len(column):
        return True
    if not (pa.types.is_string(column.type) or pa.types.is_list(column.type)):
        return False
    text = as_one(column)
    cuts = np.frombuffer(memoryview(text.buffers()[1] or b""), np.int32)
    return bool(cuts[text.offset] == cuts[text.offset + len(text)])

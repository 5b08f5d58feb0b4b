"""
The one way in which rows are written: a frame becomes one Arrow block of one INSERT.

One rule: an INSERT is in whole or not at all. That holds because it is a single block of one partition: only results
are partitioned, by the version of their rules, and no INSERT has two of these.
"""

import polars as pl
from clickhouse_connect.driver.client import Client

from pipeline.warehouse.arrow import arrow_table
from pipeline.warehouse.declarations import Table
from pipeline.warehouse.errors import translated

# ClickHouse would cut a large INSERT into blocks that become visible one by one: more rows than a batch may have.
_BLOCK_ROWS = 10_000_000
_INSERT_SETTINGS = {
    "async_insert": 0,
    "max_insert_block_size": _BLOCK_ROWS,
    "min_insert_block_size_rows": _BLOCK_ROWS,
    "min_insert_block_size_bytes": 0,
    # Collapsing equal keys while inserting takes more than half of the time; merges and FINAL do it anyway.
    "optimize_on_insert": 0,
    "input_format_arrow_case_insensitive_column_matching": 0,
}


def insert_frame(client: Client, table: Table, frame: pl.DataFrame) -> None:
    """
    Insert a frame whose columns are the table's, as one block; an empty one costs nothing.

    Args:
        client: Connection of this thread.
        table: Declared table.
        frame: One column per column of the table, in any order; 16-byte values big-endian.

    Raises:
        WarehouseUnavailable: If the outcome is unknown or the warehouse is not well; insert the same again.
        WarehouseRefused: If a row cannot be stored; nothing of the frame was.
    """
    if frame.is_empty():
        return
    rows = arrow_table(frame, table)
    with translated(landing=True):
        client.insert_arrow(table.name, rows, settings=_INSERT_SETTINGS)

"""
What a table and a view are, as data: the form in which the warehouse is declared.

One rule: everything that ClickHouse is told about a table or a view stands in one of these values, so that the DDL,
the reference pages and the comparison with the live database are made from the same words. No SQL is made here.
"""

from collections.abc import Sequence
from dataclasses import dataclass

DEFAULT_GRANULARITY = 8192
DEFAULT_WIDE_PART_BYTES = 10_485_760
DEFAULT_WHOLE_MERGE_ROWS = 131_072


@dataclass(frozen=True)
class Column:
    """One column: its name, its ClickHouse type as ClickHouse writes it back, and what it means."""

    name: str
    type: str
    comment: str


@dataclass(frozen=True)
class DerivedColumn(Column):
    """One column that ClickHouse makes of the row's others; `expression` says how."""

    expression: str


@dataclass(frozen=True)
class Table:
    """
    One MergeTree table.

    `granularity` is rows per index mark: small where single keys are looked up, ClickHouse's own elsewhere. Parts
    smaller than `wide_part_bytes` keep all columns in one file: an INSERT into dozens of columns costs half of what as
    many files cost, and reads of small parts a fifth more. Merges of up to `whole_merge_rows` take all columns at once:
    with dozens of them that costs half of what one after the other costs, and 30 MB. A table that got no rows for
    `quiet_seconds` is merged whole, for the newest of each key is then quick to read; 0: it is left to the engine. A
    table with `partition_by` takes INSERTs of one partition only, so that each is still one block. `derived` stand
    behind `columns`; nobody writes them, and `SELECT *` leaves them out.
    """

    name: str
    comment: str
    engine: str
    order_by: tuple[str, ...]
    columns: tuple[Column, ...]
    granularity: int = DEFAULT_GRANULARITY
    wide_part_bytes: int = DEFAULT_WIDE_PART_BYTES
    whole_merge_rows: int = DEFAULT_WHOLE_MERGE_ROWS
    quiet_seconds: int = 0
    partition_by: str = ""
    derived: tuple[DerivedColumn, ...] = ()

    @property
    def engine_and_partitions(self) -> str:
        """The engine as ClickHouse writes it back, up to the key."""
        return f"{self.engine} PARTITION BY {self.partition_by}" if self.partition_by else self.engine

    @property
    def settings(self) -> str:
        """The settings as ClickHouse writes them back: what differs from its own, and the granularity."""
        wide = self.wide_part_bytes
        parts = f"min_bytes_for_wide_part = {wide}, " if wide != DEFAULT_WIDE_PART_BYTES else ""
        if (rows := self.whole_merge_rows) != DEFAULT_WHOLE_MERGE_ROWS:
            parts += f"vertical_merge_algorithm_min_rows_to_activate = {rows}, "
        if self.quiet_seconds:
            parts += "min_age_to_force_merge_on_partition_only = 1, "
            parts += f"min_age_to_force_merge_seconds = {self.quiet_seconds}, "
        return f"{parts}index_granularity = {self.granularity}"

    @property
    def column_names(self) -> tuple[str, ...]:
        """Names of the columns that are written, in their order."""
        return tuple(column.name for column in self.columns)

    @property
    def all_columns(self) -> tuple[Column, ...]:
        """The columns in their order, also those that ClickHouse makes."""
        return (*self.columns, *self.derived)


@dataclass(frozen=True)
class ViewColumn:
    """One column of a view; `expression` is what the SELECT says before `AS name`."""

    name: str
    type: str
    comment: str
    expression: str


@dataclass(frozen=True)
class View:
    """
    One view.

    `source` is everything of the SELECT after its list of columns (FROM …); `{db}` in it and in expressions stands for
    the database. `example` is a query that answers a question one really has; the reference page shows it and a test
    runs it.
    """

    name: str
    comment: str
    columns: tuple[ViewColumn, ...]
    source: str
    example: str
    question: str


def columns_of(rows: Sequence[tuple[str, str, str]]) -> tuple[Column, ...]:
    """Make columns from (name, type, comment) rows."""
    return tuple(Column(*row) for row in rows)


def view_columns_of(rows: Sequence[tuple[str, str, str, str]]) -> tuple[ViewColumn, ...]:
    """Make columns of a view from (name, type, expression, comment) rows."""
    return tuple(ViewColumn(name, type_, comment, expression) for name, type_, expression, comment in rows)

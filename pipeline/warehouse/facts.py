"""
What LAND needs of the warehouse: the stamp, and the inserts of facts.

One rule: every row is keyed by its content, so each call may be repeated until it has a definite answer. One insert is
one block of one table without partitions, so it is in whole or not at all.
"""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from time import perf_counter
from uuid import UUID

import polars as pl
from clickhouse_connect.driver.client import Client

from pipeline.warehouse.ddl import quote_name
from pipeline.warehouse.declarations import Table
from pipeline.warehouse.errors import translated
from pipeline.warehouse.inserts import insert_frame
from pipeline.warehouse.tables import (
    IDENTITY_LINKS,
    IDENTITY_STATEMENTS,
    LANDED,
    REJECTED,
    TOUCHPOINT_CONTENTS,
    TOUCHPOINTS,
)

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

# The newest version is the last row in the order of the table: a mark is read, not the column. No version yet is 1970.
_STAMP = """
    SELECT toInt64(toUnixTimestamp64Micro(greatest(
        now64(6, 'UTC'),
        (SELECT max(version) FROM (SELECT version FROM stitch_versions ORDER BY version DESC LIMIT 1))
    )))
"""

# So many pairs of keys stay well below the longest statement.
_KEPT_AT_ONCE = 2_000


Observe = Callable[[str, float], None]
"""Takes the name of a table and the seconds of an INSERT into it."""


class FactStore:
    """Inserts facts through one client; use one store per thread. `observe` hears of every INSERT that was done."""

    def __init__(self, client: Client, observe: Observe | None = None) -> None:
        self._client = client
        self._observe = observe

    def landing_stamp(self) -> datetime:
        """
        Return max(now, greatest registered version) by the warehouse's clock.

        A stamp taken before an INSERT is never later than the versions registered after it.

        Raises:
            WarehouseUnavailable: If the warehouse does not answer.
        """
        with translated(landing=True):
            micros = int(self._client.query(_STAMP).result_rows[0][0])
        return from_micros(micros)

    def insert_touchpoints(self, frame: pl.DataFrame) -> None:
        """Insert rows of `touchpoints` (see `_insert`), and keep what those of them replace that are corrections."""
        corrected = frame.filter(pl.col("revision") > 0).select("ident_key", "event_uid").unique()
        if not corrected.is_empty():
            self._keep(corrected, frame)
        self._insert(TOUCHPOINTS, frame)

    def insert_links(self, frame: pl.DataFrame) -> None:
        """Insert rows of `identity_links`, both directions given (see `_insert`)."""
        self._insert(IDENTITY_LINKS, frame)

    def insert_statements(self, frame: pl.DataFrame) -> None:
        """Insert rows of `identity_statements`, both directions given (see `_insert`)."""
        self._insert(IDENTITY_STATEMENTS, frame)

    def insert_rejected(self, frame: pl.DataFrame) -> None:
        """Insert rows of `rejected` (see `_insert`)."""
        self._insert(REJECTED, frame)

    def insert_landed(self, frame: pl.DataFrame) -> None:
        """Insert rows of `landed` (see `_insert`)."""
        self._insert(LANDED, frame)

    def _keep(self, corrected: pl.DataFrame, frame: pl.DataFrame) -> None:
        """
        Copy all contents of touchpoints, of the warehouse and of the batch, to `touchpoint_contents`.

        Done before the correction is in: afterwards a merge could have dropped what it replaces.
        """
        columns = ", ".join(map(quote_name, TOUCHPOINTS.column_names))
        copy = f"INSERT INTO {TOUCHPOINT_CONTENTS.name} ({columns}) SELECT {columns} FROM {TOUCHPOINTS.name}"
        for start in range(0, corrected.height, _KEPT_AT_ONCE):
            part = corrected[start : start + _KEPT_AT_ONCE]
            subjects, uids = _uuids(part["ident_key"].unique()), _uuids(part["event_uid"])
            with translated(landing=True):
                self._client.command(f"{copy} WHERE ident_key IN ({subjects}) AND event_uid IN ({uids})")
        self._insert(TOUCHPOINT_CONTENTS, frame.join(corrected, on=["ident_key", "event_uid"], how="semi"))

    def _insert(self, table: Table, frame: pl.DataFrame) -> None:
        """
        Insert a frame whose columns are the table's; an empty one costs nothing.

        Raises:
            WarehouseUnavailable: If the outcome is unknown or the warehouse is not well; insert the same again.
            WarehouseRefused: If a row cannot be stored; nothing of the frame was.
        """
        if frame.is_empty():
            return
        began = perf_counter()
        insert_frame(self._client, table, frame)
        if self._observe is not None:
            self._observe(table.name, perf_counter() - began)


def from_micros(micros: int) -> datetime:
    """Return the aware time of microseconds since 1970 (exact, unlike `fromtimestamp` of a float)."""
    return _EPOCH + timedelta(microseconds=micros)


def _uuids(keys: pl.Series) -> str:
    """Return 16-byte keys as a list of literals."""
    return ", ".join(f"'{UUID(bytes=key)}'" for key in keys)

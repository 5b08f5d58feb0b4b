"""
What LAND needs of the warehouse: the stamp, and the inserts of facts.

One rule: every row is keyed by its content, so each call may be repeated until it has a definite answer. One insert is
one block of one table without partitions, so it is in whole or not at all.
"""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from time import perf_counter

import polars as pl
from clickhouse_connect.driver.client import Client

from pipeline.warehouse.declarations import Table
from pipeline.warehouse.errors import translated
from pipeline.warehouse.inserts import insert_frame
from pipeline.warehouse.tables import IDENTITY_LINKS, IDENTITY_STATEMENTS, LANDED, REJECTED, TOUCHPOINTS

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

# The newest version is the last row in the order of the table: a mark is read, not the column. No version yet is 1970.
_STAMP = """
    SELECT toInt64(toUnixTimestamp64Micro(greatest(
        now64(6, 'UTC'),
        (SELECT max(version) FROM (SELECT version FROM stitch_versions ORDER BY version DESC LIMIT 1))
    )))
"""


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
        """Insert rows of `touchpoints` (see `_insert`)."""
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

"""
The warehouse as STITCH sees it: what a simulation has to provide to stand in for ClickHouse.

One worker calls, one call at a time, but for a read ahead (`journeys`, `facts_apart`) and writing behind
(`insert_ledger`, `insert_stitched`), each beside other calls. Any call may block and may raise `WarehouseUnavailable`
(the caller does the whole batch again) or `WarehouseRefused` (a person has to look). All calls may be repeated. A read
sees every INSERT that was acknowledged before it began: the protocol's proof rests on that.
"""

from datetime import datetime
from typing import Protocol

import polars as pl

from pipeline.warehouse.apart import FactsApart


class StitchStore(Protocol):
    """Reads and writes of STITCH; `pipeline.warehouse.results.StitchStore` says what the frames hold."""

    def register_version(self, worker: str) -> datetime:
        """Register and return a version greater than all registered ones; first thing of every batch."""

    def links(self, keys: pl.Series) -> pl.DataFrame:
        """Return the links of identifiers, each once."""

    def kinds(self, keys: pl.Series) -> pl.DataFrame:
        """Return the kind of identifiers that have touchpoints of their own."""

    def statements(self, keys: pl.Series) -> pl.DataFrame:
        """Return every content of all statements of which one content names one of the identifiers."""

    def named(self, limit: int) -> pl.Series:
        """Return whom statements name, no more than so many; all of whom that were there when the call began."""

    def overlooked_neighbours(self, hubs: pl.DataFrame) -> pl.Series:
        """Return the neighbours that may not know yet that these hubs crossed a cap."""

    def facts(self, keys: pl.Series) -> pl.DataFrame:
        """Return the touchpoints of identifiers; copies and several contents of one event_uid may occur."""

    def facts_apart(self, groups: pl.DataFrame) -> FactsApart:
        """Return the touchpoints of many identifiers apart by their group; not all of them are read at one time."""

    def journeys(self, keys: pl.Series) -> pl.DataFrame:
        """Return the customers of identifiers and the journeys that these anchor now; new identifiers have no row."""

    def insert_stitched(self, frame: pl.DataFrame) -> None:
        """Write rows of `stitched` in one INSERT."""

    def former_members(self, customers: pl.Series) -> pl.DataFrame:
        """Return who belongs to these customers now."""

    def link_touchpoints(self, pairs: pl.DataFrame) -> pl.DataFrame:
        """Return the touchpoints that made links."""

    def insert_ledger(self, frame: pl.DataFrame) -> None:
        """Append rows of `identity_ledger` in one INSERT."""

    def stale_identifiers(self, limit: int, since: datetime | None = None) -> pl.Series:
        """Return identifiers whose facts may be newer than their row."""

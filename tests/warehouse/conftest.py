"""Connections for the tests of the warehouse, each to a migrated database of its own."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import polars as pl
import pytest
from clickhouse_connect.driver.client import Client

from pipeline.config import ClickHouseSettings
from pipeline.stitching.rules import StitchRules
from pipeline.stitching.stitch import stitch
from pipeline.warehouse.connection import connect
from pipeline.warehouse.facts import FactStore
from pipeline.warehouse.results import StitchStore
from tests.warehouse import rows


@pytest.fixture
def client(fresh_database: ClickHouseSettings) -> Iterator[Client]:
    client = connect(fresh_database)
    yield client
    client.close()


@pytest.fixture
def store(client: Client) -> FactStore:
    return FactStore(client)


class Shop:
    """Lands touchpoints and writes the results that the real reads and rules make of them."""

    def __init__(self, client: Client) -> None:
        self.client = client
        self.store = FactStore(client)
        self.results = StitchStore(client, rules_version=1, sweep_margin=timedelta(seconds=1))

    def land(self, *touchpoints: dict[str, Any]) -> None:
        self.store.insert_touchpoints(rows.frame(list(touchpoints)))

    def stitch(self, identities: list[dict[str, Any]], version: datetime, rules: int = 1) -> None:
        known = pl.DataFrame(identities, schema_overrides={"kind": pl.Int8})
        facts = self.results.facts(known["ident_key"])
        found = stitch(facts, known, StitchRules())
        self.results.insert_stitched(
            found.with_columns(version=pl.lit(version).cast(rows.MICROS), rules_version=pl.lit(rules, pl.UInt32))
        )

    def read(self, sql: str) -> list[tuple[object, ...]]:
        return [tuple(row) for row in self.client.query(sql).result_rows]


@pytest.fixture
def shop(client: Client) -> Shop:
    return Shop(client)

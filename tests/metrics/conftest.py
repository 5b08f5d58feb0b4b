"""A shop over the real warehouse whose touchpoints are told by hand and whose metrics are read back."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from clickhouse_connect.driver.client import Client

from pipeline.config import ClickHouseSettings
from pipeline.warehouse.connection import connect
from pipeline.warehouse.migrate import migrate
from tests.embedded.servers import WarehouseServer
from tests.migrated import new_database
from tests.streaming.test_stitcher import Shop, make_shop

START = datetime(2025, 3, 3, 9, 0, tzinfo=UTC)
Cell = tuple[int, float | None, float | None, float | None]


@dataclass
class Told:
    """Touchpoints land and are stitched; metrics are read."""

    shop: Shop
    number: int = 0
    landed: list[Mapping[str, Any]] = field(default_factory=list)

    def say(self, who: str, days: float, type_: str, **more: Any) -> None:
        """Tell what `who` (an account, or `kind:value`) did so many days after the start."""
        self.number += 1
        kind, _, value = who.rpartition(":")
        at = more.pop("at", START + timedelta(days=days))
        also = more.pop("also", {})
        self.landed.append(
            {
                "id": f"e{self.number}",
                "type": type_,
                "source": "test",
                "occurred_at": at if isinstance(at, str) else at.isoformat(),
                "identities": [
                    {"kind": kind or "customer_id", "value": value},
                    *({"kind": name, "value": text} for name, text in also.items()),
                ],
                **more,
            }
        )

    def stitch(self) -> None:
        """Land what was told since, and stitch it."""
        self.shop.land(*self.landed)
        self.landed.clear()
        self.shop.stitch()

    def cells(self, metric: str, dimension: str = "all", period: str = "all") -> dict[tuple[str, ...], Cell]:
        """Return (n, value, low, high) by what tells the rows apart: part, statistic, and day where there is one."""
        rows = self.shop.rows(
            "SELECT dimension_value, statistic, ifNull(toString(period_start), ''), n, value, low, high "
            f"FROM v_metric_{metric} WHERE dimension = '{dimension}' AND period = '{period}'"
        )
        return {tuple(part for part in row[:3] if part): (row[3], row[4], row[5], row[6]) for row in rows}

    def cell(self, metric: str, *key: str, dimension: str = "all", period: str = "all") -> Cell:
        """Return (n, value, low, high) of one row."""
        return self.cells(metric, dimension, period)[key]


@pytest.fixture(scope="package")
def metric_database(warehouse: WarehouseServer) -> Iterator[ClickHouseSettings]:
    """One database with all views for all tests of this package; making the views anew for each would take longer."""
    with new_database(warehouse.url) as settings:
        migrating = connect(settings)
        migrate(migrating)
        migrating.close()
        yield settings


@pytest.fixture
def told(metric_database: ClickHouseSettings) -> Iterator[Told]:
    """An empty shop."""
    shop = make_shop(metric_database)
    yield Told(shop)
    for table in ("touchpoints", "identity_links", "identity_statements", "stitched", "landed"):
        shop.query(f"TRUNCATE TABLE {table}")


@pytest.fixture
def client(metric_database: ClickHouseSettings) -> Iterator[Client]:
    """A connection to the same warehouse, for what stands beside the touchpoints."""
    client = connect(metric_database)
    yield client
    client.command("TRUNCATE TABLE opening_hours")
    client.close()


def about(cell: Cell) -> tuple[Any, ...]:
    """Return the cell as hand-computed values are compared with it."""
    return (cell[0], *(None if number is None else pytest.approx(number, abs=0.0005) for number in cell[1:]))

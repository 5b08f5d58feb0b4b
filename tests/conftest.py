"""
Fixtures for every package: the embedded servers, started once a run and ended with it.

Tests share one warehouse and stay apart by database (`fresh_database`); they share one broker and stay apart by the
names of topics and groups, or take a broker of their own (`make_broker`).
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack

import pytest

from pipeline.config import ClickHouseSettings
from tests.embedded.servers import BrokerServer, WarehouseServer, new_broker, new_warehouse
from tests.migrated import MigratedDatabases, new_database

# Longer than a session.
SHORT_OUTAGE_S = 12.0


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--away", type=float, default=SHORT_OUTAGE_S, help="seconds without a broker in test_outages")


MakeBroker = Callable[[Mapping[str, int]], BrokerServer]


@pytest.fixture(scope="session")
def make_broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MakeBroker]:
    """A function that starts a broker with the given topics; all end with the run, earlier if the test stops them."""
    with ExitStack() as stack:

        def make(topics: Mapping[str, int]) -> BrokerServer:
            return stack.enter_context(new_broker(topics, tmp_path_factory.mktemp("broker")))

        yield make


@pytest.fixture(scope="session")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BrokerServer]:
    """The shared broker: `.bootstrap`, `.log_id`. It has the pipeline's topics; others come into being on use."""
    with new_broker(data=tmp_path_factory.mktemp("broker")) as server:
        yield server


@pytest.fixture(scope="session")
def warehouse(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WarehouseServer]:
    """The shared warehouse: `.url` (may do all) and `.analyst_url` (outside); add /database."""
    with new_warehouse(tmp_path_factory.mktemp("warehouse")) as server:
        yield server


@pytest.fixture
def empty_database(warehouse: WarehouseServer) -> Iterator[ClickHouseSettings]:
    """Settings of a new database without any table; it goes with the test."""
    with new_database(warehouse.url) as settings:
        yield settings


@pytest.fixture(scope="session")
def migrated(warehouse: WarehouseServer) -> Iterator[MigratedDatabases]:
    """Migrated databases that tests lend each other."""
    with MigratedDatabases(warehouse.url) as databases:
        yield databases


@pytest.fixture
def fresh_database(migrated: MigratedDatabases) -> Iterator[ClickHouseSettings]:
    """Settings of a database with all tables and views but those of the metrics, as if it were new."""
    with migrated.one() as settings:
        yield settings


@pytest.fixture
def whole_database(fresh_database: ClickHouseSettings) -> ClickHouseSettings:
    """Settings of a new database with all tables and views; it goes with the test."""
    from pipeline.warehouse.connection import connect
    from pipeline.warehouse.migrate import migrate

    client = connect(fresh_database)
    migrate(client)
    client.close()
    return fresh_database

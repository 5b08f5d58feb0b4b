"""Whether a user may write is known before a worker begins, and told with who, where and what to do."""

import pytest
from pydantic import SecretStr

from pipeline.config import ClickHouseSettings
from pipeline.warehouse.connection import connect, database_of
from pipeline.warehouse.errors import WarehouseUnavailable
from pipeline.warehouse.rights import MayNotWrite, connect_to_write
from tests.embedded.servers import WarehouseServer


def test_the_workers_user_may_write_and_nothing_is_written(fresh_database: ClickHouseSettings) -> None:
    connect_to_write(fresh_database, "touchpoints").close()
    assert connect(fresh_database).query("SELECT count() FROM touchpoints").result_rows == [(0,)]


def test_an_analyst_may_not_write(warehouse: WarehouseServer, fresh_database: ClickHouseSettings) -> None:
    url = f"{warehouse.analyst_url}/{database_of(fresh_database)}"
    with pytest.raises(MayNotWrite, match="does not let 'analyst' write to http://") as told:
        connect_to_write(ClickHouseSettings(url=SecretStr(url)), "touchpoints")
    assert "THROUGHLINE_CLICKHOUSE__URL" in str(told.value)
    assert url.split(":")[2].split("@", maxsplit=1)[0] not in str(told.value), "no password in what is told"


def test_a_wrong_password_is_no_outage(warehouse: WarehouseServer) -> None:
    place = warehouse.analyst_url.rpartition("@")[2]
    with pytest.raises(MayNotWrite, match="does not let 'throughline' write"):
        connect_to_write(ClickHouseSettings(url=SecretStr(f"http://throughline:wrong@{place}/default")), "touchpoints")


def test_tables_that_are_not_there_yet_are_waited_for(empty_database: ClickHouseSettings) -> None:
    with pytest.raises(WarehouseUnavailable, match="run `throughline migrate`"):
        connect_to_write(empty_database, "touchpoints")

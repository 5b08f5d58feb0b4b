"""The Python client that the pipeline uses finds in the embedded warehouse all that it asks of ClickHouse."""

import uuid
from collections.abc import Iterator
from datetime import UTC, datetime
from io import BytesIO

import clickhouse_connect
import numpy as np
import pyarrow as pa
import pytest
from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import DatabaseError
from clickhouse_connect.driver.external import ExternalData

from pipeline.config import ClickHouseSettings
from pipeline.warehouse.connection import connect
from tests.embedded.servers import WarehouseServer

ROWS = 50_000


@pytest.fixture
def client(empty_database: ClickHouseSettings) -> Iterator[Client]:
    client = connect(empty_database)
    client.command("CREATE TABLE t (a UInt64, k UUID, s LowCardinality(String)) ENGINE = MergeTree ORDER BY a")
    yield client
    client.close()


@pytest.fixture
def block() -> pa.Table:
    keys = [uuid.UUID(int=n << 64 | n).bytes for n in range(ROWS)]
    return pa.table(
        {
            "a": pa.array(range(ROWS), pa.uint64()),
            "k": pa.array(keys, pa.binary(16)),
            "s": pa.array([f"s{n % 7}" for n in range(ROWS)]),
        }
    )


def test_native_insert_and_query(client: Client) -> None:
    key = uuid.uuid4()
    summary = client.insert("t", [[1, key, "x"], [2, key, "y"]], column_names=["a", "k", "s"])
    assert summary.written_rows == 2
    assert client.query("SELECT a, k, s FROM t ORDER BY a").result_rows == [(1, key, "x"), (2, key, "y")]
    assert client.command("SELECT count() FROM t") == 2


def test_arrow_both_ways_keeps_keys(client: Client, block: pa.Table) -> None:
    client.insert_arrow("t", block)
    found = client.query_arrow("SELECT a, k FROM t ORDER BY a")
    assert found.num_rows == ROWS
    assert client.command("SELECT toString(k) FROM t WHERE a = 3") == str(uuid.UUID(int=3 << 64 | 3))


def test_streams_of_many_blocks(client: Client) -> None:
    statement = "SELECT number, toLowCardinality(toString(number % 3)) AS s FROM numbers(500000)"
    with client.query_row_block_stream(statement) as blocks:
        assert sum(len(rows) for rows in blocks) == 500_000
    with client.query_arrow_stream(statement) as batches:
        tables = [pa.Table.from_batches([batch]) for batch in batches]
    numbers = pa.concat_tables(tables)["number"].to_numpy()
    assert np.array_equal(np.sort(numbers), np.arange(500_000))


def test_bound_parameters(client: Client, block: pa.Table) -> None:
    client.insert_arrow("t", block)
    keys = [uuid.UUID(int=n << 64 | n) for n in range(1000)]
    result = client.query(
        "SELECT count(), {name:String}, {at:DateTime64(3, 'UTC')} FROM t"
        " WHERE k IN {keys:Array(UUID)} AND a < {n:UInt64}",
        parameters={"keys": keys, "n": 500, "name": "it's\ta \\ name\n", "at": datetime(2026, 3, 1, 10, tzinfo=UTC)},
    )
    assert result.result_rows == [(500, "it's\ta \\ name\n", datetime(2026, 3, 1, 10, tzinfo=UTC))]


def test_external_keys_in_arrow(client: Client, block: pa.Table) -> None:
    client.insert_arrow("t", block)
    sink = BytesIO()
    with pa.ipc.new_file(sink, block.schema) as writer:
        writer.write_table(block)
    structure = "a UInt64, k UUID, s String"
    keys = ExternalData(file_name="keys", data=sink.getvalue(), fmt="Arrow", structure=structure)
    found = client.query("SELECT count() FROM t WHERE k IN (SELECT k FROM keys)", external_data=keys)
    assert found.result_rows == [(ROWS,)]
    assert client.query_arrow("SELECT * FROM keys WHERE a < 3", external_data=keys).num_rows == 3


def test_columns_of_an_empty_answer(client: Client) -> None:
    result = client.query("SELECT a, s FROM t LIMIT 0")
    assert result.column_names == ("a", "s")
    assert client.query("SELECT a, s FROM t").result_rows == []


def test_faults_carry_their_code(client: Client) -> None:
    with pytest.raises(DatabaseError, match="Code: 60") as caught:
        client.query("SELECT * FROM nowhere")
    assert str(getattr(caught.value, "code", "")) == "60"


@pytest.mark.parametrize("compression", ["lz4", "zstd", "gzip", True])
def test_compressed_client_from_outside(
    warehouse: WarehouseServer, empty_database: ClickHouseSettings, client: Client, block: pa.Table, compression: str
) -> None:
    """As a notebook of an analyst connects: by address, with everything by default."""
    client.insert_arrow("t", block)
    analyst = clickhouse_connect.get_client(dsn=f"{warehouse.analyst_url}/{client.database}", compress=compression)
    assert len(analyst.query("SELECT a, s FROM t").result_rows) == ROWS
    assert analyst.query_df("SELECT s, count() AS n FROM t GROUP BY s ORDER BY s")["n"].sum() == ROWS
    with pytest.raises(DatabaseError, match="497"):
        analyst.insert("t", [[1, uuid.uuid4(), "x"]], column_names=["a", "k", "s"])
    analyst.close()
    inside = clickhouse_connect.get_client(dsn=empty_database.url.get_secret_value(), compress=compression)
    inside.insert("t", [[ROWS, uuid.uuid4(), "x"]] * 3, column_names=["a", "k", "s"])
    assert inside.command(f"SELECT count() FROM t WHERE a = {ROWS}") == 3
    inside.close()

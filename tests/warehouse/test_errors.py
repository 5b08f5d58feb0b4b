"""Every kind of trouble becomes the instruction that fits it."""

import socket

import pyarrow as pa
import pytest
from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import DatabaseError, OperationalError
from pydantic import SecretStr
from urllib3.exceptions import ProtocolError

from pipeline.config import ClickHouseSettings
from pipeline.warehouse.connection import connect, database_of
from pipeline.warehouse.errors import (
    ROW_CODES,
    UNAVAILABLE_CODES,
    WarehouseRefused,
    WarehouseUnavailable,
    translate,
    translated,
)


@pytest.mark.parametrize("landing", [False, True])
@pytest.mark.parametrize("code", UNAVAILABLE_CODES)
def test_overload_waits(code: int, landing: bool) -> None:
    assert isinstance(translate(DatabaseError("x", code=code), landing=landing), WarehouseUnavailable)


@pytest.mark.parametrize("landing", [False, True])
@pytest.mark.parametrize("code", ROW_CODES)
def test_bad_rows_are_refused(code: int, landing: bool) -> None:
    error = translate(DatabaseError("x", code=code), landing=landing)
    assert isinstance(error, WarehouseRefused)
    assert error.code == code


@pytest.mark.parametrize("code", [60, 81, 497, 516, 1001, 999_999])
def test_what_may_not_be_the_rows_fault_never_rejects_rows(code: int) -> None:
    assert isinstance(translate(DatabaseError("x", code=code), landing=True), WarehouseUnavailable)
    assert isinstance(translate(DatabaseError("x", code=code)), WarehouseRefused)


def test_no_code_is_both_kinds() -> None:
    assert not ROW_CODES.keys() & UNAVAILABLE_CODES.keys()


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (DatabaseError("HTTP driver received HTTP status 503, server response: busy"), WarehouseUnavailable),
        (DatabaseError("HTTP driver received HTTP status 404, server response: ?"), WarehouseRefused),
        (DatabaseError("Received ClickHouse exception, code: 241, server response: …"), WarehouseUnavailable),
        (DatabaseError("… Code: 62. DB::Exception: Syntax error"), WarehouseRefused),
        (OperationalError("Error … executing HTTP request attempt 1"), WarehouseUnavailable),
        (ProtocolError("Connection broken"), WarehouseUnavailable),
        (ConnectionResetError("reset by peer"), WarehouseUnavailable),
        (TimeoutError("timed out"), WarehouseUnavailable),
    ],
)
def test_trouble_without_a_code_is_told_from_its_form(error: Exception, expected: type[Exception]) -> None:
    assert isinstance(translate(error), expected)


def test_values_that_do_not_fit_are_refused_before_sending() -> None:
    with pytest.raises(WarehouseRefused), translated(landing=True):
        raise pa.ArrowInvalid("not a number")


def test_nobody_listening_is_unavailable() -> None:
    with socket.socket() as reserved:
        reserved.bind(("127.0.0.1", 0))
        port = reserved.getsockname()[1]
        with pytest.raises(WarehouseUnavailable):
            connect(ClickHouseSettings(url=SecretStr(f"http://someone:secret@127.0.0.1:{port}/shop")))


def test_the_engine_refuses_a_wrong_statement_with_its_code(client: Client) -> None:
    with pytest.raises(WarehouseRefused) as refused, translated():
        client.query("SELECT nothing FROM nowhere")
    assert refused.value.code == 60


@pytest.mark.parametrize(
    ("url", "database"),
    [("http://h:1/shop", "shop"), ("http://u:p@h/", "default"), ("https://h", "default"), ("http://h/a%2Fb", "a/b")],
)
def test_database_is_the_path_of_the_url(url: str, database: str) -> None:
    assert database_of(ClickHouseSettings(url=SecretStr(url))) == database

"""
Whether a user may write, asked before a worker begins.

One rule: what no repetition can mend is told at once. A user who may only read, a wrong password and a setting that a
read-only user may not send are refusals; a warehouse that is away, and one whose tables are not there yet, are waited
for.
"""

from urllib.parse import unquote, urlsplit

from clickhouse_connect.driver.client import Client

from pipeline.config import ClickHouseSettings
from pipeline.warehouse.connection import connect, database_of
from pipeline.warehouse.errors import WarehouseError, WarehouseUnavailable, translated

# READONLY, UNKNOWN_USER, WRONG_PASSWORD, REQUIRED_PASSWORD, ACCESS_DENIED, AUTHENTICATION_FAILED
_NO_RIGHT = frozenset({164, 192, 193, 194, 497, 516})
# UNKNOWN_TABLE, UNKNOWN_DATABASE
_NOT_MIGRATED = frozenset({60, 81})
# What the driver says by itself of a setting that a read-only user may not change; it gives no code.
_READ_ONLY_SETTING = "readonly"


class MayNotWrite(Exception):  # noqa: N818 - the name says what is so
    """The user of the warehouse may not write, and no repetition will help; the text says who, where and what to do."""


def connect_to_write(settings: ClickHouseSettings, table: str) -> Client:
    """
    Open a client that may write a table; nothing is written.

    Args:
        settings: Where ClickHouse is, and as whom.
        table: One of those that the worker writes.

    Raises:
        MayNotWrite: If the user may not.
        WarehouseUnavailable: If the warehouse does not answer, or has no such table yet; try again.
        WarehouseRefused: If it refuses for another reason.
    """
    try:
        client = connect(settings)
        with translated():
            client.command(f"INSERT INTO {table} SELECT * FROM {table} WHERE 0")
    except WarehouseError as error:
        said = str(error).splitlines()[0] if str(error) else "no reason given"
        if error.code in _NOT_MIGRATED:
            raise WarehouseUnavailable(
                f"{_place(settings)} has no table {table}: run `throughline migrate` ({said})", error.code
            ) from error
        if error.code in _NO_RIGHT or (error.code is None and _READ_ONLY_SETTING in said):
            raise MayNotWrite(
                f"the warehouse does not let {_user(settings)!r} write to {_place(settings)} ({said}). "
                "THROUGHLINE_CLICKHOUSE__URL must name a user who may read and write there, with its password; the "
                "analyst's may only read"
            ) from error
        raise
    return client


def _user(settings: ClickHouseSettings) -> str:
    return unquote(urlsplit(settings.url.get_secret_value()).username or "default")


def _place(settings: ClickHouseSettings) -> str:
    parts = urlsplit(settings.url.get_secret_value())
    port = parts.port or (8443 if parts.scheme == "https" else 8123)
    return f"{parts.scheme}://{parts.hostname}:{port}/{database_of(settings)}"

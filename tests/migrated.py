"""
Migrated databases for tests: one that a test leaves with its tables and views unchanged serves the next test, emptied.

Creating every table and view takes longer than most tests. A database whose schema, rules or records of migrations a
test changed is dropped, so that a test finds what it would find in a new one.
"""

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Self

from clickhouse_connect.driver.client import Client
from pydantic import SecretStr

from pipeline.config import ClickHouseSettings
from pipeline.warehouse.connection import connect
from pipeline.warehouse.migrate import migrate

_WRITTEN_BY_MIGRATION = ("schema_migrations", "rules", "rules_progress", "active_rules")
_SCHEMA = "SELECT groupArray((name, uuid, create_table_query)) FROM (SELECT * FROM system.tables WHERE database = "


@contextmanager
def new_database(url: str) -> Iterator[ClickHouseSettings]:
    """Settings of a new database without any table, on the warehouse of an address; it is dropped at the end."""
    name = f"test_{uuid.uuid4().hex[:12]}"
    server = connect(ClickHouseSettings(url=SecretStr(f"{url}/default")))
    server.command(f"CREATE DATABASE {name}")
    try:
        yield ClickHouseSettings(url=SecretStr(f"{url}/{name}"))
    finally:
        server.command(f"DROP DATABASE {name} SYNC")
        server.close()


class MigratedDatabases:
    """
    The migrated databases of one warehouse; all are dropped at the end.

    Args:
        url: Of the warehouse, without a database; may do all.
    """

    def __init__(self, url: str) -> None:
        self._url = url
        self._server = connect(ClickHouseSettings(url=SecretStr(f"{url}/default")))
        self._idle: list[tuple[str, object]] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for name, _state in self._idle:
            self._drop(name)
        self._server.close()

    @contextmanager
    def one(self) -> Iterator[ClickHouseSettings]:
        """Lend a database without any touchpoint, result or further rules; it is the borrower's alone."""
        name, state = self._idle.pop() if self._idle else self._new()
        try:
            yield self._settings(name)
        finally:
            if self._state(name) == state:
                self._empty(name)
                self._idle.append((name, state))
            else:
                self._drop(name)

    def _settings(self, name: str) -> ClickHouseSettings:
        return ClickHouseSettings(url=SecretStr(f"{self._url}/{name}"))

    def _new(self) -> tuple[str, object]:
        name = f"test_{uuid.uuid4().hex[:12]}"
        self._server.command(f"CREATE DATABASE {name}")
        client = connect(self._settings(name))
        migrate(client, metrics=False)
        client.close()
        return name, self._state(name)

    def _state(self, name: str) -> object:
        """Everything of a database that emptying its tables would not bring back."""
        written = [_rows(self._server, f"SELECT * FROM {name}.{table} ORDER BY ALL") for table in _WRITTEN_BY_MIGRATION]
        return _rows(self._server, f"{_SCHEMA}'{name}' ORDER BY name)"), written

    def _empty(self, name: str) -> None:
        filled = _rows(
            self._server,
            f"SELECT name FROM system.tables WHERE database = '{name}' AND total_rows > 0 "
            f"AND name NOT IN {_WRITTEN_BY_MIGRATION}",
        )
        for (table,) in filled:
            # The borrower may have stopped them, which no schema tells.
            self._server.command(f"SYSTEM START MERGES {name}.{table}")
            self._server.command(f"TRUNCATE TABLE {name}.{table} SYNC")

    def _drop(self, name: str) -> None:
        self._server.command(f"DROP DATABASE IF EXISTS {name} SYNC")


def _rows(client: Client, sql: str) -> list[tuple[object, ...]]:
    return [tuple(row) for row in client.query(sql).result_rows]

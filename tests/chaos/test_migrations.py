"""A migration that is interrupted at every statement, before or after the warehouse did it, ends as any other."""

import re
from typing import Any

from clickhouse_connect.driver.client import Client

from pipeline.config import ClickHouseSettings
from pipeline.warehouse.connection import connect
from pipeline.warehouse.migrate import drift, migrate
from pipeline.warehouse.tables import TABLES
from pipeline.warehouse.views import core_views

CHANGES = ("CREATE", "ALTER", "INSERT")


class Interrupted(BaseException):
    """A process that dies here: nothing that it would still do happens."""


class Mortal:
    """
    A client that dies at its first new statement that changes something: once before the warehouse did it, once after.

    Args:
        client: The real one.
        done: Statements and moments at which one died before; the next new one is fatal.
    """

    def __init__(self, client: Client, done: set[tuple[str, bool]]) -> None:
        self._client = client
        self._done = done

    def __getattr__(self, name: str) -> Any:
        return getattr(self._client, name)

    def command(self, statement: str, *arguments: Any, **more: Any) -> Any:
        if statement.lstrip().startswith(CHANGES):
            name = f"{statement} {more.get('parameters')}"
            for is_done in (False, True):
                if (name, is_done) not in self._done:
                    self._done.add((name, is_done))
                    if is_done:
                        self._client.command(statement, *arguments, **more)
                    raise Interrupted(name)
        return self._client.command(statement, *arguments, **more)


def test_a_migration_that_dies_at_every_statement_is_finished_by_the_next(empty_database: ClickHouseSettings) -> None:
    client = connect(empty_database)
    done: set[tuple[str, bool]] = set()
    deaths = 0
    while True:
        try:
            migrate(Mortal(client, done), metrics=False)  # type: ignore[arg-type]
            break
        except Interrupted:
            deaths += 1
    assert deaths == len(done) > 100
    assert migrate(client, metrics=False) == []
    here = {*TABLES, *core_views()}
    assert not [fault for fault in drift(client) if re.split(r"[.:]", fault)[0] in here]
    recorded = client.query("SELECT name, uniqExact(fingerprint) FROM schema_migrations GROUP BY name").result_rows
    assert {number for _, number in recorded} == {1}

"""A migration that is interrupted at any statement, before or after the warehouse did it, ends as any other."""

import re
from typing import NoReturn

import pytest

from pipeline.config import ClickHouseSettings
from pipeline.warehouse.connection import connect
from pipeline.warehouse.migrate import drift, migrate
from pipeline.warehouse.tables import TABLES
from pipeline.warehouse.views import core_views
from tests.chaos.dying import Mortal, deaths_until_done, make_earlier

# All of them die in `python -m tests.chaos.dying`.
ONE_OF = 18


class Interrupted(BaseException):
    """A process that dies here: nothing that it would still do happens."""


def interrupt(name: str) -> NoReturn:
    raise Interrupted(name)


def test_a_migration_that_dies_at_every_statement_is_finished_by_the_next(empty_database: ClickHouseSettings) -> None:
    client = connect(empty_database)
    done: set[str] = set()
    deaths = 0
    while True:
        try:
            migrate(Mortal(client, done, interrupt), metrics=False)  # type: ignore[arg-type]
            break
        except Interrupted:
            deaths += 1
    assert deaths == len(done) > 100
    assert migrate(client, metrics=False) == []
    here = {*TABLES, *core_views()}
    assert not [fault for fault in drift(client) if re.split(r"[.:]", fault)[0] in here]
    recorded = client.query("SELECT name, uniqExact(fingerprint) FROM schema_migrations GROUP BY name").result_rows
    assert {number for _, number in recorded} == {1}


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_an_earlier_database_is_brought_to_todays_by_processes_that_are_killed(
    empty_database: ClickHouseSettings,
) -> None:
    client = connect(empty_database)
    make_earlier(client)
    assert deaths_until_done(empty_database.url.get_secret_value(), ONE_OF) > 1
    assert drift(client) == []
    # What is made of bodies is made in the background, in the order in which it was asked for.
    client.command("ALTER TABLE touchpoints DELETE WHERE 0 SETTINGS mutations_sync = 1")
    assert client.query("SELECT event_id, body_code FROM touchpoints").result_rows == [("e", "late")]
    assert client.query("SELECT rules_version FROM active_rules").result_rows == [(1,)]

"""A database is brought to what is declared, from wherever it is, and any difference is seen."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from clickhouse_connect.driver.client import Client

from pipeline.config import ClickHouseSettings, Settings
from pipeline.contracts.types import touchpoint_types
from pipeline.warehouse.connection import connect
from pipeline.warehouse.errors import WarehouseRefused
from pipeline.warehouse.migrate import drift, migrate
from pipeline.warehouse.tables import TABLES
from pipeline.warehouse.tables.bodies import ASKED, body_of
from pipeline.warehouse.views import views


@pytest.fixture
def client(whole_database: ClickHouseSettings) -> Iterator[Client]:
    """A client whose database has everything, the metrics too."""
    client = connect(whole_database)
    yield client
    client.close()


@pytest.fixture
def empty(empty_database: ClickHouseSettings) -> Iterator[Client]:
    """A client whose database is not there at all."""
    client = connect(empty_database)
    client.command(f"DROP DATABASE `{client.database}` SYNC", use_database=False)
    yield client
    client.close()


def test_migrated_database_equals_what_is_declared(client: Client) -> None:
    assert drift(client) == []
    assert migrate(client) == []


def test_everything_created_is_recorded_once(empty: Client) -> None:
    created = {change.name for change in migrate(empty)}
    migrate(empty)
    recorded = empty.query("SELECT name, action, count() FROM schema_migrations GROUP BY name, action").result_rows
    assert {row[0] for row in recorded} == set(TABLES) | set(views())
    assert {(row[1], row[2]) for row in recorded} == {("created", 1)}
    assert created == (set(TABLES) | set(views())) - {"schema_migrations"}


DIFFERENCES = {
    "ALTER TABLE touchpoints DROP COLUMN locale": ["touchpoints.locale: missing"],
    "ALTER TABLE touchpoints ADD COLUMN more String": ["touchpoints.more: not declared"],
    "ALTER TABLE touchpoints MODIFY COLUMN direction FixedString(9)": ["touchpoints.direction: type is FixedString"],
    "ALTER TABLE touchpoints MODIFY COLUMN event_id DEFAULT 'x'": ["touchpoints.event_id: has a DEFAULT"],
    "ALTER TABLE touchpoints MODIFY COLUMN body_code MATERIALIZED 'x'": ["touchpoints.body_code: is not made as"],
    "ALTER TABLE touchpoints COMMENT COLUMN source 'other'": ["touchpoints.source: comment is 'other'"],
    "ALTER TABLE repairs MODIFY COLUMN patch String FIRST": ["repairs: columns stand in another order"],
    "ALTER TABLE landed MODIFY COMMENT 'other'": ["landed: comment is 'other'"],
    "ALTER TABLE landed MODIFY SETTING merge_with_ttl_timeout = 100": ["landed: engine is"],
    "DROP TABLE parked SYNC": ["parked: missing"],
    "DROP VIEW v_visits": ["v_visits: missing"],
    "CREATE OR REPLACE VIEW v_journeys AS SELECT 1 AS visits": [
        "v_journeys: its query differs",
        "v_journeys.visits: type is UInt8",
        "v_journeys.journey_id: missing",
    ],
    "ALTER TABLE v_customers MODIFY COMMENT 'other'": ["v_customers: comment is 'other'"],
}


def test_any_difference_is_found_and_told_once(client: Client) -> None:
    for statement in DIFFERENCES:
        client.command(statement)
    told = drift(client)
    for statement, lines in DIFFERENCES.items():
        for line in lines:
            assert sum(each.startswith(line) for each in told) == 1, (statement, told)
    of_the_replaced = [line for line in told if line.startswith("v_journeys")]
    assert len(told) - len(of_the_replaced) == len(DIFFERENCES) - 1, "and nothing that is as declared is told of"


def test_a_declaration_that_grew_becomes_a_column_in_its_place(client: Client) -> None:
    client.command("INSERT INTO touchpoints (event_id) VALUES ('kept')")
    client.command("ALTER TABLE touchpoints DROP COLUMN locale")
    assert [change.name for change in migrate(client)] == ["touchpoints"]
    assert drift(client) == []
    assert client.query("SELECT event_id, locale FROM touchpoints").result_rows[0] == ("kept", "")


@pytest.mark.parametrize("change", ["DROP COLUMN body_code", "MODIFY COLUMN body_code MATERIALIZED 'other'"])
def test_what_is_made_of_bodies_is_right_for_rows_that_landed_before(client: Client, change: str) -> None:
    client.command(f"ALTER TABLE touchpoints {change}")
    client.command("""INSERT INTO touchpoints (type, body) VALUES ('payment.failed', '{"code":"expired"}')""")
    assert [change.name for change in migrate(client)] == ["touchpoints"]
    assert drift(client) == []
    # They are made in the background, in the order in which they were asked for: this one is the last.
    client.command("ALTER TABLE touchpoints DELETE WHERE 0 SETTINGS mutations_sync = 1")
    assert client.query("SELECT body_code FROM touchpoints").result_rows[0] == ("expired",)
    assert migrate(client) == []


def test_a_body_that_is_asked_is_there_for_rows_that_landed_before(client: Client) -> None:
    client.command("ALTER TABLE touchpoints DROP COLUMN body_asked")
    landed = [("survey.answered", '{"score":9}'), ("order.placed", '{"score":1}')]
    values = ", ".join(f"(generateUUIDv4(), {type_!r}, {body!r})" for type_, body in landed)
    client.command(f"INSERT INTO touchpoints (event_uid, type, body) VALUES {values}")
    migrate(client)
    found = client.query("SELECT type, body_asked FROM touchpoints ORDER BY type").result_rows
    assert [tuple(row) for row in found] == [("order.placed", ""), landed[0]]
    assert body_of(["survey.answered", "review.published"]) == "t.body_asked"
    assert body_of(["survey.answered", "order.placed"]) == body_of([]) == "t.body", "one of them is not there"
    assert set(ASKED) <= set(touchpoint_types())


def test_views_and_comments_are_mended(client: Client) -> None:
    client.command("CREATE OR REPLACE VIEW v_visits AS SELECT 1 AS visit_id")
    client.command("ALTER TABLE landed COMMENT COLUMN lost 'other'")
    client.command("ALTER TABLE landed MODIFY COMMENT 'other'")
    client.command("DROP VIEW v_customers")
    assert {change.name: change.action for change in migrate(client)} == {
        "v_visits": "replaced",
        "landed": "altered",
        "v_customers": "created",
    }
    assert drift(client) == []


def test_settings_are_given_to_a_table_that_is_there(client: Client) -> None:
    client.command("ALTER TABLE touchpoints MODIFY SETTING vertical_merge_algorithm_min_rows_to_activate = 100")
    assert any(line.startswith("touchpoints: engine is") for line in drift(client))
    assert [change.name for change in migrate(client)] == ["touchpoints"]
    assert drift(client) == []
    client.command("ALTER TABLE touchpoints RESET SETTING min_bytes_for_wide_part")
    assert [change.name for change in migrate(client)] == ["touchpoints"]
    # Given last, and no difference all the same.
    assert drift(client) == []


def test_what_is_read_by_newest_content_is_merged_whole_when_nothing_comes(client: Client) -> None:
    whole = "min_age_to_force_merge_on_partition_only = 1, min_age_to_force_merge_seconds = 600"
    found = client.query(
        "SELECT name FROM system.tables "
        "WHERE database = currentDatabase() AND position(engine_full, {whole:String}) > 0 ORDER BY name",
        parameters={"whole": whole},
    )
    assert [row[0] for row in found.result_rows] == ["stitched", "touchpoints"]


@pytest.mark.parametrize(
    "statement",
    [
        "ALTER TABLE touchpoints MODIFY COLUMN locale LowCardinality(String)",
        "CREATE OR REPLACE TABLE landed (log_id LowCardinality(String)) ENGINE = MergeTree ORDER BY log_id",
    ],
)
def test_what_would_lose_data_is_refused_and_nothing_is_touched(client: Client, statement: str) -> None:
    client.command(statement)
    client.command("DROP VIEW v_visits")
    with pytest.raises(WarehouseRefused, match="cannot be changed in place"):
        migrate(client)
    assert "v_visits: missing" in drift(client)


class _KilledError(Exception):
    pass


class _KilledAfter:
    """Lets a client say a number of statements, then dies as a killed process would: between two of them."""

    def __init__(self, client: Client, statements: int) -> None:
        self._client = client
        self._left = statements

    def command(self, *args: Any, **kwargs: Any) -> Any:
        if self._left == 0:
            raise _KilledError
        self._left -= 1
        return self._client.command(*args, **kwargs)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._client, name)


@pytest.mark.parametrize("statements", [1, 12, 23])
def test_a_migration_killed_anywhere_is_finished_by_the_next(empty: Client, statements: int) -> None:
    killed: Any = _KilledAfter(empty, statements)
    with pytest.raises(_KilledError):
        migrate(killed)
    migrate(empty)
    assert drift(empty) == []
    recorded = empty.query("SELECT uniqExact(name) FROM schema_migrations").result_rows[0][0]
    assert recorded == len(TABLES) + len(views())
    assert empty.query("SELECT rules_version FROM active_rules").result_rows == [(1,)]


def test_migrations_may_run_at_once(empty_database: ClickHouseSettings, empty: Client) -> None:
    clients = [connect(empty_database) for _ in range(4)]
    with ThreadPoolExecutor(len(clients)) as pool:
        list(pool.map(migrate, clients))
    assert drift(empty) == []


def test_gaps_are_recorded_once_and_activation_is_left_to_people(client: Client) -> None:
    longer = Settings.model_validate({"stitching": {"rules_version": 2, "journey_gap": timedelta(days=7)}})
    migrate(client, longer)
    gaps = client.query("SELECT rules_version, journey_gap_ms FROM rules ORDER BY rules_version").result_rows
    assert [tuple(row) for row in gaps] == [(1, 30 * 86_400_000), (2, 7 * 86_400_000)]
    assert client.query("SELECT rules_version FROM active_rules").result_rows == [(1,)]
    migrate(client, Settings.model_validate({"stitching": {"rules_version": 2, "journey_gap": timedelta(days=60)}}))
    gaps = client.query("SELECT journey_gap_ms FROM rules WHERE rules_version = 2").result_rows
    assert [tuple(row) for row in gaps] == [(7 * 86_400_000,)]


def test_a_database_that_recorded_only_gaps_takes_over_the_settings_it_is_run_with(client: Client) -> None:
    assert client.query("SELECT settings FROM rules").result_rows == [("",)]
    migrate(client, Settings())
    migrate(client, Settings.model_validate({"identity": {"cap_same_kind": 3}}))
    recorded = client.query("SELECT JSONExtractInt(settings, 'identity.cap_same_kind') FROM rules").result_rows
    assert sorted(row[0] for row in recorded) == [0, 10]

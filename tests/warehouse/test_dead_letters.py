"""Dead letters and the account of every record, as the views tell them."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from clickhouse_connect.driver.client import Client

from pipeline.config import ClickHouseSettings
from pipeline.warehouse.connection import connect
from pipeline.warehouse.dead_letters import DeadLetters, Repair, Selection
from pipeline.warehouse.facts import FactStore
from tests.warehouse import rows

HOUR = timedelta(hours=1)


@pytest.fixture
def client(fresh_database: ClickHouseSettings) -> Iterator[Client]:
    made = connect(fresh_database)
    yield made
    made.close()


def states(client: Client) -> list[tuple[Any, ...]]:
    asked = "SELECT offset, state, repaired_at IS NOT NULL, repaired_by, replay_refused FROM v_rejected ORDER BY offset"
    return [tuple(row) for row in client.query(asked).result_rows]


def test_a_repair_stands_on_the_row_until_its_replay_is_refused(client: Client) -> None:
    store, letters = FactStore(client), DeadLetters(client)
    store.insert_rejected(rows.frame([rows.rejected(offset) for offset in (1, 2, 3)]))
    first, second, third = letters.find(Selection())
    assert (first.place, first.payload, first.state) == ("touchpoints.web:0:1", b"\xc3\x01\xff\x00", "open")
    stamp = letters.stamp()
    done = [Repair(first, "fixed", "ada", "set /body/step 5", "e-1"), Repair(second, "replayed", "ada", "", "e-2")]
    letters.settle([*done, Repair(third, "dropped", "bob")], stamp)
    assert states(client) == [
        (1, "repaired", 1, "fixed by ada: set /body/step 5", None),
        (2, "repaired", 1, "replayed by ada", None),
        (3, "dropped", 0, None, None),
    ]
    assert letters.find(Selection()) == []
    assert len(letters.find(Selection(is_settled=True))) == 3

    # The replay of 2 is refused: at an offset of its own, but it is no row of its own.
    again = rows.rejected(90, landed_at=stamp + timedelta(seconds=1), replay_of=second.name, reason="no_identifier")
    store.insert_rejected(rows.frame([again]))
    assert states(client)[1] == (2, "open", 0, None, "no_identifier: cut short")
    assert len(states(client)) == 3
    # The original read again (a topic that is replayed) undoes no repair.
    store.insert_rejected(rows.frame([rows.rejected(1, landed_at=stamp + HOUR)]))
    assert states(client)[0][1] == "repaired"


def test_dead_letters_are_chosen_by_place_reason_topic_and_schema(client: Client) -> None:
    bad = [
        rows.rejected(1),
        rows.rejected(2, reason="no_identifier", schema="web", payload=None),
        rows.rejected(1, topic="touchpoints.orders", log_id="older"),
    ]
    FactStore(client).insert_rejected(rows.frame(bad))
    letters = DeadLetters(client)

    def found(**chosen: Any) -> list[tuple[str, int]]:
        return sorted((letter.topic, letter.offset) for letter in letters.find(Selection(**chosen)))

    assert found(reason="no_identifier") == [("touchpoints.web", 2)]
    assert found(topic="touchpoints.orders") == [("touchpoints.orders", 1)]
    assert found(schema="web") == [("touchpoints.web", 2)]
    assert found(places=("touchpoints.web:0:1", "touchpoints.web:0:7")) == [("touchpoints.web", 1)]
    (tombstone,) = letters.find(Selection(reason="no_identifier"))
    assert tombstone.payload is None


def account(client: Client) -> list[tuple[Any, ...]]:
    asked = (
        "SELECT topic, partition, toHour(hour), received, stored, duplicate, rejected, lost, in_flight, unaccounted "
        "FROM v_accounting ORDER BY ALL"
    )
    return [tuple(row) for row in client.query(asked).result_rows]


def test_every_record_is_accounted_for_by_topic_partition_and_hour(client: Client) -> None:
    """Ranges that overlap count once; what was read and is neither stored nor rejected is a duplicate."""
    store = FactStore(client)
    ranges = [
        rows.landed(0, 9),
        rows.landed(5, 14, landed_at=rows.START + HOUR),  # 5 to 9 were landed an hour before
        rows.landed(15, 19, records=3, lost=2, landed_at=rows.START + HOUR),
        rows.landed(0, 4, partition=1),
    ]
    store.insert_landed(rows.frame(ranges))
    kept = [number for number in range(20) if number not in (2, 7, 12, 15, 16)]
    store.insert_touchpoints(rows.frame([rows.touchpoint(number) for number in kept]))
    store.insert_touchpoints(rows.frame([rows.touchpoint(40 + n, offset=n, partition=1) for n in range(5)]))
    store.insert_rejected(rows.frame([rows.rejected(2), rows.rejected(12)]))
    client.command(
        "INSERT INTO kafka_offsets (log_id, topic, partition, low, committed, high, seen_at) VALUES "
        "('log', 'touchpoints.web', 0, 0, 20, 26, '2026-03-01 11:05:00'), "
        "('log', 'touchpoints.web', 1, 0, 7, 7, '2026-03-01 11:05:00'), "
        "('log', 'touchpoints.orders', 0, 3, 3, 5, '2026-03-01 11:05:00')"
    )
    assert account(client) == [
        ("touchpoints.orders", 0, 11, 2, 0, 0, 0, 0, 2, 0),
        ("touchpoints.web", 0, 9, 10, 8, 1, 1, 0, 0, 0),
        ("touchpoints.web", 0, 10, 10, 7, 0, 1, 2, 0, 0),
        ("touchpoints.web", 0, 11, 6, 0, 0, 0, 0, 6, 0),
        ("touchpoints.web", 1, 9, 5, 5, 0, 0, 0, 0, 0),
        ("touchpoints.web", 1, 11, 2, 0, 0, 0, 0, 0, 2),
    ]
    for row in account(client):
        assert row[3] == sum(row[4:])

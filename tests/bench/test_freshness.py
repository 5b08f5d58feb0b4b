"""Freshness counts every event once, from its receipt to the first row that was read after it had landed."""

import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from clickhouse_connect.driver.client import Client

from bench.field import Setting
from bench.freshness import Course, run_freshness
from bench.shown import waits, watch
from pipeline.config import ClickHouseSettings
from pipeline.warehouse.connection import connect

START = datetime(2026, 1, 1, tzinfo=UTC)
ALICE, BOB = "00000000-0000-0000-0000-00000000000a", "00000000-0000-0000-0000-00000000000b"


@pytest.fixture
def client(fresh_database: ClickHouseSettings) -> Iterator[Client]:
    found = connect(fresh_database)
    watch(found)
    yield found
    found.close()


def at(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


def land(client: Client, key: str, received: float, begun: float, completed: float) -> None:
    stamps = [at(begun), at(completed)]
    uid = uuid.uuid5(uuid.NAMESPACE_OID, f"{key} {received}")
    landed = ["log_id", "topic", "first_offset", "landed_at", "completed_at"]
    client.insert("landed", [["log", "touchpoints.web", int(1000 * begun), *stamps]], landed)
    facts = ["ident_key", "event_uid", "occurred_at", "received_at", "landed_at"]
    client.insert("touchpoints", [[key, uid, at(0), at(received), stamps[0]]], facts)


def show(client: Client, key: str, version: float, seconds: float) -> None:
    client.insert("shown", [[key, at(version), at(seconds)]], ["ident_key", "version", "at"])


def test_an_event_is_shown_by_the_first_row_that_was_read_after_it_had_landed(client: Client) -> None:
    land(client, ALICE, received=0, begun=1, completed=2)
    for version, seconds in ((1.5, 1.8), (3, 4), (5, 6)):
        show(client, ALICE, version, seconds)
    found = waits(client, at(0), at(10))
    assert (found.events, found.shown, found.p50, found.landed_p50) == (1, 1, 4.0, 2.0)


def test_every_event_of_the_time_counts_once_and_who_is_not_shown_is_told(client: Client) -> None:
    for received in (0.0, 0.25, 0.5, 9.0):
        land(client, ALICE, received, begun=10 + received, completed=11 + received)
    land(client, BOB, received=1, begun=20, completed=21)
    show(client, ALICE, 30, 31)
    show(client, BOB, 20.5, 31)
    found = waits(client, at(0.25), at(9))
    assert (found.events, found.shown, found.p50) == (3, 2, 30.75)
    with pytest.raises(ValueError, match="none of the 0"):
        waits(client, at(100), at(200))


def test_rows_that_are_written_are_seen(client: Client) -> None:
    land(client, ALICE, received=0, begun=1, completed=2)
    client.insert("stitched", [[1, ALICE, at(3)]], ["rules_version", "ident_key", "version"])
    assert waits(client, at(0), at(1)).shown == 1


@pytest.mark.slow
@pytest.mark.timeout(180)
def test_a_steady_rate_is_measured() -> None:
    fresh = run_freshness(Course(200, seconds=2, customers=50, warm_up=2, after=1), Setting(partitions=4))
    assert fresh.waits.events == fresh.waits.shown
    assert abs(fresh.waits.events - 400) < 40, "what is offered before and after does not count"
    assert 0 < fresh.waits.landed_p50 <= fresh.waits.p50 <= fresh.waits.p99 < 60
    assert fresh.cores.keys() == {"broker", "warehouse", "land-1", "stitch-1"}

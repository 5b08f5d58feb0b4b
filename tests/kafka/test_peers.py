"""
Every peer of the bench does its job on Apache Kafka: a few hundred events, each written once with the right visit.

The events come in one topic, so that those of a customer are read in the order in which they happened: then a peer that
finds visits in the order of arrival has to find just those that a plain reading finds. All peers run at once, for most
of a run of so few events is waiting.
"""

import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest
from clickhouse_connect.driver.client import Client
from confluent_kafka import Producer

from bench.contestants import PEERS
from bench.events import encoded_events
from bench.field import PEER_TABLE
from bench.peers.obtain import command_of, is_obtained
from bench.run import ROOT, write_schemas
from bench.servers import Servers
from pipeline.config import ClickHouseSettings
from pipeline.contracts.touchpoint import decode_touchpoint
from pipeline.warehouse.connection import connect
from tests.embedded.servers import WarehouseServer
from tests.kafka.brokers import Broker
from tests.kafka.servers import create_topic
from tests.migrated import new_database
from tests.streaming.kafka import new_name

EVENTS, CUSTOMERS, PARTITIONS = 600, 40, 2
HALF_AN_HOUR_MS = 30 * 60 * 1000
LIMIT_S = 120.0
ROWS = "SELECT key, event_id, type, toUnixTimestamp64Milli(occurred_at), visit, touchpoints FROM peer_visits"

# Compiling for the last per cent is of no use to a few hundred events.
JVM = "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC"

Row = tuple[object, ...]


@dataclass(frozen=True)
class Running:
    """The peers that can run here: their processes, and who asks the database of each."""

    servers: Servers
    clients: dict[str, Client]

    def rows(self, name: str) -> list[Row]:
        """Wait until a peer has written as many rows as there are events, and return them."""
        deadline = time.monotonic() + LIMIT_S
        while len(rows := self.clients[name].query(ROWS).result_rows) < EVENTS:
            assert not self.servers.processes[name].poll(), f"{name} broke: {self.servers.complaint(name)}"
            assert time.monotonic() < deadline, f"{len(rows)} rows after {LIMIT_S} s: {self.servers.complaint(name)}"
            time.sleep(0.1)
        return sorted(map(tuple, rows))


@pytest.fixture(scope="module")
def running(apache: Broker, warehouse: WarehouseServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    topic = new_name("touchpoints")
    create_topic(apache.bootstrap, topic, PARTITIONS)
    # Without it a batch that is refused while the topic is new comes after those that were sent later.
    producer = Producer({"bootstrap.servers": apache.bootstrap, "enable.idempotence": True})
    for event in encoded_events(EVENTS, CUSTOMERS):
        producer.produce(topic, event.value, event.key)
    assert producer.flush(30) == 0
    with ExitStack() as stack:
        databases = {name: stack.enter_context(new_database(warehouse.url)) for name in filter(is_obtained, PEERS)}
        running = Running(stack.enter_context(Servers(tmp_path_factory.mktemp("peers"))), {})
        for name, database in databases.items():
            running.clients[name] = connect(database)
            running.clients[name].command(PEER_TABLE)
            start(running.servers, name, database, apache.bootstrap, topic, tmp_path_factory.mktemp(name))
        yield running


def start(servers: Servers, name: str, database: ClickHouseSettings, bootstrap: str, topic: str, schemas: Path) -> None:
    write_schemas(schemas)
    group = new_name(name)
    if name == "faust":
        create_topic(bootstrap, f"{group}-visits-changelog", PARTITIONS)
    job = [bootstrap, database.url.get_secret_value(), str(schemas), topic, str(PARTITIONS), group]
    servers.start(name, [*command_of(name), *job], {"PYTHONPATH": str(ROOT), "JAVA_TOOL_OPTIONS": JVM})


@pytest.fixture(scope="module")
def expected() -> list[Row]:
    """The rows as they are when each customer's events are laid out in time."""
    times: dict[str, list[tuple[int, str, str]]] = {}
    for record in encoded_events(EVENTS, CUSTOMERS):
        event = decode_touchpoint(record.value)
        assert isinstance(event, dict)
        times.setdefault(record.key.decode(), []).append((event["occurred_at"], event["id"], event["type"]))
    rows: list[Row] = []
    for key, events in times.items():
        events.sort()
        begins = [
            number
            for number, (at, *_) in enumerate(events)
            if number == 0 or at - events[number - 1][0] > HALF_AN_HOUR_MS
        ]
        for number, (at, event_id, kind) in enumerate(events):
            begun = [begin for begin in begins if begin <= number]
            rows.append((key, event_id, kind, at, len(begun), number - begun[-1] + 1))
    return sorted(rows)


@pytest.mark.parametrize("name", PEERS)
def test_a_peer_writes_every_event_once_with_its_visit(name: str, running: Running, expected: list[Row]) -> None:
    if name not in running.clients:
        pytest.skip(f"not run: {PEERS[name].title} is not in the cache; to run it, run `make peers`")
    assert running.rows(name) == expected

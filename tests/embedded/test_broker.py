"""The embedded broker speaks Kafka to every client of the house, and keeps its address over a crash."""

import asyncio
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from confluent_kafka import Consumer, Producer

from pipeline.contracts.topics import STITCH_DIRTY, TOUCHPOINT_TOPICS
from pipeline.embedded.broker import default_topics
from tests.embedded.servers import BrokerServer, new_broker

TOPIC = "crash.test"


def produce(bootstrap: str, topic: str, values: list[bytes]) -> None:
    producer = Producer({"bootstrap.servers": bootstrap, "linger.ms": 1})
    for value in values:
        producer.produce(topic, value)
    assert producer.flush(20) == 0


def consume(bootstrap: str, topic: str, count: int) -> list[bytes]:
    consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": uuid.uuid4().hex, "auto.offset.reset": "earliest"})
    consumer.subscribe([topic])
    found: list[bytes] = []
    deadline = time.monotonic() + 30
    while len(found) < count and time.monotonic() < deadline:
        found += [value for record in consumer.consume(count, 0.5) if (value := record.value()) is not None]
    consumer.close()
    return found


@pytest.fixture
def own_broker(tmp_path: Path) -> Iterator[BrokerServer]:
    with new_broker({TOPIC: 3}, tmp_path) as server:
        yield server


def test_topics_of_the_pipeline_are_there_with_their_partitions(broker: BrokerServer) -> None:
    metadata = Producer({"bootstrap.servers": broker.bootstrap}).list_topics(timeout=10)
    found = {name: len(topic.partitions) for name, topic in metadata.topics.items()}
    assert {name: found.get(name) for name in default_topics()} == default_topics()
    assert set(default_topics()) > {*TOUCHPOINT_TOPICS, STITCH_DIRTY}


def test_cluster_id_is_the_log_id(broker: BrokerServer) -> None:
    metadata = Producer({"bootstrap.servers": broker.bootstrap}).list_topics(timeout=10)
    assert metadata.cluster_id == broker.log_id


def test_metadata_names_the_address_itself(broker: BrokerServer) -> None:
    metadata = Producer({"bootstrap.servers": broker.bootstrap}).list_topics(timeout=10)
    assert [f"{node.host}:{node.port}" for node in metadata.brokers.values()] == [broker.bootstrap]


async def test_aiokafka_and_librdkafka_read_each_other(broker: BrokerServer) -> None:
    topic = f"both-{uuid.uuid4().hex}"
    producer = AIOKafkaProducer(bootstrap_servers=broker.bootstrap)
    await producer.start()
    await producer.send_and_wait(topic, b"from aiokafka")
    await producer.stop()
    await asyncio.to_thread(produce, broker.bootstrap, topic, [b"from librdkafka"])
    assert sorted(await asyncio.to_thread(consume, broker.bootstrap, topic, 2)) == [
        b"from aiokafka",
        b"from librdkafka",
    ]
    consumer = AIOKafkaConsumer(
        topic, bootstrap_servers=broker.bootstrap, group_id=uuid.uuid4().hex, auto_offset_reset="earliest"
    )
    await consumer.start()
    found = [await asyncio.wait_for(anext(consumer), 20) for _ in range(2)]
    assert {record.value for record in found} == {b"from aiokafka", b"from librdkafka"}
    await consumer.stop()


def test_large_record_and_many_records(own_broker: BrokerServer) -> None:
    large = b"x" * 900_000
    produce(own_broker.bootstrap, TOPIC, [large, *(b"%d" % n for n in range(20_000))])
    found = consume(own_broker.bootstrap, TOPIC, 20_001)
    assert len(found) == len(set(found)) == 20_001
    assert large in found


def test_clients_survive_a_crash_of_the_broker(own_broker: BrokerServer) -> None:
    """
    The same producer and the same consumer go on after kill -9 and a restart at the same address.

    The log is a new one: what was in the old is gone, offsets begin anew, and the readiness line says so by another
    log_id. Whoever must not miss a record of the new log starts its consumers anew.
    """
    producer = Producer({"bootstrap.servers": own_broker.bootstrap, "linger.ms": 1, "reconnect.backoff.max.ms": 500})
    settings = {
        "bootstrap.servers": own_broker.bootstrap,
        "group.id": "survivor",
        "auto.offset.reset": "earliest",
        "session.timeout.ms": 6000,
        "reconnect.backoff.max.ms": 500,
        "fetch.queue.backoff.ms": 5,
    }
    consumer = Consumer(settings)
    consumer.subscribe([TOPIC])
    producer.produce(TOPIC, b"before")
    assert producer.flush(20) == 0
    assert _next_value(consumer) == b"before"
    address, log_id = own_broker.bootstrap, own_broker.log_id
    own_broker.kill()
    own_broker.start()
    assert own_broker.bootstrap == address
    assert own_broker.log_id != log_id
    # Several to each partition: the consumer may go on at the offset it had in the old log.
    for number in range(30):
        producer.produce(TOPIC, b"after", partition=number % 3)
    assert producer.flush(30) == 0
    assert _next_value(consumer) == b"after"
    consumer.close()


async def test_aiokafka_survives_a_crash_of_the_broker(own_broker: BrokerServer) -> None:
    """Its producer and a consumer without a group; in a group its heartbeat gives up on a group that was forgotten."""
    producer = AIOKafkaProducer(bootstrap_servers=own_broker.bootstrap, request_timeout_ms=2000)
    await producer.start()
    await producer.send_and_wait(TOPIC, b"before")
    consumer = AIOKafkaConsumer(
        TOPIC, bootstrap_servers=own_broker.bootstrap, auto_offset_reset="earliest", request_timeout_ms=7000
    )
    await consumer.start()
    assert (await asyncio.wait_for(anext(consumer), 20)).value == b"before"
    await asyncio.to_thread(own_broker.kill)
    await asyncio.to_thread(own_broker.start)
    for _ in range(10):  # over all partitions: each has to have the offset that the consumer is at
        await asyncio.wait_for(producer.send_and_wait(TOPIC, b"after"), 30)
    assert (await asyncio.wait_for(anext(consumer), 30)).value == b"after"
    await consumer.stop()
    await producer.stop()


def _next_value(consumer: Consumer) -> bytes | None:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        record = consumer.poll(0.5)
        if record is not None and record.error() is None:
            return record.value()
    return None


def test_second_start_and_taken_port_are_told(
    own_broker: BrokerServer, tmp_path_factory: pytest.TempPathFactory
) -> None:
    def second(data: Path, *more: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "pipeline.embedded.broker", "--data", str(data), *more]
        return subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)

    same_folder = second(own_broker.data)
    assert same_folder.returncode == 1
    assert str(own_broker.pid) in same_folder.stderr
    same_port = second(tmp_path_factory.mktemp("other"), "--port", str(own_broker.port))
    assert same_port.returncode == 1
    assert "choose another port" in same_port.stderr
    wrong_topic = second(tmp_path_factory.mktemp("wrong"), "--topic", "nameless")
    assert wrong_topic.returncode == 2
    assert "NAME:PARTITIONS" in wrong_topic.stderr


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_clean_end(tmp_path: Path, number: signal.Signals) -> None:
    server = new_broker({TOPIC: 1}, tmp_path).start()
    assert server.process is not None
    server.process.send_signal(number)
    assert server.process.wait(10) == 0
    assert (tmp_path / "test.log").read_text() == ""

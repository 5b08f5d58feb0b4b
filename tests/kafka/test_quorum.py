"""Three brokers, three replicas, two in sync: any one of them may be killed and nothing is lost, nor does it stop."""

import asyncio
from pathlib import Path

import pytest
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient

from tests.kafka.servers import create_topic, require_kafka, three_nodes
from tests.streaming.kafka import NumbersRead, kafka_settings, new_name, reading, until


def write(bootstrap: str, topic: str, values: range) -> None:
    """Write with the guarantees of our own producers; raise unless all was taken."""
    producer = Producer({"bootstrap.servers": bootstrap, "acks": "all", "enable.idempotence": True, "log_level": 0})
    for value in values:
        producer.produce(topic, str(value).encode(), partition=0)
    assert producer.flush(90) == 0


def leader_of(bootstrap: str, topic: str) -> int:
    admin = AdminClient({"bootstrap.servers": bootstrap, "log_level": 0})
    return int(admin.list_topics(topic, timeout=30).topics[topic].partitions[0].leader)


@pytest.mark.slow
async def test_the_leader_is_killed_and_reading_and_writing_go_on(tmp_path: Path) -> None:
    require_kafka()
    topic, read = new_name("topic"), NumbersRead()
    with three_nodes(tmp_path) as nodes:
        bootstrap = ",".join(node.bootstrap for node in nodes)
        await asyncio.to_thread(create_topic, bootstrap, topic, 1, {"min.insync.replicas": "2"})
        await asyncio.to_thread(write, bootstrap, topic, range(100))
        async with reading(kafka_settings(bootstrap), new_name("group"), topic, read.accept):
            await until(lambda: len(read.numbers) == 100, 60)
            leader = await asyncio.to_thread(leader_of, bootstrap, topic)
            await asyncio.to_thread(nodes[leader - 1].kill)
            await asyncio.to_thread(write, bootstrap, topic, range(100, 200))
            await until(lambda: {*read.numbers} == set(range(200)), 90)
        assert not any(chunk.lost for chunk in read.chunks)

"""
The transport where only the embedded broker can say it: injected errors, a log that vanished, Faust's own for compare.

What holds on every broker is in `tests/kafka/test_conformance.py`.
"""

import asyncio
import time
from collections.abc import Iterator
from importlib.metadata import entry_points

import faust
import pytest
from faust.transport import by_url

from pipeline.embedded.mock_cluster import (
    CLOSE_CONNECTION,
    COORDINATOR_NOT_AVAILABLE,
    FETCH,
    OFFSET_COMMIT,
    MockCluster,
)
from pipeline.streaming.app import ChunkSchema, build_faust
from pipeline.streaming.foreign import Foreign
from pipeline.streaming.records import Chunk
from pipeline.streaming.runner import Delivery
from pipeline.streaming.transport import Transport
from tests.conftest import MakeBroker
from tests.streaming.kafka import committed, kafka_settings, new_name, produce, reading, until, until_committed

# Error codes of the Kafka protocol.
UNKNOWN_MEMBER, REBALANCE_IN_PROGRESS = 25, 27


@pytest.fixture(scope="module")
def cluster() -> Iterator[MockCluster]:
    with MockCluster({}) as running:
        yield running


@pytest.fixture
def topic(cluster: MockCluster) -> str:
    name = new_name("topic")
    cluster.create_topic(name, 1)
    return name


def offsets(chunks: list[Chunk]) -> list[int]:
    return [record.offset for chunk in chunks for record in chunk.records]


def test_faust_finds_the_transport_by_its_scheme() -> None:
    (entry,) = entry_points(group="faust.transports", name="throughline")
    assert entry.load() is Transport
    assert by_url("throughline://localhost:9092") is Transport


class OneByOne:
    """An app whose every message is one record, on the stock transport or on ours; it acknowledges nothing itself."""

    def __init__(self, scheme: str, bootstrap: str, topic: str) -> None:
        self.group = new_name("group")
        kafka = kafka_settings(bootstrap)
        if scheme == "throughline":
            self.app = build_faust(kafka, self.group)
        else:
            self.app = faust.App(
                self.group,
                broker=f"{scheme}://{bootstrap}",
                topic_allow_declare=False,
                topic_disable_leader=True,
                table_standby_replicas=0,
                stream_wait_empty=False,
                web_enabled=False,
                value_serializer="raw",
                broker_commit_interval=0.1,
            )
        self.app.conf.broker_max_poll_records = 1
        self.events: list[Foreign] = []

        @self.app.agent(self.app.topic(topic, schema=ChunkSchema()))  # type: ignore[untyped-decorator]  # Faust's own
        async def hold(stream: Foreign) -> None:
            async for event in stream.noack().events():
                self.events.append(event)


STOCK_IS_WRONG = pytest.mark.xfail(strict=True, reason="commits past a record in flight (faust 0.15.3, _new_offset)")


@pytest.mark.parametrize("scheme", [pytest.param("kafka", marks=STOCK_IS_WRONG), "throughline"])
async def test_never_commits_past_a_record_in_flight(cluster: MockCluster, topic: str, scheme: str) -> None:
    produce(cluster.bootstrap, topic, [b"%d" % number for number in range(4)])
    one_by_one = OneByOne(scheme, cluster.bootstrap, topic)
    await one_by_one.app.start()
    try:
        await until(lambda: len(one_by_one.events) == 4)
        one_by_one.events[1].ack()
        await asyncio.sleep(0.5)
        assert committed(cluster.bootstrap, one_by_one.group, topic) is None
        one_by_one.events[0].ack()
        one_by_one.events[3].ack()
        await asyncio.sleep(0.5)
        assert committed(cluster.bootstrap, one_by_one.group, topic) == 2
    finally:
        await one_by_one.app.stop()


async def test_a_log_that_vanished_is_read_from_its_new_start(topic: str) -> None:
    with MockCluster({topic: 1}) as old:
        kafka, group = kafka_settings(old.bootstrap), new_name("group")
        chunks: list[Chunk] = []

        def accept(delivery: Delivery) -> None:
            chunks.append(delivery.chunk)
            delivery.acknowledge()

        produce(old.bootstrap, topic, [b"old"] * 40)
        async with reading(kafka, group, topic, accept):
            await until(lambda: len(offsets(chunks)) == 40)
            port = old.port
            old.close()
            with MockCluster({topic: 1}, port) as new:
                await asyncio.to_thread(produce, new.bootstrap, topic, [b"new"] * 7)
                await until(lambda: len(offsets(chunks)) >= 47, 40)
                await until_committed(new.bootstrap, group, topic, 7)
        assert {bytes(record.value or b"") for chunk in chunks[-1:] for record in chunk.records} == {b"new"}
        assert not any(chunk.lost for chunk in chunks)


async def test_broken_connections_and_refused_commits_are_survived(cluster: MockCluster, topic: str) -> None:
    kafka, group = kafka_settings(cluster.bootstrap), new_name("group")
    chunks: list[Chunk] = []

    def accept(delivery: Delivery) -> None:
        chunks.append(delivery.chunk)
        delivery.acknowledge()

    async with reading(kafka, group, topic, accept):
        await asyncio.to_thread(produce, cluster.bootstrap, topic, [b"x"] * 10)
        await until(lambda: len(set(offsets(chunks))) == 10)
        cluster.push_request_errors(OFFSET_COMMIT, [COORDINATOR_NOT_AVAILABLE, REBALANCE_IN_PROGRESS, UNKNOWN_MEMBER])
        cluster.push_request_errors(FETCH, [CLOSE_CONNECTION] * 5)
        await asyncio.to_thread(produce, cluster.bootstrap, topic, [b"x"] * 10)
        await until(lambda: set(offsets(chunks)) == set(range(20)), 40)
        await until_committed(cluster.bootstrap, group, topic, 20)


@pytest.mark.slow
async def test_delivers_records_by_the_chunk_and_not_one_by_one(make_broker: MakeBroker) -> None:
    # Seconds of this process's CPU, not of the clock: tests must not fail because the machine does other things too.
    topic, total = new_name("topic"), 200_000
    server = make_broker({topic: 8})
    for partition in range(8):
        produce(server.bootstrap, topic, [b"x" * 120] * (total // 8), partition)
    rates = []
    for _ in range(3):
        seen: list[tuple[float, int]] = []

        def count(delivery: Delivery, seen: list[tuple[float, int]] = seen) -> None:
            seen.append((time.process_time(), len(delivery.chunk.records)))
            delivery.acknowledge()

        def is_all(seen: list[tuple[float, int]] = seen) -> bool:
            return sum(number for _, number in seen) == total

        async with reading(kafka_settings(server.bootstrap), new_name("group"), topic, count):
            await until(is_all)
        rates.append((total - seen[0][1]) / (seen[-1][0] - seen[0][0]))
    # One by one it is 16,000 at most. Quiet machines give 300,000 and more; busy ones half of it.
    assert max(rates) > 100_000, rates

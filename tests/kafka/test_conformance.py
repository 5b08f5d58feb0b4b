"""
What the transport promises, on the embedded broker and on Apache Kafka alike.

Every record is delivered in the order of its partition, nothing is committed before it is finished, whatever is not
finished comes again, and what the broker dropped is counted.
"""

import asyncio
import random
import time
from collections.abc import Callable
from datetime import timedelta

import pytest

from pipeline.config_kafka import KafkaSettings
from pipeline.streaming.app import LAND_FETCH_BYTES
from pipeline.streaming.records import Chunk
from pipeline.streaming.runner import Delivery
from pipeline.streaming.transport import TransportLimits
from tests.kafka.brokers import Broker
from tests.streaming.kafka import committed, kafka_settings, new_name, produce, reading, trickle, until, until_committed


def offsets(chunks: list[Chunk]) -> list[int]:
    return [record.offset for chunk in chunks for record in chunk.records]


def finishing(chunks: list[Chunk]) -> Callable[[Delivery], None]:
    """Return what takes chunks and finishes each at once."""

    def accept(delivery: Delivery) -> None:
        chunks.append(delivery.chunk)
        delivery.acknowledge()

    return accept


def impatient(cluster: Broker) -> KafkaSettings:
    """Return settings whose sessions are short; each rebalance of the embedded broker takes as long, less a second."""
    return kafka_settings(cluster.bootstrap).model_copy(update={"session_timeout": timedelta(seconds=2)})


async def test_a_restart_resumes_exactly_where_finished_work_ends(cluster: Broker, topic: str) -> None:
    kafka, group = kafka_settings(cluster.bootstrap), new_name("group")
    first: list[Chunk] = []

    def accept(delivery: Delivery) -> None:
        if delivery.chunk.first_offset < 300:
            first.append(delivery.chunk)
            delivery.acknowledge()

    async with reading(kafka, group, topic, accept):
        for _ in range(3):
            await asyncio.to_thread(produce, cluster.bootstrap, topic, [b"x"] * 100)
            await asyncio.sleep(0.2)
        await until(lambda: bool(first) and first[-1].last_offset >= 299)
        await asyncio.to_thread(produce, cluster.bootstrap, topic, [b"x"] * 200)
    done = first[-1].last_offset + 1
    assert committed(cluster.bootstrap, group, topic) == done
    second: list[Chunk] = []
    async with reading(kafka, group, topic, lambda delivery: second.append(delivery.chunk)):
        await until(lambda: offsets(second)[-1:] == [499])
    assert offsets(second) == list(range(done, 500))
    assert offsets(first) == list(range(done))


async def test_what_waits_unfinished_at_the_stop_is_not_committed(cluster: Broker, topic: str) -> None:
    kafka, group = kafka_settings(cluster.bootstrap), new_name("group")
    held: list[Delivery] = []
    produce(cluster.bootstrap, topic, [b"x"] * 50)
    async with reading(kafka, group, topic, held.append):
        await until(lambda: bool(held))
    for delivery in held:
        delivery.acknowledge()
    assert all(delivery.is_void() for delivery in held)
    assert committed(cluster.bootstrap, group, topic) is None


async def test_records_that_the_broker_dropped_are_counted(cluster: Broker, topic: str) -> None:
    kafka, group = kafka_settings(cluster.bootstrap), new_name("group")
    chunks: list[Chunk] = []
    total = cluster.produce_and_drop(topic)
    async with reading(kafka, group, topic, finishing(chunks)):
        await until(lambda: bool(chunks) and chunks[-1].last_offset == total - 1)
    lost_at_first = chunks[0].lost
    assert lost_at_first == chunks[0].first_offset > 0
    assert lost_at_first + len(offsets(chunks)) == total
    # Now the offset that the group has committed is gone: out of range, and read on from where the log begins.
    total += cluster.produce_and_drop(topic)
    async with reading(kafka, group, topic, finishing(chunks)):
        await until(lambda: chunks[-1].last_offset == total - 1)
    lost = sum(chunk.lost for chunk in chunks)
    assert lost > lost_at_first
    assert lost + len(offsets(chunks)) == total
    assert committed(cluster.bootstrap, group, topic) == total


async def test_two_workers_that_come_and_go_lose_nothing(cluster: Broker) -> None:
    topic, group = new_name("topic"), new_name("group")
    kafka = kafka_settings(cluster.bootstrap).model_copy(update={"session_timeout": timedelta(seconds=4)})
    cluster.create_topic(topic, 4)
    finished: dict[str, list[tuple[int, int]]] = {"a": [], "b": []}

    def worker(name: str) -> "asyncio.Queue[Delivery]":
        held: asyncio.Queue[Delivery] = asyncio.Queue()

        async def finish() -> None:
            while True:
                delivery = await held.get()
                await asyncio.sleep(0.02)
                if delivery.is_void():
                    continue
                delivery.acknowledge()
                records = delivery.chunk.records
                finished[name] += [(delivery.chunk.partition, record.offset) for record in records]

        tasks.append(asyncio.ensure_future(finish()))
        return held

    began = time.monotonic()

    def both_took_part() -> bool:
        # Whoever joins late must find something left to take; nobody feeds for ever.
        return (bool(finished["a"]) and bool(finished["b"])) or time.monotonic() - began > 100

    tasks: list[asyncio.Future[None]] = []
    first, second = worker("a"), worker("b")
    feeding = asyncio.ensure_future(asyncio.to_thread(trickle, cluster.bootstrap, topic, 4, both_took_part))
    async with reading(kafka, group, topic, second.put_nowait):
        async with reading(kafka, group, topic, first.put_nowait):
            await until(lambda: bool(finished["a"]) and bool(finished["b"]), 90)
            written = await feeding
        everything = {(partition, offset) for partition in range(4) for offset in range(written)}
        await until(lambda: set(finished["a"]) | set(finished["b"]) == everything, 90)
        for partition in range(4):
            # Not merely at the stop: on a busy machine a session may end just then.
            await until(lambda spot=partition: committed(cluster.bootstrap, group, topic, spot) == written, 60)  # type: ignore[misc]
    for task in tasks:
        task.cancel()


async def test_what_is_in_flight_is_bounded(cluster: Broker, topic: str) -> None:
    kafka = kafka_settings(cluster.bootstrap).model_copy(update={"fetch_max_bytes": 65_536})
    held: list[Delivery] = []

    def records() -> int:
        return sum(len(delivery.chunk.records) for delivery in held)

    for _ in range(30):
        produce(cluster.bootstrap, topic, [b"x" * 1000] * 100)
    async with reading(kafka, new_name("group"), topic, held.append) as app:
        app.transport.limits = TransportLimits(in_flight_bytes=400_000, in_flight_chunks=1000)
        await until(lambda: app.consumer.bytes_in_flight >= 400_000)
        await asyncio.sleep(0.3)
        # At most one read beyond the limit of ~300 records.
        assert records() <= 700
        assert app.consumer.chunks_in_flight == len(held)
        while records() < 3000:
            for delivery in held:
                delivery.acknowledge()
            await asyncio.sleep(0.01)
        app.consumer._collect_acks()
        assert app.consumer.bytes_in_flight <= 400_000 + 200_000


async def test_a_worker_that_waits_for_room_stops_at_once(cluster: Broker, topic: str) -> None:
    """Faust's own wait for an acknowledgement swallows its cancellation."""
    held: list[Delivery] = []
    produce(cluster.bootstrap, topic, [b"x" * 1000] * 500)
    async with reading(kafka_settings(cluster.bootstrap), new_name("group"), topic, held.append) as app:
        app.transport.limits = TransportLimits(in_flight_bytes=1)
        await until(lambda: app.consumer._waiting_for_ack is not None)
        began = time.monotonic()
    assert time.monotonic() - began < 5


async def test_one_that_waits_for_longer_than_a_session_keeps_its_partitions_and_reads_no_more(
    cluster: Broker, topic: str
) -> None:
    """As while the warehouse is away: what it holds stays its own, comes once, and is finished when it can be."""
    kafka, group = impatient(cluster), new_name("group")
    kafka = kafka.model_copy(update={"fetch_max_bytes": 65_536})
    held: list[Delivery] = []
    for _ in range(20):
        produce(cluster.bootstrap, topic, [b"x" * 1000] * 50)
    async with reading(kafka, group, topic, held.append) as app:
        app.transport.limits = TransportLimits(in_flight_bytes=200_000)
        await until(lambda: app.consumer.bytes_in_flight >= 200_000)
        await asyncio.sleep(0.5)
        waiting, generation = len(held), app.consumer_generation_id
        await asyncio.sleep(2 * kafka.session_timeout.total_seconds())
        assert (len(held), app.consumer_generation_id) == (waiting, generation)
        assert not any(delivery.is_void() for delivery in held)
        assert committed(cluster.bootstrap, group, topic) is None
        finished = 0
        while finished < len(held) or not held or held[-1].chunk.last_offset < 999:
            for delivery in held[finished:]:
                delivery.acknowledge()
                finished += 1
            await asyncio.sleep(0.02)
        await until_committed(cluster.bootstrap, group, topic, 1000)
    assert offsets([delivery.chunk for delivery in held]) == list(range(1000))


async def test_few_records_come_although_a_fetch_asks_for_more(cluster: Broker, topic: str) -> None:
    chunks: list[Chunk] = []
    accept = finishing(chunks)
    group = new_name("gathering")
    async with reading(kafka_settings(cluster.bootstrap), group, topic, accept, LAND_FETCH_BYTES) as app:
        assert app.consumer._thread._ensure_consumer()._fetch_min_bytes == LAND_FETCH_BYTES
        for _ in range(3):
            await asyncio.to_thread(produce, cluster.bootstrap, topic, [b"few"])
        await until(lambda: len(offsets(chunks)) == 3, seconds=20)


async def test_reads_every_codec(cluster: Broker, topic: str) -> None:
    chunks: list[Chunk] = []
    codecs = ["none", "gzip", "snappy", "lz4", "zstd"]
    values = {codec: [f"{codec} {number} ".encode() * 20 for number in range(200)] for codec in codecs}
    for codec in codecs:
        produce(cluster.bootstrap, topic, values[codec], codec=codec)
    async with reading(kafka_settings(cluster.bootstrap), new_name("group"), topic, finishing(chunks)):
        await until(lambda: len(offsets(chunks)) == 1000)
    read = [record.value for chunk in chunks for record in chunk.records]
    assert read == [value for codec in codecs for value in values[codec]]


@pytest.mark.parametrize("codec", ["none", "zstd"])
async def test_a_record_larger_than_a_fetch_is_read_like_any_other(cluster: Broker, topic: str, codec: str) -> None:
    kafka = kafka_settings(cluster.bootstrap).model_copy(update={"fetch_max_bytes": 65_536})
    values = [b"small", random.Random(1).randbytes(900_000), b"x" * 900_000, b"small again"]
    for value in values:
        produce(cluster.bootstrap, topic, [value], codec=codec)
    chunks: list[Chunk] = []
    async with reading(kafka, new_name("group"), topic, finishing(chunks)):
        await until(lambda: len(offsets(chunks)) == len(values))
    assert [record.value for chunk in chunks for record in chunk.records] == values
    assert not any(chunk.lost for chunk in chunks)


async def test_a_hot_partition_does_not_keep_the_others_waiting(cluster: Broker) -> None:
    topic, group = new_name("topic"), new_name("group")
    cluster.create_topic(topic, 2)
    kafka = kafka_settings(cluster.bootstrap).model_copy(update={"fetch_max_bytes": 65_536})
    for _ in range(40):  # small batches, so that a fetch need not take more than it asked for
        produce(cluster.bootstrap, topic, [b"hot" * 300] * 100, partition=0)
    produce(cluster.bootstrap, topic, [b"cold"] * 5, partition=1)
    order: list[int] = []
    held: asyncio.Queue[Delivery] = asyncio.Queue()
    async with reading(kafka, group, topic, held.put_nowait) as app:
        app.transport.limits = TransportLimits(in_flight_bytes=500_000)
        while order.count(0) < 4000 or order.count(1) < 5:
            delivery = await asyncio.wait_for(held.get(), 30)
            order += [delivery.chunk.partition] * len(delivery.chunk.records)
            delivery.acknowledge()
    assert order.index(1) < 2000, "the cold partition came after most of the hot one"


async def test_a_broker_that_goes_and_comes_back_is_read_on_without_anybodys_help(cluster: Broker, topic: str) -> None:
    kafka, group = kafka_settings(cluster.bootstrap), new_name("group")
    chunks: list[Chunk] = []
    produce(cluster.bootstrap, topic, [b"before"] * 20)
    async with reading(kafka, group, topic, finishing(chunks)):
        await until(lambda: len(offsets(chunks)) == 20)
        cluster.go()
        await asyncio.sleep(1)
        await asyncio.to_thread(cluster.come_back)
        await asyncio.to_thread(produce, cluster.bootstrap, topic, [b"after"] * 20)
        await until(lambda: set(offsets(chunks)) == set(range(40)), 30)
        assert not any(chunk.lost for chunk in chunks)
        await until(lambda: committed(cluster.bootstrap, group, topic) == 40, 30)


async def test_a_zombie_can_neither_finish_nor_commit_what_another_has_taken(cluster: Broker, topic: str) -> None:
    kafka = impatient(cluster)
    group, held, taken = new_name("group"), list[Delivery](), list[Chunk]()
    produce(cluster.bootstrap, topic, [b"x"] * 30)
    async with reading(kafka, group, topic, held.append) as zombie:
        await until(lambda: bool(held))
        frozen, thaw = _freeze(zombie.consumer._thread)
        async with reading(kafka, group, topic, finishing(taken)):
            await until(lambda: set(offsets(taken)) == set(range(30)))
            await asyncio.to_thread(produce, cluster.bootstrap, topic, [b"y"] * 30)
            await until_committed(cluster.bootstrap, group, topic, 60)
            # It wakes and goes on as if nothing had happened: what it holds ends at offset 30.
            thaw()
            await frozen
            for delivery in held:
                delivery.acknowledge()
            await zombie.consumer.force_commit()
            await until(lambda: all(delivery.is_void() for delivery in held))
            assert committed(cluster.bootstrap, group, topic) == 60
        # The other is gone, and it takes the partition again without anybody's help.
        await asyncio.to_thread(produce, cluster.bootstrap, topic, [b"z"] * 10)
        await until(lambda: bool(held) and held[-1].chunk.last_offset == 69)
        assert min(delivery.chunk.first_offset for delivery in held if not delivery.is_void()) >= 60


def _freeze(thread: object) -> "tuple[asyncio.Future[None], Callable[[], None]]":
    """Block the thread that speaks to the broker, as a stopped process would; return what ends when it goes on."""
    import threading

    gate = threading.Event()

    async def stand_still() -> None:
        gate.wait(150)

    frozen = asyncio.ensure_future(thread.call_thread(stand_still))  # type: ignore[attr-defined]
    return frozen, gate.set

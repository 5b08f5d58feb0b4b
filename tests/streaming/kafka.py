"""Small words for tests that speak with a broker: produce, ask for commits, run an app."""

import asyncio
import itertools
import time
import uuid
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from datetime import timedelta

from confluent_kafka import Consumer, KafkaException, Producer, TopicPartition

from pipeline.cli.watermarks import CHANGING_HANDS
from pipeline.config_kafka import KafkaSettings
from pipeline.streaming.app import add_agent, build_faust
from pipeline.streaming.foreign import Foreign
from pipeline.streaming.records import Chunk
from pipeline.streaming.runner import Delivery

_NUMBERS = itertools.count()


def new_name(prefix: str) -> str:
    """Return a name that no other test uses."""
    return f"{prefix}-{next(_NUMBERS)}-{uuid.uuid4().hex[:6]}"


def kafka_settings(bootstrap: str) -> KafkaSettings:
    """Return settings that react fast."""
    return KafkaSettings(
        bootstrap=bootstrap,
        commit_interval=timedelta(milliseconds=100),
        session_timeout=timedelta(seconds=6),
        heartbeat_interval=timedelta(milliseconds=200),
    )


def produce(bootstrap: str, topic: str, values: Iterable[bytes], partition: int = 0, codec: str = "none") -> int:
    """Write values and wait for their delivery; return how many."""
    producer = Producer({"bootstrap.servers": bootstrap, "linger.ms": 10, "compression.type": codec})
    count = 0
    for value in values:
        while True:
            try:
                producer.produce(topic, value, partition=partition)
                break
            except BufferError:
                producer.poll(0.05)
        count += 1
        if count % 10_000 == 0:
            producer.poll(0)
    assert producer.flush(30) == 0
    return count


class NumbersRead:
    """An agent that acknowledges whatever it gets: records whose values are numbers."""

    def __init__(self) -> None:
        self.chunks: list[Chunk] = []

    def accept(self, delivery: Delivery) -> None:
        """Take a chunk and acknowledge it."""
        self.chunks.append(delivery.chunk)
        delivery.acknowledge()

    @property
    def numbers(self) -> list[int]:
        """All that was read, in order."""
        return [int(record.value or b"") for chunk in self.chunks for record in chunk.records]


def trickle(bootstrap: str, topic: str, partitions: int, is_enough: Callable[[], bool]) -> int:
    """Write 50 records to every partition, again and again with pauses until it is enough; return how many each has."""
    producer = Producer({"bootstrap.servers": bootstrap})
    written = 0
    while not is_enough():
        for partition in range(partitions):
            for _ in range(50):
                producer.produce(topic, b"x", partition=partition)
        producer.flush(10)
        written += 50
        time.sleep(0.05)
    return written


def committed(bootstrap: str, group: str, topic: str, partition: int = 0) -> int | None:
    """Return what a group has committed, None if nothing."""
    consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": group})
    deadline = time.monotonic() + 30
    try:
        while True:
            try:
                (place,) = consumer.committed([TopicPartition(topic, partition)], timeout=30)
            except KafkaException as error:
                # A broker that has just come back has not read yet which groups are its own.
                if error.args[0].code() not in CHANGING_HANDS or time.monotonic() > deadline:
                    raise
                time.sleep(0.1)
            else:
                return place.offset if place.offset >= 0 else None
    finally:
        consumer.close()


@asynccontextmanager
async def reading(
    kafka: KafkaSettings, group: str, topic: str, accept: Callable[[Delivery], None], fetch_min_bytes: int = 1
) -> AsyncIterator[Foreign]:
    """Run an app that hands every chunk of a topic to `accept`, and stop it at the end."""
    app = build_faust(kafka, group)
    app.transport.fetch_min_bytes = fetch_min_bytes
    add_agent(app, (topic,), accept)
    await app.start()
    try:
        yield app
    finally:
        await app.consumer.release()
        stopping = asyncio.ensure_future(app.stop())
        await asyncio.wait([stopping], timeout=10)
    assert stopping.done(), "the consumer did not stop"


async def until(condition: Callable[[], bool], seconds: float = 60) -> None:
    """Wait until something holds; fail when it does not in time."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise AssertionError(f"did not come true within {seconds} s")
        await asyncio.sleep(0.02)


async def until_committed(bootstrap: str, group: str, topic: str, offset: int, seconds: float = 60) -> None:
    """Wait until a group has committed an offset of partition 0."""
    deadline = time.monotonic() + seconds
    while (found := await asyncio.to_thread(committed, bootstrap, group, topic)) != offset:
        if time.monotonic() > deadline:
            raise AssertionError(f"committed is {found}, not {offset}")

"""Real topics on the embedded broker, and a reader that can be made to lag."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from confluent_kafka import Consumer, Producer, TopicPartition

from pipeline.config_kafka import KafkaSettings


def made_topic(bootstrap: str, topic: str) -> str:
    """Have the broker make a topic; returns its name when its partitions are there."""
    producer = Producer({"bootstrap.servers": bootstrap})
    while producer.list_topics(topic, timeout=10).topics[topic].error is not None:
        time.sleep(0.05)
    return topic


def commit_end(bootstrap: str, group: str, topic: str) -> None:
    """Have a group commit the end of a topic, as if it had read everything."""
    consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": group, "enable.auto.commit": False})
    places = partitions_of(consumer, topic)
    ends = [consumer.get_watermark_offsets(place, timeout=10, cached=False)[1] for place in places]
    offsets = [TopicPartition(topic, place.partition, end) for place, end in zip(places, ends, strict=True)]
    consumer.commit(offsets=offsets, asynchronous=False)
    consumer.close()


def partitions_of(consumer: Consumer, topic: str) -> list[TopicPartition]:
    """Return the partitions that a topic has."""
    return [
        TopicPartition(topic, number) for number in consumer.list_topics(topic, timeout=10).topics[topic].partitions
    ]


def read_all(bootstrap: str, topic: str) -> list[tuple[bytes, bytes]]:
    """Return key and value of every record that a topic holds."""
    consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": "test-reader", "enable.auto.commit": False})
    found: list[tuple[bytes, bytes]] = []
    try:
        starts, ends = [], {}
        for place in partitions_of(consumer, topic):
            low, high = consumer.get_watermark_offsets(place, timeout=10, cached=False)
            if high > low:
                ends[place.partition] = high
                starts.append(TopicPartition(topic, place.partition, low))
        consumer.assign(starts)
        while ends:
            for record in consumer.consume(2_000, 1.0):
                assert record.error() is None, record.error()
                found.append((record.key() or b"", record.value() or b""))
                if (record.offset() or 0) + 1 >= ends.get(record.partition() or 0, 0):
                    ends.pop(record.partition() or 0, None)
    finally:
        consumer.close()
    return found


class Reader:
    """
    A group's only member: reads and commits slowly, and sees when records were lost.

    Attributes:
        read: Records read.
        gaps: Records that the broker dropped before they were read.
        most_unread: Most records that ever waited in one partition when it looked.
    """

    def __init__(self, kafka: KafkaSettings, topic: str, *, records_a_step: int, step_s: float) -> None:
        self.read = 0
        self.gaps = 0
        self._next: dict[int, int] = {}
        self._topic = topic
        self._records_a_step = records_a_step
        self._step_s = step_s
        self._stop = threading.Event()
        self._consumer = Consumer(
            {
                "bootstrap.servers": kafka.bootstrap,
                "group.id": f"{kafka.group}-land",
                "enable.auto.commit": False,
                "auto.offset.reset": "earliest",
            }
        )
        self._thread = threading.Thread(target=self._run, daemon=True)

    @contextmanager
    def reading(self) -> Iterator["Reader"]:
        """Read in the background until the end of the context."""
        self._consumer.subscribe([self._topic])
        self._thread.start()
        try:
            yield self
        finally:
            self._stop.set()
            self._thread.join()
            self._consumer.close()

    def _run(self) -> None:
        while not self._stop.wait(self._step_s):
            records = self._consumer.consume(self._records_a_step, 0.2)
            for record in records:
                assert record.error() is None, record.error()
                partition, offset = record.partition() or 0, record.offset() or 0
                self.gaps += offset - self._next.get(partition, offset)
                self._next[partition] = offset + 1
                self.read += 1
            if records:
                self._consumer.commit(asynchronous=False)

"""
How often groups were dealt their partitions anew: read from Kafka's own book, `__consumer_offsets`.

Whenever a group has a new generation, its coordinator writes a record with the number. So nobody need listen while it
happens, and a worker that is frozen or dead cannot hide one.
"""

import struct
import time
from dataclasses import dataclass

from confluent_kafka import Consumer, TopicPartition

BOOK = "__consumer_offsets"
GROUP_RECORD = 2
SECONDS, POLL_S = 30.0, 0.2


@dataclass(frozen=True)
class Generation:
    """One dealing of a group's partitions: when (seconds since 1970), and the group's number of it."""

    at: float
    group: str
    number: int


def generations(bootstrap: str) -> list[Generation]:
    """Return every generation of every group, in order of time."""
    consumer = Consumer(
        {"bootstrap.servers": bootstrap, "group.id": "counts", "enable.auto.commit": False, "log_level": 0}
    )
    found: dict[tuple[str, int], float] = {}
    try:
        parts = consumer.list_topics(BOOK, timeout=SECONDS).topics[BOOK].partitions
        for part in parts:
            low, high = consumer.get_watermark_offsets(TopicPartition(BOOK, part), timeout=SECONDS)
            consumer.assign([TopicPartition(BOOK, part, low)])
            place, deadline = low, time.monotonic() + SECONDS
            while place < high and time.monotonic() < deadline:
                for record in consumer.consume(10_000, POLL_S):
                    place = int(record.offset() or 0) + 1
                    if (dealt := generation_of(record.key(), record.value())) is not None:
                        found.setdefault(dealt, record.timestamp()[1] / 1000)
    finally:
        consumer.close()
    return sorted((Generation(at, *dealt) for dealt, at in found.items()), key=lambda dealt: dealt.at)


def generation_of(key: bytes | str | None, value: bytes | str | None) -> tuple[str, int] | None:
    """Return the group and generation that a record of the book tells; None where it tells something else."""
    if not isinstance(key, bytes) or not isinstance(value, bytes) or struct.unpack_from(">h", key)[0] != GROUP_RECORD:
        return None
    (length,) = struct.unpack_from(">h", key, 2)
    (kind_length,) = struct.unpack_from(">h", value, 2)
    (number,) = struct.unpack_from(">i", value, 4 + kind_length)
    return key[4 : 4 + length].decode(), number

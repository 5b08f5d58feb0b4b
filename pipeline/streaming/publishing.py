"""
Writing to Kafka: everything handed over is acknowledged by all replicas before a call returns, or the call raises.

The producer is confluent-kafka's, idempotent, so that its own retries neither reorder nor repeat. A full queue is
drained, never dropped. Journeys are published keyed by their id, so a compacted topic keeps the newest of each.
"""

import threading
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Protocol

import polars as pl
from confluent_kafka import KafkaException, Producer

from pipeline.config_kafka import SILENT_LEADER, KafkaSettings
from pipeline.contracts.topics import JOURNEYS_UPDATED
from pipeline.contracts.updates import encode_journey_updates

# librdkafka's own word for "the key decides".
PARTITION_UA = -1
DELIVERY_TIMEOUT = timedelta(seconds=30)
# The word of a broker that is there comes within this, also for a large batch.
WORD_WITHIN = timedelta(seconds=2)
# Asking for delivery reports after every record takes longer than handing it over.
_REPORTS_AT_ONCE = 200


class BrokerUnavailable(Exception):  # noqa: N818 - the name is the instruction
    """Kafka does not take what is written; wait and write the same again."""


@dataclass(frozen=True, slots=True)
class Outgoing:
    """One record to write; without a partition the key decides."""

    topic: str
    key: bytes | None
    value: bytes | None
    partition: int | None = None


class RecordWriter(Protocol):
    """Something that writes records to Kafka; called by one thread at a time."""

    def write(self, records: Iterable[Outgoing]) -> int:
        """Write all records, wait for every delivery, return how many; raise `BrokerUnavailable` otherwise."""

    def partitions(self, topic: str) -> int:
        """Return how many partitions a topic has; raise `BrokerUnavailable` if nobody can tell."""


class KafkaWriter:
    """The producer of one worker; used by one thread at a time, except `close`."""

    def __init__(self, settings: KafkaSettings) -> None:
        self._producer = Producer(
            {
                "bootstrap.servers": settings.bootstrap,
                "acks": "all",
                "enable.idempotence": True,
                "linger.ms": 5,
                "compression.type": "lz4",
                "message.max.bytes": max(settings.max_record_bytes * 2, 1_048_576),
                "delivery.timeout.ms": int(DELIVERY_TIMEOUT.total_seconds() * 1000),
                "topic.metadata.refresh.interval.ms": 30_000,
                "socket.timeout.ms": int(SILENT_LEADER.total_seconds() * 1000),
                # By default a connection is tried again only every 10 s after an outage.
                "reconnect.backoff.max.ms": 500,
                "log_level": 2,  # every refused connection would be a line; retry tells of an outage once
            }
        )
        self._partitions: dict[str, tuple[int, float]] = {}
        self._waited_s = 0.0

    @property
    def waited(self) -> timedelta:
        """How long writes have waited so far for a broker that was away; may be asked from any thread."""
        return timedelta(seconds=self._waited_s)

    def write(self, records: Iterable[Outgoing]) -> int:
        """
        Write records and wait until the broker has them all.

        Raises:
            BrokerUnavailable: If one of them was not delivered; the others may have been.
        """
        pending = _Deliveries()
        for record in records:
            pending.expect()
            self._produce(record, pending.delivered)
            if pending.expected % _REPORTS_AT_ONCE == 0:
                self._producer.poll(0)
        written = time.monotonic()
        deadline = written + DELIVERY_TIMEOUT.total_seconds() + 5
        while pending.missing and time.monotonic() < deadline:
            self._producer.poll(0.1)
        waited_s = time.monotonic() - written
        if waited_s > WORD_WITHIN.total_seconds():
            self._waited_s += waited_s
        if pending.errors or pending.missing:
            why = pending.errors[0] if pending.errors else "no delivery report in time"
            raise BrokerUnavailable(f"{pending.missing + len(pending.errors)} records not delivered: {why}")
        return pending.expected

    def partitions(self, topic: str) -> int:
        """
        Return how many partitions a topic has, asked at most every half minute.

        Raises:
            BrokerUnavailable: If the broker does not say, or there is no such topic.
        """
        known, until = self._partitions.get(topic, (0, 0.0))
        if known and time.monotonic() < until:
            return known
        try:
            metadata = self._producer.list_topics(topic, timeout=10).topics[topic]
        except KafkaException as error:
            raise BrokerUnavailable(f"the broker does not answer: {error}") from error
        if metadata.error is not None or not metadata.partitions:
            raise BrokerUnavailable(f"topic {topic}: {metadata.error or 'no partitions'}")
        self._partitions[topic] = (len(metadata.partitions), time.monotonic() + 30)
        return len(metadata.partitions)

    def cluster_id(self) -> str:
        """
        Return the id of the cluster: one log, one id.

        Raises:
            BrokerUnavailable: If the broker does not say.
        """
        try:
            found = self._producer.list_topics(timeout=10).cluster_id
        except KafkaException as error:
            raise BrokerUnavailable(f"the broker does not answer: {error}") from error
        if not found:
            raise BrokerUnavailable("the broker does not tell its cluster id; set kafka.log_id")
        return str(found)

    def close(self) -> None:
        """Give up what was not delivered and let the producer go; safe to call twice."""
        self._producer.purge()
        self._producer.flush(1)

    def _produce(self, record: Outgoing, delivered: Callable[[Any, Any], None]) -> None:
        place = PARTITION_UA if record.partition is None else record.partition
        while True:
            try:
                self._producer.produce(record.topic, record.value, record.key, place, delivered)
            except BufferError:
                self._producer.poll(0.1)
                continue
            except KafkaException as error:
                raise BrokerUnavailable(f"topic {record.topic}: {error}") from error
            return


class _Deliveries:
    """Counts delivery reports of one call."""

    def __init__(self) -> None:
        self.expected = 0
        self.errors: list[str] = []
        self._arrived = 0
        self._lock = threading.Lock()

    @property
    def missing(self) -> int:
        return self.expected - self._arrived

    def expect(self) -> None:
        self.expected += 1

    def delivered(self, error: object, _record: object) -> None:
        with self._lock:
            self._arrived += 1
            if error is not None:
                self.errors.append(str(error))


class JourneyPublisher:
    """Publishes journeys that changed on `journeys.updated`; a `Publisher` of ports."""

    def __init__(self, writer: RecordWriter) -> None:
        self._writer = writer
        self._undelivered: list[pl.DataFrame] = []
        # A worker's slow lane publishes from a thread of its own.
        self._lock = threading.Lock()

    def publish(self, changes: pl.DataFrame) -> None:
        """
        Publish journeys, each keyed by its id; one that is gone as a tombstone.

        What could not be delivered is delivered by the next call: the batch is then tried again, but it finds its rows
        written already and no change.

        Raises:
            BrokerUnavailable: If not all of them were delivered.
        """
        with self._lock:
            if not changes.is_empty():
                self._undelivered.append(changes)
            for waiting in list(self._undelivered):
                self._writer.write(_journey_records(waiting))
                self._undelivered.pop(0)


def _journey_records(changes: pl.DataFrame) -> Iterator[Outgoing]:
    updates = changes.with_columns(
        pl.col("version").dt.epoch("us"),
        pl.col("started_at", "ended_at").dt.epoch("ms"),
        _uuid_text("journey_id"),
        _uuid_text("customer_uid"),
    )
    standing = updates.filter(~pl.col("gone")).to_dict(as_series=False)
    values = encode_journey_updates(standing)
    for journey_id, value in zip(standing["journey_id"], values, strict=True):
        yield Outgoing(JOURNEYS_UPDATED, journey_id.encode(), value)
    for journey_id in updates.filter("gone")["journey_id"]:
        yield Outgoing(JOURNEYS_UPDATED, journey_id.encode(), None)


def _uuid_text(column: str) -> pl.Expr:
    digits = pl.col(column).bin.encode("hex")
    places = ((0, 8), (8, 4), (12, 4), (16, 4), (20, 12))
    return pl.concat_str([digits.str.slice(*place) for place in places], separator="-").alias(column)

"""
Sending records to Kafka from a file or a stream: everything arrives, and nobody is overrun.

The one rule: `send` never drops. A full queue is waited for, a lagging reader is waited for (see `backpressure`), and
what could not be delivered in the end is an exception that says so; sending the same input again is safe, because a
touchpoint is stored once.
"""

import time
import zlib
from collections.abc import Callable, Sequence
from datetime import timedelta
from types import TracebackType
from typing import Any, Final, Self

from confluent_kafka import KafkaError, KafkaException, Message, Producer

from pipeline.config_kafka import SILENT_LEADER, KafkaSettings
from pipeline.contracts.touchpoint import EncodedTouchpoint
from pipeline.producers.backpressure import LagLedger, StallWatch, Target
from pipeline.producers.errors import ConsumersStalledError
from pipeline.producers.watching import LANDING_GROUP_SUFFIX, GroupWatcher, unavailable

_LOOK_PAUSE_S: Final = 0.05

BULK_LINGER: Final = timedelta(milliseconds=500)
"""How long records that nobody waits for are gathered: few large requests cost the sender and the broker less."""

LIVE_LINGER: Final = timedelta(milliseconds=20)
"""The same for records that somebody waits for."""

# Reports of success wait for nobody; looking for failures after every record would cost as much as sending it.
_SENDS_A_POLL: Final = 100


def producer_config(kafka: KafkaSettings, delivery_timeout: timedelta) -> dict[str, Any]:
    """Return what all our producers tell librdkafka: confirmed by all replicas, compressed, quiet."""
    return {
        "bootstrap.servers": kafka.bootstrap,
        "acks": "all",
        "compression.type": "lz4",
        "delivery.timeout.ms": int(delivery_timeout.total_seconds() * 1000),
        "message.max.bytes": kafka.max_record_bytes,
        "reconnect.backoff.max.ms": 1_000,
        "socket.timeout.ms": int(SILENT_LEADER.total_seconds() * 1000),
        # Its own lines would stand between ours; what matters comes with the delivery reports.
        "log_level": 0,
    }


def partition_of(key: bytes, partitions: int) -> int:
    """Return the partition of a key, as librdkafka itself would choose it."""
    return zlib.crc32(key) % partitions


class Feeder:
    """
    A producer that waits rather than drops; one thread uses it.

    Use it as a context: leaving it flushes, or, after an exception, gives up what is still queued.

    Args:
        kafka: Address, reading group and lag limit.
        patience: How long Kafka may be away, and how long readers may stand still, before that is an error.
        on_wait: Called with the seconds waited so far, while readers lag.
        linger: How long records of one partition are gathered; flushing does not wait for it.
    """

    def __init__(
        self,
        kafka: KafkaSettings,
        patience: timedelta = timedelta(seconds=60),
        on_wait: Callable[[float], None] | None = None,
        linger: timedelta = LIVE_LINGER,
    ) -> None:
        self._sent = 0
        self._failed = 0
        self._kafka = kafka
        self._patience = patience
        self._is_bounded = kafka.feeder_max_lag_bytes > 0
        self._ledger = LagLedger(kafka.feeder_max_lag_bytes)
        self._on_wait = on_wait
        self._failure: KafkaError | None = None
        self._producer = Producer(
            {
                **producer_config(kafka, patience),
                "enable.idempotence": True,
                "linger.ms": int(linger.total_seconds() * 1000),
                # Where each record lies is of interest only to a ledger.
                "delivery.report.only.error": kafka.feeder_max_lag_bytes == 0,
            }
        )
        self._watcher = GroupWatcher(kafka, patience)

    def __enter__(self) -> Self:
        """Begin to feed."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Flush, unless something went wrong already; then let go of the broker."""
        try:
            if kind is None:
                self.flush()
            else:
                self._producer.purge()
        finally:
            self._watcher.close()

    def send(self, record: EncodedTouchpoint, headers: Sequence[tuple[str, bytes]] = ()) -> None:
        """
        Send one record; waits while the queue is full or the readers of its partition lag.

        Args:
            record: The record.
            headers: Kafka headers to send with it.

        Raises:
            BrokerUnavailableError: If Kafka cannot be reached or did not take an earlier record.
            ConsumersStalledError: If nobody reads the bounded log any more.
        """
        if self._is_bounded:
            self._send_with_room(record, headers)
        else:
            self._produce(record, record.topic, -1, headers)
            if self._sent % _SENDS_A_POLL == 0:
                self._producer.poll(0)

    @property
    def delivered(self) -> int:
        """Return how many records Kafka has confirmed, as far as its reports are in."""
        return self._sent - len(self._producer) - self._failed

    def flush(self) -> int:
        """
        Wait until everything sent is delivered.

        Returns:
            How many records were delivered since the feeder was made.

        Raises:
            BrokerUnavailableError: If a record was not taken in time.
        """
        while self._producer.flush(1.0):
            self._check()
        self._check()
        return self.delivered

    def _send_with_room(self, record: EncodedTouchpoint, headers: Sequence[tuple[str, bytes]]) -> None:
        """Send to a log that is bounded."""
        size = len(record.key) + len(record.value)
        target = (record.topic, partition_of(record.key, self._watcher.partitions(record.topic)))
        if not self._ledger.has_room(target, size):
            self._await_room(target, size)
        self._produce(record, *target, headers)
        self._ledger.note_sent(target, size)
        self._producer.poll(0)

    def _produce(
        self, record: EncodedTouchpoint, topic: str, partition: int, headers: Sequence[tuple[str, bytes]]
    ) -> None:
        while True:
            self._check()
            try:
                if headers:
                    self._producer.produce(topic, record.value, record.key, partition, self._report, headers=[*headers])
                else:
                    self._producer.produce(topic, record.value, record.key, partition, self._report)
            except BufferError:
                self._producer.poll(0.1)
            except KafkaException as error:
                raise unavailable(self._kafka.bootstrap, "does not take a record", error.args[0]) from error
            else:
                self._sent += 1
                return

    def _report(self, error: KafkaError | None, record: Message) -> None:
        if error is not None:
            self._failed += 1
            self._failure = self._failure or error
        if self._is_bounded:
            target = (record.topic() or "", record.partition() or 0)
            offset = record.offset() if error is None else None
            self._ledger.note_settled(target, len(record.key() or b"") + len(record), offset)

    def _check(self) -> None:
        if self._failure is not None:
            so_far = f"{self.delivered} are delivered; "
            raise unavailable(self._kafka.bootstrap, "does not take records", self._failure, so_far)

    def _await_room(self, target: Target, size: int) -> None:
        self.flush()
        began = time.monotonic()
        watch = StallWatch(self._patience, began)
        while True:
            mark = self._ledger.begin_look(target)
            moved = self._ledger.note_look(target, self._watcher.look(target), mark)
            if self._ledger.has_eased(target, size):
                return
            now = time.monotonic()
            if watch.is_stalled(now, moved=moved):
                raise ConsumersStalledError(
                    f"{target[0]}, partition {target[1]}: the group {self._kafka.group}{LANDING_GROUP_SUFFIX} has read "
                    f"nothing for {now - began:.0f} s, and the log is bounded; start the workers (`throughline up`), "
                    f"then send the same input again: nothing is stored twice ({self.delivered} are delivered)"
                )
            if self._on_wait is not None:
                self._on_wait(now - began)
            time.sleep(_LOOK_PAUSE_S)

"""
Bringing a request's records to Kafka and knowing that they arrived.

The one rule: `deliver` returns only after Kafka has confirmed every record. When it raises, some records may have
arrived all the same; the sender tries again, and what comes twice is stored once. Records keep no order and are not
sent by an idempotent producer: that one can end for good when a broker forgets it, and gains nothing here.
"""

import asyncio
import time
from collections.abc import Iterator, Sequence
from datetime import timedelta
from functools import partial
from http import HTTPStatus
from typing import Final

from confluent_kafka import KafkaError, KafkaException, Message, Producer

from pipeline.config_kafka import KafkaSettings
from pipeline.contracts.touchpoint import EncodedTouchpoint
from pipeline.producers.backpressure import RECORD_OVERHEAD_BYTES, LagLedger, Target
from pipeline.producers.collector.answers import RequestRefused
from pipeline.producers.errors import BrokerUnavailableError
from pipeline.producers.feeder import partition_of, producer_config
from pipeline.producers.watching import GroupWatcher

# What may be on its way at once; below librdkafka's own queue (1 GiB, 100,000 records) so that it is never full.
_MOST_BYTES: Final = 128 << 20
_MOST_RECORDS: Final = 60_000

_RETRY_SOON_S: Final = 1
_RETRY_LATER_S: Final = 5
_LOOK_PATIENCE: Final = timedelta(seconds=2)
_LOOK_PAUSE_S: Final = 0.05

# What a report may be late: little beside the linger, and few looks a second.
_REPORT_PAUSE_S: Final = 0.002

Addressed = tuple[EncodedTouchpoint, Target]
"""A record and the partition that it goes to."""


class Courier:
    """
    One producer, whose delivery reports the event loop collects itself while any are due; used from one event loop.

    A thread for the reports would have to wait for the interpreter anew for each of them, and the loop for the thread.

    Args:
        kafka: Address, and how far readers may lag.
        delivery_timeout: How long to wait for a confirmation.
    """

    def __init__(self, kafka: KafkaSettings, delivery_timeout: timedelta) -> None:
        self._limit = kafka.feeder_max_lag_bytes
        self._is_bounded = self._limit > 0
        self._delivery_timeout_s = delivery_timeout.total_seconds()
        self._ledger = LagLedger(kafka.feeder_max_lag_bytes)
        self._watcher = GroupWatcher(kafka, _LOOK_PATIENCE)
        self._looking = asyncio.Lock()
        self._producer = Producer({**producer_config(kafka, delivery_timeout), "linger.ms": 5})
        self._bytes = 0
        self._records = 0
        self._look_for_reports: asyncio.TimerHandle | None = None

    async def deliver(self, records: Sequence[EncodedTouchpoint]) -> None:
        """
        Send records and wait until Kafka has confirmed them all.

        Raises:
            RequestRefused: If too much is on its way (429), readers lag or Kafka does not confirm in time (503).
        """
        size = sum(_size(record) for record in records)
        if self._records and (self._bytes + size > _MOST_BYTES or self._records + len(records) > _MOST_RECORDS):
            detail = "too much at once is on its way to Kafka; slow down"
            raise RequestRefused(HTTPStatus.TOO_MANY_REQUESTS, detail, _RETRY_SOON_S)
        # Counted before anything is awaited, so that requests which come meanwhile see it.
        self._bytes += size
        self._records += len(records)
        try:
            if self._is_bounded:
                await self._deliver_with_room(records)
            elif records:
                await self._confirm_all(records)
        except BrokerUnavailableError as error:
            raise RequestRefused(HTTPStatus.SERVICE_UNAVAILABLE, str(error), _RETRY_LATER_S) from error
        finally:
            self._bytes -= size
            self._records -= len(records)

    async def broker_name(self) -> str | None:
        """Return which brokers answer at the moment, in a form that changes with them; None where none does."""
        try:
            cluster = await asyncio.to_thread(self._producer.list_topics, timeout=_LOOK_PATIENCE.total_seconds())
        except KafkaException:
            return None
        places = sorted(f"{broker.host}:{broker.port}" for broker in cluster.brokers.values())
        return " ".join((str(cluster.cluster_id), *places))

    def close(self) -> None:
        """
        Wait for what is on its way, as long as the delivery time-out allows, and let go of the broker.

        To be called when no request waits any more.
        """
        self._producer.flush()
        self._watcher.close()

    async def _deliver_with_room(self, records: Sequence[EncodedTouchpoint]) -> None:
        """Deliver to a bounded log: a large request goes in slices, each when its partitions have room."""
        topics = {record.topic for record in records}
        async with self._looking:
            partitions = {topic: await asyncio.to_thread(self._watcher.partitions, topic) for topic in topics}
        addressed = [(record, (record.topic, partition_of(record.key, partitions[record.topic]))) for record in records]
        # The first slice is refused at once where there is no room; once it is sent, the others wait.
        deadline = 0.0
        for piece in slices(addressed, self._limit):
            await self._reserve(piece, deadline)
            await self._confirm(piece)
            deadline = deadline or time.monotonic() + self._delivery_timeout_s

    async def _reserve(self, piece: Sequence[Addressed], deadline: float) -> None:
        """Book the room that a slice needs, in all its partitions or in none."""
        wanted: dict[Target, int] = {}
        for record, target in piece:
            wanted[target] = wanted.get(target, 0) + _size(record) + RECORD_OVERHEAD_BYTES
        while True:
            async with self._looking:
                if all([await self._has_room(target, size) for target, size in wanted.items()]):
                    for record, target in piece:
                        self._ledger.note_sent(target, _size(record))
                    return
            if time.monotonic() > deadline:
                detail = "the readers lag and the broker's log is bounded; slow down"
                is_begun = deadline > 0
                raise RequestRefused(HTTPStatus.SERVICE_UNAVAILABLE, detail, _RETRY_SOON_S, may_be_taken=is_begun)
            await asyncio.sleep(_LOOK_PAUSE_S)

    async def _has_room(self, target: Target, size: int) -> bool:
        if self._ledger.has_room(target, size):
            return True
        mark = self._ledger.begin_look(target)
        self._ledger.note_look(target, await asyncio.to_thread(self._watcher.look, target), mark)
        return self._ledger.has_room(target, size)

    async def _confirm_all(self, records: Sequence[EncodedTouchpoint]) -> None:
        """Produce records to whichever partition their keys lead to; nobody asks where they lie."""
        parcel = _Parcel(len(records))
        produce, report = self._producer.produce, parcel.count_report
        for record in records:
            try:
                produce(record.topic, record.value, record.key, on_delivery=report)
            except (BufferError, KafkaException) as error:
                parcel.fail(str(error))
        self._await_reports()
        self._check(await parcel.arrived)

    async def _confirm(self, piece: Sequence[Addressed]) -> None:
        parcel = _Parcel(len(piece))
        for number, (record, (topic, partition)) in enumerate(piece):
            report = partial(parcel.report, number)
            try:
                self._producer.produce(
                    topic, value=record.value, key=record.key, partition=partition, on_delivery=report
                )
            except (BufferError, KafkaException) as error:
                parcel.fail(str(error))
        self._await_reports()
        failure = await parcel.arrived
        for (record, target), offset in zip(piece, parcel.offsets, strict=True):
            self._ledger.note_settled(target, _size(record), offset)
        self._check(failure)

    def _check(self, failure: str | None) -> None:
        if failure is not None:
            self._watcher.forget()
            detail = f"Kafka did not confirm: {failure}; it may have taken some all the same, so send the request again"
            raise RequestRefused(HTTPStatus.SERVICE_UNAVAILABLE, detail, _RETRY_LATER_S, may_be_taken=True)

    def _await_reports(self) -> None:
        """See to it that reports are looked for until all are there."""
        if self._look_for_reports is None:
            self._look_for_reports = asyncio.get_running_loop().call_later(_REPORT_PAUSE_S, self._collect_reports)

    def _collect_reports(self) -> None:
        self._look_for_reports = None
        self._producer.poll(0)
        if len(self._producer):
            self._await_reports()


def slices(records: Sequence[Addressed], limit: int) -> Iterator[list[Addressed]]:
    """Cut records, in order, into slices of which no partition gets more than `limit` bytes, or a single record."""
    piece: list[Addressed] = []
    sizes: dict[Target, int] = {}
    for record, target in records:
        size = _size(record) + RECORD_OVERHEAD_BYTES
        if piece and sizes.get(target, 0) + size > limit:
            yield piece
            piece, sizes = [], {}
        piece.append((record, target))
        sizes[target] = sizes.get(target, 0) + size
    if piece:
        yield piece


def _size(record: EncodedTouchpoint) -> int:
    return len(record.key) + len(record.value)


class _Parcel:
    """
    The records of one slice: arrives when every one of them has its report.

    Attributes:
        offsets: Where each record lies; None where it was not delivered. To be read when the parcel has arrived.
    """

    def __init__(self, records: int) -> None:
        self.arrived: asyncio.Future[str | None] = asyncio.get_running_loop().create_future()
        self.offsets: list[int | None] = [None] * records
        self._missing = records
        self._failure: str | None = None

    def report(self, number: int, error: KafkaError | None, record: Message) -> None:
        """Take in the delivery report of one record."""
        if error is None:
            self.offsets[number] = record.offset()
        self.count_report(error, record)

    def count_report(self, error: KafkaError | None, _: Message | None) -> None:
        """Take in a report whose place nobody wants to know."""
        if error is not None:
            self._failure = self._failure or error.str()
        self._missing -= 1
        if not self._missing:
            self._arrive()

    def fail(self, failure: str) -> None:
        """Count a record that could not even be queued."""
        self._failure = self._failure or failure
        self.count_report(None, None)

    def _arrive(self) -> None:
        # The request may be gone by now: its connection broke, or its time was up.
        if not self.arrived.done():
            self.arrived.set_result(self._failure)

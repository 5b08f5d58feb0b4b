"""
Keeping events safe while Kafka is away.

The one rule: an event is on the disk of this machine or confirmed by Kafka before anybody hears that it is taken.
Without a spool there is only Kafka. What waits is delivered in the order in which it came, beside what comes new; what
Kafka may have taken before it went silent comes twice and is stored once.
"""

import asyncio
import logging
from collections.abc import Sequence
from http import HTTPStatus
from typing import Final, Protocol

from pipeline.contracts.touchpoint import EncodedTouchpoint
from pipeline.observability.health import Health
from pipeline.observability.metrics import Metrics
from pipeline.producers.collector.answers import RequestRefused
from pipeline.producers.collector.courier import Courier
from pipeline.producers.spool import Spool, SpoolError

_MOST_RECORDS: Final = 2_000
_MOST_BYTES: Final = 4 << 20
_LOOK_PAUSE_S: Final = 0.5
_RETRY_PAUSE_S: Final = 2.0
_RETRY_LATER_S: Final = 5
_LENGTH_BYTES: Final = 4

_log = logging.getLogger(__name__)


class Delivery(Protocol):
    """Where the collector leaves what it takes; called for every request, many at a time, in one event loop."""

    async def deliver(self, records: Sequence[EncodedTouchpoint], away: str | None) -> None:
        """
        Return when the records are safe.

        Args:
            records: The records of one request.
            away: Why Kafka is known to be away; None where it is not.

        Raises:
            RequestRefused: If they are not; the sender may send them again.
        """


class Stowing:
    """
    Delivers to Kafka, or to a spool while Kafka does not take records.

    Args:
        courier: Brings records to Kafka.
        spool: Where they wait; None: nowhere.
    """

    def __init__(self, courier: Courier, spool: Spool | None) -> None:
        self._courier = courier
        self._spool = spool

    async def deliver(self, records: Sequence[EncodedTouchpoint], away: str | None) -> None:
        """Return when the records are confirmed by Kafka or on the disk; see `Delivery`."""
        if away is None:
            try:
                await self._courier.deliver(records)
                return
            except RequestRefused as refused:
                # What is refused because too much comes at once is the sender's to slow down for.
                if self._spool is None or refused.status is not HTTPStatus.SERVICE_UNAVAILABLE:
                    raise
                away = refused.detail
        if self._spool is None:
            raise RequestRefused(HTTPStatus.SERVICE_UNAVAILABLE, away, _RETRY_LATER_S)
        try:
            await asyncio.to_thread(self._spool.append, [packed(record) for record in records])
        except SpoolError as error:
            detail = f"Kafka is away and the spool takes no more: {error}"
            raise RequestRefused(HTTPStatus.SERVICE_UNAVAILABLE, detail, _RETRY_LATER_S) from error

    async def drain(self, health: Health, metrics: Metrics) -> None:
        """Bring to Kafka what waits, for ever."""
        spool = self._spool
        if spool is None:
            return
        metrics.set("throughline_spool_cut_bytes", spool.cut_bytes)
        while True:
            metrics.set("throughline_spooled_events", len(spool))
            if not len(spool) or health.trouble("kafka") is not None:
                await asyncio.sleep(_LOOK_PAUSE_S)
                continue
            entries = await asyncio.to_thread(spool.peek, _MOST_RECORDS, _MOST_BYTES)
            try:
                await self._courier.deliver([unpacked(entry) for entry in entries])
            except RequestRefused as refused:
                _log.warning("%d events wait in the spool: %s", len(spool), refused.detail)
                await asyncio.sleep(_RETRY_PAUSE_S)
                continue
            await asyncio.to_thread(spool.done, len(entries))

    @property
    def can_wait(self) -> bool:
        """Tell whether events are taken while Kafka is away."""
        return self._spool is not None and self._spool.has_room

    async def broker_name(self) -> str | None:
        """Return which brokers answer at the moment; None where none does."""
        return await self._courier.broker_name()

    def close(self) -> None:
        """Let go of the broker and of the spool; what waits stays there."""
        self._courier.close()
        if self._spool is not None:
            self._spool.close()


def packed(record: EncodedTouchpoint) -> bytes:
    """Return a record as one entry of a spool."""
    topic = record.topic.encode()
    sizes = (len(topic).to_bytes(_LENGTH_BYTES, "little"), len(record.key).to_bytes(_LENGTH_BYTES, "little"))
    return b"".join((*sizes, topic, record.key, record.value))


def unpacked(entry: bytes) -> EncodedTouchpoint:
    """Return the record of an entry."""
    topic_end = 2 * _LENGTH_BYTES + int.from_bytes(entry[:_LENGTH_BYTES], "little")
    key_end = topic_end + int.from_bytes(entry[_LENGTH_BYTES : 2 * _LENGTH_BYTES], "little")
    return EncodedTouchpoint(entry[2 * _LENGTH_BYTES : topic_end].decode(), entry[topic_end:key_end], entry[key_end:])

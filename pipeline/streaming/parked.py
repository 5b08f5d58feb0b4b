"""
The task beside a landing worker that tries parked records again.

It needs a registry; without one it does nothing. Trouble is only told: what waits goes on waiting.
"""

import asyncio
import logging
from collections.abc import Callable
from datetime import timedelta
from functools import cache

from pipeline.config import Settings
from pipeline.observability.metrics import Metrics
from pipeline.registry.client import RegistryClient
from pipeline.registry.schemas import IdResolver
from pipeline.streaming.decode.confluent import ConfluentFrames
from pipeline.streaming.landing import Landing, Origin
from pipeline.streaming.landing.parking import Lands, ParkingLot, retry_parked
from pipeline.streaming.ports import Announcer
from pipeline.streaming.workthread import WorkThread
from pipeline.warehouse.connection import connect
from pipeline.warehouse.facts import FactStore
from pipeline.warehouse.parking import Parking

logger = logging.getLogger(__name__)

RETRY_EVERY = timedelta(seconds=5)


def parking_lot(settings: Settings) -> ParkingLot | None:
    """Return what opens frames and parks records, for one thread; None without a registry."""
    registry = settings.registry
    if not registry.url.get_secret_value():
        return None
    resolver = IdResolver(RegistryClient(registry), registry.retry_after)
    return ParkingLot(ConfluentFrames(resolver), Parking(connect(settings.clickhouse)))


class ParkedRetry:
    """Tries parked records again now and then; lives in a worker's event loop, with a thread of its own."""

    def __init__(self, settings: Settings, announcer: Announcer, metrics: Metrics) -> None:
        self._settings = settings
        self._announcer = announcer
        self._metrics = metrics

    async def run(self) -> None:
        """Try until cancelled."""
        thread = WorkThread("parked")
        lot: ParkingLot | None = None
        try:
            while True:
                await asyncio.sleep(RETRY_EVERY.total_seconds())
                try:
                    lot = lot or await thread.run(lambda: parking_lot(self._settings))
                    if lot is None:
                        return
                    waiting = await thread.run(self._retry_with(lot))
                    self._metrics.set("throughline_parked_records", waiting)
                except Exception as error:  # noqa: BLE001 - the workers tell of outages; the next try does the rest
                    logger.debug("parked records are tried again later: %r", error)
        finally:
            thread.close()

    def _retry_with(self, lot: ParkingLot) -> Callable[[], int]:
        settings = self._settings

        @cache
        def landing_of(log_id: str) -> Lands:
            origin = Origin(log_id, settings.kafka.max_record_bytes)
            return Landing(FactStore(connect(settings.clickhouse)), self._announcer, settings.identity, origin, lot)

        return lambda: retry_parked(lot, landing_of)

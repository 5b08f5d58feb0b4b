"""
The accounting identity of a landing worker's partitions, as a metric: what Kafka counts as done must be landed.

Computed from Kafka's offsets and the `landed` ranges, never from counters. Each worker answers for the partitions it
holds, so the sum over workers is the whole.
"""

import asyncio
import logging
from collections.abc import Callable, Mapping
from datetime import timedelta

from clickhouse_connect.driver.client import Client

from pipeline.config import ClickHouseSettings
from pipeline.contracts.topics import TOUCHPOINT_TOPICS
from pipeline.observability.metrics import Metrics
from pipeline.streaming.foreign import Foreign
from pipeline.streaming.workthread import WorkThread
from pipeline.warehouse.accounting import (
    PartitionAccount,
    PartitionBalance,
    Watermarks,
    balance,
    read_accounts,
    record_offsets,
)
from pipeline.warehouse.connection import connect

logger = logging.getLogger(__name__)

AUDIT_EVERY = timedelta(seconds=30)
BROKER_TIMEOUT_S = 10.0


class Audit:
    """Balances the books of one landing worker now and then; lives in its event loop, with a thread of its own."""

    def __init__(self, settings: ClickHouseSettings, log_id: Callable[[], str], metrics: Metrics) -> None:
        self._settings = settings
        self._log_id = log_id
        self._metrics = metrics
        self._client: Client | None = None

    async def run(self, app: Foreign) -> None:
        """Audit until cancelled; trouble only means that the metric keeps its last value."""
        thread = WorkThread("audit")
        try:
            while True:
                await asyncio.sleep(AUDIT_EVERY.total_seconds())
                try:
                    await self._audit(app, thread)
                except Exception as error:  # noqa: BLE001 - the workers tell of outages; the next audit tells the rest
                    logger.debug("no audit this time: %r", error)
        finally:
            thread.close()

    async def _audit(self, app: Foreign, thread: WorkThread) -> None:
        # In this order: what is committed now was landed before, so the ranges read later hold it.
        committed = dict(app.consumer.committed_offsets)
        if not committed:
            # Another worker answers for what this one held.
            self._tell({})
            self._metrics.set("throughline_unaccounted_events", 0)
            return
        lows = await asyncio.wait_for(app.consumer.earliest_offsets(*committed), BROKER_TIMEOUT_S)
        highs = await asyncio.wait_for(app.consumer.highwaters(*committed), BROKER_TIMEOUT_S)
        marks = {
            (place.topic, place.partition): Watermarks(lows[place], offset, highs[place])
            for place, offset in committed.items()
            if place in lows and place in highs
        }
        balances = await thread.run(lambda: self._balance(marks))
        self._tell(balances)
        unaccounted = sum(entry.unaccounted for entry in balances.values())
        self._metrics.set("throughline_unaccounted_events", unaccounted)
        if unaccounted:
            logger.error("%s offsets are committed and in no landed range", unaccounted)

    def _balance(self, marks: dict[tuple[str, int], Watermarks]) -> dict[tuple[str, int], PartitionBalance]:
        """Lay the books beside Kafka's offsets, and write these down for `v_accounting`."""
        if self._client is None:
            self._client = connect(self._settings)
        log_id = self._log_id()
        record_offsets(self._client, log_id, marks)
        known = {(entry.topic, entry.partition): entry for entry in read_accounts(self._client, log_id)}
        nothing = PartitionAccount(log_id, "", 0, spans=(), records=0, rejected=0, lost=0)
        return {place: balance(known.get(place, nothing), mark) for place, mark in marks.items()}

    def _tell(self, balances: Mapping[tuple[str, int], PartitionBalance]) -> None:
        # Also the topics that it holds nothing of any more, or two workers would answer for one partition.
        for topic in TOUCHPOINT_TOPICS:
            entries = [entry for place, entry in balances.items() if place[0] == topic]
            told = {
                "landed": sum(entry.account.records - entry.account.rejected for entry in entries),
                "rejected": sum(entry.account.rejected for entry in entries),
                "lost": sum(entry.account.lost for entry in entries),
                "in_flight": sum(entry.in_flight for entry in entries),
                "unaccounted": sum(entry.unaccounted for entry in entries),
            }
            for state, records in told.items():
                self._metrics.set("throughline_accounted_records", records, topic=topic, state=state)

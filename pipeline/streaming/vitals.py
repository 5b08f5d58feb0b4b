"""
The signs of life of a worker: what its health and its metrics are told, and how far behind it is.

Lag is asked of the broker, never of what was fetched last: a consumer that died silently would report none. Where
nobody tells it, a plain connection decides: if no broker can be reached there is nothing to do but wait, and a restart
would mend nothing; if one can, it is the consumer that is broken, and its silence ends in a restart.
"""

import asyncio
import logging
import time
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import timedelta

from pipeline.observability.health import Health
from pipeline.observability.metrics import Metrics
from pipeline.streaming.foreign import Foreign
from pipeline.streaming.runner import BatchRunner
from pipeline.streaming.thrift import give_back_memory

logger = logging.getLogger(__name__)

LOOK_EVERY = timedelta(seconds=2)
BROKER_TIMEOUT_S = 10.0
CONNECT_TIMEOUT_S = 2.0
DEFAULT_PORT = 9092
# One batch may take this many times the progress time-out before its worker counts as stuck.
BATCH_PATIENCE = 10


class StageSigns:
    """Tells health and metrics how the work of one stage goes; `WorkSigns` of retry."""

    def __init__(self, stage: str, metrics: Metrics, health: Health) -> None:
        self._stage = stage
        self._metrics = metrics
        self._health = health

    def tried_again(self, cause: str, error: BaseException) -> None:
        """Count the try, and say that the stage is blocked but alive."""
        self._metrics.count("throughline_retries_total", stage=self._stage, cause=cause)
        self._metrics.set("throughline_blocked", 1, stage=self._stage)
        self._health.block(self._stage, f"{cause}: {type(error).__name__}")
        self._health.sign("tried again")

    def recovered(self) -> None:
        """Say that the stage goes on."""
        self._metrics.set("throughline_blocked", 0, stage=self._stage)
        self._health.unblock(self._stage)

    def done(self) -> None:
        """Say that work was finished."""
        self._metrics.set("throughline_last_progress_timestamp_seconds", time.time(), stage=self._stage)
        self._health.sign("finished a batch")


class Vitals:
    """Looks at a running worker every few seconds; lives in its event loop."""

    def __init__(self, stage: str, app: Foreign, runner: BatchRunner, metrics: Metrics, health: Health) -> None:
        self._stage = stage
        self._app = app
        self._runner = runner
        self._metrics = metrics
        self._health = health
        self._is_at_rest = False

    async def run(self, progress_timeout: timedelta, topics: Sequence[str]) -> None:
        """
        Look until cancelled.

        Args:
            progress_timeout: That of health; a batch may take `BATCH_PATIENCE` times as long.
            topics: All topics that the worker may get partitions of.
        """
        while True:
            at_work_for = self._runner.at_work_for
            if at_work_for is not None and at_work_for < progress_timeout * BATCH_PATIENCE:
                self._health.sign(f"a batch is at work for {at_work_for.seconds} s")
            lags = await self._lags()
            if lags is None:
                await self._look_for_broker()
            else:
                self._health.unblock("broker")
                self._show({topic: lags[topic] for topic in topics})
                if not sum(lags.values()) and not self._runner.has_work:
                    self._health.sign("nothing to do")
                    self._rest()
                else:
                    self._is_at_rest = False
            await asyncio.sleep(LOOK_EVERY.total_seconds())

    def _rest(self) -> None:
        """Keep no memory for work that may not come; once, when the work has ended."""
        if not self._is_at_rest:
            give_back_memory()
        self._is_at_rest = True

    async def _lags(self) -> Counter[str] | None:
        consumer = self._app.consumer
        committed = dict(consumer.committed_offsets)
        lags: Counter[str] = Counter()
        if not committed:
            # Without partitions there is nothing to do, unless a rebalance never ends.
            return None if self._app.rebalancing else lags
        try:
            begins = await asyncio.wait_for(consumer.earliest_offsets(*committed), BROKER_TIMEOUT_S)
            ends = await asyncio.wait_for(consumer.highwaters(*committed), BROKER_TIMEOUT_S)
        except Exception as error:  # noqa: BLE001 - whatever it is, the lag is unknown and the next look tells more
            logger.debug("lag is unknown: %r", error)
            return None
        for partition, end in ends.items():
            # What the broker dropped is no work: a consumer that waits for it would look stuck for ever.
            read_to = max(committed.get(partition, end), begins.get(partition, 0))
            lags[partition.topic] += max(0, end - read_to)
        return lags

    async def _look_for_broker(self) -> None:
        addresses = [(url.host or "localhost", url.port or DEFAULT_PORT) for url in self._app.transport.url]
        if await is_reachable(addresses):
            self._health.unblock("broker")
            return
        self._health.block("broker", "no address of it can be reached")
        self._health.sign("found no broker")

    def _show(self, lags: Mapping[str, int]) -> None:
        consumer, metrics = self._app.consumer, self._metrics
        for topic, lag in lags.items():
            metrics.set("throughline_consumer_lag_records", lag, topic=topic)
        metrics.set("throughline_chunks_in_flight", consumer.chunks_in_flight, stage=self._stage)
        metrics.set("throughline_in_flight_bytes", consumer.bytes_in_flight, stage=self._stage)


async def is_reachable(addresses: Iterable[tuple[str, int]]) -> bool:
    """Tell whether anybody listens at one of these addresses."""
    for host, port in addresses:
        try:
            _, writer = await asyncio.wait_for(asyncio.open_connection(host, port), CONNECT_TIMEOUT_S)
        except (OSError, TimeoutError):
            continue
        writer.close()
        return True
    return False

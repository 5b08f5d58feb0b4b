"""
The thread that talks to the broker: fetches chunks, commits, seeks, and keeps its group membership alive.

Verified against faust-streaming 0.15.3 and aiokafka 0.14.0:
- `seek_to_committed` of aiokafka leaves a partition without a commit where it is; here it goes back to the start.
- Errors of aiokafka's coordinator are taken from it, or it stops for ever: it waits until somebody asks for them, and
  Faust asks nobody. That is how workers die silently after trouble with the group.
- A commit that fails is no reason to crash: the ledger remembers it, and the next interval tries again.
- `Fetcher.close` of aiokafka lets a CancelledError out when a fetch was just waiting to be tried again; the consumer
  is then left open, and Faust's thread ends without saying so.
"""

import asyncio
import logging
from collections.abc import Mapping

from aiokafka.errors import CommitFailedError, IllegalStateError, KafkaError
from aiokafka.structs import OffsetAndMetadata, TopicPartition
from faust.transport.drivers import aiokafka as stock

from pipeline.streaming.foreign import Foreign
from pipeline.streaming.transport.connecting import BoundedConnecting
from pipeline.streaming.transport.membership import Fenced, Membership
from pipeline.streaming.transport.reading import ChunkReader, Fetched

logger = logging.getLogger(__name__)

# A fetch waits so long for data. The embedded broker always waits the whole time when it had nothing at first.
FETCH_WAIT_MS = 100
ERRORS_EVERY_S = 0.5
MOST_RECORDS = 20_000


class ConsumerThread(stock.AIOKafkaConsumerThread):  # type: ignore[misc]  # Faust ships no types
    """The thread that talks to the broker: fetches chunks, commits, seeks."""

    logger = stock.logger

    def __post_init__(self) -> None:
        """Start without positions."""
        super().__post_init__()
        self.reader = ChunkReader()
        self._commits_fail = False
        self._error_taker: asyncio.Task[None] | None = None
        self._membership: Membership | None = None

    async def on_start(self) -> None:
        """Start the consumer, and take the errors of its group membership from it."""
        await super().on_start()
        self._membership = Membership(self._ensure_consumer()._coordinator, self.transport.membership_file)
        await self._membership.end_predecessor()
        self._error_taker = asyncio.ensure_future(self._take_errors())

    async def on_thread_stop(self) -> None:
        """Stop the consumer; whatever state it is in, nothing of it stays open."""
        if self._error_taker is not None:
            self._error_taker.cancel()
        try:
            await super().on_thread_stop()
        except asyncio.CancelledError:
            logger.debug("a fetch was waiting to be tried again when the consumer stopped")
        finally:
            if self._consumer is not None:
                await self._consumer._client.close()

    async def _take_errors(self) -> None:
        """Let the coordinator go on after an error, by asking for it."""
        while True:
            await asyncio.sleep(ERRORS_EVERY_S)
            coordinator = self._ensure_consumer()._coordinator
            if self._membership is not None and self._membership.is_fenced:
                logger.error("Another worker has joined as %r; this one ends", coordinator._group_instance_id)
                await self.crash(Fenced(coordinator._group_instance_id))
                return
            try:
                coordinator.check_errors()
            except KafkaError as error:
                if coordinator._coordination_task.done():
                    logger.error("Membership in the consumer group ended: %r", error)  # noqa: TRY400
                    await self.crash(error)
                    return
                logger.warning("Trouble with the consumer group, joining again: %r", error)

    def _create_worker_consumer(self, transport: Foreign) -> Foreign:
        consumer = super()._create_worker_consumer(transport)
        BoundedConnecting(consumer._client)
        consumer._fetch_max_wait_ms = FETCH_WAIT_MS
        consumer._fetch_min_bytes = self.transport.fetch_min_bytes
        # What a producer took back, by ending its transaction so, is no fact.
        consumer._isolation_level = "read_committed"
        consumer._fetch_max_bytes = self.app.conf.consumer_max_fetch_size * 2
        return consumer

    async def _fetch_records(
        self,
        consumer: Foreign,
        active_partitions: Foreign,
        timeout: float | None = None,  # noqa: ASYNC109  # Faust's signature
        max_records: int | None = None,
    ) -> list[Fetched]:
        if not self.consumer.flow_active:
            return []
        fetcher = consumer._fetcher
        if consumer._closed or fetcher._closed:
            raise stock.ConsumerStoppedError
        with fetcher._subscriptions.fetch_context():
            return await self.reader.read(fetcher, active_partitions, timeout or 0.0, max_records or MOST_RECORDS)

    async def seek_to_committed(self) -> Mapping[Foreign, int]:
        """Go back to what is committed in every assigned partition, to the start of the log where nothing is."""
        result: Mapping[Foreign, int] = await self.call_thread(self._seek_to_committed)
        return result

    async def _seek_to_committed(self) -> Mapping[Foreign, int]:
        consumer = self._ensure_consumer()
        partitions = consumer.assignment()
        committed = await consumer._coordinator.fetch_committed_offsets(list(partitions)) if partitions else {}
        starts = {}
        for partition in partitions & consumer.assignment():
            found = committed.get(partition)
            starts[partition] = max(found.offset, 0) if found is not None else 0
            consumer.seek(partition, starts[partition])
            self.reader.positions.restart(partition, starts[partition])
        return starts

    async def _commit(self, offsets: Mapping[Foreign, int]) -> bool:
        consumer = self._ensure_consumer()
        assigned = self.assignment()
        wanted = {
            TopicPartition(tp.topic, tp.partition): OffsetAndMetadata(offset, "")
            for tp, offset in offsets.items()
            if tp in assigned
        }
        if len(wanted) < len(offsets):
            return False
        try:
            await consumer.commit(wanted)
        except (CommitFailedError, IllegalStateError) as error:
            logger.info("Offsets not committed, a rebalance is under way; records come again: %s", error)
            return False
        except KafkaError as error:
            if not self._commits_fail:
                logger.warning("Offsets cannot be committed for now, trying again: %r", error)
            self._commits_fail = True
            return False
        if self._commits_fail:
            logger.info("Offsets are committed again")
        self._commits_fail = False
        return True

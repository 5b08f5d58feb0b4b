"""
The transport itself: Faust's aiokafka driver with chunks for messages and a commit rule of its own.

Faust ships no types, so this module and `pipeline.streaming.app` are the edge behind which everything is typed.
What it owns: a chunk is delivered at most once per assignment, commits follow `AckLedger`, a chunk that could not be
delivered is read again, and no more is in flight than `TransportLimits` allow. It does not know what agents do.

Verified against faust-streaming 0.15.3 and aiokafka 0.14.0:
- Acks of streams are written straight into `Consumer._acked` (inlined in Cython), so that is where they are collected.
- Every message of a revoked partition is marked as acked: a zombie's late ack can then not reach a new assignment.
- `Consumer.commit` of Faust remembers a failed commit as done; here it is tried again at the next interval.
- `Consumer._wait_for_ack` of Faust swallows its cancellation. A fetcher that waits for room is then not stopped, and a
  stop or a rebalance waits for it until the worker is thrown out of its group.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from aiokafka.errors import KafkaError
from faust.transport.drivers import aiokafka as stock
from faust.types import TP, ConsumerMessage
from faust.types.tuples import ack_lock

from pipeline.streaming.foreign import Foreign
from pipeline.streaming.records import Chunk
from pipeline.streaming.transport.ledger import AckLedger
from pipeline.streaming.transport.reading import Fetched
from pipeline.streaming.transport.thread import ConsumerThread

logger = logging.getLogger(__name__)

POLL_TIMEOUT_S = 1.0
KAFKA_TROUBLE_PAUSE_S = 0.5
LAST_COMMIT_TIMEOUT_S = 3.0


@dataclass(frozen=True, slots=True)
class TransportLimits:
    """How much may be on its way between the broker and the agents."""

    in_flight_bytes: int = 64 * 1024 * 1024
    in_flight_chunks: int = 1024


class Consumer(stock.Consumer):  # type: ignore[misc]  # Faust ships no types
    """Delivers chunks to the streams and commits what is finished."""

    logger = stock.logger
    _waiting_for_ack: "asyncio.Future[None] | None"

    def __init__(self, *args: Foreign, **kwargs: Foreign) -> None:
        self._ledgers: dict[Foreign, AckLedger] = {}
        self._delivered: dict[tuple[Foreign, int], Foreign] = {}
        self._must_seek = False
        self.committed_offsets: dict[Foreign, int] = {}
        super().__init__(*args, **kwargs)

    def _new_consumer_thread(self) -> ConsumerThread:
        return ConsumerThread(self, loop=self.loop, beacon=self.beacon)

    @property
    def chunks_in_flight(self) -> int:
        """Chunks that were delivered and are not finished."""
        return sum(ledger.unfinished_chunks for ledger in self._ledgers.values())

    @property
    def bytes_in_flight(self) -> int:
        """Memory of the chunks in flight."""
        return sum(ledger.unfinished_bytes for ledger in self._ledgers.values())

    async def perform_seek(self) -> None:
        """Read again from what is committed; whatever is in flight is finished for nothing."""
        starts = await self.seek_to_committed()
        for partition, offset in starts.items():
            tp = TP(partition.topic, partition.partition)
            self._disown(tp)
            self.committed_offsets[tp] = offset
        self._must_seek = False

    async def release(self) -> None:
        """Commit what is finished and disown the rest: the last thing before a worker stops."""
        self.stop_flow()
        await self._commit_in_time()
        self._disown_all()

    async def on_partitions_revoked(self, revoked: set[Foreign]) -> None:
        """Let work that is under way end, commit it, and disown the rest."""
        self.stop_flow()
        self.app.flow_control.suspend()
        settle = self.transport.before_revoke
        if settle is not None:
            await settle()
        await self._commit_in_time()
        self._disown_all()
        await super().on_partitions_revoked(revoked)

    async def on_stop(self) -> None:
        """Commit what is finished, but do not wait for a broker that is gone."""
        await self._commit_in_time()
        self.transport._topic_waiters.clear()

    async def force_commit(
        self,
        topics: Foreign = None,  # noqa: ARG002  # Faust's signature
        start_new_transaction: bool = True,  # noqa: ARG002  # Faust's signature
    ) -> bool:
        """Commit for every partition the offset that its ledger gives."""
        self._collect_acks()
        offsets = {}
        for partition, ledger in self._ledgers.items():
            offset = ledger.committable()
            if offset is not None:
                offsets[partition] = offset
        if not offsets:
            return False
        ledgers = {partition: self._ledgers[partition] for partition in offsets}
        if not await self._thread.commit(offsets):
            return False
        for partition, offset in offsets.items():
            ledgers[partition].committed(offset)
            self.committed_offsets[partition] = offset
        return True

    def verify_event_path(self, now: float, tp: Foreign) -> None:
        """Leave the judgement of slowness to health: an outage of the warehouse is not the agent's fault."""

    async def _drain_messages(self, fetcher: Foreign) -> None:
        try:
            while not (self.should_stop or fetcher.should_stop):
                await self._deliver_next()
        except self.consumer_stopped_errors:
            if not self.app.should_stop:
                raise

    async def _deliver_next(self) -> None:
        await asyncio.sleep(0)
        await self._wait_for_room()
        if not self.flow_active:
            await self.wait(self.can_resume_flow, timeout=POLL_TIMEOUT_S)
            return
        generation = self.app.consumer_generation_id
        active = frozenset(self._get_active_partitions())
        if not active:
            await self.sleep(0.1)
            return
        try:
            if self._must_seek:
                await self.perform_seek()
            fetched = await self._thread.getmany(active, POLL_TIMEOUT_S)
        except KafkaError as error:
            logger.warning("Cannot read from Kafka, trying again: %r", error)
            self._must_seek = True
            await self.sleep(KAFKA_TROUBLE_PAUSE_S)
            return
        for item in fetched:
            current = self.flow_active and generation == self.app.consumer_generation_id
            if not current or not await self._deliver(item):
                self._must_seek = True
                return

    async def _deliver(self, item: Fetched) -> bool:
        chunk = item.chunk
        tp = TP(chunk.topic, chunk.partition)
        if chunk.lost:
            logger.error(
                "%s/%s: the broker dropped %s records before offset %s, unread",
                tp.topic,
                tp.partition,
                chunk.lost,
                chunk.first_offset,
            )
        ledger = self._ledgers.get(tp)
        if ledger is None or not ledger.accepts(chunk.first_offset):
            self._disown(tp)
            ledger = self._ledgers[tp] = AckLedger()
        message = self._to_message(tp, chunk)
        ledger.deliver(chunk.first_offset, chunk.last_offset, item.size_bytes)
        self._delivered[tp, chunk.last_offset] = message
        delivery = asyncio.ensure_future(self.callback(message))
        await self.wait_first(delivery, self.suspend_flow.wait())
        return delivery.done() and not delivery.cancelled()

    def _to_message(self, tp: Foreign, chunk: Chunk) -> Foreign:
        time_ms = chunk.records[-1].timestamp if chunk.records else None
        return ConsumerMessage(
            chunk.topic,
            chunk.partition,
            chunk.last_offset,
            time_ms / 1000.0 if time_ms is not None else None,
            0,
            None,
            None,
            chunk,
            None,
            tp=tp,
            generation_id=self.app.consumer_generation_id,
        )

    async def _wait_for_room(self) -> None:
        limits = self.transport.limits
        self._collect_acks()
        while self.flow_active and not self.should_stop:
            if self.bytes_in_flight < limits.in_flight_bytes and self.chunks_in_flight < limits.in_flight_chunks:
                return
            await self._wait_for_ack(timeout=1)
            self._collect_acks()

    async def _wait_for_ack(self, timeout: float) -> None:  # noqa: ASYNC109  # Faust's signature
        self._waiting_for_ack = acknowledged = asyncio.get_running_loop().create_future()
        try:
            # Neither Faust's own nor `wait_for` of Python 3.11 lets every cancellation through.
            await asyncio.wait([acknowledged], timeout=timeout)
        finally:
            self._waiting_for_ack = None

    def _collect_acks(self) -> None:
        with ack_lock:
            for tp, offsets in self._acked.items():
                ledger = self._ledgers.get(tp)
                for offset in offsets:
                    if ledger is not None:
                        ledger.finish(offset)
                    self._delivered.pop((tp, offset), None)
                offsets.clear()
                self._acked_index[tp].clear()

    def _disown(self, tp: Foreign) -> None:
        """Make sure that no ack of a chunk that is in flight can ever count again."""
        self._collect_acks()
        self._ledgers.pop(tp, None)
        with ack_lock:
            for key in [key for key in self._delivered if key[0] == tp]:
                message = self._delivered.pop(key)
                message.acked = True
                self._unacked_messages.discard(message)

    def _disown_all(self) -> None:
        for partition in list(self._ledgers):
            self._disown(partition)
        self.committed_offsets.clear()

    async def _commit_in_time(self) -> None:
        try:
            await asyncio.wait_for(self.commit(), LAST_COMMIT_TIMEOUT_S)
        except TimeoutError:
            logger.warning("Finished offsets could not be committed in time; their records come again")


class Transport(stock.Transport):  # type: ignore[misc]  # Faust ships no types
    """
    Transport of the scheme `throughline://`.

    Set `limits`, `fetch_min_bytes`, `before_revoke` and `membership_file` before the app starts. A broker that has less
    than `fetch_min_bytes` gathers more before it answers, as long as a fetch may wait. `before_revoke` is awaited at
    every rebalance, while the partitions still belong to this worker: what it lets finish is committed; it must return
    within a few seconds. `membership_file` is explained in `membership`.
    """

    Consumer: ClassVar[type] = Consumer

    def __init__(self, *args: Foreign, **kwargs: Foreign) -> None:
        super().__init__(*args, **kwargs)
        self.limits = TransportLimits()
        self.fetch_min_bytes = 1
        self.before_revoke: Callable[[], Awaitable[None]] | None = None
        self.membership_file: Path | None = None

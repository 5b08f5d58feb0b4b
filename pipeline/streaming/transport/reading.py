"""
Reading fetched records as chunks, in the thread that owns the aiokafka consumer.

aiokafka's fetcher does the talking to the broker; here its results are taken as they came, record batch by record
batch, so that no Python runs per record. That needs a look into the fetcher's own state (aiokafka 0.14), which also
tells what nothing else does: the offset a fetch *asked for*. Without it a log that lost its beginning looks like one
that was compacted.
"""

import asyncio
from collections.abc import Collection, Iterator
from dataclasses import dataclass

from aiokafka.errors import CorruptRecordException

from pipeline.streaming.foreign import Foreign
from pipeline.streaming.records import Chunk
from pipeline.streaming.transport.positions import Covered, ReadPositions

# What a record costs beside its value: the record, its key, the headers of two bytes objects, an entry of a list.
RECORD_OVERHEAD_BYTES = 300


@dataclass(frozen=True, slots=True)
class Fetched:
    """One chunk on its way to an agent."""

    partition: Foreign
    chunk: Chunk
    size_bytes: int


class ChunkReader:
    """
    Takes what the fetcher holds and tells what was lost.

    Used by the consumer's thread only, one call at a time.
    """

    def __init__(self) -> None:
        self.positions: ReadPositions[Foreign] = ReadPositions()

    async def read(
        self, fetcher: Foreign, partitions: Collection[Foreign], timeout_s: float, max_records: int
    ) -> list[Fetched]:
        """
        Return what is there, waiting up to `timeout_s` for the first of it.

        Args:
            fetcher: aiokafka's.
            partitions: Read from these; what the others have stays.
            timeout_s: How long to wait.
            max_records: Most records in one chunk.

        Raises:
            KafkaError: What the broker answered instead of records; the next call asks again.
        """
        fetched = await self._take(fetcher, partitions, max_records)
        if not fetched:
            waiter = fetcher._create_fetch_waiter()
            done, _ = await asyncio.wait([waiter], timeout=timeout_s)
            if not done:
                waiter.cancel()
                return []
            waiter.result()
            fetched = await self._take(fetcher, partitions, max_records)
        return fetched

    async def _take(self, fetcher: Foreign, partitions: Collection[Foreign], max_records: int) -> list[Fetched]:
        subscriptions = fetcher._subscriptions
        if subscriptions.reassignment_in_progress:
            await subscriptions.wait_for_assignment()
        assignment = subscriptions.subscription.assignment
        fetched: list[Fetched] = []
        for partition in [partition for partition in fetcher._records if partition in partitions]:
            result = fetcher._records[partition]
            if hasattr(result, "check_raise") and fetched:
                break
            del fetcher._records[partition]
            fetcher._notify(fetcher._wait_consume_future)
            if hasattr(result, "check_raise"):
                result.check_raise()
            unread = result._partition_records
            # What an earlier assignment fetched, or what was fetched before a seek, is thrown away.
            if unread is not None and unread.next_fetch_offset == _position(assignment, partition):
                start = unread.next_fetch_offset
                records, following = _unpack(unread, start)
                assignment.state_value(partition).consumed_to(following)
                fetched += self._chunks(partition, (start, following), records, max_records)
        return fetched

    def _chunks(
        self, partition: Foreign, read: tuple[int, int], records: list[Foreign], max_records: int
    ) -> Iterator[Fetched]:
        """Cut what was read into chunks; each ends where the next begins, so no offset is left out."""
        covered = self.positions.advance(partition, *read)
        if covered is None:
            return
        first, lost = covered.first_offset, covered.lost
        for begin in range(0, max(1, len(records)), max_records):
            piece = records[begin : begin + max_records]
            end = begin + max_records
            last = records[end].offset - 1 if end < len(records) else covered.last_offset
            yield _fetched(partition, Covered(first, last, lost), piece)
            first, lost = last + 1, 0


def _unpack(unread: Foreign, start: int) -> tuple[list[Foreign], int]:
    """
    Return the records from `start` on and the offset after them.

    The records are those of aiokafka's C parser: wrapping each in a ConsumerRecord costs more than parsing it.
    """
    records: list[Foreign] = []
    following = start
    batches = unread._records
    while batches.has_next():
        batch = batches.next_batch()
        if unread._check_crcs and not batch.validate_crc():
            if records:
                break
            raise CorruptRecordException(f"invalid checksum at offset {following} of {unread._tp}")
        if not _is_skipped(unread, batch):
            records.extend(batch)
        following = max(following, batch.next_offset)
    # A compressed batch comes whole, also when only its end was asked for.
    skipped = 0
    while skipped < len(records) and records[skipped].offset < start:
        skipped += 1
    return records[skipped:] if skipped else records, following


def _is_skipped(unread: Foreign, batch: Foreign) -> bool:
    """
    Tell whether a batch holds no facts: a marker of a transaction, or records of one that was aborted.

    Must be asked of every batch in the order of the log: the broker names with each fetch the producers that aborted,
    and from where on; the marker of the abort ends that.
    """
    if not batch.is_transactional and not batch.is_control_batch:
        return False
    unread._consume_aborted_up_to(batch.base_offset)
    if batch.is_control_batch:
        if unread._contains_abort_marker(batch):
            unread._aborted_producers.discard(batch.producer_id)
        return True
    return batch.producer_id in unread._aborted_producers


def _fetched(partition: Foreign, covered: Covered, records: list[Foreign]) -> Fetched:
    chunk = Chunk(
        topic=partition.topic,
        partition=partition.partition,
        first_offset=covered.first_offset,
        last_offset=covered.last_offset,
        records=records,
        lost=covered.lost,
    )
    size_bytes = sum([len(record.value or b"") for record in records]) + RECORD_OVERHEAD_BYTES * len(records)
    return Fetched(partition, chunk, size_bytes)


def _position(assignment: Foreign, partition: Foreign) -> int | None:
    """Return the offset that the next fetch will ask for; None while it is not known, or the partition is not ours."""
    state = assignment.state_value(partition) if assignment.active else None
    return int(state.position) if state is not None and state.has_valid_position else None

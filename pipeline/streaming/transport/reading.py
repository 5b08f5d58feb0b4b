"""
Reading fetched records as chunks, in the thread that owns the aiokafka consumer.

aiokafka's fetcher does the talking to the broker; here its results are taken one partition at a time together with
the offsets they cover. That needs a look into the fetcher's own state (aiokafka 0.14): the offset a fetch *asked for*
is kept nowhere else, and without it a log that lost its beginning looks like one that was compacted.
"""

import asyncio
from collections.abc import Collection
from dataclasses import dataclass

from pipeline.streaming.foreign import Foreign
from pipeline.streaming.records import Chunk
from pipeline.streaming.transport.positions import ReadPositions

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
        self, fetcher: Foreign, partitions: Collection[Foreign], timeout_s: float, max_records: int | None
    ) -> list[Fetched]:
        """
        Return what is there, waiting up to `timeout_s` for the first of it.

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

    async def _take(self, fetcher: Foreign, partitions: Collection[Foreign], max_records: int | None) -> list[Fetched]:
        subscriptions = fetcher._subscriptions
        if subscriptions.reassignment_in_progress:
            await subscriptions.wait_for_assignment()
        assignment = subscriptions.subscription.assignment
        asked = {}
        for partition, result in fetcher._records.items():
            unread = getattr(result, "_partition_records", None)
            # What an earlier assignment fetched, or what was fetched before a seek, will be thrown away.
            if (
                unread is not None
                and partition in partitions
                and unread.next_fetch_offset == _position(assignment, partition)
            ):
                unread._consumer_record = _as_decoded
                asked[partition] = unread.next_fetch_offset
        # Nothing is awaited inside: no reassignment is under way and the time-out is zero.
        drained = await fetcher.fetched_records(partitions, timeout=0, max_records=max_records)
        fetched = []
        for partition, start in asked.items():
            records = drained.get(partition, [])
            following = _position(assignment, partition)
            if following is None or (not records and following == start):
                continue
            covered = self.positions.advance(partition, start, following, has_records=bool(records))
            if covered is not None:
                chunk = Chunk(
                    topic=partition.topic,
                    partition=partition.partition,
                    first_offset=covered.first_offset,
                    last_offset=covered.last_offset,
                    records=records,
                    lost=covered.lost,
                )
                fetched.append(Fetched(partition, chunk, _size_bytes(records)))
        return fetched


def _position(assignment: Foreign, partition: Foreign) -> int | None:
    """Return the offset that the next fetch will ask for; None while it is not known, or the partition is not ours."""
    state = assignment.state_value(partition) if assignment.active else None
    return int(state.position) if state is not None and state.has_valid_position else None


def _as_decoded(_partition: Foreign, record: Foreign) -> Foreign:
    """Keep the record as aiokafka's C parser made it: wrapping each in a ConsumerRecord costs more than parsing it."""
    return record


def _size_bytes(records: list[Foreign]) -> int:
    return sum([len(record.value or b"") for record in records]) + RECORD_OVERHEAD_BYTES * len(records)

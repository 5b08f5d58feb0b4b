"""
What comes out of Kafka: records and the chunks they arrive in.

A chunk is one fetched stretch of one partition; it is the unit that is delivered to an agent, landed and acknowledged.
Nothing here knows Faust or aiokafka: aiokafka's `ConsumerRecord` fits `Record` as it is.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol


class Record(Protocol):
    """One Kafka record: bytes and where they stood."""

    @property
    def offset(self) -> int:
        """Place in its partition."""

    @property
    def timestamp(self) -> int:
        """Kafka's own time of the record in epoch milliseconds; negative where there is none."""

    @property
    def key(self) -> bytes | None:
        """The key as sent."""

    @property
    def value(self) -> bytes | None:
        """The value as sent; None is a tombstone."""


@dataclass(frozen=True, slots=True)
class Chunk:
    """
    One fetched stretch of one partition, its records in the order of their offsets.

    Attributes:
        topic: Topic it was read from.
        partition: Partition it was read from.
        first_offset: First offset it accounts for; offsets without a record (compacted, aborted) count as seen.
        last_offset: Last offset it accounts for, inclusive.
        records: The records; may be fewer than the offsets, never outside of them.
        lost: Offsets that the broker dropped before `first_offset` and that nobody read.
    """

    topic: str
    partition: int
    first_offset: int
    last_offset: int
    records: Sequence[Record] = field(repr=False)
    lost: int = 0

"""
Chunks of any topics and partitions, laid end to end as one batch.

A row is a record's place in the batch. Everything later speaks of rows; only here and in the rows that are written do
topics, partitions and offsets appear.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain

import polars as pl

from pipeline.contracts.topics import family_of_topic
from pipeline.streaming.records import Chunk, Record


@dataclass(frozen=True, slots=True)
class Batch:
    """
    Records of several chunks.

    Attributes:
        chunks: Where they come from.
        values: Their values.
        keys: Their keys.
        records: The records themselves.
        coordinates: topic, partition, offset, one line per row.
        places: family of the topic, timestamp (null: none), one line per row.
    """

    chunks: Sequence[Chunk]
    values: list[bytes | None]
    keys: list[bytes | None]
    records: Sequence[Record]
    coordinates: pl.DataFrame
    places: pl.DataFrame

    @classmethod
    def of(cls, chunks: Sequence[Chunk]) -> "Batch":
        """Lay chunks end to end, topic by topic: events of one family then stand together and need no sorting."""
        chunks = sorted(chunks, key=lambda chunk: chunk.topic)
        records = list(chain.from_iterable(chunk.records for chunk in chunks))
        counts = pl.Series([len(chunk.records) for chunk in chunks], dtype=pl.UInt32)
        by_chunk = pl.DataFrame(
            {
                "topic": [chunk.topic for chunk in chunks],
                "partition": [chunk.partition for chunk in chunks],
                "family": [family_of_topic(chunk.topic) for chunk in chunks],
            },
            schema={"topic": pl.String, "partition": pl.UInt16, "family": pl.String},
        )
        by_row = by_chunk.select(pl.all().repeat_by(counts).explode(empty_as_null=False))
        timestamp = pl.Series("timestamp", [record.timestamp for record in records], dtype=pl.Int64)
        return cls(
            chunks=chunks,
            values=[record.value for record in records],
            keys=[record.key for record in records],
            records=records,
            coordinates=by_row.select(
                "topic", "partition", pl.Series("offset", [record.offset for record in records], dtype=pl.Int64)
            ),
            places=by_row.select("family", timestamp).with_columns(
                pl.when(pl.col("timestamp") >= 0).then("timestamp").alias("timestamp")
            ),
        )

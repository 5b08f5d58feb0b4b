"""Rows of `rejected` and `landed`: what did not become a touchpoint, and which offsets are accounted for."""

from bisect import bisect_right
from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import datetime
from itertools import accumulate

import polars as pl

from pipeline.contracts.wire import REPLAY_HEADER
from pipeline.streaming.decode.values import Rejection
from pipeline.streaming.landing.batch import Batch
from pipeline.streaming.records import Record

_STAMP = pl.Datetime("us", "UTC")


def rejected_rows(batch: Batch, rejections: Sequence[Rejection], log_id: str, landed_at: datetime) -> pl.DataFrame:
    """
    Return rows of table `rejected`.

    Args:
        batch: The records.
        rejections: Which of them, and why.
        log_id: Incarnation of the Kafka log.
        landed_at: Stamp of the batch.
    """
    rows = [rejection.row for rejection in rejections]
    problems = [rejection.problem for rejection in rejections]
    return batch.coordinates[rows].with_columns(
        log_id=pl.lit(log_id),
        rejected_at=pl.lit(landed_at).cast(pl.Datetime("ms", "UTC")),
        reason=pl.Series([problem.reason.value for problem in problems], dtype=pl.String),
        detail=pl.Series([_detail(problem.pointer, problem.detail) for problem in problems], dtype=pl.String),
        schema=pl.Series([rejection.schema for rejection in rejections], dtype=pl.String),
        key=pl.Series([batch.keys[row] or b"" for row in rows], dtype=pl.Binary),
        payload=pl.Series([batch.values[row] for row in rows], dtype=pl.Binary),
        landed_at=pl.lit(landed_at).cast(_STAMP),
        replay_of=pl.Series([_replayed(batch.records[row]) for row in rows], dtype=pl.String),
    )


def landed_rows(batch: Batch, rejections: Sequence[Rejection], log_id: str, stamps: Sequence[datetime]) -> pl.DataFrame:
    """
    Return rows of table `landed`, one per chunk; offsets lost before a chunk belong to its range.

    Args:
        batch: The records.
        rejections: All that were rejected of them.
        log_id: Incarnation of the Kafka log.
        stamps: landed_at and completed_at of the batch.
    """
    ends = list(accumulate(len(chunk.records) for chunk in batch.chunks))
    # The chunk of a row is the first that ends behind it: chunks without records have none.
    refused = Counter(bisect_right(ends, rejection.row) for rejection in rejections)
    rejected = [refused[place] for place in range(len(ends))]
    landed_at, completed_at = stamps
    return pl.DataFrame(
        {
            "topic": [chunk.topic for chunk in batch.chunks],
            "partition": [chunk.partition for chunk in batch.chunks],
            "first_offset": [chunk.first_offset - chunk.lost for chunk in batch.chunks],
            "last_offset": [chunk.last_offset for chunk in batch.chunks],
            "records": [len(chunk.records) for chunk in batch.chunks],
            "rejected": rejected,
            "lost": [chunk.lost for chunk in batch.chunks],
        },
        schema={
            "topic": pl.String,
            "partition": pl.UInt16,
            "first_offset": pl.Int64,
            "last_offset": pl.Int64,
            "records": pl.UInt32,
            "rejected": pl.UInt32,
            "lost": pl.UInt64,
        },
    ).with_columns(
        log_id=pl.lit(log_id),
        landed_at=pl.lit(landed_at).cast(_STAMP),
        completed_at=pl.lit(completed_at).cast(_STAMP),
    )


def _detail(pointer: str, detail: str) -> str:
    return f"{pointer}: {detail}" if pointer else detail


def _replayed(record: Record) -> str:
    """Return which dead letter a record is a replay of; empty: none. Only rejected records are asked."""
    headers: Iterable[tuple[str, bytes]] = getattr(record, "headers", None) or ()
    for name, value in headers:
        if name == REPLAY_HEADER and value:
            return value.decode(errors="replace")
    return ""

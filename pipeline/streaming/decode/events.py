"""
The envelopes of all families in one frame, each with what its type's row and its coordinates say.

Here a channel that the producer left out becomes the type's, and `received_at` becomes what is stored: the envelope's,
else Kafka's time of the record. Nothing is judged here.
"""

from collections.abc import Mapping
from functools import cache, reduce
from operator import or_

import polars as pl

from pipeline.contracts.schemas import body_fields
from pipeline.contracts.times import EARLIEST_MS, LATEST_MS
from pipeline.contracts.types import touchpoint_types
from pipeline.streaming.decode.values import in_order_of_rows

BODY = "body."
BODY_COLUMNS = "^body[.].*$"
# What only the verdicts need; an event that passed is left without them.
FOR_VERDICTS = ("present", "allowed", "required", "bad_body_time", "owner", "topic_family", "receipt")


def gather_envelopes(families: Mapping[str, pl.DataFrame], places: pl.DataFrame) -> pl.DataFrame:
    """
    Put the envelopes of all families together.

    Args:
        families: Flat columns by family; at least one.
        places: One line per row of the batch, in their order: family (of the topic), timestamp (Kafka's, epoch
            milliseconds; null: none).

    Returns:
        Flat columns of the envelope sorted by `row`, `family` (of the schema), and `FOR_VERDICTS`: bits of the body
        fields that are present, allowed and required, whether a time in the body cannot be stored, the type's family
        (null: no such type), the topic's, and the earlier of both receipts.
    """
    parts = [
        frame.select(
            pl.exclude(BODY_COLUMNS),
            _present(family).alias("present"),
            _bad_times(family).alias("bad_body_time"),
            pl.lit(family).alias("family"),
        )
        for family, frame in families.items()
    ]
    gathered = in_order_of_rows(parts)
    here = places[gathered["row"]]
    received = pl.coalesce("received_at", "timestamp", "occurred_at")
    return (
        gathered.with_columns(topic_family=here["family"], timestamp=here["timestamp"])
        .join(_types(), on="type", how="left", maintain_order="left")
        .with_columns(
            pl.col("revision").fill_null(0),
            pl.coalesce("channel", "default_channel").alias("channel"),
            pl.coalesce("direction", "default_direction").alias("direction"),
            received.alias("received_at"),
            pl.min_horizontal(received, "timestamp").alias("receipt"),
        )
        .drop("default_channel", "default_direction", "timestamp")
    )


def fields_in(family: str, bits: int) -> list[str]:
    """Return the names of the body fields that a number of bits stands for, in the schema's order."""
    return [name for place, name in enumerate(body_fields(family)) if bits >> place & 1]


@cache
def _types() -> pl.DataFrame:
    rows = touchpoint_types().values()
    return pl.DataFrame(
        {
            "type": [row.name for row in rows],
            "owner": [row.family for row in rows],
            "default_channel": [row.channel for row in rows],
            "default_direction": [row.direction for row in rows],
            "allowed": [_bits(row.family, row.body) for row in rows],
            "required": [_bits(row.family, row.required) for row in rows],
        },
        schema_overrides={"allowed": pl.UInt64, "required": pl.UInt64},
    )


def _bits(family: str, names: tuple[str, ...]) -> int:
    return sum(1 << place for place, name in enumerate(body_fields(family)) if name in names)


@cache
def _present(family: str) -> pl.Expr:
    """Return the expression whose bits say which body fields are not null: one number instead of a list of names."""
    fields = body_fields(family)
    if len(fields) > 64:
        raise ValueError(f"{family}: {len(fields)} body fields do not fit 64 bits")
    bits = (pl.col(BODY + name).is_not_null().cast(pl.UInt64) * (1 << place) for place, name in enumerate(fields))
    return reduce(or_, bits, pl.lit(0, pl.UInt64))


@cache
def _bad_times(family: str) -> pl.Expr:
    times = [pl.col(BODY + field.name) for field in body_fields(family).values() if field.kind == "timestamp"]
    unstorable = (~time.is_between(EARLIEST_MS, LATEST_MS).fill_null(value=True) for time in times)
    return reduce(or_, unstorable, pl.lit(value=False))

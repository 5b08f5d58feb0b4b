"""
What a pain-point rule hands back, and how its sentence names a span of time.

The rule owned here: a rule looks at the touchpoints of one call and answers with `FOUND`, one row per pain point. Rows
of touchpoints stand for the touchpoints; ids, journeys and evidence lists are made from them in one place.
"""

from typing import Final

import polars as pl

from pipeline.stitching.frames import TIME

# `row`: the touchpoint that shows it (a pain point's id comes from it); `witness`: a second one, if any; `due_at`: from
# when on it counts, where it is something that did not happen.
FOUND: Final = {
    "row": pl.UInt32(),
    "witness": pl.UInt32(),
    "severity": pl.String(),
    "occurred_at": TIME,
    "due_at": TIME,
    "order_id": pl.String(),
    "ticket_id": pl.String(),
    "detail": pl.String(),
}

MINUTE_MS: Final = 60_000
HOUR_MS: Final = 60 * MINUTE_MS
DAY_MS: Final = 24 * HOUR_MS


def found(rows: pl.DataFrame) -> pl.DataFrame:
    """Return the rows with exactly the columns of `FOUND`; witness and due time are optional."""
    optional = [pl.lit(None, FOUND[name]).alias(name) for name in ("witness", "due_at") if name not in rows.columns]
    return rows.with_columns(optional).select(pl.col(name).cast(dtype) for name, dtype in FOUND.items())


def first_of(touchpoints: pl.DataFrame, keys: list[str]) -> pl.DataFrame:
    """Return the first touchpoint of every key, in order."""
    return touchpoints.unique(keys, keep="first", maintain_order=True)


def one_of(text: pl.Expr, values: tuple[str, ...]) -> pl.Expr:
    """Tell whether a text is one of the values, in any case; an absent one is none."""
    return text.str.to_lowercase().is_in([value.lower() for value in values]).fill_null(value=False)


def of_order(touchpoint: str, otherwise: str) -> pl.Expr:
    """Return `touchpoint` with the order's id in the place of `{}`, or other words where no order is named."""
    return pl.when(pl.col("order_id") != "").then(pl.format(touchpoint, "order_id")).otherwise(pl.lit(otherwise))


def severity(amount: pl.Expr, medium_from: float, high_from: float) -> pl.Expr:
    """Return low, medium or high by two thresholds, both inclusive."""
    return (
        pl.when(amount >= high_from)
        .then(pl.lit("high"))
        .when(amount >= medium_from)
        .then(pl.lit("medium"))
        .otherwise(pl.lit("low"))
    )


def spoken(milliseconds: pl.Expr) -> pl.Expr:
    """Return a span of time in the largest unit of which it has two, rounded down: `3 days`, `47 hours`, `1 minute`."""
    days, hours, minutes = (milliseconds // unit for unit in (DAY_MS, HOUR_MS, MINUTE_MS))
    return (
        pl.when(days >= 2)
        .then(pl.format("{} days", days))
        .when(hours >= 2)
        .then(pl.format("{} hours", hours))
        .when(minutes >= 2)
        .then(pl.format("{} minutes", minutes))
        .when(minutes == 1)
        .then(pl.lit("1 minute"))
        .otherwise(pl.lit("less than a minute"))
    )

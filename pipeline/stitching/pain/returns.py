"""
stalled_return: the goods are back, the money is not.

The rule owned here: which refund belongs to which return. A refund names the return, or the order alone: then it may be
of any return of that order that was announced before. It is an absence, due so long after the goods were received; a
refund that comes later than that leaves it and says by how much. A return that was never received is not judged.
"""

import polars as pl

from pipeline.config_pain import PainPointSettings
from pipeline.stitching.pain.found import DAY_MS, first_of, found, of_order, severity, spoken

_EVER = -(2**62)
_RETURN = ["customer", "return_id"]
_ORDER = ["customer", "order_id"]


def stalled_returns(steps: pl.DataFrame, settings: PainPointSettings) -> pl.DataFrame:
    """Find returns without a refund in time: never refunded medium; a week late medium, three weeks high, else low."""
    received = _received(steps).with_columns((pl.col("occurred_at") + settings.stalled_return).alias("due_at"))
    stalled = _refunded(received, steps).filter((pl.col("refunded_at") > pl.col("due_at")).fill_null(value=True))
    late_ms = (pl.col("refunded_at") - pl.col("due_at")).dt.total_milliseconds()
    taken = spoken((pl.col("refunded_at") - pl.col("due_at") + settings.stalled_return).dt.total_milliseconds())
    allowed = spoken(pl.lit(round(settings.stalled_return.total_seconds() * 1000)))
    whose = of_order("order {}", "a return")
    never = pl.format("No refund of {} followed within {} of its receipt.", whose, allowed)
    late = pl.format("The refund of {} came {} after its receipt; the limit is {}.", whose, taken, allowed)
    return found(
        stalled.with_columns(
            pl.col("due_at").alias("occurred_at"),
            pl.when(late_ms.is_null())
            .then(pl.lit("medium"))
            .otherwise(severity(late_ms, 7 * DAY_MS, 21 * DAY_MS))
            .alias("severity"),
            pl.when(late_ms.is_null()).then(never).otherwise(late).alias("detail"),
        )
    )


def _received(steps: pl.DataFrame) -> pl.DataFrame:
    """Return the first receipt of every return, with the order that any touchpoint of the return names."""
    told = steps.filter((pl.col("type") != "refund.issued") & (pl.col("return_id") != ""))
    orders = first_of(told.filter(pl.col("order_id") != ""), _RETURN).select(*_RETURN, its_order="order_id")
    announced = first_of(told, _RETURN).select(*_RETURN, announced_at="occurred_at")
    receipts = steps.filter(pl.col("type") == "return.received")
    both = pl.concat(
        [
            first_of(receipts.filter(pl.col("return_id") != ""), _RETURN),
            first_of(receipts.filter((pl.col("return_id") == "") & (pl.col("order_id") != "")), _ORDER),
        ]
    )
    return (
        both.join(orders, on=_RETURN, how="left", maintain_order="left")
        .join(announced, on=_RETURN, how="left", maintain_order="left")
        .with_columns(
            pl.when(pl.col("order_id") == "")
            .then(pl.col("its_order").fill_null(""))
            .otherwise("order_id")
            .alias("order_id"),
            # A receipt that names no return says nothing of when it was announced: any refund of the order will do.
            pl.when(pl.col("return_id") != "").then("announced_at").alias("announced_at"),
        )
    )


def _refunded(received: pl.DataFrame, steps: pl.DataFrame) -> pl.DataFrame:
    """Add `refunded_at` and `witness`: the first refund of the return, or of its order where it names no return."""
    refunds = steps.filter(pl.col("type") == "refund.issued")
    told = {"refund_at": "occurred_at", "refund": "row"}
    itself = first_of(refunds.filter(pl.col("return_id") != ""), _RETURN).select(*_RETURN, **told)
    is_named = pl.col("return_id") != ""
    of_order = refunds.filter(pl.col("order_id") != "").select(
        *_ORDER, "return_id", "row", at="occurred_at", since=pl.col("occurred_at").to_physical()
    )
    since = pl.col("announced_at").to_physical().fill_null(_EVER).alias("since")
    by_order = [
        received.filter(judged)
        .with_columns(since)
        .sort("since")
        .join_asof(
            candidates.select(*_ORDER, "since", order_refund="row", order_refund_at="at").sort(
                "since", maintain_order=True
            ),
            on="since",
            by=_ORDER,
            strategy="forward",
            check_sortedness=False,
        )
        .select("row", "order_refund", "order_refund_at")
        for judged, candidates in (
            (is_named & (pl.col("order_id") != ""), of_order.filter(~is_named)),
            (~is_named, of_order),
        )
    ]
    return (
        received.join(itself, on=_RETURN, how="left", maintain_order="left")
        .join(pl.concat(by_order), on="row", how="left", maintain_order="left")
        .with_columns(
            pl.min_horizontal("refund_at", "order_refund_at").alias("refunded_at"),
            pl.min_horizontal("refund", "order_refund").alias("witness"),
        )
    )

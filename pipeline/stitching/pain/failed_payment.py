"""
failed_payment: a payment was declined.

The rule owned here: every `payment.failed` is one pain point, and what followed only tells how bad it was. The payment
that mended it must be of the same order and customer and not earlier than the failure.
"""

from typing import Final

import polars as pl

from pipeline.config_pain import PainPointSettings
from pipeline.stitching.pain.found import HOUR_MS, MINUTE_MS, found, spoken

_JUST_OVER: Final = "more than 60 minutes"


def failed_payments(steps: pl.DataFrame, _settings: PainPointSettings) -> pl.DataFrame:
    """Find declined payments: paid within an hour low; paid later, or no order named, medium; never paid high."""
    failed = steps.filter(pl.col("type") == "payment.failed")
    made = (
        steps.filter((pl.col("type") == "payment.made") & (pl.col("order_id") != ""))
        .unique(["customer", "order_id", "occurred_at"], keep="first", maintain_order=True)
        .select(
            "customer", "order_id", "occurred_at", pl.col("row").alias("paid"), pl.col("occurred_at").alias("paid_at")
        )
    )
    followed = failed.sort("occurred_at", maintain_order=True).join_asof(
        made.sort("occurred_at", maintain_order=True),
        on="occurred_at",
        by=["customer", "order_id"],
        strategy="forward",
        check_sortedness=False,
    )
    after_ms = (pl.col("paid_at") - pl.col("occurred_at")).dt.total_milliseconds()
    soon = (after_ms <= HOUR_MS).fill_null(value=False)
    # Rounded down it would be the sixty minutes that it took more than.
    just_over = ~soon & (after_ms < HOUR_MS + MINUTE_MS)
    payment = (
        pl.when(pl.col("order_id") != "")
        .then(pl.format("The payment of order {}", "order_id"))
        .otherwise(pl.lit("A payment"))
    )
    why = (
        pl.when(pl.col("code").fill_null("") != "")
        .then(pl.format(" failed with the code '{}'", "code"))
        .otherwise(pl.lit(" failed"))
    )
    outcome = (
        pl.when(after_ms.is_not_null())
        .then(
            pl.format(
                "; it was paid {} later.", pl.when(just_over).then(pl.lit(_JUST_OVER)).otherwise(spoken(after_ms))
            )
        )
        .when(pl.col("order_id") != "")
        .then(pl.lit(" and no payment of it followed."))
        .otherwise(pl.lit("."))
    )
    return found(
        followed.with_columns(
            pl.when(soon)
            .then(pl.lit("low"))
            .when(after_ms.is_not_null() | (pl.col("order_id") == ""))
            .then(pl.lit("medium"))
            .otherwise(pl.lit("high"))
            .alias("severity"),
            pl.when(soon).then("paid").alias("witness"),
            pl.concat_str(payment, why, outcome).alias("detail"),
        )
    )

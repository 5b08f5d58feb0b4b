"""
abandoned_checkout: somebody was about to buy, and did not.

The rule owned here: one attempt is everything that a customer did at the checkout without a break longer than the
setting. It is an absence, due when that time has passed since its last step: any order, payment or subscription of the
customer from its first step until then, on whatever device, shows that they did buy.
"""

from typing import Final

import polars as pl

from pipeline.config_pain import PainPointSettings
from pipeline.stitching.pain.found import found

CHECKOUT: Final = "checkout.step_reached"
_FAILED: Final = "payment.failed"
BOUGHT: Final = ("order.placed", "payment.made", "subscription.started")


def abandoned_checkouts(steps: pl.DataFrame, settings: PainPointSettings) -> pl.DataFrame:
    """Find attempts without an order: low after one step, medium after more, high where a payment failed in them."""
    window = settings.abandoned_checkout
    at = pl.col("occurred_at")
    goes_on = (pl.col("customer") == pl.col("customer").shift(1)) & (at - at.shift(1) <= window)
    attempts = (
        steps.filter(pl.col("type") == CHECKOUT)
        .with_columns((~goes_on.fill_null(value=False)).cum_sum().alias("attempt"))
        .group_by("attempt", maintain_order=True)
        .agg(
            pl.col("customer", "row", "order_id", "ticket_id").first(),
            at.first().alias("began_at"),
            pl.col("row").last().alias("witness"),
            at.last(),
            pl.len().alias("times"),
        )
        .with_columns((at + window).alias("due_at"))
    )
    for name, types in (("bought_at", BOUGHT), ("failed_at", (_FAILED,))):
        first = steps.filter(pl.col("type").is_in(types)).select("customer", at.alias("began_at"), at.alias(name))
        attempts = (
            attempts.sort("began_at", maintain_order=True)
            .join_asof(
                first.sort("began_at", maintain_order=True),
                on="began_at",
                by="customer",
                strategy="forward",
                check_sortedness=False,
            )
            .with_columns(pl.when(pl.col(name) <= pl.col("due_at")).then(name).alias(name))
        )
    failed = pl.col("failed_at").is_not_null()
    reached = pl.when(pl.col("times") > 1).then(pl.format("{} steps", "times")).otherwise(pl.lit("one step"))
    why = pl.when(failed).then(pl.lit(" and a failed payment")).otherwise(pl.lit(""))
    return found(
        attempts.filter(pl.col("bought_at").is_null())
        .sort("row")
        .with_columns(
            pl.when(failed)
            .then(pl.lit("high"))
            .when(pl.col("times") > 1)
            .then(pl.lit("medium"))
            .otherwise(pl.lit("low"))
            .alias("severity"),
            pl.format("The customer left the checkout after {}{}, and no order followed.", reached, why).alias(
                "detail"
            ),
        )
    )

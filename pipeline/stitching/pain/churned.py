"""
churned: a subscription was given up.

The rule owned here: when a cancellation is a loss. It is one from the day on which it takes effect, unless the customer
takes it up again, or starts another subscription, before the grace is over. A cancellation that is told again before
the subscription went on is one.
"""

from typing import Final

import polars as pl

from pipeline.config_pain import PainPointSettings
from pipeline.stitching.pain.found import found

_CANCELLED: Final = "subscription.cancelled"
_STARTED: Final = "subscription.started"
_RENEWED: Final = "subscription.renewed"
_SUBSCRIPTION: Final = ["customer", "subscription_id"]

CHURN_TYPES: Final = (_STARTED, _RENEWED)


def churned(steps: pl.DataFrame, settings: PainPointSettings) -> pl.DataFrame:
    """Find subscriptions that ended: medium where it is said that the customer did not want it, else high."""
    type_, at = pl.col("type"), pl.col("occurred_at")
    # Without an id nobody can tell one subscription from another, so each cancellation stands for itself.
    before = pl.when(pl.col("subscription_id") != "").then(type_.shift(1).over(_SUBSCRIPTION))
    cancelled = steps.filter((type_ == _CANCELLED) & (before != _CANCELLED).fill_null(value=True)).with_columns(
        pl.max_horizontal("occurred_at", "effective_at").alias("due_at"), at.alias("since")
    )
    again = (
        (["customer"], steps.filter(type_ == _STARTED)),
        (_SUBSCRIPTION, steps.filter((type_ == _RENEWED) & (pl.col("subscription_id") != ""))),
    )
    for keys, taken_up in again:
        after = taken_up.select(*keys, at.alias("since"), at.alias("again_at")).sort("since", maintain_order=True)
        cancelled = (
            cancelled.sort("since", maintain_order=True)
            .join_asof(after, on="since", by=keys, strategy="forward", check_sortedness=False)
            .filter((pl.col("again_at") > pl.col("due_at") + settings.churn_grace).fill_null(value=True))
            .drop("again_at")
        )
    wanted = pl.col("voluntary").fill_null(value=True)
    because = pl.when(pl.col("reason").is_not_null()).then(pl.format(": {}", "reason")).otherwise(pl.lit(""))
    return found(
        cancelled.sort("row").with_columns(
            pl.col("due_at").alias("occurred_at"),
            pl.when(wanted).then(pl.lit("high")).otherwise(pl.lit("medium")).alias("severity"),
            pl.format(
                "A subscription ended {}{}.",
                pl.when(wanted).then(pl.lit("by the customer's wish")).otherwise(pl.lit("without the customer's wish")),
                because,
            ).alias("detail"),
        )
    )

"""
Trade: what a customer ordered, was sent, sent back and was refunded, side by side in few narrow columns.

The rule owned here: what is counted is told from the customer's own touchpoints alone, as for orders and revenue: of an
order the first touchpoint, and the first amount. Of parcels nothing is judged: what is said of one may lie with several
customers, so whoever judges them does so over all customers, from what stands here, without a look at any body.
"""

from typing import Final

import numpy as np
import polars as pl

from pipeline.stitching.columns import Ints
from pipeline.stitching.frames import TRADE_COLUMNS, conform
from pipeline.stitching.timeline import Timeline

TRADE_TYPES: Final = (
    "order.placed",
    "order.cancelled",
    "delivery.shipped",
    "delivery.delivered",
    "return.requested",
    "refund.issued",
)
FIRST_OF_ORDER, FIRST_AMOUNT, REFUND = 1, 2, 4
"""What a touchpoint of trade counts as: the bits of `trade_counts`."""

_STEP: Final = (
    "event_uid",
    "occurred_at",
    "type",
    "channel",
    "order_id",
    "shipment_id",
    "amount_minor",
    "currency",
    "utm_campaign",
)
_SAID: Final = ("promised_delivery_at", "promised_until", "delivered_at", "campaign", "carrier", "ordered_products")
_ORDER: Final = ("customer", "order_id")


def trade_of(timeline: Timeline) -> tuple[pl.DataFrame, Ints]:
    """
    Pick the touchpoints of trade.

    Args:
        timeline: The touchpoints, numbered.

    Returns:
        The columns of `TRADE_COLUMNS`, touchpoints in order, and the customer of each.
    """
    rows = np.flatnonzero(timeline.steps["type"].is_in(TRADE_TYPES).to_numpy())
    customer = timeline.customer[rows]
    steps = timeline.steps.select(*_STEP, "fact")[rows]
    told = steps.hstack(timeline.facts.select(_SAID)[steps["fact"]])
    what = pl.col("type")
    said_at = (
        pl.when(what == "order.placed")
        .then("promised_delivery_at")
        .when(what == "delivery.shipped")
        .then("promised_until")
        .when(what == "delivery.delivered")
        .then(pl.coalesce("delivered_at", "occurred_at"))
    )
    found = told.select(
        *(pl.col(name).alias(f"trade_{name}") for name in _STEP if name != "utm_campaign"),
        said_at.alias("trade_said_at"),
        pl.when(pl.col("campaign") != "").then("campaign").otherwise("utm_campaign").alias("trade_campaign"),
        pl.col("carrier").fill_null("").alias("trade_carrier"),
        pl.col("ordered_products").alias("trade_products"),
        *_counted(steps, customer),
    )
    return conform(found, TRADE_COLUMNS), customer


def _counted(steps: pl.DataFrame, customer: Ints) -> tuple[pl.Series, pl.Series]:
    """Return as what each touchpoint counts, and from when an order counts as sent back, on its first touchpoint."""
    told = steps.select(
        "type", "order_id", "amount_minor", "occurred_at", pl.Series("customer", customer)
    ).with_row_index("at")
    placed = told.filter((pl.col("type") == "order.placed") & (pl.col("order_id") != ""))
    firsts = placed.unique(_ORDER, keep="first", maintain_order=True)
    paid = placed.filter(pl.col("amount_minor").is_not_null()).unique(_ORDER, keep="first", maintain_order=True)
    refunds = told.filter((pl.col("type") == "refund.issued") & pl.col("amount_minor").is_not_null())
    counts = np.zeros(told.height, dtype=np.uint8)
    for counted, bit in ((firsts, FIRST_OF_ORDER), (paid, FIRST_AMOUNT), (refunds, REFUND)):
        counts[counted["at"].to_numpy()] |= bit
    backs = told.filter(pl.col("type") == "return.requested").group_by(_ORDER).agg(back_at=pl.col("occurred_at").min())
    back = firsts.join(backs, on=_ORDER).select("at", back_at=pl.max_horizontal("occurred_at", "back_at"))
    sent_back = pl.Series("trade_sent_back_at", [None], dtype=told.schema["occurred_at"]).new_from_index(0, told.height)
    return pl.Series("trade_counts", counts), sent_back.scatter(back["at"], back["back_at"])

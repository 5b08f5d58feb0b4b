"""
Orders and revenue of a customer or of a journey.

The rule owned here: an order is a distinct order_id of `order.placed`; where several of them carry the same order_id,
the amount of the first one (by occurred_at, event_uid) that has an amount counts. Each scope is judged by itself: a
repeated `order.placed` in a later journey is an order of that journey too, but one order of the customer.
"""

from dataclasses import dataclass

import numpy as np
import polars as pl

from pipeline.stitching.columns import Ints
from pipeline.stitching.frames import MONEY


@dataclass(frozen=True, slots=True)
class Orders:
    """
    Orders and revenue by scope.

    Attributes:
        orders: Number of orders of every scope.
        money: (currency, minor) of all scopes in order, sorted by currency within each.
        money_lengths: How many entries of `money` each scope has.
    """

    orders: Ints
    money: pl.Series
    money_lengths: Ints


def orders_by(steps: pl.DataFrame, scope: Ints, count: int) -> Orders:
    """
    Count the orders and add up their amounts.

    Args:
        steps: The touchpoints in order.
        scope: Number of the customer or journey of every step.
        count: How many scopes there are.

    Returns:
        What was ordered in each scope.
    """
    placed = steps.select("type", "order_id", "amount_minor", "currency", pl.Series("scope", scope)).filter(
        (pl.col("type") == "order.placed") & (pl.col("order_id") != "")
    )
    orders = placed.unique(["scope", "order_id"])
    revenue = (
        placed.filter(pl.col("amount_minor").is_not_null())
        .unique(["scope", "order_id"], keep="first", maintain_order=True)
        .group_by("scope", "currency")
        .agg(pl.col("amount_minor").sum().alias("minor"))
        .sort("scope", "currency")
    )
    return Orders(
        orders=np.bincount(orders["scope"].to_numpy(), minlength=count),
        money=revenue.select(pl.struct("currency", "minor").cast(MONEY)).to_series(),
        money_lengths=np.bincount(revenue["scope"].to_numpy(), minlength=count),
    )

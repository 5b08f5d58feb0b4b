"""
damaged_or_lost: a parcel broke or vanished on its way.

The rule owned here: what says so, and what takes it back. A carrier's status, the condition at the door, and a return
for damage say so; a parcel that moves or arrives after it was reported lost was not. One pain point per parcel, shown
by the first touchpoint that says so.
"""

from typing import Final

import polars as pl

from pipeline.config_pain import PainPointSettings
from pipeline.stitching.pain.found import found, one_of
from pipeline.stitching.pain.parcels import ORDER, SHIPMENT, first_per_parcel, parcel_named, with_orders

_MOVES: Final = ("in_transit", "out_for_delivery", "attempted")


def damaged_or_lost(steps: pl.DataFrame, settings: PainPointSettings) -> pl.DataFrame:
    """Find parcels that were lost (high) or damaged (medium)."""
    status, type_ = pl.col("status"), pl.col("type")
    is_damaged = (
        ((type_ == "delivery.status_changed") & (status == "damaged"))
        | ((type_ == "delivery.delivered") & one_of(pl.col("condition"), settings.damaged_conditions))
        | ((type_ == "return.requested") & (pl.col("reason") == "damaged"))
    ).fill_null(value=False)
    is_lost = ((type_ == "delivery.status_changed") & (status == "lost")).fill_null(value=False)
    signed = steps.with_columns(is_damaged.alias("is_damaged"), is_lost.alias("is_lost"))
    signs = with_orders(signed.filter(pl.col("is_damaged") | pl.col("is_lost")), steps)
    if signs["is_lost"].any():
        signs = _without_found_again(signs, with_orders(signed.filter(type_ != "order.placed"), steps))
    shown = first_per_parcel(signs).sort("row")
    what = pl.when("is_lost").then(pl.lit("was lost")).otherwise(pl.lit("was damaged"))
    return found(
        shown.with_columns(
            pl.when("is_lost").then(pl.lit("high")).otherwise(pl.lit("medium")).alias("severity"),
            pl.format("{} {} on its way.", parcel_named(), what).alias("detail"),
        )
    )


def _without_found_again(signs: pl.DataFrame, parcels: pl.DataFrame) -> pl.DataFrame:
    """Drop what says that a parcel is lost that was seen since."""
    moves = parcels.filter(
        (pl.col("type") == "delivery.delivered") | pl.col("status").is_in(_MOVES).fill_null(value=False)
    )
    has_shipment, has_order = pl.col("shipment_id") != "", pl.col("order_id") != ""
    last = pl.col("row").max()
    by_shipment = moves.filter(has_shipment).group_by(SHIPMENT).agg(last.alias("seen_itself"))
    of_order = (
        moves.filter(has_order)
        .group_by(ORDER)
        .agg(last.alias("seen_any"), pl.col("row").filter(pl.col("shipment_id") == "").max().alias("seen_whole"))
    )
    seen = pl.max_horizontal(
        pl.when(has_shipment).then("seen_itself"),
        # What names the order alone may mean any of its parcels.
        pl.when(has_order).then(pl.when(has_shipment).then("seen_whole").otherwise("seen_any")),
    )
    return (
        signs.join(by_shipment, on=SHIPMENT, how="left", maintain_order="left")
        .join(of_order, on=ORDER, how="left", maintain_order="left")
        .filter(pl.col("is_damaged") | (seen < pl.col("row")).fill_null(value=True))
        .drop("seen_itself", "seen_any", "seen_whole")
    )

"""
late_delivery and missed_promise: a parcel came after the time that was promised for it, or has not come.

The rule owned here: when a parcel that nobody saw arrive hurts. The missed promise is an absence: it counts from the
promised moment on, and goes when a delivery arrives (late deliveries are the other rule's), when the order was called
off before the promise, or when the goods were sent back, so that they must have come.
"""

from typing import Final

import polars as pl

from pipeline.config_pain import PainPointSettings
from pipeline.stitching.pain.found import DAY_MS, first_of, found, severity, spoken
from pipeline.stitching.pain.parcels import (
    ORDER,
    SHIPMENT,
    delivered_parcels,
    first_per_parcel,
    parcel_named,
    promised,
    with_orders,
)

CALLED_OFF: Final = ("order.cancelled", "refund.issued")
SENT_BACK: Final = ("return.requested", "return.received")


def late_deliveries(steps: pl.DataFrame, _settings: PainPointSettings) -> pl.DataFrame:
    """Find parcels that were delivered later than promised: at least a day medium, at least a week high."""
    judged = promised(delivered_parcels(steps), steps).filter(pl.col("at") > pl.col("promise"))
    late_ms = (pl.col("at") - pl.col("promise")).dt.total_milliseconds()
    return found(
        judged.with_columns(
            severity(late_ms, DAY_MS, 7 * DAY_MS).alias("severity"),
            pl.col("at").alias("occurred_at"),
            pl.format("{} arrived {} later than promised.", parcel_named(), spoken(late_ms)).alias("detail"),
        )
    )


def missed_promises(steps: pl.DataFrame, _settings: PainPointSettings) -> pl.DataFrame:
    """Find parcels that were promised and not delivered: medium, as nobody knows how late they will be."""
    missing = promised(_without_arrival(_sent_parcels(steps), steps), steps).filter(pl.col("promise").is_not_null())
    off = (
        steps.filter(pl.col("type").is_in(CALLED_OFF) & (pl.col("order_id") != ""))
        .group_by(ORDER)
        .agg(pl.col("occurred_at").min().alias("off_at"))
    )
    kept = missing.join(off, on=ORDER, how="left", maintain_order="left").filter(
        (pl.col("off_at") > pl.col("promise")).fill_null(value=True)
    )
    # Several parcels of an order that share its one promise miss one promise.
    return found(
        first_of(kept, ["witness"]).with_columns(
            pl.col("witness").alias("row"),
            pl.lit(None, pl.UInt32).alias("witness"),
            pl.lit("medium").alias("severity"),
            pl.col("promise").alias("occurred_at"),
            pl.col("promise").alias("due_at"),
            pl.format("{} had not arrived when it was promised.", parcel_named()).alias("detail"),
        )
    )


def _sent_parcels(steps: pl.DataFrame) -> pl.DataFrame:
    """Return what was sent or is to be sent: every shipment that left, and every order of which none did."""
    left = with_orders(steps.filter(pl.col("type") == "delivery.shipped"), steps)
    orders = steps.filter(pl.col("type") == "order.placed").with_columns(pl.lit("").alias("shipment_id"))
    return first_per_parcel(pl.concat([left, orders]).sort("row"))


def _without_arrival(parcels: pl.DataFrame, steps: pl.DataFrame) -> pl.DataFrame:
    """Drop the parcels that were delivered, by their shipment or by an order that does not say which, or sent back."""
    delivered = with_orders(steps.filter(pl.col("type") == "delivery.delivered"), steps)
    sent_back = steps.filter(pl.col("type").is_in(SENT_BACK) & (pl.col("order_id") != ""))
    # A shipment that is known from its delivery alone may be any of the order's.
    whole = delivered.filter(pl.col("order_id") != "").join(
        parcels.filter(pl.col("shipment_id") != ""), on=SHIPMENT, how="anti"
    )
    is_named = pl.col("shipment_id") != ""
    named = parcels.filter(is_named).join(delivered.filter(is_named), on=SHIPMENT, how="anti", maintain_order="left")
    unnamed = parcels.filter(~is_named).join(delivered, on=ORDER, how="anti", maintain_order="left")
    arrived = pl.concat([whole.select(ORDER), sent_back.select(ORDER)])
    return pl.concat([named, unnamed]).join(arrived, on=ORDER, how="anti", maintain_order="left").sort("row")

"""
Parcels: which deliveries belong together, and what was promised for them.

The rule owned here: a parcel is a shipment where the deliveries name shipments, else the order; its first delivery
counts, so a second or repeated `delivery.delivered` changes nothing. The promise is `promised_until` of the parcel's
own shipment, else of a shipment of the order that is not another's, else `promised_delivery_at` of the order; of
several the first made. Only touchpoints of the same customer are matched.
"""

from typing import Final

import polars as pl

from pipeline.stitching.frames import TIME
from pipeline.stitching.pain.found import first_of

ORDER: Final = ["customer", "order_id"]
SHIPMENT: Final = ["customer", "shipment_id"]

PARCEL_TYPES: Final = ("delivery.delivered", "delivery.shipped", "delivery.status_changed", "order.placed")
"""Types of the touchpoints that these functions look at."""


def with_orders(touchpoints: pl.DataFrame, steps: pl.DataFrame) -> pl.DataFrame:
    """Fill an absent order_id from the first touchpoint of the customer that names the shipment and an order."""
    both = steps.filter(pl.col("type").is_in(PARCEL_TYPES) & (pl.col("shipment_id") != "") & (pl.col("order_id") != ""))
    orders = first_of(both, SHIPMENT).select(*SHIPMENT, pl.col("order_id").alias("its_order"))
    return (
        touchpoints.join(orders, on=SHIPMENT, how="left", maintain_order="left")
        .with_columns(
            pl.when(pl.col("order_id") == "")
            .then(pl.col("its_order").fill_null(""))
            .otherwise("order_id")
            .alias("order_id")
        )
        .drop("its_order")
    )


def first_per_parcel(touchpoints: pl.DataFrame) -> pl.DataFrame:
    """Return the first touchpoint of every parcel; one of the order alone counts where none names a shipment."""
    named = first_of(touchpoints.filter(pl.col("shipment_id") != ""), SHIPMENT)
    unnamed = touchpoints.filter((pl.col("shipment_id") == "") & (pl.col("order_id") != ""))
    return pl.concat([named, first_of(unnamed.join(named, on=ORDER, how="anti", maintain_order="left"), ORDER)])


def delivered_parcels(steps: pl.DataFrame) -> pl.DataFrame:
    """Return the first delivery of every parcel, with `at`, the time of it."""
    delivered = with_orders(steps.filter(pl.col("type") == "delivery.delivered"), steps)
    return first_per_parcel(delivered).with_columns(pl.coalesce("delivered_at", "occurred_at").alias("at"))


def promised(parcels: pl.DataFrame, steps: pl.DataFrame) -> pl.DataFrame:
    """Add `promise` and `witness`, the row of the touchpoint that made it; null where nothing was promised."""
    shipped = with_orders(
        steps.filter((pl.col("type") == "delivery.shipped") & pl.col("promised_until").is_not_null()), steps
    )
    placed = steps.filter((pl.col("type") == "order.placed") & pl.col("promised_delivery_at").is_not_null())
    is_named, has_order = pl.col("shipment_id") != "", pl.col("order_id") != ""
    sources = (
        (SHIPMENT, shipped.filter(is_named), "promised_until", is_named),
        (ORDER, shipped.filter(has_order & ~is_named), "promised_until", is_named),
        (ORDER, shipped.filter(has_order), "promised_until", ~is_named),
        (ORDER, placed.filter(has_order), "promised_delivery_at", pl.lit(value=True)),
    )
    left = parcels.with_columns(
        pl.lit(None, dtype=pl.UInt32).alias("witness"), pl.lit(None, dtype=TIME).alias("promise")
    )
    told = []
    for on, promises, field, applies in sources:
        if not left.height:
            break
        if not promises.height:
            continue
        first = first_of(promises, on).select(*on, pl.col("row").alias("its_row"), pl.col(field).alias("its_promise"))
        joined = left.join(first, on=on, how="left").with_columns(
            pl.when(applies).then("its_row").alias("witness"), pl.when(applies).then("its_promise").alias("promise")
        )
        told.append(joined.filter(pl.col("witness").is_not_null()).drop("its_row", "its_promise"))
        left = joined.filter(pl.col("witness").is_null()).drop("its_row", "its_promise")
    return pl.concat([*told, left]).sort("row")


def parcel_named() -> pl.Expr:
    """Return the parcel's name for a sentence: `Order o-1`, `Shipment s-1` or `A parcel`."""
    return (
        pl.when(pl.col("order_id") != "")
        .then(pl.format("Order {}", "order_id"))
        .when(pl.col("shipment_id") != "")
        .then(pl.format("Shipment {}", "shipment_id"))
        .otherwise(pl.lit("A parcel"))
    )

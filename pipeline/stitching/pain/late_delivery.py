"""
late_delivery: a parcel was handed over after the time that was promised for it.

The rule owned here: one pain point per parcel. A parcel is a shipment where the deliveries name shipments, else the
order; its first delivery counts, so a second or repeated `delivery.delivered` changes nothing. The promise is
`promised_until` of the parcel's own shipment, else of a shipment of the order that is not another's, else
`promised_delivery_at` of the order; of several the first made. Only touchpoints of the same customer are matched.
"""

import polars as pl

from pipeline.config_pain import PainPointSettings
from pipeline.stitching.frames import TIME
from pipeline.stitching.pain.found import DAY_MS, found, severity, spoken

_ORDER = ["customer", "order_id"]
_SHIPMENT = ["customer", "shipment_id"]


def late_deliveries(steps: pl.DataFrame, _settings: PainPointSettings) -> pl.DataFrame:
    """Find parcels that were delivered later than promised: at least a day medium, at least a week high."""
    delivered = steps.filter(pl.col("type") == "delivery.delivered")
    parcels = _parcels(_with_orders(delivered, steps))
    judged = _promised(parcels, steps).filter(pl.col("at") > pl.col("promise"))
    late_ms = (pl.col("at") - pl.col("promise")).dt.total_milliseconds()
    parcel = (
        pl.when(pl.col("order_id") != "")
        .then(pl.format("Order {}", "order_id"))
        .otherwise(pl.format("Shipment {}", "shipment_id"))
    )
    return found(
        judged.with_columns(
            severity(late_ms, DAY_MS, 7 * DAY_MS).alias("severity"),
            pl.col("at").alias("occurred_at"),
            pl.format("{} arrived {} later than promised.", parcel, spoken(late_ms)).alias("detail"),
        )
    )


def _with_orders(touchpoints: pl.DataFrame, steps: pl.DataFrame) -> pl.DataFrame:
    """Fill an absent order_id from the first touchpoint of the customer that names the shipment and an order."""
    both = steps.filter((pl.col("shipment_id") != "") & (pl.col("order_id") != ""))
    orders = both.unique(_SHIPMENT, keep="first", maintain_order=True).select(
        *_SHIPMENT, pl.col("order_id").alias("its_order")
    )
    return (
        touchpoints.join(orders, on=_SHIPMENT, how="left", maintain_order="left")
        .with_columns(
            pl.when(pl.col("order_id") == "")
            .then(pl.col("its_order").fill_null(""))
            .otherwise("order_id")
            .alias("order_id")
        )
        .drop("its_order")
    )


def _parcels(delivered: pl.DataFrame) -> pl.DataFrame:
    """Return the first delivery of every parcel, with `at`, the time of it."""
    named = delivered.filter(pl.col("shipment_id") != "").unique(_SHIPMENT, keep="first", maintain_order=True)
    unnamed = (
        delivered.filter((pl.col("shipment_id") == "") & (pl.col("order_id") != ""))
        .join(named, on=_ORDER, how="anti", maintain_order="left")
        .unique(_ORDER, keep="first", maintain_order=True)
    )
    return pl.concat([named, unnamed]).with_columns(pl.coalesce("delivered_at", "occurred_at").alias("at"))


def _promised(parcels: pl.DataFrame, steps: pl.DataFrame) -> pl.DataFrame:
    """Add `promise` and `witness`, the row of the touchpoint that made it."""
    shipped = _with_orders(
        steps.filter((pl.col("type") == "delivery.shipped") & pl.col("promised_until").is_not_null()), steps
    )
    placed = steps.filter((pl.col("type") == "order.placed") & pl.col("promised_delivery_at").is_not_null())
    of_order = shipped.filter(pl.col("order_id") != "")
    is_named = pl.col("shipment_id") != ""
    sources = (
        (_SHIPMENT, shipped.filter(pl.col("shipment_id") != ""), "promised_until", is_named),
        (_ORDER, of_order.filter(pl.col("shipment_id") == ""), "promised_until", is_named),
        (_ORDER, of_order, "promised_until", ~is_named),
        (_ORDER, placed.filter(pl.col("order_id") != ""), "promised_delivery_at", pl.lit(value=True)),
    )
    promised = parcels.with_columns(
        pl.lit(None, dtype=pl.UInt32).alias("witness"), pl.lit(None, dtype=TIME).alias("promise")
    )
    for on, promises, field, applies in sources:
        first = promises.unique(on, keep="first", maintain_order=True).select(
            *on, pl.col("row").alias("its_row"), pl.col(field).alias("its_promise")
        )
        use = pl.col("witness").is_null() & applies
        promised = (
            promised.join(first, on=on, how="left", maintain_order="left")
            .with_columns(
                pl.when(use).then("its_row").otherwise("witness").alias("witness"),
                pl.when(use).then("its_promise").otherwise("promise").alias("promise"),
            )
            .drop("its_row", "its_promise")
        )
    return promised

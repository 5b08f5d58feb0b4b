"""On a real marketplace's orders the rules find what an independent count found."""

import os
from pathlib import Path

import polars as pl
import pytest

from pipeline.stitching.frames import conform_facts, empty_facts
from pipeline.stitching.rules import StitchRules
from pipeline.stitching.stitch import stitch
from tests.stitching.facts import uid

FOLDER = Path(
    os.environ.get("THROUGHLINE_OLIST_DIR")  # noqa: TID251 (where a data set lies is no setting of the product)
    or Path(__file__).parents[3] / "shared" / "data" / "olist"
)


@pytest.mark.skipif(not FOLDER.is_dir(), reason=f"no Olist data at {FOLDER}: set THROUGHLINE_OLIST_DIR")
def test_late_deliveries_by_the_promised_timestamp() -> None:
    orders = pl.read_csv(FOLDER / "olist_orders_dataset.csv", infer_schema=False).with_row_index("number")
    people = pl.read_csv(FOLDER / "olist_customers_dataset.csv", infer_schema=False)
    orders = orders.join(people.select("customer_id", "customer_unique_id"), on="customer_id")
    kinds = (
        ("order.placed", "order_purchase_timestamp", "promised_delivery_at", "order_estimated_delivery_date"),
        ("delivery.delivered", "order_delivered_customer_date", "delivered_at", "order_delivered_customer_date"),
    )
    facts = [
        orders.filter(pl.col(at).is_not_null() & (pl.col(at) != "")).select(
            pl.col("customer_unique_id").str.decode("hex").alias("ident_key"),
            pl.format("{}{}", pl.col("number") + 10**14, pl.lit(n)).cast(pl.Binary).alias("event_uid"),
            pl.lit(uid(0)).alias("content_version"),
            pl.col(at).str.to_datetime(time_unit="ms", time_zone="UTC").alias("occurred_at"),
            pl.lit(type_name).alias("type"),
            pl.lit("marketplace").alias("channel"),
            "order_id",
            pl.col(value).str.to_datetime(time_unit="ms", time_zone="UTC").alias(field),
        )
        for n, (type_name, at, field, value) in enumerate(kinds)
    ]
    frame = conform_facts(pl.concat([empty_facts(), *facts], how="diagonal"))
    identities = (
        frame.select("ident_key")
        .unique()
        .with_columns(kind=pl.lit(0), customer_uid=pl.col("ident_key"), shared=pl.lit(value=False))
    )
    rows = stitch(frame, identities, StitchRules())
    assert rows["orders"].sum() == 8_135
    assert frame.filter(type="delivery.delivered").height == 5_170
    found = rows["pain_kind"].explode().drop_nulls()
    # These files tell neither shipments nor cancellations: what never arrived was promised all the same.
    assert set(found) == {"late_delivery", "missed_promise"}
    assert found.eq("late_delivery").sum() == 415
    assert found.eq("missed_promise").sum() == 8_135 - 5_170

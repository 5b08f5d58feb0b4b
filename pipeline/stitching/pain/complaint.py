"""
complaint: the customer said that something is wrong.

The rule owned here: what weight a complaint has. One that went to a regulator is grave, whatever the help desk calls
it; else the words of the help desk decide, which are settings. Complaints that name one ticket are one.
"""

import polars as pl

from pipeline.config_pain import PainPointSettings
from pipeline.stitching.pain.found import first_of, found, one_of


def complaints(steps: pl.DataFrame, settings: PainPointSettings) -> pl.DataFrame:
    """Find complaints: high where a regulator has them or the help desk says so, low where it says so, else medium."""
    on_ticket = pl.col("ticket_id") != ""
    counted = pl.concat([first_of(steps.filter(on_ticket), ["customer", "ticket_id"]), steps.filter(~on_ticket)])
    at_regulator = (pl.col("regulator_ref") != "").fill_null(value=False)
    about = (
        pl.when((pl.col("category") != "").fill_null(value=False))
        .then(pl.format(" about {}", "category"))
        .otherwise(pl.lit(""))
    )
    return found(
        counted.with_columns(
            pl.when(at_regulator | one_of(pl.col("severity"), settings.complaint_severe))
            .then(pl.lit("high"))
            .when(one_of(pl.col("severity"), settings.complaint_light))
            .then(pl.lit("low"))
            .otherwise(pl.lit("medium"))
            .alias("severity"),
            pl.format("The customer complained{}.", about).alias("detail"),
        )
    )

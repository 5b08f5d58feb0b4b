"""
rage_click and ui_error: a page or screen that did not do what it should.

The rule owned here: what is one burst. Clicks on one spot, each soon after the one before, are one rage click, unless a
click worked (`ok` true): that ends the burst, and steppers and galleries are made to be clicked often. The same error,
shown again before a while is over, is one.
"""

import polars as pl

from pipeline.config_pain import PainPointSettings
from pipeline.stitching.pain.found import found, severity


def rage_clicks(steps: pl.DataFrame, settings: PainPointSettings) -> pl.DataFrame:
    """Find bursts of clicks that did nothing: from twice the setting medium, from four times high."""
    here, before = pl.col("element"), pl.col("element").shift(1)
    apart = ((pl.col("x") - pl.col("x").shift(1)) ** 2 + (pl.col("y") - pl.col("y").shift(1)) ** 2).sqrt()
    is_named = here.is_not_null() & before.is_not_null()
    same_spot = (
        pl.when(is_named)
        .then(here == before)
        .otherwise(here.is_null() & before.is_null() & (apart <= settings.rage_click_px).fill_null(value=False))
    )
    works = pl.col("ok").fill_null(value=False)
    goes_on = (
        (pl.col("customer") == pl.col("customer").shift(1))
        & (pl.col("url") == pl.col("url").shift(1))
        & (pl.col("occurred_at") - pl.col("occurred_at").shift(1) <= settings.rage_click_gap)
        & same_spot
        & ~works
        & ~works.shift(1)
    ).fill_null(value=False)
    bursts = _bursts(steps, goes_on).filter(pl.col("times") >= settings.rage_clicks)
    spot = pl.when(pl.col("element").is_null()).then(pl.lit("one spot")).otherwise(pl.format("'{}'", "element"))
    return found(
        bursts.with_columns(
            severity(pl.col("times"), 2 * settings.rage_clicks, 4 * settings.rage_clicks).alias("severity"),
            pl.format("The customer clicked {} times in a row on {}.", "times", spot).alias("detail"),
        )
    )


def ui_errors(steps: pl.DataFrame, settings: PainPointSettings) -> pl.DataFrame:
    """Find errors that a page showed: shown three times in one burst medium, six times high, else low."""
    # Errors of one code, one after the other; an error without a code is of its own sort.
    sorted_ = steps.with_columns(pl.col("code").fill_null("")).sort("customer", "code", "row")
    goes_on = (
        (pl.col("customer") == pl.col("customer").shift(1))
        & (pl.col("code") == pl.col("code").shift(1))
        & (pl.col("occurred_at") - pl.col("occurred_at").shift(1) <= settings.ui_error_gap)
    ).fill_null(value=False)
    error = pl.when(pl.col("code") == "").then(pl.lit("an error")).otherwise(pl.format("the error '{}'", "code"))
    often = pl.when(pl.col("times") > 1).then(pl.format("{} times", "times")).otherwise(pl.lit("once"))
    return found(
        _bursts(sorted_, goes_on).with_columns(
            severity(pl.col("times"), 3, 6).alias("severity"),
            pl.format("The customer was shown {} {}.", error, often).alias("detail"),
        )
    )


def _bursts(touchpoints: pl.DataFrame, goes_on: pl.Expr) -> pl.DataFrame:
    """Return the first touchpoint of every burst, with the row of the last as `witness` and their number as `times`."""
    return (
        touchpoints.with_columns((~goes_on).cum_sum().alias("burst"))
        .with_columns(pl.len().over("burst").alias("times"), pl.col("row").last().over("burst").alias("witness"))
        .unique("burst", keep="first", maintain_order=True)
    )

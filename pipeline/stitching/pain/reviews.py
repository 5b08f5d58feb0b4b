"""
bad_review and product_flaw: what customers say about what they bought.

The rule owned here: when a review is low, and when it is the product itself that is at fault. A rating counts by the
share of its scale from 1 up, as scores of surveys do. A low review of a product whose order came late, damaged or not
at all says nothing about the product; a return blames the product by its reason.
"""

from typing import Final

import polars as pl

from pipeline.config_pain import PainPointSettings
from pipeline.stitching.pain.found import first_of, found
from pipeline.stitching.pain.low_score import ROUNDING

_USUAL_SCALE: Final = 5.0
_LEAST: Final = 1.0
_ORDER: Final = ["customer", "order_id"]


def bad_reviews(steps: pl.DataFrame, settings: PainPointSettings) -> pl.DataFrame:
    """Find low reviews: at the lowest rating high, others medium."""
    return found(
        _low(steps, settings).with_columns(
            _severity(),
            pl.format("The customer rated {} of {} in a review.", _plain("rating"), _plain("scale")).alias("detail"),
        )
    )


def product_flaws(steps: pl.DataFrame, settings: PainPointSettings) -> pl.DataFrame:
    """Find returns that blame the product (medium), and low reviews of a product that nothing else explains."""
    returned = steps.filter(
        (pl.col("type") == "return.requested") & pl.col("reason").is_in(settings.product_reasons)
    ).with_columns(
        pl.lit("medium").alias("severity"),
        pl.format("{} was sent back: {}.", _product(), pl.col("reason").str.replace_all("_", " ")).alias("detail"),
    )
    reviewed = (
        _low(steps.filter(pl.col("type") == "review.published"), settings)
        .filter((pl.col("product_id") != "") & ~pl.col("is_explained"))
        .with_columns(
            _severity(),
            pl.format("{} was rated {} of {}.", _product(), _plain("rating"), _plain("scale")).alias("detail"),
        )
    )
    both = pl.concat([returned, reviewed.select(returned.columns)]).sort("row")
    # A customer who sends a product back and reviews it says one thing twice.
    known = pl.col("order_id") != ""
    return found(pl.concat([first_of(both.filter(known), [*_ORDER, "product_id"]), both.filter(~known)]))


def _low(reviews: pl.DataFrame, settings: PainPointSettings) -> pl.DataFrame:
    scaled = reviews.with_columns(pl.col("scale").fill_null(_USUAL_SCALE)).filter(pl.col("scale") > _LEAST)
    limit = _LEAST + settings.low_score_share * (pl.col("scale") - _LEAST) + ROUNDING
    return scaled.filter(pl.col("rating").is_finite() & (pl.col("rating") <= limit))


def _severity() -> pl.Expr:
    return pl.when(pl.col("rating") <= _LEAST).then(pl.lit("high")).otherwise(pl.lit("medium")).alias("severity")


def _product() -> pl.Expr:
    return (
        pl.when(pl.col("product_id") != "").then(pl.format("Product {}", "product_id")).otherwise(pl.lit("A product"))
    )


def _plain(number: str) -> pl.Expr:
    return pl.col(number).cast(pl.String).str.strip_suffix(".0")

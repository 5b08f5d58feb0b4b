"""
low_score: a customer answered a survey and was not content.

The rule owned here: what is low on which scale. NPS is 0 to 10 and has a threshold of its own; an answer that names
another scale is no NPS. The others count by the share of their scale, which the answer names or which is the usual one
of its instrument; more is better on all of them (a CES says how easy it was). An answer in words has no score, and a
scale without length says nothing.
"""

from typing import Final

import polars as pl

from pipeline.config_pain import PainPointSettings
from pipeline.stitching.pain.found import found

# instrument: (scale_min, scale_max) where the answer names none.
DEFAULT_SCALES: Final = {"csat": (1.0, 5.0), "ces": (1.0, 7.0), "star": (1.0, 5.0)}
# Scores are short decimals; a share of a scale may miss them by the last bit.
ROUNDING: Final = 1e-9


def low_scores(steps: pl.DataFrame, settings: PainPointSettings) -> pl.DataFrame:
    """Find low answers: the lowest point of the scale (NPS: the lower half of what is low) high, others medium."""
    answered = steps.filter(
        (pl.col("type") == "survey.answered")
        & pl.col("score").is_finite()
        & pl.col("instrument").is_in(["nps", *DEFAULT_SCALES])
    )
    is_nps = pl.col("instrument") == "nps"
    usual = [
        pl.col("instrument").replace_strict({name: scale[end] for name, scale in DEFAULT_SCALES.items()}, default=None)
        for end in (0, 1)
    ]
    scaled = answered.with_columns(
        pl.when(is_nps).then(0.0).otherwise(pl.coalesce("scale_min", usual[0])).alias("low_end"),
        pl.when(is_nps).then(10.0).otherwise(pl.coalesce("scale_max", usual[1])).alias("high_end"),
    ).filter(
        pl.when(is_nps)
        .then((pl.col("scale_min").fill_null(0.0) == 0.0) & (pl.col("scale_max").fill_null(10.0) == 10.0))
        .otherwise(pl.col("high_end") > pl.col("low_end"))
    )
    reach = pl.col("high_end") - pl.col("low_end")
    limit = (
        pl.when(is_nps)
        .then(float(settings.low_nps))
        .otherwise(pl.col("low_end") + settings.low_score_share * reach + ROUNDING)
    )
    worst = pl.when(is_nps).then(settings.low_nps / 2).otherwise(pl.col("low_end"))
    instrument = pl.col("instrument").replace({"nps": "NPS", "csat": "CSAT", "ces": "CES", "star": "star rating"})
    return found(
        scaled.filter(pl.col("score") <= limit).with_columns(
            pl.when(pl.col("score") <= worst).then(pl.lit("high")).otherwise(pl.lit("medium")).alias("severity"),
            pl.format(
                "The customer answered {} on a scale from {} to {} ({}).",
                _plain(pl.col("score")),
                _plain(pl.col("low_end")),
                _plain(pl.col("high_end")),
                instrument,
            ).alias("detail"),
        )
    )


def _plain(number: pl.Expr) -> pl.Expr:
    return number.cast(pl.String).str.strip_suffix(".0")

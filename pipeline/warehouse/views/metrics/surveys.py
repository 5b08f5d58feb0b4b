"""What customers say: NPS, CSAT, CES and ratings in reviews."""

from dataclasses import dataclass
from typing import Final

from pipeline.stitching.pain.low_score import DEFAULT_SCALES, ROUNDING
from pipeline.warehouse.tables.bodies import body_of
from pipeline.warehouse.views.expressions import stage_of
from pipeline.warehouse.views.metrics.declaration import (
    Metric,
    Rows,
    campaign,
    day,
    dims,
    field,
    of_customers,
    typed,
)
from pipeline.warehouse.views.metrics.facts import CUSTOMER, joined_customers
from pipeline.warehouse.views.metrics.statistics import STUDENT_SOURCE, WILSON_SOURCE, mean, net, share

_DIMENSIONS: Final = ("channel", "stage", "campaign", "product")
_ANSWER: Final = "survey.answered"
_REVIEW: Final = "review.published"
_SHARE_OF_SCALE: Final = "(score - low) / (high - low)"


@dataclass(frozen=True)
class Score:
    """
    What an answer to an instrument is worth.

    Args:
        scale: Ends of the scale where the answer names none.
        condition: Which answers count, by their `low` and `high`.
        hit: What one with `score`, `low` and `high` is worth.
    """

    scale: tuple[float, float]
    condition: str
    hit: str


SCORES: Final = {
    "nps": Score((0, 10), "low = 0 AND high = 10", "toInt64(multiIf(score >= 9, 1, score <= 6, -1, 0))"),
    "csat": Score(DEFAULT_SCALES["csat"], "high > low", f"toInt64({_SHARE_OF_SCALE} >= 0.75 - {ROUNDING})"),
    "ces": Score(DEFAULT_SCALES["ces"], "high > low", f"toInt64(round(1000 * (1 + 6 * {_SHARE_OF_SCALE})))"),
}


def survey_metrics() -> tuple[Metric, ...]:
    """Return the metrics of surveys and reviews."""
    return (
        Metric(
            name="nps",
            title="Net promoter score",
            unit="points from -100 to 100",
            statistic=net(),
            definition="Share of answers of 9 and 10 less the share of 0 to 6, times 100; only scales of 0 to 10.",
            source="Reichheld, The One Number You Need to Grow, Harvard Business Review 12/2003; interval: Rocks, "
            "Interval Estimation for the Net Promoter Score, The American Statistician 70(4), 2016",
            dimensions=_DIMENSIONS,
            **_split(SCORES["nps"].hit, _answers("nps")),
        ),
        Metric(
            name="csat",
            title="Customer satisfaction",
            unit="share",
            statistic=share(),
            definition="Share of answers in the upper quarter of their scale: 4 and 5 of 1 to 5.",
            source=f"top-two-box; {WILSON_SOURCE}",
            dimensions=_DIMENSIONS,
            **_split(SCORES["csat"].hit, _answers("csat")),
        ),
        Metric(
            name="ces",
            title="Customer effort score",
            unit="points from 1 to 7, 7 is easy",
            statistic=mean(1000),
            definition="Mean answer to how easy it was, brought to a scale of 1 to 7.",
            source="Dixon, Freeman, Toman, Stop Trying to Delight Your Customers, Harvard Business Review 7/2010; "
            f"{STUDENT_SOURCE}",
            dimensions=_DIMENSIONS,
            **_split(SCORES["ces"].hit, _answers("ces")),
        ),
        Metric(
            name="review_score",
            title="Review score",
            unit="stars from 1 to 5",
            statistic=mean(1000),
            definition="Mean rating in reviews, brought to 1 to 5 stars.",
            source=f"schema.org AggregateRating; {STUDENT_SOURCE}",
            dimensions=_DIMENSIONS,
            **_split(f"toInt64(round(1000 * (1 + 4 * {_SHARE_OF_SCALE})))", _reviews()),
        ),
    )


def _split(hit: str, answers: "_Answers") -> Rows:
    """Return the rows of a metric, by the dimensions and by customer."""
    return {"rows": _rows(hit, answers.plain()), "customers": of_customers("at", hit, answers.with_customers())}


def _rows(hit: str, answers: str) -> str:
    return (
        f"SELECT {day('at')},\n"
        f"    {dims('products', channel='channel', stage='stage', campaign='campaign')} AS dims,\n"
        f"    {hit} AS hit, 1 AS base\nFROM\n({answers}\n)"
    )


def _answers(instrument: str) -> "_Answers":
    said = SCORES[instrument]
    low, high = said.scale
    values = (
        f"assumeNotNull({field('score', 'Float64', _ANSWER)}) AS score, "
        f"ifNull({field('scale_min', 'Float64', _ANSWER)}, {low}) AS low, "
        f"ifNull({field('scale_max', 'Float64', _ANSWER)}, {high}) AS high"
    )
    return _Answers(
        _ANSWER,
        values,
        f"JSONExtractString({body_of([_ANSWER])}, 'instrument') = '{instrument}' AND {said.condition}",
        "score",
    )


def _reviews() -> "_Answers":
    values = (
        f"assumeNotNull({field('rating', 'Float64', _REVIEW)}) AS score, toFloat64(1) AS low, "
        f"ifNull({field('scale', 'Float64', _REVIEW)}, 5) AS high"
    )
    return _Answers(_REVIEW, values, "high > low", "rating")


@dataclass(frozen=True)
class _Answers:
    """Touchpoints of a type that hold a score: what it is, what must hold, and the field that must be there."""

    type_: str
    values: str
    condition: str
    needed: str

    def plain(self) -> str:
        return self._select("", "")

    def with_customers(self) -> str:
        return self._select(f"{CUSTOMER} AS customer, ", f"\n    {joined_customers()}")

    def _select(self, more: str, join: str) -> str:
        return f"""
    SELECT {more}t.occurred_at AS at, t.channel AS channel, {stage_of("t.type")} AS stage, {campaign()} AS campaign,
        arrayDistinct(t.product_ids) AS products, {self.values}
    FROM {{db}}.touchpoints AS t FINAL{join}
    WHERE {typed(self.type_)} AND JSONHas({body_of([self.type_])}, '{self.needed}') AND {self.condition}
        AND score BETWEEN low AND high"""

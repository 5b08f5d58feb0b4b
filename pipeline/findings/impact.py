"""
What a kind of pain point costs: journeys with it against comparable ones without.

The rule owned here: like is compared with like. Within each stratum (stage, currency and value, channel) the mean
outcome of journeys with the pain point is held against that of journeys without; strata are weighed as Cochran and
Mantel-Haenszel do, by n₁·n₀ / (n₁ + n₀), so one that has only one side says nothing. An outcome by which the kind is
recognised is none: that a low score goes with a low score says nothing.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from math import fsum, sqrt
from typing import Final

import polars as pl

from pipeline.findings.intervals import students_quantile

STRATUM: Final = ("stage", "currency", "value", "channel")
STRATA: Final = {
    "kind": pl.String(),
    "outcome": pl.String(),
    **dict.fromkeys(STRATUM, pl.String()),
    **{f"{name}_{side}": pl.Int64() for side in ("with", "without") for name in ("n", "sum", "squares")},
}
"""Sums of an outcome and of its squares, by kind and stratum, with and without the pain point."""

UNITS: Final[Mapping[str, int]] = {"score": 1000, "return": 1, "repeat_purchase": 1, "churn": 1}
"""Every outcome, and how many units of its sums are one: a score is told in shares of its scale."""

_WORSE_WHEN_GREATER: Final = frozenset({"return", "churn"})
LEAST_JOURNEYS: Final = 10

_SCORED: Final = "it is itself a low score"
BY_CONSTRUCTION: Final[Mapping[tuple[str, str], str]] = {
    ("low_score", "score"): _SCORED,
    ("bad_review", "score"): _SCORED,
    ("product_flaw", "score"): "it can be shown by a low review",
    ("product_flaw", "return"): "it can be shown by the reason of a return",
    ("damaged_or_lost", "return"): "it can be shown by the reason of a return",
    ("stalled_return", "return"): "only what was sent back can stall",
    ("churned", "churn"): "it is itself the cancellation",
}
"""Kinds and outcomes that are not compared, and why."""


@dataclass(frozen=True, slots=True)
class Impact:
    """
    The difference of one outcome between journeys with a pain point and comparable ones without.

    Attributes:
        kind: Kind of the pain point.
        outcome: score, return, repeat_purchase or churn.
        n_with: Journeys with it that have comparable ones.
        n_without: Those comparable ones.
        strata: Strata that have both.
        with_pain: Mean outcome with it.
        without_pain: Mean outcome without, weighed alike.
        low: Lower end of the 95 % interval of the difference; None: cannot be told.
        high: Upper end of it.
        weight: Journeys hit times how much worse they are for certain, in standard deviations of the outcome.
    """

    kind: str
    outcome: str
    n_with: int
    n_without: int
    strata: int
    with_pain: float
    without_pain: float
    low: float | None
    high: float | None
    weight: float

    @property
    def difference(self) -> float:
        """With less without."""
        return self.with_pain - self.without_pain

    @property
    def is_worse(self) -> bool:
        """Whether the interval leaves no doubt that it is worse with the pain point."""
        return self.weight > 0


def find_impacts(strata: pl.DataFrame, least: int = LEAST_JOURNEYS) -> list[Impact]:
    """
    Compare every kind and outcome that has enough journeys on both sides.

    Args:
        strata: `STRATA`, in any order.
        least: Least journeys of each side.

    Returns:
        The impacts, the heaviest first.
    """
    both = strata.filter((pl.col("n_with") > 0) & (pl.col("n_without") > 0)).sort("kind", "outcome", *STRATUM)
    found = []
    for (kind, outcome), rows in both.group_by("kind", "outcome", maintain_order=True):
        name = (str(kind), str(outcome))
        if name in BY_CONSTRUCTION or min(rows["n_with"].sum(), rows["n_without"].sum()) < least:
            continue
        found.append(_impact(*name, rows))
    return sorted(found, key=lambda one: (-one.weight, one.kind, one.outcome))


def _impact(kind: str, outcome: str, rows: pl.DataFrame) -> Impact:
    """
    Weigh the strata together.

    W. G. Cochran, Some methods for strengthening the common chi-squared tests, Biometrics 10, 1954; N. Mantel, W.
    Haenszel, Statistical aspects of the analysis of data from retrospective studies of disease, Journal of the National
    Cancer Institute 22, 1959. Each side has one variance, pooled over the strata, and Welch's degrees of freedom.
    """
    unit = UNITS[outcome]
    hurt, other = _side(rows, "with", unit), _side(rows, "without", unit)
    weights = [a * b / (a + b) for a, b in zip(hurt.n, other.n, strict=True)]
    whole = fsum(weights)
    means = [
        fsum(weight * total / n for weight, total, n in zip(weights, side.total, side.n, strict=True)) / whole
        for side in (hurt, other)
    ]
    variances = [
        side.variance(outcome) * fsum(weight * weight / n for weight, n in zip(weights, side.n, strict=True)) / whole**2
        for side in (hurt, other)
    ]
    low = high = None
    weight = 0.0
    degrees = _welch(variances, [hurt.degrees, other.degrees])
    if degrees is not None:
        half = students_quantile(degrees) * sqrt(fsum(variances))
        difference = means[0] - means[1]
        low, high = difference - half, difference + half
        certain = low if outcome in _WORSE_WHEN_GREATER else -high
        pooled = [side.variance(outcome) * sum(side.n) for side in (hurt, other)]
        spread = sqrt(fsum(pooled) / (sum(hurt.n) + sum(other.n)))
        weight = sum(hurt.n) * max(0.0, certain) / spread
    return Impact(
        kind, outcome, sum(hurt.n), sum(other.n), rows.height, means[0], means[1], low=low, high=high, weight=weight
    )


@dataclass(frozen=True, slots=True)
class _Side:
    n: list[int]
    total: list[float]
    squares: list[float]

    @property
    def degrees(self) -> int:
        return sum(self.n) - len(self.n)

    def variance(self, outcome: str) -> float:
        """
        Return the variance within strata; of a share that of all together, one hit and one miss added.

        A. Agresti, B. Caffo, Simple and effective confidence intervals for proportions and differences of proportions,
        The American Statistician 54, 2000: a share of 0 or 1 of a few has an interval too.
        """
        if outcome != "score":
            share = (fsum(self.total) + 1) / (sum(self.n) + 2)
            return share * (1 - share)
        if not self.degrees:
            return 0.0
        within = (q - t * t / n for q, t, n in zip(self.squares, self.total, self.n, strict=True))
        return max(0.0, fsum(within)) / self.degrees


def _side(rows: pl.DataFrame, side: str, unit: int) -> _Side:
    n, total, squares = (rows[f"{name}_{side}"].to_list() for name in ("n", "sum", "squares"))
    return _Side(n, [value / unit for value in total], [value / unit / unit for value in squares])


def _welch(variances: list[float], degrees: list[int]) -> float | None:
    """Return Welch's degrees of freedom (B. L. Welch, Biometrika 34, 1947); None where no variance can be told."""
    if fsum(variances) <= 0 or min(degrees) < 1:
        return None
    return float(fsum(variances) ** 2 / fsum(v * v / d for v, d in zip(variances, degrees, strict=True)))

"""
The scan of one series of daily cases for a stretch of days whose share of hits is off the days around it.

The rule owned here: a stretch is judged by Fisher's exact test against its surroundings, given how many cases and hits
there were in both, and a whole family of stretches is held to one level by Tarone's bound. Nothing is drawn at random,
so the same days give the same answer.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
from scipy.special import gammaln

from pipeline.findings.rules import IncidentRules

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

_LEAST_TERM: Final = 1e-18
_HITS_OF_A_GROUP: Final = 2


@dataclass(frozen=True, slots=True)
class Series:
    """Cases and hits day by day, without gaps; `first_day` counts from 1970-01-01."""

    first_day: int
    cases: Ints
    hits: Ints


@dataclass(frozen=True, slots=True)
class Stretches:
    """
    Every stretch of a series that is judged, one element each.

    Attributes:
        start: Index of the first day.
        end: Index of the day after the last.
        n: Cases within.
        k: Hits within.
        outside_n: Cases of the days around it.
        outside_k: Hits of the days around it.
    """

    start: Ints
    end: Ints
    n: Ints
    k: Ints
    outside_n: Ints
    outside_k: Ints


def stretches(series: Series, rules: IncidentRules) -> Stretches:
    """
    Return the stretches of a series that are long enough in cases, with what surrounds them.

    A stretch begins and ends on a day with cases, so that days on which nothing could happen make no new one.
    """
    days = len(series.cases)
    busy = np.flatnonzero(series.cases)
    start = np.repeat(busy, rules.longest_days)
    end = start + np.tile(np.arange(1, rules.longest_days + 1), len(busy))
    inside = (end <= days) & (series.cases[np.minimum(end, days) - 1] > 0)
    start, end = start[inside], end[inside]
    made = _counted(series, start, end, rules)
    return chosen(made, (made.n >= rules.least_cases) & (made.outside_n >= rules.least_baseline_cases))


def counted(series: Series, start: int, end: int, rules: IncidentRules) -> Stretches:
    """Return one stretch of a series, with what surrounds it."""
    return _counted(series, np.array([start]), np.array([end]), rules)


def _counted(series: Series, start: Ints, end: Ints, rules: IncidentRules) -> Stretches:
    n_sum, k_sum = _summed(series.cases), _summed(series.hits)
    first = np.maximum(start - rules.baseline_days, 0)
    last = np.minimum(end + rules.baseline_days, len(series.cases))
    n, k = n_sum[end] - n_sum[start], k_sum[end] - k_sum[start]
    # Where too little happens to compare with, all days are around it.
    is_rare = n_sum[last] - n_sum[first] - n < rules.least_baseline_cases
    first, last = np.where(is_rare, 0, first), np.where(is_rare, len(series.cases), last)
    return Stretches(start, end, n, k, n_sum[last] - n_sum[first] - n, k_sum[last] - k_sum[first] - k)


def chosen(among: Stretches, which: npt.NDArray[np.bool_] | Ints) -> Stretches:
    """Return some of the stretches."""
    return Stretches(
        among.start[which],
        among.end[which],
        among.n[which],
        among.k[which],
        among.outside_n[which],
        among.outside_k[which],
    )


def least_log_p(among: Stretches) -> Floats:
    """Return the logarithm of the least p-value that each stretch could have at all, given its sums."""
    hits = among.k + among.outside_k
    cases = among.n + among.outside_n
    most = np.minimum(among.n, hits)
    return _log_choose(hits, most) + _log_choose(cases - hits, among.n - most) - _log_choose(cases, among.n)


def log_p(among: Stretches) -> Floats:
    """
    Return the logarithm of the one-sided p-value of Fisher's exact test: so many hits or more by chance.

    R. A. Fisher, Statistical Methods for Research Workers, 5th edition, 1934, section 21.02. The tail is added up term
    by term, each from the one before, until what is left changes no digit.
    """
    hits, others = among.k + among.outside_k, among.n + among.outside_n - among.k - among.outside_k
    first = _log_choose(hits, among.k) + _log_choose(others, among.n - among.k) - _log_choose(hits + others, among.n)
    k = among.k.astype(np.float64)
    term, total = np.ones(len(k)), np.ones(len(k))
    while np.any(term > _LEAST_TERM * total):
        term = term * (hits - k) * (among.n - k) / ((k + 1) * (others - among.n + k + 1))
        total += term
        k += 1
    return np.minimum(0.0, first + np.log(total))


def tarone_log_level(least: Sequence[Floats], level: float) -> float:
    """
    Return the logarithm of the level at which each test of a family is judged, so that the family keeps `level`.

    Tests that could not reach it whatever their hits are not counted: R. E. Tarone, A modified Bonferroni method for
    discrete data, Biometrics 46, 1990.
    """
    every = np.sort(np.concatenate([np.zeros(0), *least]))
    if not len(every):
        return float(np.log(level))
    number = np.arange(1, len(every) + 1)
    # The least m for which at most m tests could reach level / m.
    within = np.searchsorted(every, np.log(level / number), side="right") <= number
    return float(np.log(level / number[np.argmax(within)])) if within.any() else float(np.log(level / len(every)))


def dispersion(series: Series, start: int, end: int, rules: IncidentRules) -> float:
    """
    Return how much more the days around a stretch differ than chance lets them: Pearson's statistic over its degrees.

    1 where they differ no more. Days are taken together until each group would have two hits, for fewer make the
    statistic meaningless. P. McCullagh, J. A. Nelder, Generalized Linear Models, 2nd edition, 1989, 4.5.
    """
    day = np.arange(len(series.cases))
    around = (day >= start - rules.baseline_days) & (day < end + rules.baseline_days)
    around &= ((day < start) | (day >= end)) & (series.cases > 0)
    n, k = series.cases[around], series.hits[around]
    cases, hits = int(n.sum()), int(k.sum())
    groups = min(len(n), min(hits, cases - hits) // _HITS_OF_A_GROUP)
    if groups < 2:
        return 1.0
    which = (np.cumsum(n) - 1) * groups // cases
    n, k = (np.bincount(which, values, groups) for values in (n, k))
    share = hits / cases
    statistic = float(np.sum((k - n * share) ** 2 / (np.maximum(n, 1) * share * (1 - share))))
    return max(1.0, statistic / (groups - 1))


def deflated(one: Stretches, factor: float) -> Stretches:
    """
    Return a stretch as if its cases were fewer by a factor, rounded against what it claims.

    J. N. K. Rao, A. J. Scott, A simple method for the analysis of clustered binary data, Biometrics 48, 1992.
    """
    if factor <= 1:
        return one
    k = np.floor(one.k / factor).astype(np.int64)
    outside_k = np.ceil(one.outside_k / factor).astype(np.int64)
    n = np.maximum(np.ceil(one.n / factor).astype(np.int64), k)
    outside_n = np.maximum(np.floor(one.outside_n / factor).astype(np.int64), outside_k)
    return Stretches(one.start, one.end, n, k, outside_n, outside_k)


def _summed(values: Ints) -> Ints:
    return np.concatenate([[0], np.cumsum(values)])


def _log_choose(n: Ints, k: Ints) -> Floats:
    return np.asarray(gammaln(n + 1) - gammaln(k + 1) - gammaln(n - k + 1), dtype=np.float64)

"""
When an incident began and ended: the change points under which its days are the likeliest.

The rule owned here: all answers are weighed by the same days, so that no stretch gains by what surrounds it. How
unlikely by chance a stretch is says that something happened, not when: a longer one is compared with days further off.
"""

from typing import Final

import numpy as np
from scipy.special import xlogy

from pipeline.findings.rules import IncidentRules
from pipeline.findings.scan import Floats, Ints, Series

# Of equally likely days the shorter stretch counts, also where the sums differ in their last digits.
_DIGITS: Final = 9


def dated(series: Series, start: int, end: int, rules: IncidentRules) -> tuple[int, int]:
    """
    Return the first day of the incident that a stretch was found by, and the day after its last.

    Within there is one share of cases that hit and one number of hits a day, around it another of both; the change
    points are those of the greatest likelihood of the shares (D. V. Hinkley, E. A. Hinkley, Inference about the
    change-point in a sequence of binomial variables, Biometrika 57, 1970) times that of the hits by Poisson's law (B.
    G. Lindsay, Composite likelihood methods, Contemporary Mathematics 80, 1988). By the share alone a lone hit after
    days of which nothing is known would belong to it; by the number alone a weak day of which every case hit would not.

    Args:
        series: Cases and hits day by day.
        start: Index of the first day of the stretch; it has a hit within.
        end: Index of the day after its last.
        rules: How far around is looked, and how long an incident may be.
    """
    first = max(start - rules.baseline_days, 0)
    cases, hits = (values[first : end + rules.baseline_days] for values in (series.cases, series.hits))
    struck = np.flatnonzero(hits) + first
    begins, lasts = (days.ravel() for days in np.meshgrid(struck, struck, indexing="ij"))
    among = (begins <= lasts) & (lasts - begins < rules.longest_days) & (begins < end) & (lasts >= start)
    begins, ends = begins[among], lasts[among] + 1
    n_sum, k_sum, days = (np.concatenate([[0], np.cumsum(values)]) for values in (cases, hits, np.ones_like(cases)))
    n, k, d = (total[ends - first] - total[begins - first] for total in (n_sum, k_sum, days))
    around = n_sum[-1] - n, k_sum[-1] - k, days[-1] - d
    likelihood = sum((_shares(n, k) + _numbers(d, k) for n, k, d in ((n, k, d), around)), np.zeros(len(n)))
    likelihood[k * n_sum[-1] <= n * k_sum[-1]] = -np.inf
    best = np.lexsort((begins, ends - begins, -np.round(likelihood, _DIGITS)))[0]
    return int(begins[best]), int(ends[best])


def _shares(cases: Ints, hits: Ints) -> Floats:
    """Return the logarithm of the greatest likelihood that one share can give to so many hits of so many cases."""
    return np.asarray(xlogy(hits, hits) + xlogy(cases - hits, cases - hits) - xlogy(cases, cases), dtype=np.float64)


def _numbers(days: Ints, hits: Ints) -> Floats:
    """Return the same of one number of hits a day, but for what does not depend on where the days are parted."""
    return np.asarray(xlogy(hits, hits) - xlogy(hits, np.maximum(days, 1)), dtype=np.float64)

"""The statistics of the scan, against values computed by hand and against SciPy's own Fisher test."""

from math import comb, exp, log

import numpy as np
import pytest
from scipy.stats import fisher_exact

from pipeline.findings.intervals import newcombe, wilson
from pipeline.findings.rules import IncidentRules
from pipeline.findings.scan import (
    Series,
    Stretches,
    deflated,
    dispersion,
    least_log_p,
    log_p,
    stretches,
    tarone_log_level,
)


def table(k: int, n: int, outside_k: int, outside_n: int) -> Stretches:
    return Stretches(*(np.array([value]) for value in (0, 1, n, k, outside_n, outside_k)))


def series(cases: list[int], hits: list[int]) -> Series:
    return Series(20_000, np.array(cases), np.array(hits))


@pytest.mark.parametrize("sums", [(3, 4, 1, 4), (5, 5, 0, 20), (9, 11, 24, 100), (51, 51, 11, 253), (1, 10, 0, 90)])
def test_the_tail_is_that_of_fishers_exact_test(sums: tuple[int, int, int, int]) -> None:
    k, n, outside_k, outside_n = sums
    expected = fisher_exact(np.array([[k, n - k], [outside_k, outside_n - outside_k]]), alternative="greater").pvalue
    assert exp(log_p(table(*sums))[0]) == pytest.approx(expected, rel=1e-9)


def test_the_tea_tasting_lady() -> None:
    """Fisher's own example: three of four cups right has one-sided p = 17/70, four of four 1/70."""
    assert exp(log_p(table(3, 4, 1, 4))[0]) == pytest.approx(17 / 70)
    assert exp(least_log_p(table(3, 4, 1, 4))[0]) == pytest.approx(1 / 70)


def test_a_tail_smaller_than_any_float_keeps_its_logarithm() -> None:
    assert log_p(table(2_000, 2_000, 0, 2_000))[0] == pytest.approx(-log(comb(4_000, 2_000)))


def test_tests_that_cannot_reach_the_level_are_not_counted() -> None:
    """Of three tests one could never have p below 0.3, so each of the others has half of the level, not a third."""
    least = [np.log(np.array([0.3, 0.001])), np.log(np.array([0.002]))]
    assert exp(tarone_log_level(least, 0.05)) == pytest.approx(0.025)
    assert exp(tarone_log_level([np.log(np.array([0.001] * 4))], 0.05)) == pytest.approx(0.0125)
    assert exp(tarone_log_level([], 0.05)) == pytest.approx(0.05)


def test_every_stretch_has_its_surroundings() -> None:
    """Five days, one without cases; stretches of at most two days, compared with one day on each side."""
    rules = IncidentRules(longest_days=2, baseline_days=1, least_cases=1, least_baseline_cases=1)
    made = stretches(series([4, 3, 0, 2, 5], [1, 2, 0, 0, 5]), rules)
    rows = zip(made.start, made.end, made.n, made.k, made.outside_n, made.outside_k, strict=True)
    assert [tuple(map(int, row)) for row in rows] == [
        (0, 1, 4, 1, 3, 2),
        (0, 2, 7, 3, 7, 5),
        (1, 2, 3, 2, 4, 1),
        (3, 4, 2, 0, 5, 5),
        (3, 5, 7, 5, 7, 3),
        (4, 5, 5, 5, 2, 0),
        # Nothing begins or ends on the day without cases; (0, 2) and (3, 5) have no case beside them: all days count.
    ]


def test_days_that_differ_by_chance_are_not_dispersed() -> None:
    """Four groups of one hit in ten beside the stretch: Pearson's statistic is 0; all hits in one day: 26.7 over 3."""
    rules = IncidentRules()
    even = series([10] * 8 + [10], [1] * 8 + [9])
    assert dispersion(even, 8, 9, rules) == 1.0
    lumpy = series([10] * 8 + [10], [0, 0, 0, 0, 0, 0, 0, 8, 9])
    # Groups of two days: 20 cases each with 0, 0, 0, 8 hits where 2 are expected: (3·2² + 6²)/(20·0.1·0.9) = 26.67.
    assert dispersion(lumpy, 8, 9, rules) == pytest.approx(48 / 1.8 / 3)


def test_deflating_rounds_against_the_claim() -> None:
    one = deflated(table(9, 10, 3, 30), 2.0)
    assert [int(each[0]) for each in (one.k, one.n, one.outside_k, one.outside_n)] == [4, 5, 2, 15]


def test_published_intervals() -> None:
    """Newcombe 1998, table II, method 10: 56/70 against 48/80, and 5/56 against 0/29."""
    assert newcombe(56, 70, 48, 80) == pytest.approx((0.0524, 0.3339), abs=5e-5)
    assert newcombe(5, 56, 0, 29) == pytest.approx((-0.0381, 0.1926), abs=5e-5)
    assert wilson(0, 10) == pytest.approx((0.0, 0.2775), abs=5e-5)

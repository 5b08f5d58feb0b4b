"""Intervals of 95 % for shares, differences and means: each formula once, each with where it is from."""

from math import sqrt
from typing import Final

from scipy.stats import t as student

Z: Final = 1.959963984540054
"""Two-sided 95 % quantile of the normal distribution."""


def wilson(hits: int, cases: int) -> tuple[float, float]:
    """
    Return both ends of the score interval of a share.

    E. B. Wilson, Probable inference, the law of succession, and statistical inference, Journal of the American
    Statistical Association 22, 1927.
    """
    centre, squared = (hits + Z * Z / 2) / (cases + Z * Z), Z * Z / 4
    spread = Z * sqrt(hits * (cases - hits) / cases + squared) / (cases + Z * Z)
    return max(0.0, centre - spread), min(1.0, centre + spread)


def newcombe(hits: int, cases: int, other_hits: int, other_cases: int) -> tuple[float, float]:
    """
    Return both ends of the interval of the difference of two independent shares, the first less the other.

    R. G. Newcombe, Interval estimation for the difference between independent proportions, Statistics in Medicine 17,
    1998, method 10.
    """
    share, other = hits / cases, other_hits / other_cases
    low, high = wilson(hits, cases)
    other_low, other_high = wilson(other_hits, other_cases)
    below = sqrt((share - low) ** 2 + (other_high - other) ** 2)
    above = sqrt((high - share) ** 2 + (other - other_low) ** 2)
    return share - other - below, share - other + above


def students_quantile(degrees: float) -> float:
    """Return the two-sided 95 % quantile of Student's t (Student, The probable error of a mean, Biometrika 6, 1908)."""
    return float(student.ppf(0.975, degrees))

"""
How far what customers will order and pay may lie from what is to be expected: 95 % intervals of a forecast.

The rule owned here: nothing is drawn at random. What a customer will do is spread as the two models say, exactly; what
all will do together is nearly normal, with the variances of all added, and with what the parameters may be wrong by
(delta method: C. R. Rao, Linear Statistical Inference and Its Applications, 6a.2, 1973).
"""

from collections.abc import Callable, Iterator
from dataclasses import astuple, dataclass
from typing import Final

import numpy as np
from scipy.special import betainc

from pipeline.findings.lifetime import Buyers, Buying, Floats, Matrix, Worth

Range = tuple[float, float]

_Z: Final = 1.959963984540054
_LOW, _HIGH = 0.025, 0.975
# What is less likely than this changes no digit of an interval.
_NEGLIGIBLE: Final = 1e-9
_MOST_ORDERS: Final = 5_000
_STEP: Final = 1e-4
_HALVINGS: Final = 40
_AT_ONCE: Final = 2_000


@dataclass(frozen=True, slots=True)
class Ranges:
    """
    Intervals of what is to come, one element a customer.

    Attributes:
        orders_low: Lower end of the orders.
        orders_high: Upper end of them.
        value_low: Lower end of what they bring.
        value_high: Upper end of it.
    """

    orders_low: Floats
    orders_high: Floats
    value_low: Floats
    value_high: Floats


def at_least(buying: Buying, buyers: Buyers, weeks: float) -> Iterator[Floats]:
    """
    Yield the probabilities that each customer orders on at least one more day, two, three … within so many weeks.

    Who is still there has a rate of gamma(r + x, alpha + T) and a chance of giving up of beta(a, b + x), independent of
    one another: so many orders come by a negative binomial law, and he must not have given up after any but the last.
    """
    x, span = buyers.repeats, buying.alpha + buyers.known
    none = span / (span + weeks)
    likely, stays = none ** (buying.r + x), buying.alive(buyers)
    more = 1 - likely
    for number in range(_MOST_ORDERS):
        chance = np.asarray(np.clip(more, 0, 1) * stays, dtype=np.float64)
        yield chance
        if not len(chance) or chance.max() < _NEGLIGIBLE:
            return
        likely = likely * (1 - none) * (buying.r + x + number) / (number + 1)
        more = more - likely
        stays = stays * (buying.b + x + number) / (buying.a + buying.b + x + number)


def of_customers(buying: Buying, worth: Worth, buyers: Buyers, weeks: float) -> Ranges:
    """Return the intervals of each customer: the middle 95 % of what he may do, the parameters taken as they are."""
    parts = [
        _of_some(buying, worth, buyers.some(slice(first, first + _AT_ONCE)), weeks)
        for first in range(0, max(len(buyers.repeats), 1), _AT_ONCE)
    ]
    return Ranges(*(np.concatenate(columns) for columns in zip(*(_columns(part) for part in parts), strict=True)))


def of_all(buying: Buying, worth: Worth, buyers: Buyers, weeks: float) -> tuple[Range, Range | None]:
    """
    Return the intervals of the orders of all customers together, and of what these bring.

    The second is None where amounts differ so much between customers that they have no variance (q of 2 or less).
    """
    rows = buyers.in_order()
    same, which, counts = np.unique(
        np.stack([rows.repeats, rows.last, rows.known]), axis=1, return_inverse=True, return_counts=True
    )
    alike = Buyers(same[0], same[1], same[2], np.zeros(same.shape[1]))
    which = which.ravel()
    first, second = _moments(buying, alike, weeks)
    mean = worth.expected(rows)
    means = np.bincount(which, mean, len(counts))
    by_buying = _delta(
        lambda *logs: Buying(*np.exp(logs)).expected(alike, weeks) @ np.stack([counts, means], axis=1),
        astuple(buying)[:4],
        buying.covariance,
    )
    orders = float(counts @ first)
    spread = float(counts @ (second - first**2)) + by_buying[0]
    if worth.q <= 2:
        return _around(orders, spread), None
    within, squares = _amounts(worth, rows)
    variance = first[which] * within + second[which] * squares - (first[which] * mean) ** 2
    by_worth = _delta(
        lambda *logs: np.atleast_1d(first[which] @ Worth(*np.exp(logs)).expected(rows)),
        astuple(worth)[:3],
        worth.covariance,
    )
    value = float(first @ means)
    return _around(orders, spread), _around(value, float(variance.sum()) + by_buying[1] + by_worth[0])


def _around(value: float, variance: float) -> Range:
    half = _Z * float(np.sqrt(variance))
    return max(0.0, value - half), value + half


def _moments(buying: Buying, buyers: Buyers, weeks: float) -> tuple[Floats, Floats]:
    """Return the means of the number of orders and of its square."""
    first, second = np.zeros(len(buyers.repeats)), np.zeros(len(buyers.repeats))
    for number, chance in enumerate(at_least(buying, buyers, weeks), 1):
        first += chance
        second += (2 * number - 1) * chance
    return first, second


def _amounts(worth: Worth, buyers: Buyers) -> tuple[Floats, Floats]:
    """Return the variance of a customer's amounts around his own mean, and the mean of the square of that mean."""
    x = np.where(buyers.value > 0, buyers.repeats, 0.0)
    shape, scale = worth.q + worth.p * x, worth.v + x * buyers.value
    inverse_squares = scale**2 / ((shape - 1) * (shape - 2))
    return worth.p * inverse_squares, worth.p**2 * inverse_squares


def _delta(total: Callable[..., Floats], parameters: tuple[float, ...], covariance: Matrix) -> Floats:
    """Return the variances that sums have because parameters are known only so well."""
    logs = np.log(np.array(parameters))
    steps = _STEP * np.eye(len(logs))
    slopes = np.stack([total(*(logs + step)) - total(*(logs - step)) for step in steps]) / (2 * _STEP)
    if not covariance:
        return np.zeros(slopes.shape[1])
    return np.asarray(np.einsum("ik,ij,jk->k", slopes, np.array(covariance), slopes), dtype=np.float64)


def _of_some(buying: Buying, worth: Worth, buyers: Buyers, weeks: float) -> Ranges:
    chances = np.stack(list(at_least(buying, buyers, weeks)))
    low, high = ((chances > 1 - level).sum(axis=0).astype(np.float64) for level in (_LOW, _HIGH))
    values = [_value_at(level, chances, worth, buyers) for level in (_LOW, _HIGH)]
    return Ranges(low, high, *values)


def _value_at(level: float, chances: Floats, worth: Worth, buyers: Buyers) -> Floats:
    """
    Return the amount that all orders of a customer together do not exceed with that probability.

    The sum of k amounts over the customer's scale is of a beta prime law: gamma(p k) over gamma(q + p x).
    """
    x = np.where(buyers.value > 0, buyers.repeats, 0.0)
    shape, scale = worth.q + worth.p * x, worth.v + x * buyers.value
    just = chances - np.vstack([chances[1:], np.zeros(chances.shape[1])])
    amounts = worth.p * np.arange(1, len(chances) + 1)[:, None]
    low, high = np.zeros(len(x)), np.ones(len(x))
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        below = 1 - chances[0] + np.sum(just * betainc(amounts, shape, middle), axis=0)
        low, high = np.where(below < level, middle, low), np.where(below < level, high, middle)
    # Who may well order nothing at all has the lower end there, not the least number that halving comes to.
    return np.asarray(np.where(1 - chances[0] >= level, 0.0, scale * high / (1 - high)), dtype=np.float64)


def _columns(ranges: Ranges) -> tuple[Floats, Floats, Floats, Floats]:
    return ranges.orders_low, ranges.orders_high, ranges.value_low, ranges.value_high

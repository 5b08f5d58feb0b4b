"""
What customers will order and pay: the BG/NBD model of buying, and the gamma-gamma model of what an order is worth.

The rule owned here: both are the published models and nothing else, fitted by maximum likelihood from a fixed start
over sorted rows, so that the same orders give the same forecast. BG/NBD: P. S. Fader, B. G. S. Hardie, K. L. Lee,
«Counting Your Customers» the Easy Way, Marketing Science 24, 2005. Gamma-gamma: P. S. Fader, B. G. S. Hardie, The
Gamma-Gamma Model of Monetary Value, 2013. Time is in weeks.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
from scipy.optimize import minimize
from scipy.special import betaln, gammaln, hyp2f1

Floats = npt.NDArray[np.float64]
Places = npt.NDArray[np.intp]
Matrix = tuple[tuple[float, ...], ...]
_Point = np.ndarray[tuple[int], np.dtype[np.float64]]

MODEL_VERSION: Final = 1
"""Raised when the same orders give another forecast."""
_LEAST_STEP: Final = 1e-7
_MOST_STEPS: Final = 8_000
# Beyond this a parameter says no more than «all customers alike», and the likelihood is flat.
_BOUND: Final = 12.0
# Of the logarithm of a parameter, for second differences of the likelihood: their error is of its square.
_APART: Final = 1e-3
# Directions in which the likelihood curves less than this share of the steepest tell nothing that a forecast needs.
_FLAT: Final = 1e-9


@dataclass(frozen=True, slots=True)
class Buyers:
    """
    How customers bought, one row each.

    Attributes:
        repeats: Days with orders after the first such day.
        last: Weeks from the first to the last of them.
        known: Weeks from the first to the end of what is known.
        value: Mean amount of a repeat day; 0 where there is none.
    """

    repeats: Floats
    last: Floats
    known: Floats
    value: Floats

    def some(self, which: Sequence[int] | slice) -> "Buyers":
        """Return the customers at those places."""
        at: slice | Places = which if isinstance(which, slice) else np.array(which, dtype=np.intp)
        return Buyers(self.repeats[at], self.last[at], self.known[at], self.value[at])

    def in_order(self) -> "Buyers":
        """Return the same customers sorted by what they did, so that sums do not depend on who comes first."""
        order = np.lexsort((self.value, self.known, self.last, self.repeats))
        return Buyers(self.repeats[order], self.last[order], self.known[order], self.value[order])


@dataclass(frozen=True, slots=True)
class Buying:
    """
    BG/NBD: customers order at rates that differ (gamma: r, alpha), and give up after an order by chance (beta: a, b).

    Attributes:
        r: Shape of the rates.
        alpha: Their scale, in weeks.
        a: First parameter of the chance of giving up.
        b: Second parameter of it.
        log_likelihood: Of the rows it was fitted to.
        covariance: Of the logarithms of r, alpha, a, b as fitted; empty: they are given.
    """

    r: float
    alpha: float
    a: float
    b: float
    log_likelihood: float = 0.0
    covariance: Matrix = ()

    def alive(self, buyers: Buyers) -> Floats:
        """Return the probability that each customer has not given up; who never came again cannot have."""
        return 1 / (1 + self._odds_of_gone(buyers))

    def expected(self, buyers: Buyers, weeks: float) -> Floats:
        """Return the orders to be expected of each customer within so many weeks after the end of what is known."""
        x, span = buyers.repeats, self.alpha + buyers.known
        # At a = 1 the formula has a hole, not a pole: a step aside gives its value.
        a = self.a if abs(self.a - 1) > 1e-6 else 1 + 1e-6
        shrunk = (span / (span + weeks)) ** (self.r + x)
        series = hyp2f1(self.r + x, self.b + x, a + self.b + x - 1, weeks / (span + weeks))
        return np.asarray((a + self.b + x - 1) / (a - 1) * (1 - shrunk * series) * self.alive(buyers))

    def _odds_of_gone(self, buyers: Buyers) -> Floats:
        x = buyers.repeats
        back = ((self.alpha + buyers.known) / (self.alpha + buyers.last)) ** (self.r + x)
        return np.where(x > 0, self.a / (self.b + np.maximum(x, 1) - 1) * back, 0.0)


@dataclass(frozen=True, slots=True)
class Worth:
    """
    Gamma-gamma: amounts differ within a customer (p) and between customers (q, v), whatever the rate of ordering.

    Attributes:
        p: Shape of a customer's amounts.
        q: Shape of the customers' scales.
        v: Scale of these.
        log_likelihood: Of the rows it was fitted to.
        covariance: Of the logarithms of p, q, v as fitted; empty: they are given.
    """

    p: float
    q: float
    v: float
    log_likelihood: float = 0.0
    covariance: Matrix = ()

    def expected(self, buyers: Buyers) -> Floats:
        """Return the amount to be expected of each customer's next order day; who has no amount is like everybody."""
        x = np.where(buyers.value > 0, buyers.repeats, 0.0)
        return np.asarray(self.p * (self.v + x * buyers.value) / (self.p * x + self.q - 1))


def fit_buying(buyers: Buyers) -> Buying:
    """Fit BG/NBD."""
    # Most customers of a shop came once: those who did the same are counted, not computed again.
    same, counts = np.unique(np.stack([buyers.repeats, buyers.last, buyers.known]), axis=1, return_counts=True)
    x, last, known = same

    def log_likelihood(r: float, alpha: float, a: float, b: float) -> float:
        common = gammaln(r + x) - gammaln(r) + r * np.log(alpha) + betaln(a, b + x) - betaln(a, b)
        stays = -(r + x) * np.log(alpha + known)
        # B(a + 1, b + x - 1) / B(a, b + x), for who came again and left at once.
        left = np.log(a) - np.log(b + np.maximum(x, 1) - 1) - (r + x) * np.log(alpha + last)
        return float(np.sum(counts * (common + np.where(x > 0, np.logaddexp(stays, left), stays))))

    (r, alpha, a, b), best, covariance = _most_likely(log_likelihood, (0.5, 5.0, 1.0, 2.0))
    return Buying(r, alpha, a, b, best, covariance)


def fit_worth(buyers: Buyers) -> Worth:
    """Fit gamma-gamma to the customers who came again and paid."""
    rows = buyers.in_order()
    paid = (rows.repeats > 0) & (rows.value > 0)
    x, value = rows.repeats[paid], rows.value[paid]

    def log_likelihood(p: float, q: float, v: float) -> float:
        shape = p * x
        return float(
            np.sum(
                -betaln(shape, q)
                + q * np.log(v)
                + (shape - 1) * np.log(value)
                + shape * np.log(x)
                - (shape + q) * np.log(v + x * value)
            )
        )

    (p, q, v), best, covariance = _most_likely(log_likelihood, (2.0, 3.0, float(np.mean(value))))
    return Worth(p, q, v, best, covariance)


def _most_likely(log_likelihood: Callable[..., float], start: tuple[float, ...]) -> tuple[list[float], float, Matrix]:
    """Return the positive parameters of the greatest likelihood, its logarithm, and the covariance of their logs."""
    scale: _Point = np.log(np.array(start))

    def loss(logs: _Point) -> float:
        if np.any(np.abs(logs) > _BOUND):
            return 1e12
        return -log_likelihood(*np.exp(logs + scale))

    place: _Point = np.zeros(len(start))
    # A simplex can settle too early; begun anew where it ended it goes on, until it does not.
    for _ in range(5):
        found = minimize(
            loss,
            place,
            method="Nelder-Mead",
            options={"xatol": _LEAST_STEP, "fatol": _LEAST_STEP / 100, "maxiter": _MOST_STEPS, "maxfev": _MOST_STEPS},
        )
        is_same = np.allclose(found.x, place, atol=1e-5)
        place = found.x
        if is_same:
            break
    logs = place + scale
    covariance = _covariance(lambda at: log_likelihood(*np.exp(at)), logs)
    return [float(value) for value in np.exp(logs)], -float(found.fun), covariance


def _covariance(log_likelihood: Callable[[_Point], float], best: _Point) -> Matrix:
    """Return the inverse of the observed information, by central differences, flat directions left out."""
    steps = _APART * np.eye(len(best))
    information = -np.array(
        [
            [
                sum(
                    one * other * log_likelihood(best + one * first + other * second)
                    for one in (1, -1)
                    for other in (1, -1)
                )
                for second in steps
            ]
            for first in steps
        ]
    ) / (4 * _APART**2)
    values, vectors = np.linalg.eigh((information + information.T) / 2)
    known = values > _FLAT * values.max()
    inverse = (vectors[:, known] / values[known]) @ vectors[:, known].T
    return tuple(tuple(float(value) for value in row) for row in inverse)

"""Intervals of forecasts: exact laws by hand, the models' own customers inside them, money of every currency."""

from itertools import islice

import numpy as np
import pytest

from pipeline.cli.clv import _laid_out, forecast
from pipeline.findings.lifetime import Buyers, Buying, Worth, fit_buying, fit_worth
from pipeline.findings.lifetime_ranges import at_least, of_all, of_customers
from tests.findings.test_lifetime import cdnow, one


def test_so_many_orders_by_hand() -> None:
    """
    With r + x = 1 the number of orders is geometric: of span 10 and 10 weeks more none comes with 1/2.

    Who never ordered again is there for certain, and has after each order given up with 2/5, then 2/6, …
    """
    buying = Buying(r=1.0, alpha=2.0, a=2.0, b=3.0)
    chances = [float(chance[0]) for chance in islice(at_least(buying, one(0, 0, 8), 10), 3)]
    assert chances == pytest.approx([1 / 2, 1 / 4 * 3 / 5, 1 / 8 * 3 / 5 * 4 / 6])
    # Alive by 3/11 after one order: the rate has the shape 2, so none comes by 1/4 and just one by 1/4.
    gone = [float(chance[0]) for chance in islice(at_least(buying, one(1, 3, 8), 10), 2)]
    alive = 1 / (1 + 2 / 3 * (10 / 5) ** 2)
    assert gone == pytest.approx([alive * 3 / 4, alive * 1 / 2 * 4 / 6])
    # Three or more come with 1/20, four or more with 1/56, which is beyond the upper fortieth.
    ranges = of_customers(buying, Worth(4.0, 3.0, 10.0), one(0, 0, 8), 10)
    assert (ranges.orders_low[0], ranges.orders_high[0], ranges.value_low[0]) == (0, 3, 0)


def test_the_chances_add_up_to_what_is_expected() -> None:
    """The published formula of the mean and the law it is the mean of, for everybody of CDNOW."""
    buyers, buying = cdnow(), Buying(0.243, 4.414, 0.793, 2.426)
    added = np.sum(list(at_least(buying, buyers, 39)), axis=0)
    assert added == pytest.approx(buying.expected(buyers, 39), abs=1e-6)


def test_of_customers_who_do_as_the_models_say_that_many_lie_inside() -> None:
    """Four thousand customers drawn from both models; whole numbers of orders make the interval a little too wide."""
    buying, worth, random, n, weeks = (
        Buying(0.5, 6.0, 0.8, 2.5),
        Worth(5.0, 4.0, 20.0),
        np.random.default_rng(7),
        4000,
        26,
    )
    rate, gives_up = random.gamma(buying.r, 1 / buying.alpha, n), random.beta(buying.a, buying.b, n)
    scale = random.gamma(worth.q, 1 / worth.v, n)
    orders, value = np.zeros(n), np.zeros(n)
    at, there = np.zeros(n), np.ones(n, dtype=bool)
    while True:
        at = at + random.exponential(1 / rate)
        there = there & (at <= weeks)
        if not there.any():
            break
        orders, value = orders + there, value + there * random.gamma(worth.p, 1 / scale)
        there = there & (random.random(n) >= gives_up)
    nothing = np.zeros(n)
    ranges = of_customers(buying, worth, Buyers(nothing, nothing, nothing, nothing), weeks)
    assert 0.95 <= np.mean((ranges.orders_low <= orders) & (orders <= ranges.orders_high)) <= 0.995
    assert 0.955 <= np.mean((ranges.value_low <= value) & (value <= ranges.value_high)) <= 0.99
    (low, high), amounts = of_all(buying, worth, Buyers(nothing, nothing, nothing, nothing), weeks)
    assert low < orders.sum() < high
    assert amounts is not None and amounts[0] < value.sum() < amounts[1]


def test_all_together_are_known_better_than_each_and_parameters_count() -> None:
    buyers = cdnow()
    buying, worth = fit_buying(buyers), fit_worth(buyers)
    (low, high), value = of_all(buying, worth, buyers, 39)
    assert (low, high) == pytest.approx((1453.9, 1853.0), abs=0.5)
    assert value == pytest.approx((51_704, 68_162), abs=20)
    known = Buying(buying.r, buying.alpha, buying.a, buying.b)
    (least, most), _ = of_all(known, worth, buyers, 39)
    assert low < least < most < high
    shuffled = np.random.default_rng(3).permutation(2357)
    assert of_all(buying, worth, buyers.some([int(at) for at in shuffled]), 39) == ((low, high), value)
    # Without a second moment of the amounts their sum has no interval; the orders have.
    assert of_all(buying, Worth(4.0, 1.9, 10.0), buyers, 39)[1] is None


@pytest.mark.parametrize(("currency", "text"), [("JPY", "1,234 JPY"), ("EUR", "12.34 EUR"), ("KWD", "1.234 KWD")])
def test_money_has_the_decimals_of_its_currency(currency: str, text: str) -> None:
    buyers = cdnow()
    rows = [
        {
            "customer_uid": f"c{at}",
            "repeats": int(buyers.repeats[at]),
            "last": round(buyers.last[at] * 7),
            "known": round(buyers.known[at] * 7),
            "minor": round(float(buyers.value[at] * buyers.repeats[at]) * 100) + 1000,
            "first_minor": 1000,
        }
        for at in range(400)
    ]
    told = forecast(currency, rows, 26, 1)
    assert told["customers"][0]["minor_high"] > told["customers"][0]["expected_minor"]
    told["expected_minor"] = 1234
    assert text in str(_laid_out(told)[1])

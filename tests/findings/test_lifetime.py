"""The models of lifetime value, against the published figures for the CDNOW customers and values computed by hand."""

import csv
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipeline.cli.clv import forecast
from pipeline.config import ClickHouseSettings
from pipeline.findings.lifetime import Buyers, Buying, Worth, fit_buying, fit_worth
from tests.cli.conftest import run_here
from tests.streaming.test_stitcher import make_shop

CDNOW = Path(__file__).parent / "data" / "cdnow.csv"


def cdnow() -> Buyers:
    """2,357 customers of CDNOW in 39 weeks of 1997 (Fader and Hardie, Interfaces 31, 2001): amounts in dollars."""
    with CDNOW.open(encoding="utf-8") as file:
        rows = np.array([[float(value) for value in row] for row in list(csv.reader(file))[1:]])
    return Buyers(*rows.T)


def one(repeats: float, last: float, known: float, value: float = 0.0) -> Buyers:
    return Buyers(*(np.array([number]) for number in (repeats, last, known, value)))


def test_buying_is_fitted_as_published() -> None:
    """Fader, Hardie, Lee, Marketing Science 24, 2005, table 2: r .243, alpha 4.414, a .793, b 2.426, LL -9582.4."""
    fitted = fit_buying(cdnow())
    assert [fitted.r, fitted.alpha, fitted.a, fitted.b] == pytest.approx([0.243, 4.414, 0.793, 2.426], abs=0.0006)
    assert fitted.log_likelihood == pytest.approx(-9582.4, abs=0.05)
    # Their note on a spreadsheet for it: 1.226 orders in 39 weeks of who came again twice, last in week 30.43.
    assert fitted.expected(one(2, 30.43, 38.86), 39)[0] == pytest.approx(1.226, abs=0.0005)


def test_worth_is_fitted_as_published() -> None:
    """Fader and Hardie, The Gamma-Gamma Model of Monetary Value, 2013: p 6.25, q 3.74, gamma 15.44."""
    fitted = fit_worth(cdnow())
    assert [fitted.p, fitted.q] == pytest.approx([6.25, 3.74], abs=0.006)
    assert fitted.v == pytest.approx(15.44, abs=0.01)


def test_the_order_of_customers_changes_no_bit() -> None:
    buyers, shuffled = cdnow(), np.random.default_rng(5).permutation(2357)
    other = Buyers(buyers.repeats[shuffled], buyers.last[shuffled], buyers.known[shuffled], buyers.value[shuffled])
    assert fit_buying(other) == fit_buying(buyers)
    assert fit_worth(other) == fit_worth(buyers)


def test_values_by_hand() -> None:
    buying = Buying(r=1.0, alpha=2.0, a=2.0, b=3.0)
    # Who never came again cannot have given up; else the odds are a / (b + x - 1) × ((α + T) / (α + t)) ** (r + x).
    assert buying.alive(one(0, 0, 8))[0] == 1.0
    assert buying.alive(one(1, 3, 8))[0] == pytest.approx(1 / (1 + 2 / 3 * (10 / 5) ** 2))
    # A hole of the formula at a = 1 is stepped over; nothing is to be expected of no time.
    near = [Buying(1.0, 2.0, a, 3.0).expected(one(1, 3, 8), 10)[0] for a in (1 - 1e-4, 1.0, 1 + 1e-4)]
    assert near[0] == pytest.approx(near[1], rel=1e-3) == pytest.approx(near[2], rel=1e-3)
    assert buying.expected(one(1, 3, 8), 1e-9)[0] == pytest.approx(0, abs=1e-8)
    # p (v + x z) / (p x + q - 1): of nobody's amount the mean of all, 4 * 10 / 2; of two of 30: 4 * 70 / 10.
    worth = Worth(p=4.0, q=3.0, v=10.0)
    assert worth.expected(one(0, 0, 8))[0] == 20.0
    assert worth.expected(one(2, 3, 8, 30))[0] == 28.0


def test_of_too_few_nothing_is_said() -> None:
    row = {"customer_uid": "a", "repeats": 0, "last": 0, "known": 10, "minor": 100, "first_minor": 100}
    for rows in ([], [row], [row] * 500):
        told = forecast("EUR", rows, 52, 10)
        assert (told["customers"], told["n"], "needs 100 customers" in told["why_not"]) == ([], len(rows), True)


def test_the_command_reads_each_currency_by_itself(
    fresh_database: ClickHouseSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """120 customers pay in euros, one in dollars; orders of one day are one, and an order told twice is one."""
    monkeypatch.setenv("THROUGHLINE_CLICKHOUSE__URL", fresh_database.url.get_secret_value())
    nothing = run_here("clv")
    assert nothing.out == "No orders with an amount.\n", nothing.err
    random, start = np.random.default_rng(1), datetime(2026, 1, 1, tzinfo=UTC)
    landed: list[dict[str, Any]] = []
    for who in range(120):
        days = [int(day) for day in random.integers(0, 80, size=1 + who % 3)]
        for number, day in enumerate([*days, days[0]]):
            landed.append(
                {
                    "id": f"o{who}-{number}",
                    "type": "order.placed",
                    "source": "shop",
                    "occurred_at": (start + timedelta(days=day)).isoformat(),
                    "identities": [{"kind": "customer_id", "value": f"c{who}"}],
                    "refs": {"order_id": f"o{who}-{number % len(days)}"},
                    "amount": {"minor": 1000 + 10 * who + number, "currency": "USD" if who == 7 else "EUR"},
                }
            )
    shop = make_shop(fresh_database)
    shop.land(*landed)
    shop.stitch()
    outcome = run_here("clv", "--json", "--limit", "200", "--horizon", "70d")
    told = json.loads(outcome.out)
    euros, dollars = told["currencies"]
    assert (told["weeks"], euros["currency"], euros["n"], dollars["n"]) == (10.0, "EUR", 119, 1)
    assert dollars["why_not"] and not dollars["customers"]
    values = [each["expected_minor"] for each in euros["customers"]]
    assert len(values) == 119 and values == sorted(values, reverse=True) and euros["expected_minor"] == sum(values)
    assert sum(each["order_days"] for each in euros["customers"]) == len(
        {(e["identities"][0]["value"], e["occurred_at"]) for e in landed if e["amount"]["currency"] == "EUR"}
    )
    assert euros["orders_low"] <= euros["expected_orders"] <= euros["orders_high"]
    assert euros["minor_low"] < euros["expected_minor"] < euros["minor_high"]
    assert all(each["orders_low"] <= each["expected_orders"] <= each["orders_high"] for each in euros["customers"])
    assert all(each["minor_low"] <= each["expected_minor"] <= each["minor_high"] for each in euros["customers"])
    shown = run_here("clv", "--currency", "eur", "--horizon", "70d").out
    assert "EUR: 119 customers" in shown
    assert f"{euros['expected_minor'] / 100:,.2f} EUR ({euros['minor_low'] / 100:,.2f} EUR to " in shown
    unknown = run_here("clv", "--currency", "JPY")
    assert (unknown.code, "there are orders in EUR, USD" in unknown.err) == (1, True)
    assert run_here("clv", "--horizon", "soon").code == 2

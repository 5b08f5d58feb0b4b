"""`throughline clv`: what customers will order and pay, by models of how they did so far."""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any, Final

import click
import numpy as np
from rich.console import Group
from rich.text import Text

from pipeline.cli.clickhouse import Warehouse
from pipeline.cli.durations import read_duration
from pipeline.cli.errors import CommandError
from pipeline.cli.invocation import Invocation, examples, json_option, shared
from pipeline.cli.output import console, print_json, table
from pipeline.cli.past import as_of_option
from pipeline.cli.reach import reach
from pipeline.cli.wording import amounts
from pipeline.findings.lifetime import MODEL_VERSION, Buyers, Buying, Worth, fit_buying, fit_worth
from pipeline.findings.lifetime_ranges import of_all, of_customers

Row = dict[str, Any]

# With fewer the parameters are hardly known: the likelihood is flat, and a forecast would be a guess.
LEAST_CUSTOMERS: Final = 100
LEAST_REPEATERS: Final = 20
_WEEK_DAYS: Final = 7

# An order counts once, by its first amount, as in v_customer_values. Orders of one day are one, as in the published
# data.
_BOUGHT: Final = """
WITH (SELECT toInt32(toDate(max(last_seen_at))) FROM v_customers) AS last_day
SELECT currency, toString(customer_uid) AS customer_uid, toUInt32(count() - 1) AS repeats,
    toInt32(max(day) - min(day)) AS last, toInt32(last_day - min(day)) AS known, toInt64(sum(of_day)) AS minor,
    toInt64(argMin(of_day, day)) AS first_minor
FROM
(
    SELECT customer_uid, currency, day, sum(amount) AS of_day
    FROM
    (
        SELECT customer_uid, first.2 AS currency, first.3 AS amount, toInt32(toDate(first.1.1)) AS day
        FROM
        (
            SELECT customer_uid, order_id,
                min(((occurred_at, toString(event_uid)), assumeNotNull(currency), assumeNotNull(amount_minor))) AS first
            FROM v_touchpoints
            WHERE type = 'order.placed' AND isNotNull(order_id) AND isNotNull(amount_minor)
            GROUP BY customer_uid, order_id
        )
    )
    GROUP BY customer_uid, currency, day
)
GROUP BY currency, customer_uid
ORDER BY currency, customer_uid
"""


@click.command(
    epilog=examples(
        "throughline clv",
        "throughline clv --horizon 90d --currency EUR",
        "throughline clv --limit 100000 --json > forecast.json",
    )
)
@click.option("--horizon", default="365d", show_default=True, metavar="TIME", help="How far to look ahead.")
@click.option("--currency", help="Only orders in this currency (ISO 4217).")
@click.option("--limit", default=10, show_default=True, type=click.IntRange(0), help="Most customers of a currency.")
@as_of_option
@json_option
@shared
def clv(invocation: Invocation, /, *, horizon: str, currency: str | None, limit: int, as_json: bool) -> None:
    """
    Forecast what customers will order and pay: lifetime value to come.

    By currency, from the days on which they ordered and what they paid; looked at from the last touchpoint of all. The
    most valuable come first. docs/lifetime-value.md says by which models, and when nothing is forecast.
    """
    weeks = _weeks(horizon)
    rows = Warehouse(reach(invocation).analyst_url).rows(_BOUGHT)
    names = _chosen(currency, sorted({str(row["currency"]) for row in rows}))
    told = [forecast(name, [row for row in rows if row["currency"] == name], weeks, limit) for name in names]
    if as_json:
        print_json({"model": "BG/NBD, gamma-gamma", "model_version": MODEL_VERSION, "weeks": weeks, "currencies": told})
    elif told:
        console().print(Group(*(part for one in told for part in _laid_out(one))))
    else:
        console().print("No orders with an amount.")


def _chosen(currency: str | None, known: Sequence[str]) -> Sequence[str]:
    if currency is None:
        return known
    name = currency.upper()
    if name not in known:
        there_are = f"there are orders in {', '.join(known)}" if known else "there are no orders with an amount"
        raise CommandError(f"no order is in {name}", remedy=there_are)
    return [name]


def forecast(currency: str, rows: Sequence[Mapping[str, Any]], weeks: float, limit: int) -> Row:
    """
    Forecast the orders and amounts of one currency, with 95 % intervals.

    Args:
        currency: ISO 4217.
        rows: customer_uid, repeats, last, known, minor, first_minor of each customer.
        weeks: How far to look ahead.
        limit: Most customers that are told.

    Returns:
        What was fitted, the sums, and the customers by expected value; `customers` is empty and `why_not` says why
        where there are too few.
    """
    buyers = _buyers(rows)
    again = int(np.count_nonzero((buyers.repeats > 0) & (buyers.value > 0)))
    summary: Row = {"currency": currency, "n": len(rows), "n_repeat": again, "why_not": None, "customers": []}
    if len(rows) < LEAST_CUSTOMERS or again < LEAST_REPEATERS:
        few = f"a forecast needs {LEAST_CUSTOMERS} customers, {LEAST_REPEATERS} of whom came again and paid"
        return {**summary, "why_not": few}
    buying, worth = fit_buying(buyers), fit_worth(buyers)
    if worth.q <= 1:
        return {**summary, "why_not": "amounts differ so much between customers that they have no mean"}
    orders, value = buying.expected(buyers, weeks), worth.expected(buyers)
    minor = [round(float(number)) for number in orders * value]
    best = sorted(range(len(rows)), key=lambda at: (-minor[at], rows[at]["customer_uid"]))[:limit]
    ranges, alive = of_customers(buying, worth, buyers.some(best), weeks), buying.alive(buyers)
    customers = [
        {
            "customer_uid": rows[at]["customer_uid"],
            "order_days": int(rows[at]["repeats"]) + 1,
            "alive": round(float(alive[at]), 4),
            "expected_orders": round(float(orders[at]), 3),
            "orders_low": int(ranges.orders_low[place]),
            "orders_high": int(ranges.orders_high[place]),
            "expected_order_minor": round(float(value[at])),
            "expected_minor": minor[at],
            "minor_low": round(float(ranges.value_low[place])),
            "minor_high": round(float(ranges.value_high[place])),
        }
        for place, at in enumerate(best)
    ]
    all_orders, all_value = of_all(buying, worth, buyers, weeks)
    totals = {
        "expected_orders": round(sum(round(float(number), 3) for number in orders)),
        **_range("orders", all_orders),
        "expected_minor": sum(minor),
        **_range("minor", all_value),
    }
    return {**summary, **totals, **_parameters(buying, worth), "customers": customers}


def _range(name: str, ends: tuple[float, float] | None) -> Row:
    low, high = (None, None) if ends is None else (round(end) for end in ends)
    return {f"{name}_low": low, f"{name}_high": high}


def _buyers(rows: Sequence[Mapping[str, Any]]) -> Buyers:
    repeats, last, known, minor, first = (
        np.array([float(row[name]) for row in rows]) for name in ("repeats", "last", "known", "minor", "first_minor")
    )
    value = np.maximum(minor - first, 0) / np.maximum(repeats, 1)
    return Buyers(repeats, last / _WEEK_DAYS, known / _WEEK_DAYS, value)


def _parameters(buying: Buying, worth: Worth) -> Row:
    named = {name: getattr(buying, name) for name in ("r", "alpha", "a", "b")}
    named |= {name: getattr(worth, name) for name in ("p", "q", "v")}
    return {"parameters": {name: float(f"{value:.4g}") for name, value in named.items()}}


def _weeks(text: str) -> float:
    return read_duration("--horizon", text, timedelta.resolution, "90d") / timedelta(weeks=1)


def _laid_out(one: Row) -> tuple[Any, ...]:
    title = Text(f"{one['currency']}: {one['n']:,} customers, {one['n_repeat']:,} came again", style="bold")
    if one["why_not"]:
        return title, Text(f"{one['why_not'][0].upper()}{one['why_not'][1:]}.\n")
    orders = f"{one['expected_orders']:,} orders ({one['orders_low']:,} to {one['orders_high']:,})"
    sums = Text(f"to be expected, with 95 % intervals: {orders}, {_money(one, 'expected_minor')} ({_ends(one, one)})")
    columns = ("order days", "still there", "orders to come", "each", "value", "95 % interval")
    rows = [
        (
            each["customer_uid"],
            each["order_days"],
            f"{each['alive']:.0%}",
            f"{each['expected_orders']:.2f} ({each['orders_low']} to {each['orders_high']})",
            amounts({one["currency"]: each["expected_order_minor"]}),
            amounts({one["currency"]: each["expected_minor"]}),
            _ends(one, each),
        )
        for each in one["customers"]
    ]
    return title, sums, table("", ("customer", *columns), rows, columns), Text("")


def _money(one: Row, name: str) -> str:
    return amounts({one["currency"]: one[name]})


def _ends(one: Row, what: Row) -> str:
    if what["minor_low"] is None:
        return "amounts differ too much for an interval"
    return " to ".join(amounts({one["currency"]: what[name]}) for name in ("minor_low", "minor_high"))

"""
The facts of every customer in their one order, each touchpoint once.

The rule owned here: «first» means least (occurred_at, event_uid), and of several contents of one touchpoint the one
with the greatest content_version is true. `identity.*` touchpoints are no part of it: they say who is who.
"""

from dataclasses import dataclass
from datetime import timedelta

import numpy as np
import polars as pl

from pipeline.contracts.kinds import INTERACTIVE_CHANNELS
from pipeline.stitching.columns import Ints, runs
from pipeline.stitching.frames import EVIDENCE_COLUMNS, EVIDENCE_FIELDS, ORDERED_PRODUCTS
from pipeline.stitching.rules import StitchRules

_EVIDENCE = [*EVIDENCE_COLUMNS, *(name for name, _ in EVIDENCE_FIELDS), ORDERED_PRODUCTS]


@dataclass(frozen=True, slots=True)
class Customers:
    """
    The identifiers, grouped by customer.

    Attributes:
        rows: ident_key, kind, customer_uid, shared, is_anchor; a customer's rows stand together, its anchor first.
        index: Number of the customer of every row, from 0 in order of the rows.
        count: How many customers there are.
    """

    rows: pl.DataFrame
    index: Ints
    count: int


@dataclass(frozen=True, slots=True)
class Timeline:
    """
    The touchpoints that count, in order of (customer, occurred_at, event_uid).

    Attributes:
        steps: The facts without evidence, with `row` (from 0), `customer` and `fact`, the row of `facts`.
        facts: The facts as they were given: the evidence of a step is read there, where a rule asks for it.
        customer: Number of the customer of every step.
        journey: Number of the journey of every step, from 0 over all customers.
        visit: Number of the visit of every step, from 0 over all customers; -1 where it is in none.
    """

    steps: pl.DataFrame
    facts: pl.DataFrame
    customer: Ints
    journey: Ints
    visit: Ints


def customers_of(identities: pl.DataFrame) -> Customers:
    """
    Group identifiers by customer, anchors first.

    Raises:
        ValueError: If a customer's anchor is not among the rows; blocks come whole.
    """
    rows = (
        identities.select("ident_key", pl.col("kind").cast(pl.Int8), "customer_uid", "shared")
        .with_columns((pl.col("ident_key") == pl.col("customer_uid")).alias("is_anchor"))
        .sort(["customer_uid", "is_anchor", "kind", "ident_key"], descending=[False, True, False, False])
    )
    index = np.cumsum(rows["is_anchor"].to_numpy()) - 1
    count = int(index[-1]) + 1 if rows.height else 0
    if rows["customer_uid"].n_unique() != count:
        raise ValueError("identities must hold whole customers: an anchor is missing")
    return Customers(rows, index.astype(np.int64), count)


def timeline(facts: pl.DataFrame, customers: Customers, rules: StitchRules) -> Timeline:
    """
    Order the facts of the customers and cut them into journeys and visits.

    Args:
        facts: In the schema `FACTS_SCHEMA`; facts of identifiers that are not among the customers are passed over.
        customers: Who is who.
        rules: The gaps.

    Returns:
        Each touchpoint once, numbered.
    """
    owners = customers.rows.select("ident_key").with_columns(pl.Series("customer", customers.index))
    # Few touchpoints have evidence, and there is much of it: it is not carried through the sort.
    told = facts.drop(_EVIDENCE).with_row_index("fact")
    ordered = told.join(owners, on="ident_key").sort("customer", "occurred_at", "event_uid")
    # Which content is true comes first: a correction may turn a touchpoint into one that counts nowhere.
    says_who = pl.col("type").str.starts_with("identity.")
    steps = _true_contents(ordered).filter(~says_who).with_row_index("row")
    customer = steps["customer"].to_numpy()
    times = steps["occurred_at"].to_physical().to_numpy()
    journey = np.cumsum(runs(customer, times, _milliseconds(rules.journey_gap))) - 1
    visit = np.full(steps.height, -1, dtype=np.int64)
    interactive = np.flatnonzero(steps["channel"].is_in(INTERACTIVE_CHANNELS).to_numpy())
    visit[interactive] = np.cumsum(runs(customer[interactive], times[interactive], _milliseconds(rules.visit_gap))) - 1
    return Timeline(steps, facts, customer, journey, visit)


def _true_contents(ordered: pl.DataFrame) -> pl.DataFrame:
    """Keep the winning content of every touchpoint; contents of one touchpoint stand together in `ordered`."""
    uid = pl.col("event_uid")
    again = ordered.select((uid == uid.shift(1)).fill_null(value=False)).to_series()
    if not again.any():
        return ordered
    contested = again | again.shift(-1, fill_value=False)
    winners = (
        ordered.select("event_uid", "content_version", pl.int_range(pl.len()).alias("at"))
        .filter(contested)
        .sort("event_uid", "content_version", descending=[False, True])
        .unique("event_uid", keep="first", maintain_order=True)
    )
    keep = ~contested.to_numpy()
    keep[winners["at"].to_numpy()] = True
    return ordered.filter(pl.Series(keep))


def _milliseconds(gap: timedelta) -> int:
    return round(gap.total_seconds() * 1000)

"""
Facts and identities in, complete rows of table `stitched` out: the pure heart of the STITCH agent.

The rule owned here: one row per identifier that was passed in, the anchor's row carrying its customer's steps, visits,
journeys, pain points and trade, every other row empty. The result depends on the set of facts only: neither their order
nor duplicates nor which other customers happen to be in the same call change a customer's row.
"""

from collections.abc import Mapping

import numpy as np
import polars as pl

from pipeline.stitching.columns import Ints, firsts, listed, number_within, offsets_of
from pipeline.stitching.frames import IDENTIFIER, STEP_COLUMNS, STITCHED_SCHEMA, TIME, conform
from pipeline.stitching.journeys import journeys_of
from pipeline.stitching.orders import orders_by
from pipeline.stitching.pain import pain_points_of
from pipeline.stitching.rules import StitchRules
from pipeline.stitching.timeline import Customers, Timeline, customers_of, timeline
from pipeline.stitching.trade import trade_of
from pipeline.stitching.visits import visits_of


def stitch(facts: pl.DataFrame, identities: pl.DataFrame, rules: StitchRules) -> pl.DataFrame:
    """
    Make the rows of `stitched` for whole customers.

    Args:
        facts: All facts of the identifiers, in the schema `FACTS_SCHEMA` and in any order; duplicates are fine.
        identities: ident_key, kind, customer_uid, shared of whole customers.
        rules: Gaps and thresholds.

    Returns:
        The columns of `STITCHED_SCHEMA`, one row per identifier.

    Raises:
        ValueError: If a customer's anchor is missing among the identities.
    """
    customers = customers_of(identities)
    line = timeline(facts, customers, rules)
    step_number = number_within(line.customer, customers.count)
    journey_begins = np.flatnonzero(firsts(line.journey))
    journey_number = number_within(line.customer[journey_begins], customers.count)[line.journey]
    visits, visit_customer = visits_of(line, journey_number)
    journeys, journey_customer = journeys_of(line, step_number)
    pains, pain_customer = pain_points_of(line, journey_number, rules.pain_points)
    trade, trade_customer = trade_of(line)
    steps = _steps(line, journey_number, visit_customer, customers)
    columns: dict[str, pl.Series] = {}
    for flat, owner in (
        (steps, line.customer),
        (visits, visit_customer),
        (journeys, journey_customer),
        (pains, pain_customer),
        (trade, trade_customer),
    ):
        columns |= _nested(flat, owner, customers)
    summary = _summary(line, customers)
    return conform(pl.DataFrame({**customers.rows.to_dict(), **summary, **columns}), STITCHED_SCHEMA)


def _steps(line: Timeline, journey_number: Ints, visit_customer: Ints, customers: Customers) -> pl.DataFrame:
    visit_number = np.append(number_within(visit_customer, customers.count), 0)[line.visit]
    steps = pl.DataFrame(
        {
            "step_event_uid": line.steps["event_uid"],
            "step_occurred_at": line.steps["occurred_at"],
            "step_type": line.steps["type"],
            "step_channel": line.steps["channel"],
            "step_journey": journey_number,
            "step_visit": visit_number,
        }
    )
    return conform(steps, STEP_COLUMNS)


def _nested(flat: pl.DataFrame, owner: Ints, customers: Customers) -> Mapping[str, pl.Series]:
    """Cut the flat rows of all customers into one list per identifier: the anchor's, and empty ones."""
    counts = np.bincount(owner, minlength=customers.count)
    offsets = offsets_of(_on_anchors(customers, np.arange(customers.count), counts))
    return {column.name: listed(column, offsets) for column in flat}


def _summary(line: Timeline, customers: Customers) -> Mapping[str, pl.Series]:
    """Return the customer's own columns: filled on the anchor's row, empty on every other and where nothing counts."""
    everyone = np.arange(customers.count)
    begins = firsts(line.customer)
    seen = line.customer[begins]
    times = line.steps["occurred_at"].to_physical().to_numpy()
    ordered = orders_by(line.steps, line.customer, customers.count)
    members = customers.rows.with_columns(pl.Series("customer", customers.index)).sort("customer", "kind", "ident_key")
    return {
        "identifiers": listed(
            members.select(pl.struct("kind", "ident_key").cast(IDENTIFIER)).to_series(),
            offsets_of(_on_anchors(customers, everyone, np.bincount(customers.index, minlength=customers.count))),
        ),
        "first_seen_at": _time(_on_anchors(customers, seen, times[begins])),
        "last_seen_at": _time(_on_anchors(customers, seen, times[np.roll(begins, -1)])),
        "touchpoints": pl.Series(
            _on_anchors(customers, everyone, np.bincount(line.customer, minlength=customers.count))
        ),
        "orders": pl.Series(_on_anchors(customers, everyone, ordered.orders)),
        "revenue": listed(ordered.money, offsets_of(_on_anchors(customers, everyone, ordered.money_lengths))),
    }


def _on_anchors(customers: Customers, who: Ints, values: Ints) -> Ints:
    """Return one number per identifier: the customer's on its anchor's row, 0 on every other."""
    column = np.zeros(customers.rows.height, dtype=np.int64)
    column[np.flatnonzero(customers.rows["is_anchor"].to_numpy())[who]] = values
    return column


def _time(milliseconds: Ints) -> pl.Series:
    return pl.Series(milliseconds).cast(TIME)

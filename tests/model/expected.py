"""What the views must show in the end: the oracle's answer about a world, in the columns that `stitched` decides."""

from dataclasses import replace
from functools import cache
from typing import Any

from tests.convergence.expected import oracle_rules
from tests.model.worlds import world
from tests.oracle.views import order_free_views

NOW_MS = 4_000_000_000_000
"""The views are read long after everything: every absence is due, no journey is open."""

# What `stitched` and the facts decide; all other views are statements over these, which no protocol can get wrong.
JUDGED = (
    "v_touchpoints",
    "v_identities",
    "v_customers",
    "v_journeys",
    "v_journey_steps",
    "v_visits",
    "v_pain_points",
)
Views = dict[str, frozenset[Any]]


@cache
def expected_views(number: int, shape: str, rules_version: int) -> Views:
    """Return what the views of one rules_version must show of a world."""
    made = world(number, shape)
    rules = made.rules[rules_version]
    by = replace(oracle_rules(rules.identity, rules.stitching, rules.pain_points), now_ms=NOW_MS)
    views = order_free_views(made.events, by)
    return {name: frozenset(comparable(shown(name, row)) for row in views[name]) for name in JUDGED}


TOUCHPOINT = ("event_uid", "customer_uid", "journey_id", "visit_id", "url", "type")


def shown(view: str, row: dict[str, Any]) -> dict[str, Any]:
    """Leave out of v_touchpoints what the facts alone decide, and the wording of pain points."""
    if view == "v_touchpoints":
        return {name: row[name] for name in TOUCHPOINT}
    return {name: value for name, value in row.items() if name not in ("detail", "rule_version")}


def comparable(value: Any) -> Any:
    """Return a row as something that can be compared and kept in a set."""
    if isinstance(value, dict):
        return tuple(sorted((name, comparable(inner)) for name, inner in value.items()))
    return tuple(comparable(inner) for inner in value) if isinstance(value, list) else value

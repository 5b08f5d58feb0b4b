"""
Incidents: when and where something went wrong more often than around that time, and whom it hit.

The rule owned here: one incident, many traces. What hit mostly the customers of incidents that explain more is told as
a part of these and not as one of its own, unless it stands out among the other customers as well: two troubles may meet
the same people.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import polars as pl

from pipeline.findings.candidates import Candidate, order_of, stands_out_without
from pipeline.findings.intervals import newcombe
from pipeline.findings.rules import IncidentRules

HITS: Final = {
    "kind": pl.String(),
    "segment": pl.String(),
    "value": pl.String(),
    "occurred_at": pl.Datetime("ms", "UTC"),
    "customer_uid": pl.String(),
    "event_uid": pl.String(),
}
"""The cases that hurt, one row for each segment that they are in."""

SIGNS: Final = frozenset(
    {
        "abandoned_checkout",
        "bad_review",
        "churned",
        "complaint",
        "low_score",
        "rage_click",
        "reopened_ticket",
        "repeat_contact",
        "ui_error",
        "unresolved_contact",
    }
)
"""Kinds that say that something was wrong, by how it ended or showed; the others say what, and are told first."""


@dataclass(frozen=True, slots=True)
class Hit:
    """One case that hurt."""

    occurred_at: datetime
    customer_uid: str
    event_uid: str


@dataclass(frozen=True, slots=True)
class Incident:
    """
    An incident.

    Attributes:
        rank: 1 for the one with the most hits beyond what was to be expected.
        what: Kind, segment, days, cases.
        started_at: The first hit.
        customers: Customers hit.
        low: Lower end of the 95 % interval of the difference of the rates.
        high: Upper end of it.
        read_first: The hits to read first, the earliest of each customer.
        seen_as: What else it shows as, in other kinds and segments.
    """

    rank: int
    what: Candidate
    started_at: datetime
    customers: int
    low: float
    high: float
    read_first: tuple[Hit, ...]
    seen_as: tuple[Candidate, ...]


def find_incidents(
    candidates: Sequence[Candidate], hits: pl.DataFrame, rules: IncidentRules, examples: int = 3
) -> list[Incident]:
    """
    Make incidents of candidates: who was hit, what is one and the same, which is the greatest.

    Args:
        candidates: From `find_candidates`.
        hits: `HITS` of all candidates, in any order; more do no harm.
        rules: The same.
        examples: Most hits to read first.

    Returns:
        Incidents by rank.
    """
    roots: list[_Root] = []
    explained: set[str] = set()
    for candidate in sorted(candidates, key=lambda one: (one.kind in SIGNS, -one.weight, order_of(one))):
        theirs = _hits_of(candidate, hits)
        customers = set(theirs["customer_uid"])
        if len(customers) < rules.least_customers:
            continue
        if len(explained & customers) >= rules.same_cause * len(customers) and not _is_another(
            candidate, theirs.filter(~pl.col("customer_uid").is_in(explained)), rules
        ):
            max(roots, key=lambda root: len(root.customers & customers)).seen_as.append(candidate)
        else:
            roots.append(_Root(candidate, theirs, customers, []))
            explained |= customers
    roots.sort(key=lambda root: (-root.what.excess, order_of(root.what)))
    return [_incident(rank, root, examples) for rank, root in enumerate(roots, 1)]


@dataclass(frozen=True, slots=True)
class _Root:
    what: Candidate
    hits: pl.DataFrame
    customers: set[str]
    seen_as: list[Candidate]


def _is_another(candidate: Candidate, left: pl.DataFrame, rules: IncidentRules) -> bool:
    """Tell whether it is an incident of its own among the customers whom no other has hit."""
    if left["customer_uid"].n_unique() < rules.least_customers:
        return False
    return stands_out_without(candidate, candidate.hits - len(left), rules)


def _incident(rank: int, root: _Root, examples: int) -> Incident:
    what = root.what
    low, high = newcombe(what.hits, what.cases, what.baseline_hits, what.baseline_cases)
    first = root.hits.unique("customer_uid", keep="first", maintain_order=True).head(examples)
    read = tuple(Hit(*row) for row in first.select("occurred_at", "customer_uid", "event_uid").iter_rows())
    started_at = root.hits["occurred_at"][0]
    return Incident(rank, what, started_at, len(root.customers), low, high, read, tuple(root.seen_as))


def _hits_of(candidate: Candidate, hits: pl.DataFrame) -> pl.DataFrame:
    at = pl.col("occurred_at")
    return hits.filter(
        pl.col("kind") == candidate.kind,
        pl.col("segment") == candidate.segment,
        pl.col("value") == candidate.value,
        at >= candidate.from_at,
        at < candidate.until_at,
    ).sort("occurred_at", "event_uid")

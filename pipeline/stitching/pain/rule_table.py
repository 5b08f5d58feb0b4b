"""
The table of pain-point rules, and what all of them share: ids, evidence, journeys, order.

The rule owned here: a pain point is named by its kind and the touchpoint that shows it, so the same friction keeps its
id whatever arrives later. A rule whose answer changes for the same facts gets a greater version.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np
import polars as pl

from pipeline.config_pain import PainPointSettings
from pipeline.stitching.columns import Ints, listed, masked_ids, offsets_of
from pipeline.stitching.frames import PAIN_COLUMNS, TIME, conform
from pipeline.stitching.pain.contacts import long_waits, unresolved_contacts
from pipeline.stitching.pain.failed_payment import failed_payments
from pipeline.stitching.pain.found import FOUND
from pipeline.stitching.pain.late_delivery import late_deliveries
from pipeline.stitching.pain.low_score import low_scores
from pipeline.stitching.timeline import Timeline


@dataclass(frozen=True, slots=True)
class PainRule:
    """
    One kind of pain point.

    Attributes:
        kind: Its name in `v_pain_points`.
        version: Of the rule; greater after every change of meaning.
        shown_by: Types of touchpoints that can show it; without one of them the rule is not asked.
        also_reads: Types that it looks at besides; it sees no others.
        find: From the touchpoints (facts with `row` and `customer`, in order) to rows of `FOUND`.
    """

    kind: str
    version: int
    shown_by: tuple[str, ...]
    also_reads: tuple[str, ...]
    find: Callable[[pl.DataFrame, PainPointSettings], pl.DataFrame]


_CHATS: Final = ("support.chat_started", "support.chat_message", "support.chat_ended")
RULES: Final[tuple[PainRule, ...]] = (
    PainRule("failed_payment", 1, ("payment.failed",), ("payment.made",), failed_payments),
    PainRule(
        "late_delivery",
        1,
        ("delivery.delivered",),
        ("delivery.shipped", "delivery.status_changed", "order.placed"),
        late_deliveries,
    ),
    PainRule("long_wait", 1, ("support.call_ended", *_CHATS), (), long_waits),
    PainRule("low_score", 1, ("survey.answered",), (), low_scores),
    PainRule("unresolved_contact", 1, ("support.call_ended", "support.chat_ended"), (), unresolved_contacts),
)
_DESCRIBED: Final = FOUND | {"pain_point_id": pl.Binary(), "kind": pl.String(), "rule_version": pl.Int32()}


def pain_points_of(timeline: Timeline, journey_number: Ints, settings: PainPointSettings) -> tuple[pl.DataFrame, Ints]:
    """
    Find every pain point.

    Args:
        timeline: The touchpoints, numbered.
        journey_number: Number of every step's journey within its customer, from 1.
        settings: Thresholds.

    Returns:
        The columns of `PAIN_COLUMNS` in order of (customer, occurred_at, kind, touchpoint), and the customer of each.
    """
    present = set(timeline.steps["type"].unique())
    event_uids = timeline.steps["event_uid"]
    everything = [pl.DataFrame(schema=_DESCRIBED)]
    for rule in RULES:
        if present.isdisjoint(rule.shown_by):
            continue
        read = timeline.steps.filter(pl.col("type").is_in([*rule.shown_by, *rule.also_reads]))
        found = rule.find(read, settings)
        ids = masked_ids(event_uids.gather(found["row"]), f"pain_point:{rule.kind}")
        everything.append(
            found.with_columns(
                ids.alias("pain_point_id"),
                pl.lit(rule.kind).alias("kind"),
                pl.lit(rule.version, dtype=pl.Int32).alias("rule_version"),
            )
        )
    unordered = pl.concat(everything)
    customer = pl.Series("customer", timeline.customer).gather(unordered["row"])
    ordered = unordered.with_columns(customer).sort("customer", "occurred_at", "kind", "row")
    return _described(ordered, event_uids, journey_number), ordered["customer"].to_numpy()


def _described(found: pl.DataFrame, event_uids: pl.Series, journey_number: Ints) -> pl.DataFrame:
    ends = found.select(first=pl.min_horizontal("row", "witness"), last=pl.max_horizontal("row", "witness")).to_numpy()
    counted = np.ones(ends.shape, dtype=np.bool_)
    counted[:, 1] = ends[:, 0] != ends[:, 1]
    columns = pl.DataFrame(
        {
            "pain_point_id": found["pain_point_id"],
            "pain_kind": found["kind"],
            "pain_severity": found["severity"],
            "pain_journey": journey_number[ends[:, 1]],
            "pain_occurred_at": found["occurred_at"],
            "pain_due_at": pl.Series([None] * found.height, dtype=TIME),
            "pain_order_id": found["order_id"],
            "pain_ticket_id": found["ticket_id"],
            "pain_evidence": listed(event_uids.gather(ends[counted]), offsets_of(counted.sum(axis=1))),
            "pain_detail": found["detail"],
            "pain_rule_version": found["rule_version"],
        }
    )
    return conform(columns, PAIN_COLUMNS)

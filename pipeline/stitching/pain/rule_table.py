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
from pipeline.stitching.frames import EVIDENCE_COLUMNS, EVIDENCE_FIELDS, PAIN_COLUMNS, conform
from pipeline.stitching.pain.abandoned_checkout import BOUGHT, CHECKOUT, abandoned_checkouts
from pipeline.stitching.pain.bot_loop import bot_loops
from pipeline.stitching.pain.churned import CHURN_TYPES, churned
from pipeline.stitching.pain.complaint import complaints
from pipeline.stitching.pain.contacts import CALL, CHAT, ESCALATED, long_waits, transfers, unresolved_contacts
from pipeline.stitching.pain.damaged_or_lost import damaged_or_lost
from pipeline.stitching.pain.failed_payment import failed_payments
from pipeline.stitching.pain.found import FOUND
from pipeline.stitching.pain.interface import rage_clicks, ui_errors
from pipeline.stitching.pain.late_delivery import CALLED_OFF, SENT_BACK, late_deliveries, missed_promises
from pipeline.stitching.pain.low_score import low_scores
from pipeline.stitching.pain.parcels import PARCEL_TYPES
from pipeline.stitching.pain.repeat_contact import CONTACT_TYPES, repeat_contacts
from pipeline.stitching.pain.returns import stalled_returns
from pipeline.stitching.pain.reviews import bad_reviews, product_flaws
from pipeline.stitching.pain.slow_reply import SLOW_REPLY_TYPES, slow_replies
from pipeline.stitching.pain.tickets import reopened_tickets
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
        columns: What it reads beside row, customer, occurred_at, type, order_id and ticket_id.
        find: From the touchpoints, in order, to rows of `FOUND`.
        explained_by: Kinds before it in the table; touchpoints of the orders that they are about are `is_explained`.
    """

    kind: str
    version: int
    shown_by: tuple[str, ...]
    also_reads: tuple[str, ...]
    columns: tuple[str, ...]
    find: Callable[[pl.DataFrame, PainPointSettings], pl.DataFrame]
    explained_by: tuple[str, ...] = ()


_PROMISES: Final = ("shipment_id", "delivered_at", "promised_until", "promised_delivery_at")
_DAMAGE: Final = ("shipment_id", "status", "condition", "reason")
_ORDERS: Final = (*PARCEL_TYPES, *CALLED_OFF, *SENT_BACK)
_LEFT: Final = ("order.placed", "delivery.shipped")
_BROKEN: Final = ("delivery.status_changed", "delivery.delivered", "return.requested")
_BLAMES: Final = ("return.requested", "review.published")
_FLAWED: Final = ("reason", "product_id", "rating", "scale")
_PARCELS_FAULT: Final = ("damaged_or_lost", "late_delivery", "missed_promise")
_CLICK: Final = ("url", "element", "x", "y", "ok")
_TALK: Final = ("conversation_id", "channel", "party", "text_hash", "handoff", "resolved")
_CONTACT: Final = ("conversation_id", "direction", "thread_id")
_MAIL: Final = ("direction", "thread_id", "public_reply", "source", "calendar")
_LEAVING: Final = ("subscription_id", "effective_at", "voluntary", "reason")
_SCORE: Final = ("instrument", "score", "scale_min", "scale_max")
_RETURNED: Final = ("return.requested", "refund.issued")

# In alphabetical order: kind, version, types that show it, further types, further columns, the rule.
RULES: Final[tuple[PainRule, ...]] = (
    PainRule("abandoned_checkout", 1, (CHECKOUT,), ("payment.failed", *BOUGHT), (), abandoned_checkouts),
    PainRule("bad_review", 1, ("review.published",), (), ("rating", "scale"), bad_reviews),
    PainRule("bot_loop", 1, CHAT, (ESCALATED,), _TALK, bot_loops),
    PainRule("churned", 1, ("subscription.cancelled",), CHURN_TYPES, _LEAVING, churned),
    PainRule("complaint", 1, ("complaint.raised",), (), ("category", "severity", "regulator_ref"), complaints),
    PainRule("damaged_or_lost", 1, _BROKEN, PARCEL_TYPES, _DAMAGE, damaged_or_lost),
    PainRule("failed_payment", 2, ("payment.failed",), ("payment.made",), ("code",), failed_payments),
    PainRule("late_delivery", 1, ("delivery.delivered",), PARCEL_TYPES, _PROMISES, late_deliveries),
    PainRule("long_wait", 1, (CALL, *CHAT), (), ("conversation_id", "wait_s"), long_waits),
    PainRule("low_score", 1, ("survey.answered",), (), _SCORE, low_scores),
    PainRule("missed_promise", 1, _LEFT, _ORDERS, _PROMISES, missed_promises),
    PainRule("product_flaw", 1, _BLAMES, (), _FLAWED, product_flaws, _PARCELS_FAULT),
    PainRule("rage_click", 1, ("ui.clicked",), (), _CLICK, rage_clicks),
    PainRule("reopened_ticket", 1, ("support.ticket_reopened",), ("support.ticket_solved",), (), reopened_tickets),
    PainRule("repeat_contact", 1, CONTACT_TYPES, SLOW_REPLY_TYPES, _CONTACT, repeat_contacts),
    PainRule("slow_reply", 1, SLOW_REPLY_TYPES, (), _MAIL, slow_replies),
    PainRule("stalled_return", 1, ("return.received",), _RETURNED, ("return_id",), stalled_returns),
    PainRule("transferred", 1, (CALL, ESCALATED), (), ("conversation_id", "transfers", "from"), transfers),
    PainRule("ui_error", 1, ("ui.error_shown",), (), ("code",), ui_errors),
    PainRule("unresolved_contact", 1, (CALL, CHAT[-1]), (), ("resolved",), unresolved_contacts),
)

EVIDENCE_TYPES: Final = tuple(sorted({name for rule in RULES for name in (*rule.shown_by, *rule.also_reads)}))
"""Types of touchpoints that any rule looks at: only their evidence need be read."""

_EVIDENCE: Final = [*EVIDENCE_COLUMNS, *(name for name, _ in EVIDENCE_FIELDS)]
_ALWAYS: Final = ("row", "customer", "occurred_at", "type", "order_id", "ticket_id")
_STEP: Final = (*_ALWAYS, "fact", "channel", "url", "shipment_id", "conversation_id")
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
    told = evidence_of(timeline)
    present = set(told["type"].cast(pl.String).unique())
    event_uids = timeline.steps["event_uid"]
    everything = [pl.DataFrame(schema=_DESCRIBED)]
    by_kind: dict[str, pl.DataFrame] = {}
    for rule in RULES:
        if present.isdisjoint(rule.shown_by):
            continue
        read = _read_by(rule, told)
        if rule.explained_by:
            read = _explained(read, [by_kind[kind] for kind in rule.explained_by if kind in by_kind], timeline)
        found = rule.find(read, settings)
        if not found.height:
            continue
        by_kind[rule.kind] = found
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


def _read_by(rule: PainRule, told: pl.DataFrame) -> pl.DataFrame:
    """Return what a rule looks at: few columns, as every join of a rule carries all of them along."""
    types = {*rule.shown_by, *rule.also_reads}
    looked_at = np.array([name in types for name in EVIDENCE_TYPES])
    mask = looked_at[told["type"].to_physical().to_numpy()]
    return told.select(*_ALWAYS, *rule.columns).filter(pl.Series(mask))


def _explained(read: pl.DataFrame, causes: list[pl.DataFrame], timeline: Timeline) -> pl.DataFrame:
    """Add `is_explained`: whether one of the causes is about the order of the touchpoint."""
    orders = pl.concat([pl.DataFrame(schema=FOUND), *causes]).filter(pl.col("order_id") != "")
    customer = pl.Series("customer", timeline.customer).gather(orders["row"])
    known = orders.select("order_id", customer.cast(read.schema["customer"])).unique()
    marked = known.with_columns(pl.lit(value=True).alias("is_explained"))
    return read.join(marked, on=["customer", "order_id"], how="left", maintain_order="left").with_columns(
        pl.col("is_explained").fill_null(value=False)
    )


def evidence_of(timeline: Timeline) -> pl.DataFrame:
    """Return the touchpoints that any rule looks at, with all that the rules may ask of them, in order."""
    chosen = timeline.steps.select(_STEP).filter(pl.col("type").is_in(EVIDENCE_TYPES))
    evidence = timeline.facts.select(_EVIDENCE)[chosen["fact"]]
    return chosen.hstack(evidence).with_columns(pl.col("type").cast(pl.Enum(EVIDENCE_TYPES)))


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
            "pain_due_at": found["due_at"],
            "pain_order_id": found["order_id"],
            "pain_ticket_id": found["ticket_id"],
            "pain_evidence": listed(event_uids.gather(ends[counted]), offsets_of(counted.sum(axis=1))),
            "pain_detail": found["detail"],
            "pain_rule_version": found["rule_version"],
        }
    )
    return conform(columns, PAIN_COLUMNS)

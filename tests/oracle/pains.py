"""
The pain points of one customer, one rule after the other in plain loops over its touchpoints in order.

Written from docs/pain-points.md; it shares no code with the product. A touchpoint is a dict with the fields of the
facts; times are epoch milliseconds, absent texts "" (absent evidence None).
"""

from typing import Any

from tests.oracle.pain_kinds import Found, Thresholds
from tests.oracle.pains_of_contacts import CONTACT_RULES
from tests.oracle.pains_of_opinions import OPINION_RULES
from tests.oracle.pains_of_orders import ORDER_RULES
from tests.oracle.stories import Touchpoint, masked

__all__ = ["Thresholds", "pains"]

# Of rules whose answer changed since they were first released.
_VERSIONS = {"failed_payment": 2}


def pains(steps: list[Touchpoint], journey_of: dict[bytes, int], thresholds: Thresholds) -> list[dict[str, Any]]:
    """Return the pain points of one customer in order of (occurred_at, kind, touchpoint)."""
    place = {step["event_uid"]: number for number, step in enumerate(steps)}
    steps = [{"product_id": _product(step), "calendar": _calendar(step), **step} for step in steps]
    found: list[Found] = []
    for rule in (*ORDER_RULES, *CONTACT_RULES, *OPINION_RULES):
        found += rule(steps, thresholds)
    rows = []
    for pain in found:
        shown_by = pain.shown_by
        uids = {shown_by["event_uid"]} | ({pain.witness["event_uid"]} if pain.witness else set())
        evidence = sorted(uids, key=place.__getitem__)
        rows.append(
            {
                "pain_point_id": masked(shown_by["event_uid"], f"pain_point:{pain.kind}"),
                "pain_kind": pain.kind,
                "pain_severity": pain.severity,
                "pain_journey": journey_of[evidence[-1]],
                "pain_occurred_at": pain.at,
                "pain_due_at": pain.due_at,
                "pain_order_id": shown_by["order_id"] if pain.order is None else pain.order,
                "pain_ticket_id": shown_by["ticket_id"] if pain.ticket is None else pain.ticket,
                "pain_evidence": evidence,
                "pain_rule_version": _VERSIONS.get(pain.kind, 1),
                "place": place[shown_by["event_uid"]],
            }
        )
    rows.sort(key=lambda row: (row["pain_occurred_at"], row["pain_kind"], row["place"]))
    return [{name: value for name, value in row.items() if name != "place"} for row in rows]


def _product(step: Touchpoint) -> str:
    return next(iter(step.get("product_ids") or []), "")


def _calendar(step: Touchpoint) -> str:
    return str((step.get("attributes") or {}).get("calendar", ""))

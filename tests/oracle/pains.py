"""The first pain points, one customer and one loop at a time, from touchpoints in order."""

from dataclasses import dataclass
from typing import Any

from tests.oracle.stories import Touchpoint, masked

HOUR = 3_600_000
DAY = 24 * HOUR


@dataclass(frozen=True)
class Thresholds:
    """The settings of the rules."""

    long_wait_s: float
    low_score_share: float
    low_nps: int


def pains(steps: list[Touchpoint], journey_of: dict[bytes, int], thresholds: Thresholds) -> list[dict[str, Any]]:
    """Return the pain points of one customer in order of (occurred_at, kind, touchpoint)."""
    found = [
        *_late(steps),
        *_failed(steps),
        *_waits(steps, thresholds.long_wait_s),
        *_unresolved(steps),
        *_scores(steps, thresholds),
    ]
    place = {step["event_uid"]: number for number, step in enumerate(steps)}
    rows = []
    for kind, severity, shown_by, witness, at, order in found:
        evidence = sorted({shown_by["event_uid"], *([witness["event_uid"]] if witness else [])}, key=place.__getitem__)
        rows.append(
            {
                "pain_point_id": masked(shown_by["event_uid"], f"pain_point:{kind}"),
                "pain_kind": kind,
                "pain_severity": severity,
                "pain_journey": journey_of[evidence[-1]],
                "pain_occurred_at": at,
                "pain_due_at": None,
                "pain_order_id": order,
                "pain_ticket_id": shown_by["ticket_id"],
                "pain_evidence": evidence,
                "pain_rule_version": 1,
                "place": place[shown_by["event_uid"]],
            }
        )
    rows.sort(key=lambda row: (row["pain_occurred_at"], row["pain_kind"], row["place"]))
    return [{name: value for name, value in row.items() if name != "place"} for row in rows]


Found = tuple[str, str, Touchpoint, Touchpoint | None, int, str]


def _late(steps: list[Touchpoint]) -> list[Found]:
    order_of: dict[str, str] = {}
    for step in steps:
        if step["type"] in ("delivery.delivered", "delivery.shipped", "delivery.status_changed", "order.placed") and (
            step["shipment_id"] and step["order_id"]
        ):
            order_of.setdefault(step["shipment_id"], step["order_id"])

    def order(step: Touchpoint) -> str:
        return str(step["order_id"] or order_of.get(step["shipment_id"], ""))

    delivered = [step for step in steps if step["type"] == "delivery.delivered"]
    with_shipments = {
        order(step) for step in _first_by(delivered, lambda step: step["shipment_id"]) if step["shipment_id"]
    }
    parcels: dict[tuple[str, str], Touchpoint] = {}
    for step in delivered:
        if step["shipment_id"]:
            parcels.setdefault(("shipment", step["shipment_id"]), step)
        elif step["order_id"] and step["order_id"] not in with_shipments:
            parcels.setdefault(("order", step["order_id"]), step)
    found: list[Found] = []
    for (what, _), step in parcels.items():
        promise = _promise(what, step["shipment_id"], order(step), steps, order)
        at = step["occurred_at"] if step["delivered_at"] is None else step["delivered_at"]
        if promise is None or at <= promise[1]:
            continue
        late = at - promise[1]
        severity = "high" if late >= 7 * DAY else "medium" if late >= DAY else "low"
        found.append(("late_delivery", severity, step, promise[0], at, order(step)))
    return found


def _promise(what: str, shipment: str, order: str, steps: list[Touchpoint], order_of: Any) -> Any:
    shipped = [step for step in steps if step["type"] == "delivery.shipped" and step["promised_until"] is not None]
    if what == "shipment":
        tries = [
            [step for step in shipped if step["shipment_id"] == shipment],
            [step for step in shipped if step["shipment_id"] == "" and order and order_of(step) == order],
        ]
    else:
        tries = [[step for step in shipped if order_of(step) == order]]
    for candidates in tries:
        if candidates:
            return candidates[0], candidates[0]["promised_until"]
    for step in steps:
        if (
            step["type"] == "order.placed"
            and order
            and step["order_id"] == order
            and step["promised_delivery_at"] is not None
        ):
            return step, step["promised_delivery_at"]
    return None


def _first_by(steps: list[Touchpoint], key: Any) -> list[Touchpoint]:
    firsts: dict[Any, Touchpoint] = {}
    for step in steps:
        firsts.setdefault(key(step), step)
    return list(firsts.values())


def _failed(steps: list[Touchpoint]) -> list[Found]:
    found: list[Found] = []
    for step in steps:
        if step["type"] != "payment.failed":
            continue
        order = step["order_id"]
        paid = [
            other
            for other in steps
            if other["type"] == "payment.made"
            and order
            and other["order_id"] == order
            and other["occurred_at"] >= step["occurred_at"]
        ]
        soon = bool(paid) and paid[0]["occurred_at"] - step["occurred_at"] <= HOUR
        severity = "low" if soon else "medium" if paid or not order else "high"
        found.append(("failed_payment", severity, step, paid[0] if soon else None, step["occurred_at"], order))
    return found


def _waits(steps: list[Touchpoint], limit: float) -> list[Found]:
    found: list[Found] = []
    conversations = set()
    for step in steps:
        is_call = step["type"] == "support.call_ended"
        if not is_call and step["type"] not in ("support.chat_started", "support.chat_message", "support.chat_ended"):
            continue
        if step["wait_s"] is None or step["wait_s"] <= limit:
            continue
        if not is_call and step["conversation_id"]:
            if step["conversation_id"] in conversations:
                continue
            conversations.add(step["conversation_id"])
        severity = "high" if step["wait_s"] >= 5 * limit else "medium" if step["wait_s"] >= 2 * limit else "low"
        found.append(("long_wait", severity, step, None, step["occurred_at"], step["order_id"]))
    return found


def _unresolved(steps: list[Touchpoint]) -> list[Found]:
    return [
        ("unresolved_contact", "medium", step, None, step["occurred_at"], step["order_id"])
        for step in steps
        if step["type"] in ("support.call_ended", "support.chat_ended") and step["resolved"] is False
    ]


def _scores(steps: list[Touchpoint], thresholds: Thresholds) -> list[Found]:
    usual = {"csat": (1, 5), "ces": (1, 7), "star": (1, 5)}
    found: list[Found] = []
    for step in steps:
        if step["type"] != "survey.answered" or step["score"] is None:
            continue
        if step["instrument"] == "nps":
            low, worst = step["score"] <= thresholds.low_nps, step["score"] <= thresholds.low_nps / 2
        elif step["instrument"] in usual:
            bottom = usual[step["instrument"]][0] if step["scale_min"] is None else step["scale_min"]
            top = usual[step["instrument"]][1] if step["scale_max"] is None else step["scale_max"]
            if top <= bottom:
                continue
            low = (step["score"] - bottom) / (top - bottom) <= thresholds.low_score_share + 1e-9
            worst = step["score"] <= bottom
        else:
            continue
        if low:
            severity = "high" if worst else "medium"
            found.append(("low_score", severity, step, None, step["occurred_at"], step["order_id"]))
    return found

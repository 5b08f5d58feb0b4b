"""
Visits, journeys, steps and the summary of one customer, read from the contract line by line.

A touchpoint is a dict with the fields of the facts; times are epoch milliseconds, absent texts "".
"""

from hashlib import blake2b
from typing import Any

Touchpoint = dict[str, Any]
INTERACTIVE = ("web", "app", "chat", "bot")
TRADE = (
    "order.placed",
    "order.cancelled",
    "delivery.shipped",
    "delivery.delivered",
    "return.requested",
    "refund.issued",
)


TRADE_COLUMNS = (
    "trade_event_uid",
    "trade_occurred_at",
    "trade_type",
    "trade_channel",
    "trade_order_id",
    "trade_shipment_id",
    "trade_amount_minor",
    "trade_currency",
    "trade_said_at",
    "trade_campaign",
    "trade_carrier",
    "trade_products",
    "trade_counts",
    "trade_sent_back_at",
)


def ordered_products(type_name: str, product_ids: list[str], body: dict[str, Any]) -> list[str]:
    """Return the products of an order that was placed, those of its lines too, each once."""
    lines = [line.get("product_id") for line in body.get("lines") or []]
    named = [name for name in [*product_ids, *lines] if name]
    return list(dict.fromkeys(named)) if type_name == "order.placed" else []


def masked(uid: bytes, purpose: str) -> bytes:
    """Return the id that begins with this touchpoint."""
    mask = blake2b(purpose.encode(), digest_size=16, person=b"tl.purpose").digest()
    return bytes(a ^ b for a, b in zip(uid, mask, strict=True))


def ordered(facts: list[Touchpoint]) -> list[Touchpoint]:
    """Return each touchpoint once, with its greatest content, in order; without `identity.*`."""
    best: dict[bytes, Touchpoint] = {}
    for fact in facts:
        known = best.get(fact["event_uid"])
        if known is None or fact["content_version"] > known["content_version"]:
            best[fact["event_uid"]] = fact
    kept = [fact for fact in best.values() if not fact["type"].startswith("identity.")]
    return sorted(kept, key=lambda fact: (fact["occurred_at"], fact["event_uid"]))


def split(touchpoints: list[Touchpoint], gap_ms: int) -> list[list[Touchpoint]]:
    """Cut touchpoints in order where the silence is longer than the gap."""
    parts: list[list[Touchpoint]] = []
    for touchpoint in touchpoints:
        if parts and touchpoint["occurred_at"] - parts[-1][-1]["occurred_at"] <= gap_ms:
            parts[-1].append(touchpoint)
        else:
            parts.append([touchpoint])
    return parts


def ordering(touchpoints: list[Touchpoint]) -> tuple[int, list[dict[str, Any]]]:
    """Return the number of orders, and the revenue by currency."""
    orders: dict[str, int | None] = {}
    revenue: dict[str, int] = {}
    for touchpoint in touchpoints:
        order = touchpoint["order_id"]
        if touchpoint["type"] != "order.placed" or order == "":
            continue
        if orders.get(order) is None:
            orders[order] = touchpoint["amount_minor"]
            if touchpoint["amount_minor"] is not None:
                currency = touchpoint["currency"]
                revenue[currency] = revenue.get(currency, 0) + touchpoint["amount_minor"]
    return len(orders), [{"currency": currency, "minor": revenue[currency]} for currency in sorted(revenue)]


def first_text(touchpoints: list[Touchpoint], field: str) -> str:
    """Return the first text of that field that is there, else ""."""
    return next((touchpoint[field] for touchpoint in touchpoints if touchpoint[field]), "")


def story(facts: list[Touchpoint], visit_gap_ms: int, journey_gap_ms: int) -> dict[str, Any]:
    """Return the anchor's columns of one customer, pain points apart."""
    steps = ordered(facts)
    journeys = split(steps, journey_gap_ms)
    visits = split([step for step in steps if step["channel"] in INTERACTIVE], visit_gap_ms)
    journey_of = {step["event_uid"]: number for number, part in enumerate(journeys, 1) for step in part}
    visit_of = {step["event_uid"]: number for number, part in enumerate(visits, 1) for step in part}
    orders, revenue = ordering(steps)
    result: dict[str, Any] = {
        "first_seen_at": steps[0]["occurred_at"] if steps else 0,
        "last_seen_at": steps[-1]["occurred_at"] if steps else 0,
        "touchpoints": len(steps),
        "orders": orders,
        "revenue": revenue,
        "step_event_uid": [step["event_uid"] for step in steps],
        "step_occurred_at": [step["occurred_at"] for step in steps],
        "step_type": [step["type"] for step in steps],
        "step_channel": [step["channel"] for step in steps],
        "step_journey": [journey_of[step["event_uid"]] for step in steps],
        "step_visit": [visit_of.get(step["event_uid"], 0) for step in steps],
    }
    _add(result, [_visit(part, journey_of) for part in visits], _visit([], {}))
    _add(result, [_journey(part, steps, visits) for part in journeys], _journey([], [], []))
    trade = [step for step in steps if step["type"] in TRADE]
    _add(result, [_trade(step, trade) for step in trade], dict.fromkeys(TRADE_COLUMNS))
    return result


def _add(result: dict[str, Any], rows: list[dict[str, Any]], empty: dict[str, Any]) -> None:
    for name in empty:
        result[name] = [row[name] for row in rows]


def _trade(step: Touchpoint, trade: list[Touchpoint]) -> dict[str, Any]:
    order, at = step["order_id"], step["occurred_at"]
    same = [other for other in trade if other["order_id"] == order and order != ""]
    placed = [other for other in same if other["type"] == "order.placed"]
    back = [other["occurred_at"] for other in same if other["type"] == "return.requested"]
    is_first = step in placed[:1]
    is_first_amount = step in [other for other in placed if other["amount_minor"] is not None][:1]
    is_refund = step["type"] == "refund.issued" and step["amount_minor"] is not None
    said_at = {
        "order.placed": step["promised_delivery_at"],
        "delivery.shipped": step["promised_until"],
        "delivery.delivered": at if step["delivered_at"] is None else step["delivered_at"],
    }
    same_names = ("event_uid", "occurred_at", "type", "channel", "order_id", "shipment_id", "amount_minor", "currency")
    return {f"trade_{name}": step[name] for name in same_names} | {
        "trade_said_at": said_at.get(step["type"]),
        "trade_campaign": step["campaign"] or step["utm_campaign"],
        "trade_carrier": step["carrier"] or "",
        "trade_products": step["ordered_products"],
        "trade_counts": is_first + 2 * is_first_amount + 4 * is_refund,
        "trade_sent_back_at": max(at, min(back)) if is_first and back else None,
    }


def _visit(part: list[Touchpoint], journey_of: dict[bytes, int]) -> dict[str, Any]:
    names = ("channel_group", "utm_source", "utm_medium", "utm_campaign")
    origin = next((touchpoint for touchpoint in part if any(touchpoint[name] for name in names)), None)
    return {
        "visit_id": masked(part[0]["event_uid"], "visit") if part else b"",
        "visit_journey": journey_of[part[0]["event_uid"]] if part else 0,
        "visit_started_at": part[0]["occurred_at"] if part else 0,
        "visit_ended_at": part[-1]["occurred_at"] if part else 0,
        "visit_touchpoints": len(part),
        "visit_channel": part[0]["channel"] if part else "",
        "visit_entry_url": first_text(part, "url"),
        "visit_exit_url": first_text(part[::-1], "url"),
        **{f"visit_{name}": origin[name] if origin else "" for name in names},
    }


def _journey(part: list[Touchpoint], steps: list[Touchpoint], visits: list[list[Touchpoint]]) -> dict[str, Any]:
    orders, revenue = ordering(part)
    return {
        "journey_id": masked(part[0]["event_uid"], "journey") if part else b"",
        "journey_started_at": part[0]["occurred_at"] if part else 0,
        "journey_ended_at": part[-1]["occurred_at"] if part else 0,
        "journey_first_step": steps.index(part[0]) + 1 if part else 0,
        "journey_touchpoints": len(part),
        "journey_visits": sum(visit[0] in part for visit in visits),
        "journey_orders": orders,
        "journey_revenue": revenue,
    }

"""Personas the plain way: what a customer was at a time, from its touchpoints up to then."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from pipeline.warehouse.persona_rules import Persona

Row = dict[str, Any]


def persona_at(steps: Sequence[Row], hurt: Iterable[int], at: int, personas: Sequence[Persona]) -> str:
    """
    Return the name of the first persona whose conditions hold.

    Args:
        steps: Touchpoints that count, by time and event_uid as text.
        hurt: Times at which pain points count.
        at: Milliseconds since 1970.
        personas: In their order.
    """
    values, currency = _features(list(steps), hurt, at)
    return next(persona.name for persona in personas if _fits(persona, values, currency))


def persona_history(
    steps: Sequence[Row], hurt: Sequence[int], now: int, personas: Sequence[Persona]
) -> Iterator[tuple[str, int, int | None]]:
    """Return (persona, from, to) for every time up to now; a persona can only change at one of a few moments."""
    events = {step["occurred_at"] for step in steps} | set(hurt)
    after = {bound + beyond for p in personas for c in p.conditions for bound in (c.least, c.most) for beyond in (0, 1)}
    moments = events | {event + bound for event in events for bound in after if 0 < bound < 2**61}
    first = steps[0]["occurred_at"]
    found: list[tuple[str, int]] = []
    for moment in sorted(moment for moment in moments if first <= moment <= now):
        name = persona_at(steps, hurt, moment, personas)
        if not found or found[-1][0] != name:
            found.append((name, moment))
    for (name, begins), (_, ends) in zip(found, [*found[1:], ("", None)], strict=True):
        yield name, begins, ends


def _features(steps: list[Row], hurt: Iterable[int], at: int) -> tuple[dict[str, int], str]:
    known = [step for step in steps if step["occurred_at"] <= at]
    orders: dict[str, int] = {}
    amounts: dict[str, tuple[str, int]] = {}
    for step in known:
        if step["type"] == "order.placed" and step["order_id"]:
            orders.setdefault(step["order_id"], step["occurred_at"])
            if step["amount_minor"] is not None:
                amounts.setdefault(step["order_id"], (step["currency"], step["amount_minor"]))
    back = {step["order_id"] for step in known if step["type"] == "return.requested"} & set(orders)
    of_currency = Counter(currency for currency, _ in amounts.values())
    currency = min(of_currency, key=lambda name: (-of_currency[name], name), default="")
    refunds = [s for s in known if s["type"] == "refund.issued" and s["currency"] == currency]
    values = {
        "orders": len(orders),
        "days_since_order": at - max(orders.values()) if orders else -1,
        "days_since_first_order": at - min(orders.values()) if orders else -1,
        "days_since_touchpoint": at - known[-1]["occurred_at"],
        "days_known": at - known[0]["occurred_at"],
        "net_spent": sum(minor for name, minor in amounts.values() if name == currency)
        - sum(refund["amount_minor"] or 0 for refund in refunds),
        "percent_returned": 100_000_000 * len(back) // len(orders) if orders else 0,
        "pain_points": sum(time <= at for time in hurt),
    }
    return values, currency


def _fits(persona: Persona, values: Mapping[str, int], currency: str) -> bool:
    features = {condition.feature for condition in persona.conditions}
    held = {
        condition.feature
        for condition in persona.conditions
        if condition.currency in ("", currency) and condition.least <= values[condition.feature] <= condition.most
    }
    return features == held


def history_rows(people: Iterable[Any], personas: Sequence[Persona]) -> Iterator[tuple[bytes, str, int, int | None]]:
    """Return (customer, persona, from, to) of everybody up to the last touchpoint of all."""
    seen = [person for person in people if person.steps]
    last = max((person.steps[-1]["occurred_at"] for person in seen), default=0)
    for person in seen:
        pains = person.pains
        hurt = [p["pain_occurred_at"] if p["pain_due_at"] is None else p["pain_due_at"] for p in pains]
        for name, begins, ends in persona_history(person.steps, hurt, last, personas):
            yield person.uid, name, begins, ends


def rfm_rows(people: Iterable[Any]) -> list[Row]:
    """Return recency, frequency and value by currency; fifths by the middle of the ranks of equal values."""
    rows: list[Row] = []
    for person in people:
        amounts: dict[str, Row] = {}
        for step in person.steps:
            if step["type"] == "order.placed" and step["order_id"] and step["amount_minor"] is not None:
                amounts.setdefault(step["order_id"], step)
        own: list[Row] = []
        for currency in sorted({step["currency"] for step in amounts.values()}):
            orders = [step for step in amounts.values() if step["currency"] == currency]
            back = [s for s in person.steps if s["type"] == "refund.issued" and s["currency"] == currency]
            net = sum(s["amount_minor"] for s in orders) - sum(s["amount_minor"] or 0 for s in back)
            last = max(step["occurred_at"] for step in orders)
            own.append({"uid": person.uid, "currency": currency, "last": last, "orders": len(orders), "net_minor": net})
        main = min(own, key=lambda row: (-row["orders"], row["currency"]), default=None)
        rows += [{**row, "is_main": row is main} for row in own]
    for row in rows:
        peers = [other for other in rows if other["currency"] == row["currency"]]
        for score, value in (("r_score", "last"), ("f_score", "orders"), ("m_score", "net_minor")):
            less, equal = (sum(compare(o[value], row[value]) for o in peers) for compare in (int.__lt__, int.__eq__))
            row[score] = 1 + 5 * (2 * less + equal) // (2 * len(peers))
    return rows

"""Two people whom a thousand touchpoints joined, and what is said about them later."""

from typing import Any

from tests.convergence.history import DAY_MS, MINUTE_MS, START_MS, Event

ANNA, BERT = ("customer_id", "anna"), ("phone", "+49301111111")
SAID = "they-differ"


def joined_people(touchpoints: int) -> list[Event]:
    """Return touchpoints of Anna's account and of Bert's phone, which one order's mailbox makes one customer."""
    events = []
    for number in range(touchpoints):
        at = START_MS + number * 40 * MINUTE_MS + (number // 200) * 31 * DAY_MS
        mine, his = [ANNA, ("cookie_id", f"a{number % 5}")], [BERT, ("cookie_id", f"b{number % 3}")]
        way = number % 10
        if way < 4:
            events.append(_event(number, "web.page_viewed", mine, at, context={"url": "https://shop.example/"}))
        elif way < 7:
            events.append(_event(number, "support.call_ended", his, at, body={"wait_s": 600.0, "resolved": way == 5}))
        elif way == 7:
            events.append(_event(number, "payment.failed", mine, at, refs={"order_id": f"o{number}"}))
        elif way == 8:
            events.append(_event(number, "web.page_viewed", [his[1]], at, context={"url": "https://shop.example/"}))
        else:
            score = {"instrument": "nps", "score": float(number % 11)}
            events.append(_event(number, "survey.answered", [BERT], at, body=score))
    both = [ANNA, ("email", "both@example.org")], [("email", "both@example.org"), BERT]
    return [*events, *(_event(touchpoints + place, "order.changed", who, START_MS) for place, who in enumerate(both))]


def unlink() -> Event:
    """Say that Anna's account and Bert's phone are not one person."""
    return _statement(SAID, START_MS + DAY_MS)


def withdrawal() -> Event:
    """Take that back."""
    return {**_statement("they-do-not", START_MS + 2 * DAY_MS), "withdraws": SAID}


def _statement(event_id: str, at: int) -> Event:
    body = {side: {"kind": kind, "value": value} for side, (kind, value) in zip("ab", (ANNA, BERT), strict=True)}
    return {**_event(0, "identity.unlinked", [ANNA], at, body=body), "id": event_id, "source": "crm"}


def _event(number: int, type_name: str, who: list[tuple[str, str]], at: int, **more: Any) -> Event:
    identities = [{"kind": kind, "value": value} for kind, value in who]
    return {
        "id": f"j{number}",
        "type": type_name,
        "source": "test",
        "occurred_at": at,
        "identities": identities,
        **more,
    }

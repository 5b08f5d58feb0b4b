"""The rules beside their own examples: each story told by hand, at its boundaries, with what takes the pain away."""

from datetime import timedelta
from typing import Any

import pytest

from pipeline.config_pain import PainPointSettings
from tests.stitching.facts import DAY, MINUTE, Fact, fact, uid
from tests.stitching.test_pain_points import delivered, pains, placed, shipped

ANNA = uid(1)
HOUR = 60 * MINUTE


def at(number: int, when: int, type_name: str, **fields: Any) -> Fact:
    return fact(ANNA, number, when, type_name, **fields)


def told(kind: str, *facts: Fact, settings: PainPointSettings | None = None) -> list[tuple[str, list[bytes]]]:
    """Return severity and evidence of the pain points of one kind."""
    return [
        (pain["pain_severity"], pain["pain_evidence"])
        for pain in pains(*facts, settings=settings)
        if pain["pain_kind"] == kind
    ]


def due(kind: str, *facts: Fact) -> list[int]:
    """Return when the absences of one kind are due, in milliseconds."""
    return [round(pain["pain_due_at"].timestamp() * 1000) for pain in pains(*facts) if pain["pain_kind"] == kind]


def test_a_promise_is_missed_until_the_parcel_is_seen() -> None:
    order, left = placed(1, 0, "o", 2 * DAY), shipped(2, HOUR, 3 * DAY, order_id="o", shipment_id="s")
    assert due("missed_promise", order) == [2 * DAY]
    assert due("missed_promise", order, left) == [3 * DAY], "the shipment's own promise goes before"
    assert due("missed_promise", order, left, delivered(3, 3 * DAY, shipment_id="s")) == []
    late = pains(order, left, delivered(3, 3 * DAY + 1, shipment_id="s"))
    assert [pain["pain_kind"] for pain in late] == ["late_delivery"]


@pytest.mark.parametrize(
    ("further", "missed"),
    [
        (at(3, 2 * DAY, "order.cancelled", order_id="o"), 0),
        (at(3, 2 * DAY + 1, "order.cancelled", order_id="o"), 1),
        (at(3, DAY, "refund.issued", order_id="o"), 0),
        (at(3, 9 * DAY, "return.requested", order_id="o"), 0),
        (at(3, 9 * DAY, "return.requested", order_id="p"), 1),
        (at(3, DAY, "delivery.delivered", order_id="o"), 0),
        (at(3, DAY, "delivery.delivered", order_id="o", shipment_id="unheard of"), 0),
    ],
)
def test_what_excuses_a_missed_promise(further: Fact, missed: int) -> None:
    left = [shipped(number, 0, None, order_id="o", shipment_id=f"s{number}") for number in (11, 12)]
    found = told("missed_promise", placed(1, 0, "o", 2 * DAY), *left, further)
    assert found == [("medium", [uid(1)])] * missed, "two parcels of one promise miss it once"


def test_a_lost_parcel_that_moves_again_was_not_lost() -> None:
    lost = at(1, 0, "delivery.status_changed", status="lost", shipment_id="s")
    assert told("damaged_or_lost", lost) == [("high", [uid(1)])]
    for later in ("in_transit", "out_for_delivery"):
        assert told("damaged_or_lost", lost, at(2, 1, "delivery.status_changed", status=later, shipment_id="s")) == []
    assert told("damaged_or_lost", lost, at(2, 1, "delivery.delivered", shipment_id="s")) == []
    assert told("damaged_or_lost", lost, at(2, 1, "delivery.delivered", shipment_id="other")) == [("high", [uid(1)])]
    earlier = at(2, -1, "delivery.status_changed", status="in_transit", shipment_id="s")
    assert told("damaged_or_lost", lost, earlier) == [("high", [uid(1)])]


def test_a_parcel_breaks_once() -> None:
    signs = [
        at(1, 0, "delivery.status_changed", status="damaged", order_id="o", shipment_id="s"),
        at(2, 1, "delivery.delivered", condition="BROKEN", shipment_id="s"),
        at(3, 2, "return.requested", reason="damaged", order_id="o"),
    ]
    assert told("damaged_or_lost", *signs) == [("medium", [uid(1)])]
    assert told("damaged_or_lost", signs[2]) == [("medium", [uid(3)])]
    assert told("damaged_or_lost", at(2, 1, "delivery.delivered", condition="intact", shipment_id="s")) == []


@pytest.mark.parametrize(
    ("further", "severities"),
    [
        ([], ["medium"]),
        ([at(3, MINUTE + DAY, "order.placed")], []),
        ([at(3, MINUTE + DAY + 1, "order.placed")], ["medium"]),
        ([at(3, MINUTE, "payment.made")], []),
        ([at(3, MINUTE, "payment.failed")], ["high"]),
        ([at(3, MINUTE + DAY, "checkout.step_reached")], ["medium"]),
        ([at(3, MINUTE + DAY + 1, "checkout.step_reached")], ["medium", "low"]),
    ],
)
def test_a_checkout_is_abandoned_a_day_after_its_last_step(further: list[Fact], severities: list[str]) -> None:
    steps = [at(1, 0, "checkout.step_reached"), at(2, MINUTE, "checkout.step_reached")]
    assert [severity for severity, _ in told("abandoned_checkout", *steps, *further)] == severities
    assert due("abandoned_checkout", *steps) == [MINUTE + DAY]


@pytest.mark.parametrize(
    ("refund", "severities"),
    [
        (None, ["medium"]),
        (at(3, 15 * DAY, "refund.issued", return_id="r"), []),
        (at(3, 15 * DAY + 1, "refund.issued", return_id="r"), ["low"]),
        (at(3, 22 * DAY, "refund.issued", return_id="r"), ["medium"]),
        (at(3, 36 * DAY, "refund.issued", return_id="r"), ["high"]),
        (at(3, 0, "refund.issued", return_id="r"), []),
        (at(3, 2 * DAY, "refund.issued", order_id="o", amount_minor=1, currency="USD"), []),
        (at(3, -1, "refund.issued", order_id="o"), ["medium"]),
        (at(3, 2 * DAY, "refund.issued", order_id="o", return_id="another"), ["medium"]),
    ],
)
def test_a_return_stalls_fourteen_days_after_its_receipt(refund: Fact | None, severities: list[str]) -> None:
    facts = [
        at(1, 0, "return.requested", return_id="r", order_id="o", reason="fit", amount_minor=9, currency="EUR"),
        at(2, DAY, "return.received", return_id="r"),
    ]
    found = told("stalled_return", *facts, *([refund] if refund else []))
    assert [severity for severity, _ in found] == severities
    assert due("stalled_return", *facts) == [15 * DAY]
    assert told("stalled_return", facts[0]) == [], "what never came back owes nothing"


def test_the_sentence_of_a_refund_that_came_late() -> None:
    received = at(2, DAY, "return.received", return_id="r", order_id="o")
    [pain] = pains(received, at(3, 21 * DAY, "refund.issued", return_id="r"))
    assert pain["pain_detail"] == "The refund of order o came 20 days after its receipt; the limit is 14 days."


def test_handing_on_is_counted_by_conversation_and_not_from_the_bot() -> None:
    assert told("transferred", at(1, 0, "support.call_ended", transfers=1)) == []
    assert told("transferred", at(1, 0, "support.call_ended", transfers=2)) == [("medium", [uid(1)])]
    assert told("transferred", at(1, 0, "support.call_ended", transfers=4)) == [("high", [uid(1)])]
    talk = {"conversation_id": "k"}
    up = [at(number, number, "support.escalated", **talk, **{"from": "desk"}) for number in (2, 3)]
    by_bot = at(1, 0, "support.escalated", **talk, **{"from": "Bot"})
    assert told("transferred", by_bot, up[0]) == []
    assert told("transferred", by_bot, *up) == [("medium", [uid(2), uid(3)])]
    call = at(4, 9, "support.call_ended", transfers=2, **talk)
    assert told("transferred", *up, call) == [("medium", [uid(4)])], "one conversation, told twice"


def test_a_call_a_chat_and_a_mail_about_one_matter_are_a_chain() -> None:
    call = at(1, 0, "support.call_ended")
    chat = [at(number, DAY + number, "support.chat_message", conversation_id="k", order_id="o") for number in (2, 3)]
    mail = at(4, 9 * DAY, "support.email_received", ticket_id="t", order_id="o")
    ticket = at(5, 9 * DAY + 1, "support.ticket_created", ticket_id="t")
    last = at(6, 10 * DAY, "support.call_ended", ticket_id="t")
    assert told("repeat_contact", call, *chat, mail, ticket, last) == [
        ("low", [uid(1), uid(2)]),
        ("medium", [uid(2), uid(4)]),
        ("high", [uid(4), uid(6)]),
    ]


@pytest.mark.parametrize(
    ("first", "second", "repeats"),
    [
        ({}, (7 * DAY, {}), True),
        ({}, (7 * DAY + 1, {}), False),
        ({"order_id": "o"}, (30 * DAY, {"order_id": "o"}), True),
        ({"order_id": "o"}, (30 * DAY + 1, {"order_id": "o"}), False),
        ({"order_id": "o"}, (DAY, {"order_id": "p"}), False),
        ({"order_id": "o"}, (DAY, {}), True),
        ({"ticket_id": "t"}, (20 * DAY, {"ticket_id": "t"}), True),
        ({}, (DAY, {"direction": "outbound"}), False),
        ({"conversation_id": "k"}, (DAY, {"conversation_id": "k"}), False),
    ],
)
def test_which_call_repeats_another(first: dict[str, str], second: tuple[int, dict[str, str]], repeats: bool) -> None:
    calls = [at(1, 0, "support.call_ended", **first), at(2, second[0], "support.call_ended", **second[1])]
    assert told("repeat_contact", *calls) == ([("low", [uid(1), uid(2)])] if repeats else [])


@pytest.mark.parametrize(("solved_after", "found"), [(10 * MINUTE, 0), (10 * MINUTE + 1, 1), (None, 1)])
def test_a_ticket_opened_by_a_thank_you_is_not_reopened(solved_after: int | None, found: int) -> None:
    solved = at(1, 0, "support.ticket_solved", ticket_id="t")
    again = at(2, DAY, "support.ticket_reopened", ticket_id="t")
    facts = [solved, again]
    if solved_after is not None:
        facts.append(at(3, DAY + solved_after, "support.ticket_solved", ticket_id="t"))
    assert told("reopened_ticket", *facts) == [("low", [uid(1), uid(2)])] * found
    assert due("reopened_ticket", solved, again) == [DAY + 10 * MINUTE]


def test_each_reopening_hurts_more() -> None:
    facts = [at(number, number * DAY, "support.ticket_reopened", ticket_id="t") for number in (1, 2, 3, 4)]
    assert [severity for severity, _ in told("reopened_ticket", *facts)] == ["low", "medium", "high", "high"]


def test_after_the_solution_a_message_waits_for_nothing() -> None:
    settings = PainPointSettings(slow_reply=timedelta(0))
    asked, solved = at(1, 0, "support.email_received", ticket_id="t"), at(2, 1, "support.ticket_solved", ticket_id="t")
    thanks = at(3, 2, "support.email_received", ticket_id="t")
    again = at(4, 3, "support.ticket_reopened", ticket_id="t")
    assert [evidence for _, evidence in told("slow_reply", asked, solved, thanks, settings=settings)] == [
        [uid(1), uid(2)]
    ]
    waits = told("slow_reply", asked, solved, thanks, again, settings=settings)
    assert [evidence for _, evidence in waits] == [[uid(1), uid(2)], [uid(4)]]


def bot(number: int, **fields: Any) -> Fact:
    return at(number, number, "support.chat_message", channel="bot", conversation_id="k", party="bot", **fields)


END = {"channel": "bot", "conversation_id": "k"}


@pytest.mark.parametrize(
    ("talk", "severity"),
    [
        ([bot(1), at(2, 2, "support.chat_ended", resolved=False, **END)], "medium"),
        ([bot(1), at(2, 2, "support.chat_ended", resolved=True, **END)], None),
        ([bot(1), at(2, 2, "support.chat_ended", **END)], None),
        ([bot(number, text_hash="h") for number in (1, 2)], None),
        ([bot(number, text_hash="h") for number in (1, 2, 3)], "medium"),
        ([bot(1, handoff=False)], "medium"),
        ([bot(1, handoff=False), at(2, 2, "support.chat_ended", resolved=False, **END)], "high"),
        ([bot(1, handoff=False), bot(2, handoff=True)], None),
        ([bot(1, handoff=False), bot(2) | {"party": "agent"}], None),
        ([bot(1, handoff=False), bot(2) | {"channel": "chat"}], None),
        ([bot(1, handoff=False), at(2, 2, "support.escalated", **END)], None),
    ],
)
def test_when_a_bot_is_in_a_loop(talk: list[Fact], severity: str | None) -> None:
    evidence = sorted({talk[0]["event_uid"], talk[-1]["event_uid"]})
    assert told("bot_loop", *talk) == ([(severity, evidence)] if severity else [])


def test_a_conversation_with_a_bot_is_over_after_a_silence() -> None:
    assert due("bot_loop", bot(1, handoff=False), bot(2)) == [2 + 30 * MINUTE]


def click(number: int, when: int, **fields: Any) -> Fact:
    return at(number, when, "ui.clicked", **{"element": "buy"} | fields)


@pytest.mark.parametrize(
    ("clicks", "found"),
    [
        ([click(1, 0), click(2, 1000), click(3, 2000)], 1),
        ([click(1, 0), click(2, 1000), click(3, 2001)], 0),
        ([click(1, 0), click(2, 1), click(3, 2, ok=True)], 0),
        ([click(1, 0), click(2, 1), click(3, 2, element="other")], 0),
        ([click(1, 0), click(2, 1), click(3, 2, url="/other")], 0),
        ([click(n, n, element=None, x=30.0 * n, y=0.0) for n in (1, 2, 3)], 1),
        ([click(n, n, element=None, x=30.1 * n, y=0.0) for n in (1, 2, 3)], 0),
        ([click(n, n, element=None) for n in (1, 2, 3)], 0),
    ],
)
def test_three_clicks_that_do_nothing_are_rage(clicks: list[Fact], found: int) -> None:
    assert told("rage_click", *clicks) == [("low", [uid(1), uid(3)])] * found


def test_the_same_error_within_half_an_hour_is_one() -> None:
    def shown(number: int, when: int, code: str) -> Fact:
        return at(number, when, "ui.error_shown", code=code)

    gap = 30 * MINUTE
    same = [shown(1, 0, "e"), shown(2, gap, "e"), shown(3, 2 * gap, "e")]
    assert told("ui_error", *same) == [("medium", [uid(1), uid(3)])]
    assert len(told("ui_error", *same, shown(4, 3 * gap + 1, "e"), shown(5, 1, "f"))) == 3


@pytest.mark.parametrize(
    ("rating", "scale", "severity"),
    [(1.0, None, "high"), (2.0, None, "medium"), (2.1, None, None), (3.25, 10.0, "medium"), (3.3, 10.0, None),
     (1.0, 1.0, None), (None, None, None)],
)  # fmt: skip
def test_a_low_rating(rating: float | None, scale: float | None, severity: str | None) -> None:
    review = at(1, 0, "review.published", rating=rating, scale=scale, product_id="p")
    for kind in ("bad_review", "product_flaw"):
        assert told(kind, review) == ([(severity, [uid(1)])] if severity else [])


def test_a_parcels_fault_is_not_the_products() -> None:
    review = at(9, 20 * DAY, "review.published", rating=1.0, product_id="p", order_id="o")
    late = [placed(1, 0, "o", DAY), delivered(2, 3 * DAY, order_id="o")]
    assert told("product_flaw", *late, review) == []
    assert told("product_flaw", placed(1, 0, "o", DAY), review) == []
    in_time = [placed(1, 0, "o", 4 * DAY), delivered(2, 3 * DAY, order_id="o")]
    assert told("product_flaw", *in_time, review) == [("high", [uid(9)])]
    back = at(8, 19 * DAY, "return.requested", reason="not_as_described", product_id="p", order_id="o")
    assert told("product_flaw", *late, review, back) == [("medium", [uid(8)])], "a return names the product itself"
    assert told("product_flaw", back | {"reason": "fit"}) == []


@pytest.mark.parametrize(
    ("further", "severities"),
    [
        ([], ["high"]),
        ([at(2, 40 * DAY, "subscription.renewed", subscription_id="s")], []),
        ([at(2, 40 * DAY + 1, "subscription.renewed", subscription_id="s")], ["high"]),
        ([at(2, 5 * DAY, "subscription.renewed", subscription_id="other")], ["high"]),
        ([at(2, 5 * DAY, "subscription.started", subscription_id="other")], []),
        ([at(2, 5 * DAY, "subscription.cancelled", subscription_id="s")], ["high"]),
    ],
)
def test_a_subscription_is_lost_when_it_is_not_taken_up_again(further: list[Fact], severities: list[str]) -> None:
    left = at(1, 0, "subscription.cancelled", subscription_id="s", effective_at=10 * DAY)
    assert [severity for severity, _ in told("churned", left, *further)] == severities
    assert due("churned", left) == [10 * DAY]
    assert told("churned", left | {"voluntary": False}) == [("medium", [uid(1)])]


def test_the_weight_of_a_complaint() -> None:
    for fields, severity in (
        ({}, "medium"), ({"severity": "MINOR"}, "low"), ({"severity": "major"}, "high"),
        ({"severity": "minor", "regulator_ref": "r"}, "high"),
    ):  # fmt: skip
        assert told("complaint", at(1, 0, "complaint.raised", **fields)) == [(severity, [uid(1)])]
    same = [at(number, number, "complaint.raised", ticket_id="t") for number in (1, 2)]
    assert told("complaint", *same) == [("medium", [uid(1)])]

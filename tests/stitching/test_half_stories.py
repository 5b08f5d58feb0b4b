"""
A merge that unites two half stories, for every rule: what each half shows alone, and what the whole shows.

The halves belong to two identifiers. Apart they are two customers and nothing of the one is matched with the other; one
customer they are one story.
"""

from pathlib import Path
from typing import Any

import pytest

from pipeline.stitching.pain import RULES
from pipeline.stitching.rules import StitchRules
from pipeline.stitching.stitch import stitch
from tests.stitching.facts import DAY, MINUTE, Fact, fact, facts_frame, identities_frame, uid

ANNA, ANON = uid(1), uid(2)
TALK = {"conversation_id": "k", "channel": "bot"}
Half = list[tuple[int, str, dict[str, Any]]]
Sums = tuple[int, int, int]

# By rule: Anna's half, the other half, and how many pain points of the kind the one, the other and the whole show.
STORIES: dict[str, tuple[Half, Half, Sums]] = {
    "abandoned_checkout": (
        [(0, "checkout.step_reached", {})],
        [(MINUTE, "order.placed", {"order_id": "o"})],
        (1, 0, 0),
    ),
    "bad_review": (
        [(0, "review.published", {"rating": 1.0})],
        [(1, "review.published", {"rating": 2.0})],
        (1, 1, 2),
    ),
    "bot_loop": (
        [(0, "support.chat_message", {"party": "bot", "handoff": False, **TALK})],
        [(1, "support.chat_message", {"party": "bot", "handoff": True, **TALK})],
        (1, 0, 0),
    ),
    "churned": (
        [(0, "subscription.cancelled", {"subscription_id": "s"})],
        [(5 * DAY, "subscription.started", {"subscription_id": "another"})],
        (1, 0, 0),
    ),
    "complaint": (
        [(0, "complaint.raised", {"ticket_id": "t"})],
        [(1, "complaint.raised", {"ticket_id": "t"})],
        (1, 1, 1),
    ),
    "damaged_or_lost": (
        [(0, "delivery.status_changed", {"status": "lost", "shipment_id": "s"})],
        [(1, "delivery.delivered", {"shipment_id": "s"})],
        (1, 0, 0),
    ),
    # It stays one; test_the_payment_of_the_other_half_mends_it says how it changes.
    "failed_payment": (
        [(0, "payment.failed", {"order_id": "o"})],
        [(MINUTE, "payment.made", {"order_id": "o"})],
        (1, 0, 1),
    ),
    "late_delivery": (
        [(0, "order.placed", {"order_id": "o", "promised_delivery_at": DAY})],
        [(DAY + 1, "delivery.delivered", {"order_id": "o"})],
        (0, 0, 1),
    ),
    "long_wait": (
        [(0, "support.chat_started", {"wait_s": 200.0, **TALK})],
        [(1, "support.chat_ended", {"wait_s": 200.0, **TALK})],
        (1, 1, 1),
    ),
    "low_score": (
        [(0, "survey.answered", {"instrument": "nps", "score": 6.0})],
        [(1, "survey.answered", {"instrument": "nps", "score": 7.0})],
        (1, 0, 1),
    ),
    "missed_promise": (
        [(0, "order.placed", {"order_id": "o", "promised_delivery_at": DAY})],
        [(DAY, "delivery.delivered", {"order_id": "o"})],
        (1, 0, 0),
    ),
    "product_flaw": (
        [(9 * DAY, "review.published", {"rating": 1.0, "product_id": "p", "order_id": "o"})],
        [
            (0, "order.placed", {"order_id": "o", "promised_delivery_at": DAY}),
            (3 * DAY, "delivery.delivered", {"order_id": "o"}),
        ],
        (1, 0, 0),
    ),
    "rage_click": (
        [(0, "ui.clicked", {"element": "buy"}), (1000, "ui.clicked", {"element": "buy"})],
        [(2000, "ui.clicked", {"element": "buy"})],
        (0, 0, 1),
    ),
    "reopened_ticket": (
        [(0, "support.ticket_reopened", {"ticket_id": "t"})],
        [(10 * MINUTE, "support.ticket_solved", {"ticket_id": "t"})],
        (1, 0, 0),
    ),
    "repeat_contact": ([(0, "support.call_ended", {})], [(7 * DAY, "support.call_ended", {})], (0, 0, 1)),
    "slow_reply": (
        [(0, "support.email_received", {"ticket_id": "t"})],
        [(1, "support.email_sent", {"ticket_id": "t"})],
        (1, 0, 0),
    ),
    "stalled_return": (
        [(0, "return.received", {"return_id": "r"})],
        [(14 * DAY, "refund.issued", {"return_id": "r"})],
        (1, 0, 0),
    ),
    "transferred": (
        [(0, "support.escalated", {"conversation_id": "k", "from": "desk"})],
        [(1, "support.escalated", {"conversation_id": "k", "from": "desk"})],
        (0, 0, 1),
    ),
    "ui_error": (
        [(0, "ui.error_shown", {"code": "e"})],
        [(30 * MINUTE, "ui.error_shown", {"code": "e"})],
        (1, 1, 1),
    ),
    "unresolved_contact": (
        [(0, "support.call_ended", {"resolved": False})],
        [(1, "support.chat_ended", {"resolved": False, "conversation_id": "k"})],
        (1, 1, 2),
    ),
}


def halves(kind: str) -> list[Fact]:
    one, other, _ = STORIES[kind]
    parts = [(ANNA, part) for part in one] + [(ANON, part) for part in other]
    return [fact(who, number, at, name, **fields) for number, (who, (at, name, fields)) in enumerate(parts, 10)]


def shown(facts: list[Fact], *, is_one: bool) -> dict[bytes, list[tuple[str, str]]]:
    """Return (kind, severity) of the pain points of each customer."""
    who = identities_frame([(ANNA, 0, ANNA), (ANON, 13, ANNA if is_one else ANON)])
    rows = stitch(facts_frame(facts), who, StitchRules()).to_dicts()
    return {row["ident_key"]: list(zip(row["pain_kind"], row["pain_severity"], strict=True)) for row in rows}


def test_no_rule_is_left_out() -> None:
    assert sorted(STORIES) == [rule.kind for rule in RULES]


@pytest.mark.parametrize("kind", STORIES)
def test_half_stories_become_one(kind: str) -> None:
    expected = STORIES[kind][2]
    apart, whole = shown(halves(kind), is_one=False), shown(halves(kind), is_one=True)
    found = (apart[ANNA], apart[ANON], whole[ANNA])
    assert tuple(sum(each == kind for each, _ in pains) for pains in found) == expected


def test_the_payment_of_the_other_half_mends_it() -> None:
    apart, whole = (shown(halves("failed_payment"), is_one=is_one)[ANNA] for is_one in (False, True))
    assert (apart, whole) == ([("failed_payment", "high")], [("failed_payment", "low")])


def test_the_page_says_of_every_rule_what_it_spares() -> None:
    page = (Path(__file__).parents[2] / "docs" / "pain-points.md").read_text(encoding="utf-8")
    for kind in STORIES:
        section = page.split(f"\n## {kind}\n")[1].split("\n## ")[0]
        assert "\n- " in section, kind

"""Pain points through the real warehouse: absences before and after they are due, late evidence, half stories."""

from typing import Any

import pytest

from pipeline.config import ClickHouseSettings
from tests.streaming import test_stitcher
from tests.streaming.test_stitcher import Shop, touch

DAY = 24 * 60
EMAIL = {"email": "anna@example.com"}


@pytest.fixture
def shop(fresh_database: ClickHouseSettings) -> Shop:
    return test_stitcher.make_shop(fresh_database)


def ordered(promise: str) -> dict[str, Any]:
    return touch(1, 0, EMAIL, type="order.placed", refs={"order_id": "o1"}, body={"promised_delivery_at": promise})


def delivered(at: str) -> dict[str, Any]:
    return touch(2, 9 * DAY, {}, type="delivery.delivered", refs={"order_id": "o1"}, body={"delivered_at": at})


def pains(shop: Shop) -> list[tuple[Any, ...]]:
    return shop.rows("SELECT kind, order_id, length(evidence), detail FROM v_pain_points ORDER BY kind")


def counts(shop: Shop) -> set[int]:
    """Return what journeys, customers and the last change published of the journey say: one number where they agree."""
    [(journeys, customers)] = shop.rows(
        "SELECT (SELECT sum(pain_points) FROM v_journeys), (SELECT sum(pain_points) FROM v_customers)"
    )
    published = [row for changes in shop.published for row in changes.to_dicts() if not row["gone"]]
    return {journeys, customers, published[-1]["pain_points"]}


def test_a_promise_is_missed_from_its_moment_on_and_counted_alike_everywhere(shop: Shop) -> None:
    shop.land(ordered("2099-01-01T00:00:00Z"))
    shop.stitch()
    assert shop.rows("SELECT pain_kind FROM stitched FINAL WHERE length(pain_kind) > 0") == [(["missed_promise"],)]
    assert pains(shop) == []
    assert counts(shop) == {0}
    shop.land(ordered("2026-03-05T00:00:00Z") | {"revision": 1})
    shop.stitch()
    assert pains(shop) == [("missed_promise", "o1", 1, "Order o1 had not arrived when it was promised.")]
    assert counts(shop) == {1}


@pytest.mark.parametrize(
    ("at", "left"),
    [
        ("2026-03-05T00:00:00Z", []),
        ("2026-03-05T00:00:00.001Z", [("late_delivery", "o1", 2)]),
    ],
)
def test_late_evidence_takes_the_absence_away(shop: Shop, at: str, left: list[tuple[Any, ...]]) -> None:
    shop.land(ordered("2026-03-05T00:00:00Z"))
    shop.stitch()
    assert [kind for kind, *_ in pains(shop)] == ["missed_promise"]
    shop.land(delivered(at))
    shop.stitch()
    assert [row[:3] for row in pains(shop)] == left
    assert counts(shop) == {len(left)}


def test_a_merge_unites_two_half_stories_and_its_undoing_parts_them(shop: Shop) -> None:
    """She asked by telephone and by mail; that both are one customer is said later, and taken back."""
    phone, mail = {"customer_id": "u1"}, {"customer_id": "u2"}
    shop.land(
        touch(1, 0, phone, type="support.call_ended", body={"resolved": True}),
        touch(2, DAY, mail, type="support.email_received", refs={"ticket_id": "t1"}, body={"thread_id": "th"}),
        touch(3, DAY + 5, {}, type="support.email_sent", refs={"ticket_id": "t1"}, body={"thread_id": "th"}),
    )
    shop.stitch()
    assert pains(shop) == []
    said = {side: {"kind": "customer_id", "value": value} for side, value in (("a", "u1"), ("b", "u2"))}
    shop.land(touch(4, 2 * DAY, phone, type="identity.aliased", body=said))
    shop.stitch()
    assert pains(shop) == [("repeat_contact", None, 2, "Contact 2 in a row: a mail, 24 hours after a call.")]
    shop.land(touch(5, 3 * DAY, phone, type="identity.aliased", body=said, withdraws="e4"))
    shop.stitch()
    assert pains(shop) == []


def test_every_field_that_a_rule_reads_comes_out_of_the_warehouse(shop: Shop) -> None:
    """One touchpoint of each sort whose rule rests on a column or field of its own."""
    bot = {"conversation_id": "k1"}
    calendar = [{"key": "language", "value": "de"}, {"key": "calendar", "value": "unheard of"}]
    shop.land(
        *(
            touch(number, number, EMAIL, type=kind, channel="bot", refs=bot, body=body)
            for number, kind, body in (
                (1, "support.chat_started", {"party": "customer"}),
                (2, "support.chat_message", {"party": "bot", "text_hash": "h", "handoff": False}),
                (3, "support.chat_ended", {"resolved": False}),
            )
        ),
        touch(4, 4, EMAIL, type="review.published", refs={"product_ids": ["p-7", "p-8"]}, body={"rating": "1"}),
        touch(5, 5, EMAIL, type="complaint.raised", body={"category": "noise", "regulator_ref": "r-1"}),
        touch(6, 6, EMAIL, type="support.call_ended", body={"transfers": 4}, refs={"order_id": "o9"}),
        touch(7, 10 * DAY, EMAIL, type="support.email_received", refs={"ticket_id": "t"}, attributes=calendar),
        touch(8, 8, EMAIL, type="subscription.cancelled", refs={"subscription_id": "s"}, body={"voluntary": False}),
        touch(9, 9, EMAIL, type="return.received", refs={"return_id": "r"}),
        *(
            touch(10 + n, 11 + n / 100, EMAIL, type="ui.clicked", body={"x": 1.0, "y": n * 30.0, "ok": False})
            for n in range(3)
        ),
        touch(13, 13, EMAIL, type="ui.error_shown", body={"code": "E7"}),
        touch(14, 14, EMAIL, type="delivery.delivered", refs={"shipment_id": "s1"}, body={"condition": "Broken"}),
    )
    shop.stitch()
    found = {kind: (severity, detail) for kind, severity, detail in shop.rows(
        "SELECT kind, severity, detail FROM v_pain_points"
    )}  # fmt: skip
    assert found == {
        "bad_review": ("high", "The customer rated 1 of 5 in a review."),
        "bot_loop": ("high", "A bot refused to hand over, and nobody took over."),
        "churned": ("medium", "A subscription ended without the customer's wish."),
        "complaint": ("high", "The customer complained about noise."),
        "damaged_or_lost": ("medium", "Shipment s1 was damaged on its way."),
        "product_flaw": ("high", "Product p-7 was rated 1 of 5."),
        "rage_click": ("low", "The customer clicked 3 times in a row on one spot."),
        "repeat_contact": ("low", "Contact 2 in a row about order o9: a call, 5 minutes after a chat."),
        "slow_reply": ("medium", "A message was not answered; the limit is 8 opening hours."),
        "stalled_return": ("medium", "No refund of a return followed within 14 days of its receipt."),
        "transferred": ("high", "The customer was handed on 4 times in one contact."),
        "ui_error": ("low", "The customer was shown the error 'E7' once."),
        "unresolved_contact": ("medium", "A chat ended without a solution."),
    }

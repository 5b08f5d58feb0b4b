"""What was promised, delivered, sent back and paid, against values computed by hand."""

from datetime import datetime, timedelta
from typing import Any

from tests.metrics.conftest import START, Told, about


def day(days: float) -> str:
    return (START + timedelta(days=days)).isoformat()


def order(told: Told, who: str, order_id: str, days: float = 0, minor: int | None = None, **more: Any) -> None:
    amount = {} if minor is None else {"amount": {"minor": minor, "currency": more.pop("currency", "EUR")}}
    told.say(who, days, "order.placed", refs={"order_id": order_id}, **amount, **more)


def delivered(told: Told, order_id: str, days: float, **refs: str) -> None:
    told.say(
        f"order_id:{order_id}",
        days,
        "delivery.delivered",
        refs={"order_id": order_id, **refs},
        body={"carrier": "Swift", "delivered_at": day(days)},
    )


def test_promises_are_kept_to_the_moment(told: Told) -> None:
    """Delivered at the promised moment is on time; what never came broke the promise; cancelled orders do not count."""
    for number in (1, 2, 3, 5):
        order(told, f"u{number}", f"o{number}", body={"promised_delivery_at": day(3)}, channel="app")
    order(told, "u4", "o4")
    told.say("u5", 1, "order.cancelled", refs={"order_id": "o5"})
    delivered(told, "o1", 3)
    delivered(told, "o1", 9)
    delivered(told, "o2", 4.5)
    delivered(told, "o4", 90)
    told.stitch()
    assert told.cell("on_time", "share") == about((2, 0.5, 0.0945, 0.9055))
    assert told.cell("on_time", "app", "share", dimension="channel")[0] == 2
    assert told.cell("on_time", "Swift", "share", dimension="carrier")[0] == 2
    assert told.cell("days_late", "mean") == (1, 1.5, None, None)
    assert told.cell("promise_kept", "share")[:2] == about((3, 1 / 3))  # type: ignore[arg-type]  # two of four
    assert ("share", "2025-03-06") in told.cells("promise_kept", period="day")


def test_each_shipment_has_its_own_promise(told: Told) -> None:
    """A shipment is judged by its own promise; another one of the same order that never came is a broken promise."""
    order(told, "u1", "o1", body={"promised_delivery_at": day(1)})
    for shipment, until in (("s1", 5), ("s2", 6)):
        told.say(
            "u1",
            0.5,
            "delivery.shipped",
            refs={"order_id": "o1", "shipment_id": shipment},
            body={"promised_until": day(until)},
        )
    told.say("shipment_id:s1", 4, "delivery.delivered", refs={"shipment_id": "s1"})
    told.stitch()
    assert told.cell("on_time", "share")[:2] == (1, 1.0)
    assert told.cell("promise_kept", "share")[:2] == (2, 0.5)


def test_returns_count_for_the_order_and_by_reason_for_all_orders(told: Told) -> None:
    for number in range(4):
        order(told, f"u{number}", f"o{number}", body={"lines": [{"product_id": "p1"}]} if number < 2 else {})
    for days in (5, 6):
        told.say(
            "u1", days, "return.requested", refs={"order_id": "o1", "return_id": f"r{days}"}, body={"reason": "fit"}
        )
    told.say("u9", 5, "return.requested", refs={"order_id": "unknown"}, body={"reason": "fit"})
    told.say("u1", 8, "refund.issued", refs={"order_id": "o1"})
    told.say("u1", 10.5, "refund.issued", refs={"return_id": "r6"})
    told.stitch()
    assert told.cell("return_rate", "share")[:2] == (4, 0.25)
    assert told.cell("return_rate", "p1", "share", dimension="product")[:2] == (2, 0.5)
    assert told.cell("return_rate", "fit", "share", dimension="reason")[:2] == (4, 0.25)
    assert told.cell("return_rate", "damaged", "share", dimension="reason")[:2] == (4, 0.0)
    # r5 by the refund of the order after 3 days, r6 by it after 2, as it came before the refund that names r6.
    assert told.cell("time_to_refund", "p50")[:2] == (2, 2.0)
    assert told.cell("time_to_refund", "p99")[:2] == (2, 3.0)


def test_money_of_two_currencies_is_never_added(told: Told) -> None:
    """An order told twice counts once; refunds are taken off; a customer with one order in a currency is one case."""
    order(told, "u1", "o1", 0, 1000)
    order(told, "u1", "o1", 1, 9999)
    order(told, "u1", "o2", 2, 500)
    order(told, "u1", "o3", 2, 700, currency="USD")
    order(told, "u2", "o4", 0, 200)
    told.say("u1", 3, "refund.issued", refs={"order_id": "o1"}, amount={"minor": 300, "currency": "EUR"})
    told.stitch()
    cells = told.cells("lifetime_value", "currency")
    assert cells == {
        ("EUR", "mean"): about((2, 700.0, 700 - 6353.1023, 700 + 6353.1023)),
        ("USD", "mean"): (1, 700.0, None, None),
    }
    assert told.cells("lifetime_value") == {}
    assert told.shop.rows(
        "SELECT currency, orders, gross_minor, refunded_minor, net_minor FROM v_customer_values "
        "ORDER BY currency, net_minor"
    ) == [("EUR", 1, 200, 0, 200), ("EUR", 2, 1500, 300, 1200), ("USD", 1, 700, 0, 700)]


def test_customers_buy_again_and_recommend_within_ninety_days(told: Told) -> None:
    """The ninetieth day counts, the ninety-first does not; a merge makes a second order of two first ones."""
    order(told, "u1", "o1", channel="store")
    order(told, "u1", "o2", 90)
    order(told, "u2", "o3")
    order(told, "u2", "o4", 91)
    told.say("u2", 10, "referral.sent")
    told.say("u3", 0, "referral.sent")
    order(told, "email:a@example.org", "o5", 1)
    order(told, "cookie_id:c1", "o6", 2)
    told.stitch()
    assert told.cell("repeat_purchase", "share")[:2] == (4, 0.25)
    assert told.cell("repeat_purchase", "store", "share", dimension="channel")[:2] == (1, 1.0)
    assert told.cell("referral_rate", "share")[:2] == (4, 0.25)
    told.say("email:a@example.org", 3, "web.page_viewed", also={"cookie_id": "c1"})
    told.stitch()
    assert told.cell("repeat_purchase", "share")[:2] == about((3, 2 / 3))  # type: ignore[arg-type]  # two of four


def test_cohorts_are_followed_month_by_month(told: Told) -> None:
    order(told, "u1", "o1", at=datetime.fromisoformat("2025-03-31T23:59:59Z").isoformat())
    order(told, "u1", "o2", at="2025-05-01T01:30:00+02:00")
    told.say("u2", 0, "order.placed", refs={"order_id": "o3"})
    told.say("u2", 40, "web.page_viewed")
    told.stitch()
    rows = told.shop.rows(
        "SELECT activity, toString(cohort), month, customers, active, value FROM v_cohorts WHERE month < 3 "
        "ORDER BY activity, month"
    )
    assert rows == [
        ("order", "2025-03-01", 0, 2, 2, 1.0),
        ("order", "2025-03-01", 1, 2, 1, 0.5),
        ("order", "2025-03-01", 2, 2, 0, 0.0),
        ("touchpoint", "2025-03-01", 0, 2, 2, 1.0),
        ("touchpoint", "2025-03-01", 1, 2, 2, 1.0),
        ("touchpoint", "2025-03-01", 2, 2, 0, 0.0),
    ]

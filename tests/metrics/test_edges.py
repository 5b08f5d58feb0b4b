"""What holds for every metric: no case, one case, and a merge that unites two half stories, computed by hand."""

import pytest

from pipeline.warehouse.views.metrics.declaration import Metric
from pipeline.warehouse.views.metrics.views import metrics
from tests.metrics.conftest import Cell, Told, about

ONE_OF_ONE, NONE_OF_ONE = about((1, 1.0, 0.2065, 1.0)), about((1, 0.0, 0.0, 0.7935))


@pytest.mark.parametrize("metric", metrics(), ids=lambda metric: metric.name)
def test_no_case_is_no_row(told: Told, metric: Metric) -> None:
    assert told.shop.rows(f"SELECT * FROM {metric.view} UNION ALL SELECT * FROM {metric.view}_by_persona") == []


def of_all(told: Told, name: str, dimension: str = "all", period: str = "all") -> dict[str, Cell]:
    return {"/".join(key): cell for key, cell in told.cells(name, dimension, period).items()}


def test_one_case_has_a_share_with_an_interval_and_a_mean_without(told: Told) -> None:
    """Ada's order comes a day late after one call; she answers and reviews, sends it back and is refunded."""
    order, ticket = {"order_id": "o1", "product_ids": ["p1"]}, {"ticket_id": "t1"}
    told.say("ada", 0, "order.placed", refs=order, body={"promised_delivery_at": "2025-03-05T09:00:00Z"})
    told.say("ada", 1, "support.call_ended", body={"wait_s": 60, "resolved": True})
    told.say("ada", 3, "delivery.delivered", refs=order)
    for days, instrument in ((4, "nps"), (4.1, "csat"), (4.2, "ces")):
        told.say("ada", days, "survey.answered", body={"instrument": instrument, "score": 1})
    told.say("ada", 5, "review.published", body={"rating": 5})
    told.say("ada", 20, "support.ticket_created", refs=ticket)
    told.say("ada", 20.5, "support.ticket_solved", refs=ticket)
    told.say("ada", 21, "return.requested", refs={**order, "return_id": "r1"}, body={"reason": "fit"})
    told.say("ada", 24, "refund.issued", refs={"return_id": "r1"})
    told.stitch()
    assert of_all(told, "nps") == {"net": about((1, -100.0, -98.4986, 48.4986))}
    for name, hit in (("csat", 0), ("on_time", 0), ("promise_kept", 0), ("return_rate", 1), ("conversion", 1)):
        assert of_all(told, name) == {"share": ONE_OF_ONE if hit else NONE_OF_ONE}, name
    for name, hit in (("repeat_purchase", 0), ("referral_rate", 0)):
        assert of_all(told, name) == {"share": ONE_OF_ONE if hit else NONE_OF_ONE}, name
    for name, value in (("ces", 1.0), ("review_score", 5.0), ("days_late", 1.0)):
        assert of_all(told, name) == {"mean": (1, value, None, None)}, name
    assert of_all(told, "drop_off", "stage")["buy/share"] == NONE_OF_ONE
    # Of one the median is the one; its interval is what two of one would be, which there is not, or the one itself.
    for name, value in (("wait", 60.0), ("resolution", 12.0), ("first_reply", 12.0), ("time_to_refund", 3.0)):
        assert of_all(told, name)["p50"][:2] == (1, value), name
    # Two contacts and one order: 100 × 2 / 1, and Byar's interval of a count of two.
    assert of_all(told, "contacts_per_100_orders")["rate"] == about((1, 200.0, 22.4625, 722.0869))


def test_a_merge_unites_half_stories_in_every_metric_of_customers(told: Told) -> None:
    """
    Ada orders and complains; a mail address is told it is settled, answers, recommends us and orders forty days on.

    Once the address is hers, the complaint was resolved and she came back; apart nobody did.
    """
    told.say("ada", 0, "order.placed", refs={"order_id": "o1"}, amount={"minor": 1000, "currency": "EUR"})
    told.say("ada", 1, "complaint.raised")
    mail = "email:a@example.org"
    told.say(mail, 2, "complaint.resolved")
    told.say(mail, 3, "survey.answered", body={"instrument": "csat", "score": 5})
    told.say(mail, 10, "referral.sent")
    told.say(mail, 40, "order.placed", refs={"order_id": "o2"}, amount={"minor": 500, "currency": "EUR"})
    told.stitch()
    apart = about((2, 0.0, 0.0, 0.6576))
    assert of_all(told, "repeat_purchase")["share"] == apart
    assert of_all(told, "referral_rate")["share"] == apart
    assert of_all(told, "recovery_score", "complaint") == {}
    assert of_all(told, "recovery_repurchase", "complaint") == {"not resolved/share": NONE_OF_ONE}
    assert of_all(told, "lifetime_value", "currency")["EUR/mean"][:2] == (2, 750.0)
    assert of_all(told, "conversion")["share"][:2] == (2, 1.0)
    assert of_all(told, "drop_off", "stage")["buy/share"][:2] == (2, 1.0)

    told.say("ada", 41, "account.identified", also={"email": "a@example.org"})
    told.stitch()
    assert of_all(told, "repeat_purchase")["share"] == ONE_OF_ONE
    assert of_all(told, "referral_rate")["share"] == ONE_OF_ONE
    assert of_all(told, "recovery_score", "complaint") == {"resolved/mean": (1, 100.0, None, None)}
    assert of_all(told, "recovery_repurchase", "complaint") == {"resolved/share": ONE_OF_ONE}
    assert of_all(told, "lifetime_value", "currency") == {"EUR/mean": (1, 1500.0, None, None)}
    assert of_all(told, "conversion") == {"share": ONE_OF_ONE}
    assert of_all(told, "drop_off", "stage")["buy/share"] == ONE_OF_ONE

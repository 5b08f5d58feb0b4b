"""Metrics by persona whose cases are parted by something else too, or by another time, against hand-computed values."""

from clickhouse_connect.driver.client import Client

from pipeline.warehouse.opening_hours import record_hours
from pipeline.warehouse.views.metrics.views import metrics
from tests.metrics.conftest import Cell, Told
from tests.metrics.test_business_hours import SETTINGS

EUR = {"amount": {"minor": 1000, "currency": "EUR"}}


def shares(cells: dict[tuple[str, ...], Cell]) -> dict[str, tuple[int, float | None]]:
    """Return (n, value) by the part, for metrics with one statistic."""
    return {key[0]: cell[:2] for key, cell in cells.items()}


def test_every_metric_has_a_view_by_persona() -> None:
    assert all(metric.customers for metric in metrics())


def test_contacts_count_for_who_called_and_orders_for_who_ordered(told: Told) -> None:
    """Ada calls before and after her first order: prospects call without any order, so nothing can be told of them."""
    told.say("ada", 0, "support.call_ended", body={"resolved": True})
    told.say("ada", 1, "order.placed", refs={"order_id": "o1"})
    told.say("ada", 2, "support.call_ended", body={"resolved": True})
    told.say("eve", 2, "order.placed", refs={"order_id": "o2"})
    told.stitch()
    assert shares(told.cells("contacts_per_100_orders_by_persona", "persona")) == {
        "prospect": (0, None),
        "new_customer": (2, 50.0),
    }


def test_times_in_opening_hours_count_for_who_asked(told: Told, client: Client) -> None:
    """A prospect asks within one afternoon; a new customer on Friday and is answered on Monday."""
    record_hours(client, 1, SETTINGS)
    told.say("ada", 0, "support.ticket_created", at="2025-03-24T09:00:00Z", refs={"ticket_id": "t1"})
    told.say("ada", 0, "support.ticket_solved", at="2025-03-24T10:00:00Z", refs={"ticket_id": "t1"})
    told.say("eve", 0, "order.placed", refs={"order_id": "o1"})
    told.say("eve", 0, "support.ticket_created", at="2025-03-28T15:00:00Z", refs={"ticket_id": "t2"})
    told.say("eve", 0, "support.ticket_solved", at="2025-03-31T08:00:00Z", refs={"ticket_id": "t2"})
    told.stitch()
    for metric in ("first_reply_business", "resolution_business"):
        cells = told.cells(f"{metric}_by_persona", "persona")
        assert {key: cell[:2] for key, cell in cells.items() if key[1] == "p50"} == {
            ("prospect", "p50"): (1, 1.0),
            ("new_customer", "p50"): (1, 2.0),
        }


def test_returns_by_persona_and_by_reason_within_it(told: Told) -> None:
    """The order counts for what the customer became by it: Ada's first as a new customer's, her third as another's."""
    for number, days in enumerate((0, 1, 2)):
        told.say("ada", days, "order.placed", refs={"order_id": f"a{number}"}, **EUR)
    told.say("eve", 0, "order.placed", refs={"order_id": "e0"}, **EUR)
    back = {"order_id": "e0", "return_id": "r1"}
    told.say("eve", 5, "return.requested", refs=back, body={"reason": "fit"})
    told.say("order_id:e0", 6, "refund.issued", refs=back)
    told.say("return_id:r9", 6, "return.requested", refs={"return_id": "r9"})
    told.stitch()
    personas = dict(
        told.shop.rows(
            "SELECT order_id, persona FROM v_touchpoints AS t ASOF JOIN v_persona_history AS h "
            "ON h.customer_uid = t.customer_uid AND h.valid_from <= t.occurred_at WHERE t.type = 'order.placed'"
        )
    )
    assert personas["e0"] == personas["a0"] == "new_customer" != personas["a2"]
    returned = shares(told.cells("return_rate_by_persona", "persona"))
    assert returned["new_customer"] == (2, 0.5)
    assert sum(n or 0 for n, _ in returned.values()) == told.cell("return_rate", "share")[0] == 4
    reasons = shares(told.cells("return_rate_by_persona", "reason, persona"))
    assert reasons["fit, new_customer"] == (2, 0.5)
    assert reasons["damaged, new_customer"] == (2, 0.0)
    assert told.cell("time_to_refund_by_persona", "new_customer", "p50", dimension="persona")[:2] == (1, 1.0)
    assert told.cell("time_to_refund", "p50")[:2] == (1, 1.0)


def test_journeys_end_at_a_stage_by_persona_and_by_channel(told: Told) -> None:
    """Ada looked as a prospect and bought 40 days later, in a journey that begins with the order itself."""
    told.say("ada", 0, "web.page_viewed", context={"url": "https://shop.example/?utm_campaign=spring"})
    told.say("ada", 40, "order.placed", refs={"order_id": "o1"}, channel="phone")
    told.say("eve", 0, "web.page_viewed")
    told.say("eve", 0.01, "product.viewed")
    told.stitch()
    assert shares(told.cells("drop_off_by_persona", "stage, persona")) == {
        "discover, prospect": (2, 0.5),
        "consider, prospect": (1, 1.0),
        "discover, new_customer": (1, 0.0),
        "consider, new_customer": (1, 0.0),
        "buy, new_customer": (1, 1.0),
    }
    assert told.cells("drop_off_by_persona", "persona") == {}
    assert shares(told.cells("drop_off", "stage, channel"))["buy, phone"] == (1, 1.0)
    assert shares(told.cells("drop_off", "stage, campaign")) == {"discover, spring": (1, 1.0)}


def test_value_so_far_counts_for_what_the_customer_is_today(told: Told) -> None:
    """All is long ago, so who was new then is something else now; two currencies stay two."""
    told.say("ada", 0, "order.placed", refs={"order_id": "o1"}, body={"lines": [{"product_id": "p1"}]}, **EUR)
    told.say("ada", 1, "order.placed", refs={"order_id": "o2"}, amount={"minor": 700, "currency": "JPY"})
    told.say("ada", 3, "refund.issued", refs={"order_id": "o1"}, amount={"minor": 300, "currency": "EUR"})
    told.say("eve", 0, "order.placed", refs={"order_id": "o3"}, channel="phone", **EUR)
    told.stitch()
    now = dict(
        told.shop.rows("SELECT currency, any(persona) FROM v_personas GROUP BY currency HAVING uniqExact(persona) = 1")
    )
    persona = now["EUR"]
    assert persona != "new_customer"
    assert shares(told.cells("lifetime_value_by_persona", "currency, persona")) == {
        f"EUR, {persona}": (2, 850.0),
        f"JPY, {persona}": (1, 700.0),
    }
    assert shares(told.cells("lifetime_value", "currency, channel"))["EUR, phone"] == (1, 1000.0)
    assert shares(told.cells("lifetime_value", "currency, product")) == {"EUR, p1": (1, 700.0)}
    assert told.cells("lifetime_value_by_persona", "persona") == {}


def test_recovery_by_persona_and_by_whether_it_was_resolved(told: Told) -> None:
    told.say("ada", 0, "complaint.raised", refs={"ticket_id": "t1", "product_ids": ["p1"]})
    told.say("ada", 2, "complaint.resolved", refs={"ticket_id": "t1"})
    told.say("ada", 3, "survey.answered", body={"instrument": "csat", "score": 5})
    told.say("ada", 4, "order.placed", refs={"order_id": "o1"})
    told.say("ada", 5, "complaint.raised", refs={"ticket_id": "t2"})
    told.say("ada", 6, "survey.answered", body={"instrument": "csat", "score": 2})
    told.stitch()
    assert shares(told.cells("recovery_score_by_persona", "complaint, persona")) == {
        "resolved, prospect": (1, 100.0),
        "not resolved, new_customer": (1, 25.0),
    }
    assert shares(told.cells("recovery_score_by_persona", "persona")) == {
        "prospect": (1, 100.0),
        "new_customer": (1, 25.0),
    }
    assert shares(told.cells("recovery_repurchase_by_persona", "persona")) == {
        "prospect": (1, 1.0),
        "new_customer": (1, 0.0),
    }
    assert shares(told.cells("recovery_score", "product")) == {"p1": (1, 100.0)}


def test_churn_counts_for_what_the_customer_was_when_the_month_began(told: Told) -> None:
    """Ada orders on 10 April: a prospect when April begins, a new customer when May does, in which she is lost."""
    told.say("ada", 7, "subscription.started", refs={"subscription_id": "s1"}, body={"plan": "basic"}, channel="app")
    told.say("ada", 0, "order.placed", at="2025-04-10T00:00:00Z", refs={"order_id": "o1"})
    told.say("ada", 0, "subscription.cancelled", at="2025-05-15T00:00:00Z", refs={"subscription_id": "s1"})
    told.stitch()
    assert {key: cell[:2] for key, cell in told.cells("churn_by_persona", "persona", "month").items()} == {
        ("prospect", "share", "2025-04-01"): (1, 0.0),
        ("new_customer", "share", "2025-05-01"): (1, 1.0),
    }
    assert told.cell("churn", "app", "share", "2025-05-01", dimension="channel", period="month")[:2] == (1, 1.0)


def test_half_stories_that_unite_move_to_the_persona_of_the_whole(told: Told) -> None:
    """A complaint by mail alone is a prospect's; once the mail address is the buyer's, it is a customer's."""
    told.say("ada", 0, "order.placed", refs={"order_id": "o1"}, **EUR)
    told.say("email:a@example.org", 1, "complaint.raised")
    told.say("email:a@example.org", 2, "survey.answered", body={"instrument": "csat", "score": 1})
    told.stitch()
    assert shares(told.cells("recovery_score_by_persona", "persona")) == {"prospect": (1, 0.0)}
    told.say("ada", 3, "account.identified", also={"email": "a@example.org"})
    told.stitch()
    assert shares(told.cells("recovery_score_by_persona", "persona")) == {"new_customer": (1, 0.0)}

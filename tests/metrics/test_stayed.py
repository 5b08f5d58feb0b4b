"""Who came, bought, left and was won back, against values computed by hand."""

from pipeline.warehouse.views.metrics import metric_views
from tests.metrics.conftest import Told, about


def test_journeys_convert_or_drop_off_at_a_stage(told: Told) -> None:
    """Whoever begins later counts as having come through the stages before."""
    told.say("u1", 0, "web.page_viewed", context={"url": "https://shop.example/?utm_campaign=spring"})
    told.say("u1", 0.01, "product.viewed")
    told.say("u1", 0.02, "order.placed", refs={"order_id": "o1"})
    told.say("u2", 0, "web.page_viewed")
    told.say("u3", 0, "order.placed", refs={"order_id": "o2"}, channel="phone")
    told.say("u3", 3, "delivery.delivered", refs={"order_id": "o2"})
    told.say("u4", 0, "survey.answered", body={"instrument": "nps", "score": 9})
    told.stitch()
    assert told.cell("conversion", "share") == about((4, 0.5, 0.1500, 0.8500))
    assert told.cell("conversion", "phone", "share", dimension="channel")[:2] == (1, 1.0)
    assert told.cell("conversion", "spring", "share", dimension="campaign")[:2] == (1, 1.0)
    stages = told.cells("drop_off", "stage")
    assert {key[0]: cell[:2] for key, cell in stages.items()} == {
        "discover": about((3, 1 / 3)),  # type: ignore[arg-type]  # two of four
        "consider": (2, 0.0),
        "buy": (2, 0.5),
    }


def test_subscriptions_churn_in_the_month_their_end_takes_effect(told: Told) -> None:
    """s1 ends in May, s2 began anew after it was cancelled, s3 ended within the month it began."""
    for name, days in (("s1", 7), ("s2", 7), ("s3", 7)):
        told.say(name, days, "subscription.started", refs={"subscription_id": name}, body={"plan": "basic"})
    told.say(
        "s1",
        20,
        "subscription.cancelled",
        refs={"subscription_id": "s1"},
        body={"effective_at": "2025-05-15T00:00:00Z"},
    )
    told.say("s2", 20, "subscription.cancelled", refs={"subscription_id": "s2"})
    told.say("s2", 25, "subscription.renewed", refs={"subscription_id": "s2"}, body={"plan": "basic"})
    told.say("s3", 10, "subscription.cancelled", refs={"subscription_id": "s3"})
    told.stitch()
    months = told.cells("churn", "plan", "month")
    assert ("basic", "share", "2025-03-01") not in months
    assert months["basic", "share", "2025-04-01"][:2] == (2, 0.0)
    assert months["basic", "share", "2025-05-01"][:2] == (2, 0.5)
    assert months["basic", "share", "2025-06-01"][:2] == (1, 0.0)
    assert told.cells("churn", period="week") == {}


def test_recovery_compares_resolved_complaints_with_the_others(told: Told) -> None:
    told.say("u1", 0, "complaint.raised", refs={"order_id": "o1"})
    told.say("u1", 2, "complaint.resolved", refs={"order_id": "o1"})
    told.say("u1", 3, "survey.answered", body={"instrument": "csat", "score": 5})
    told.say("u1", 90, "order.placed", refs={"order_id": "o9"})
    told.say("u2", 0, "complaint.raised", refs={"order_id": "o2"})
    told.say("u2", 2, "complaint.resolved", refs={"order_id": "another"})
    told.say("u2", 3, "survey.answered", body={"instrument": "csat", "score": 2})
    told.say("u2", 91, "order.placed", refs={"order_id": "o8"})
    told.stitch()
    assert told.cells("recovery_score", "complaint") == {
        ("resolved", "mean"): (1, 100.0, None, None),
        ("not resolved", "mean"): (1, 25.0, None, None),
    }
    shares = told.cells("recovery_repurchase", "complaint")
    assert {key[0]: cell[:2] for key, cell in shares.items()} == {"resolved": (1, 1.0), "not resolved": (1, 0.0)}


def test_every_example_runs_and_every_column_says_what_it_is(told: Told) -> None:
    for name, example in ((view.name, view.example) for view in metric_views()):
        assert told.shop.rows(example) is not None, name
    columns = told.shop.rows("SELECT table, comment FROM system.columns WHERE database = currentDatabase()")
    assert {view.name for view in metric_views()} <= {row[0] for row in columns}
    assert all(comment for _, comment in columns)

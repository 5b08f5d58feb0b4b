"""Metrics split by what customers were at the time, counted by hand."""

from pipeline.warehouse.views.metrics.views import metrics
from tests.metrics.conftest import Told

BY_PERSONA = [metric for metric in metrics() if metric.customers]


def test_an_answer_counts_for_what_the_customer_was_then(told: Told) -> None:
    """
    Ada answers before she ever ordered, and after her first order; Eve has an order and answers too.

    With the package's personas nobody who never ordered is anything but a prospect.
    """
    told.say("ada", 0, "survey.answered", body={"instrument": "nps", "score": 10})
    told.say("ada", 1, "order.placed", refs={"order_id": "o1"})
    told.say("ada", 2, "survey.answered", body={"instrument": "nps", "score": 0})
    told.say("eve", 1, "order.placed", refs={"order_id": "o2"})
    told.say("eve", 3, "survey.answered", body={"instrument": "nps", "score": 9})
    told.say("eve", 3, "support.call_ended", body={"resolved": True})
    told.say("eve", 4, "support.call_ended", body={"resolved": True})
    told.stitch()
    by_persona = told.cells("nps_by_persona", "persona")
    assert {key[0]: cell[:2] for key, cell in by_persona.items()} == {"prospect": (1, 100.0), "new_customer": (2, 0.0)}
    assert sum(cell[0] for cell in by_persona.values()) == told.cell("nps", "net")[0]
    assert told.cells("repeat_contact_rate_by_persona", "persona")["new_customer", "share"][:2] == (2, 0.5)
    assert told.cells("first_contact_resolution_by_persona", "persona")["new_customer", "share"][:2] == (1, 0.0)
    assert told.cells("nps_by_persona", "persona", "day")["prospect", "net", "2025-03-03"][:2] == (1, 100.0)
    # Whoever asks for the first order asks what the customer became by it.
    assert told.cells("repeat_purchase_by_persona", "persona")["new_customer", "share"][:2] == (2, 0.0)


def test_without_rows_there_are_no_personas(told: Told) -> None:
    for metric in BY_PERSONA:
        assert told.cells(f"{metric.name}_by_persona", "persona") == {}, metric.name

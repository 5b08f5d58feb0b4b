"""Metrics split by what customers were at the time, counted by hand."""

from pipeline.warehouse.views.metrics.views import metrics
from tests.convergence.history import History
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


def test_waits_replies_and_parcels_count_for_whom_they_befell(told: Told) -> None:
    """A prospect is answered; the parcel of a first order comes in time; a parcel without an order is nobody's."""
    told.say("ada", 0, "support.ticket_created", refs={"ticket_id": "t1"})
    told.say("ada", 2 / 24, "support.email_sent", refs={"ticket_id": "t1"})
    told.say("ada", 3 / 24, "support.ticket_solved", refs={"ticket_id": "t1"})
    told.say("eve", 0, "order.placed", refs={"order_id": "o1"}, body={"promised_delivery_at": "2025-03-06T09:00:00Z"})
    told.say("order_id:o1", 2, "delivery.delivered", refs={"order_id": "o1"})
    shipped = {"promised_until": "2025-03-05T09:00:00Z"}
    told.say("shipment_id:s9", 0, "delivery.shipped", refs={"shipment_id": "s9"}, body=shipped)
    told.say("shipment_id:s9", 1, "delivery.delivered", refs={"shipment_id": "s9"})
    told.say("eve", 1, "support.call_ended", body={"wait_s": 90})
    told.stitch()
    assert told.cells("first_reply_by_persona", "persona")["prospect", "p50"][:2] == (1, 2.0)
    assert told.cells("resolution_by_persona", "persona")["prospect", "p50"][:2] == (1, 3.0)
    assert told.cells("wait_by_persona", "persona")["new_customer", "p50"][:2] == (1, 90.0)
    assert told.cell("on_time", "share")[:2] == (2, 1.0)
    for metric in ("on_time", "promise_kept"):
        assert {k[0]: c[:2] for k, c in told.cells(f"{metric}_by_persona", "persona").items()} == {
            "new_customer": (1, 1.0)
        }


def test_without_rows_there_are_no_personas(told: Told) -> None:
    for metric in BY_PERSONA:
        assert told.cells(f"{metric.name}_by_persona", "persona") == {}, metric.name


def test_it_is_the_persona_that_the_history_has_at_the_time(told: Told) -> None:
    """A view judges customers at their own cases; their whole history, joined by time, says the same."""
    for batch in (0, 1):
        told.shop.land(*History(seed=7, people=12, events=160).make()[batch::2])
        told.shop.stitch()
    database = told.shop.rows("SELECT currentDatabase()")[0][0]
    seen: set[str] = set()
    for metric in BY_PERSONA:
        if metric.longest != "all" or metric.apart != ("",):
            continue
        cases = metric.customers.replace("{db}", database)
        history = told.shop.rows(
            f"SELECT toString(h.persona), toUInt64(sum(c.base)) FROM ({cases}) AS c ASOF INNER JOIN v_persona_history "
            "AS h ON h.customer_uid = c.customer AND h.valid_from <= c.at GROUP BY h.persona"
        )
        view = {key[0]: cell[0] for key, cell in told.cells(f"{metric.name}_by_persona", "persona").items()}
        assert view == dict(history), metric.name
        seen |= view.keys()
    assert len(seen) > 2

"""What support takes, against values computed by hand."""

from tests.metrics.conftest import Told, about

CALL, CHAT = "support.call_ended", "support.chat_ended"


def test_contacts_are_first_repeated_or_settled(told: Told) -> None:
    """Four contacts: one repeats another, one is left open; the matter of the third is settled at once."""
    told.say("a", 0, CALL, body={"resolved": True})
    told.say("a", 3, CALL, body={"resolved": True})
    told.say("b", 0, "support.chat_started", refs={"conversation_id": "c1"})
    told.say("b", 0.01, CHAT, refs={"conversation_id": "c1"}, body={"resolved": True})
    told.say("c", 0, CALL, body={"resolved": False})
    for number in range(2):
        told.say("d", 1, "order.placed", refs={"order_id": f"o{number}"})
    told.stitch()
    assert told.cell("repeat_contact_rate", "share")[:2] == (4, 0.25)
    assert told.cell("first_contact_resolution", "share") == about((3, 1 / 3, 0.0615, 0.7923))
    # Byar: 4 · (1 − 1/36 − 1.96/6)³ and 5 · (1 − 1/45 + 1.96/(3√5))³ contacts, over two orders.
    assert told.cell("contacts_per_100_orders", "rate") == about((2, 200.0, 53.8075, 512.0372))
    assert told.cell("contacts_per_100_orders", "phone", "rate", dimension="channel")[:2] == (2, 150.0)
    assert told.cell("contacts_per_100_orders", "web", "rate", dimension="channel")[:3] == (2, 0.0, 0.0)
    days = told.cells("contacts_per_100_orders", period="day")
    assert days["rate", "2025-03-03"] == (0, None, None, None)
    assert days["rate", "2025-03-04"][:2] == (2, 0.0)


def test_a_merge_makes_one_matter_of_two_half_stories(told: Told) -> None:
    told.say("phone:+49301234567", 0, CALL)
    told.say("email:a@example.org", 2, "support.email_received", refs={"ticket_id": "t1"})
    told.stitch()
    assert told.cell("first_contact_resolution", "share")[:2] == (2, 1.0)
    assert told.cell("repeat_contact_rate", "share")[:2] == (2, 0.0)
    told.say("email:a@example.org", 3, "web.page_viewed", also={"phone": "+49301234567"})
    told.stitch()
    assert told.cell("first_contact_resolution", "share")[:2] == (1, 0.0)
    assert told.cell("repeat_contact_rate", "share")[:2] == (2, 0.5)


def test_a_ticket_opened_for_a_call_is_no_contact_beside_it(told: Told) -> None:
    told.say("a", 0, CALL, refs={"ticket_id": "t1"})
    told.say("a", 0.1, "support.ticket_created", refs={"ticket_id": "t1"})
    told.say("b", 0, "support.ticket_created", refs={"ticket_id": "t2"})
    told.say("b", 1, "support.email_received", refs={"ticket_id": "t2"})
    told.say("c", 0, "support.email_received", body={"thread_id": "m1"})
    told.say("c", 1, "support.email_received", body={"thread_id": "m1"}, refs={"ticket_id": "t3"})
    told.say("d", 0, CALL, direction="outbound")
    told.stitch()
    assert told.cell("repeat_contact_rate", "share")[:2] == (3, 0.0)


def test_waits_are_quantiles_by_nearest_rank(told: Told) -> None:
    for number, wait in enumerate((40, 10, 30, 20)):
        told.say(f"u{number}", 0, CALL, body={"wait_s": wait, "queue": "billing"})
    told.say("u9", 0, "support.chat_started", body={"wait_s": 5.5}, refs={"conversation_id": "c"})
    told.say("u9", 0.1, CHAT, body={"wait_s": 5.5}, refs={"conversation_id": "c"})
    told.stitch()
    phone = told.cells("wait", "queue")
    assert phone["billing", "p50"] == (4, 20.0, 10.0, 40.0)
    assert phone["billing", "p90"] == (4, 40.0, 30.0, None)
    assert told.cell("wait", "chat", "p99", dimension="channel") == (1, 5.5, 5.5, None)


def test_the_first_reply_is_one_that_the_customer_sees(told: Told) -> None:
    told.say("a", 0, "support.ticket_created", refs={"ticket_id": "t1"})
    told.say("a", 1 / 24, "support.ticket_updated", refs={"ticket_id": "t1"}, body={"public_reply": False})
    told.say("a", 2 / 24, "support.email_sent", refs={"ticket_id": "t1"})
    told.say("b", 0, "support.email_received", body={"thread_id": "m1"})
    told.say("b", 6 / 24, "support.email_sent", body={"thread_id": "m1"})
    told.say("c", 0, "support.ticket_created", refs={"ticket_id": "t2"})
    told.stitch()
    assert told.cell("first_reply", "p50")[:2] == (2, 2.0)
    assert told.cell("first_reply", "p99")[:2] == (2, 6.0)


def test_a_reopened_ticket_is_resolved_when_it_stays_so(told: Told) -> None:
    for days, verb in ((0, "created"), (0.2, "solved"), (0.3, "reopened"), (0.5, "solved"), (0.6, "solved")):
        told.say("a", days, f"support.ticket_{verb}", refs={"ticket_id": "t1"})
    for days, verb in ((0, "created"), (0.2, "solved"), (0.3, "reopened")):
        told.say("b", days, f"support.ticket_{verb}", refs={"ticket_id": "t2"})
    told.stitch()
    assert told.cell("resolution", "p50")[:2] == (1, 12.0)


def test_what_names_a_product_counts_for_it(told: Told) -> None:
    """A ticket about p1, solved after two hours; an order of p1, one of p2; a call about nothing in particular."""
    about_it = {"ticket_id": "t1", "product_ids": ["p1"]}
    told.say("ada", 0, "support.ticket_created", refs=about_it)
    told.say("ada", 2 / 24, "support.ticket_solved", refs={"ticket_id": "t1"})
    told.say("eve", 0, "support.call_ended", body={"wait_s": 30, "resolved": True})
    told.say("bob", 0, "support.call_ended", refs={"product_ids": ["p1"]}, body={"wait_s": 90, "resolved": True})
    for number, product in enumerate(("p1", "p1", "p2")):
        told.say("ada", 1, "order.placed", refs={"order_id": f"o{number}"}, body={"lines": [{"product_id": product}]})
    told.stitch()
    assert told.cell("contacts_per_100_orders", "rate")[:2] == (3, 100.0)
    by_product = told.cells("contacts_per_100_orders", "product")
    assert {key[0]: cell[:2] for key, cell in by_product.items()} == {"p1": (2, 100.0), "p2": (1, 0.0)}
    assert told.cell("first_contact_resolution", "p1", "share", dimension="product")[:2] == (2, 1.0)
    assert told.cell("repeat_contact_rate", "p1", "share", dimension="product")[:2] == (2, 0.0)
    assert told.cell("wait", "p1", "p50", dimension="product")[:2] == (1, 90.0)
    assert told.cell("first_reply", "p1", "p50", dimension="product")[:2] == (1, 2.0)
    assert told.cell("resolution", "p1", "p50", dimension="product")[:2] == (1, 2.0)

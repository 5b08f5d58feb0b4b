"""Each pain-point rule on cases told one by one."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from pipeline.config_pain import PainPointSettings
from pipeline.stitching.pain import RULES
from pipeline.stitching.rules import StitchRules
from pipeline.stitching.stitch import stitch
from tests.stitching.facts import DAY, MINUTE, Fact, fact, facts_frame, identities_frame, uid

ANNA = uid(1)
HOUR = 60 * MINUTE


def pains(*facts: Fact, settings: PainPointSettings | None = None) -> list[dict[str, Any]]:
    rules = StitchRules(pain_points=settings or PainPointSettings())
    row = stitch(facts_frame(list(facts)), identities_frame([(ANNA, 0, ANNA)]), rules).row(0, named=True)
    names = [name for name in row if name.startswith("pain_")]
    return [dict(zip(names, values, strict=True)) for values in zip(*(row[name] for name in names), strict=True)]


def placed(number: int, at: int, order_id: str, promise: int | None) -> Fact:
    return fact(ANNA, number, at, "order.placed", order_id=order_id, promised_delivery_at=promise)


def shipped(number: int, at: int, promise: int | None, **refs: str) -> Fact:
    return fact(ANNA, number, at, "delivery.shipped", promised_until=promise, **refs)


def delivered(number: int, at: int, delivered_at: int | None = None, **refs: str) -> Fact:
    return fact(ANNA, number, at, "delivery.delivered", delivered_at=delivered_at, **refs)


def test_a_late_parcel_tells_promise_and_delivery() -> None:
    [pain] = pains(placed(1, 0, "o-1", 2 * DAY), delivered(2, 5 * DAY, order_id="o-1"))
    assert pain["pain_kind"] == "late_delivery"
    assert pain["pain_severity"] == "medium"
    assert pain["pain_evidence"] == [uid(1), uid(2)]
    assert pain["pain_occurred_at"] == datetime(1970, 1, 6, tzinfo=UTC)
    assert pain["pain_order_id"] == "o-1"
    assert pain["pain_detail"] == "Order o-1 arrived 3 days later than promised."
    assert (pain["pain_journey"], pain["pain_due_at"], pain["pain_rule_version"]) == (1, None, 1)


@pytest.mark.parametrize(
    ("late_ms", "severity"),
    [(0, None), (1, "low"), (DAY - 1, "low"), (DAY, "medium"), (7 * DAY - 1, "medium"), (7 * DAY, "high")],
)
def test_lateness_is_judged_by_the_moment(late_ms: int, severity: str | None) -> None:
    found = pains(placed(1, 0, "o-1", 10 * DAY), delivered(2, 12 * DAY, 10 * DAY + late_ms, order_id="o-1"))
    assert [pain["pain_severity"] for pain in found] == ([severity] if severity else [])


def test_the_promise_of_the_shipment_goes_before_that_of_the_order() -> None:
    facts = [placed(1, 0, "o-1", DAY), delivered(9, 5 * DAY, order_id="o-1", shipment_id="s-1")]
    assert pains(*facts, shipped(2, 1, 6 * DAY, order_id="o-1", shipment_id="s-1")) == []
    [pain] = pains(*facts, shipped(2, 1, 6 * DAY, order_id="o-1", shipment_id="s-2"))
    assert pain["pain_evidence"] == [uid(1), uid(9)], "another shipment's promise is not this one's"
    assert pains(*facts, shipped(2, 1, 6 * DAY, order_id="o-1")) == []
    [pain] = pains(*facts, shipped(2, 1, 3 * DAY, order_id="o-1", shipment_id="s-1"))
    assert pain["pain_evidence"] == [uid(2), uid(9)]


def test_a_carrier_that_knows_only_the_shipment_is_matched_through_it() -> None:
    [pain] = pains(
        placed(1, 0, "o-1", DAY),
        shipped(2, 1, None, order_id="o-1", shipment_id="s-1"),
        delivered(3, 3 * DAY, shipment_id="s-1"),
    )
    assert (pain["pain_order_id"], pain["pain_evidence"]) == ("o-1", [uid(1), uid(3)])
    [pain] = pains(shipped(2, 1, DAY, shipment_id="s-1"), delivered(3, 3 * DAY, shipment_id="s-1"))
    assert pain["pain_detail"] == "Shipment s-1 arrived 2 days later than promised."


def test_a_delivery_that_is_told_again_hurts_once() -> None:
    late = [placed(1, 0, "o-1", DAY), delivered(2, 3 * DAY, order_id="o-1", shipment_id="s-1")]
    [once] = pains(*late)
    assert pains(*late, delivered(3, 4 * DAY, order_id="o-1", shipment_id="s-1")) == [once]
    assert pains(*late, delivered(3, 3 * DAY, order_id="o-1")) == [once], "the shop's word for the same parcel"
    in_time = [placed(1, 0, "o-1", 2 * DAY), delivered(2, DAY, order_id="o-1")]
    assert pains(*in_time, delivered(3, 9 * DAY, order_id="o-1")) == []


def test_two_late_shipments_of_one_order_are_two() -> None:
    both = [delivered(number, 3 * DAY, order_id="o-1", shipment_id=f"s-{number}") for number in (2, 3)]
    assert len(pains(placed(1, 0, "o-1", DAY), *both)) == 2


def test_a_correction_that_proves_punctuality_takes_the_pain_away() -> None:
    late = delivered(2, 3 * DAY, order_id="o-1")
    corrected = delivered(2, 3 * DAY, DAY, order_id="o-1") | {"content_version": uid(2**100)}
    assert len(pains(placed(1, 0, "o-1", 2 * DAY), late)) == 1
    assert pains(placed(1, 0, "o-1", 2 * DAY), late, corrected) == []


def test_no_promise_no_pain() -> None:
    assert pains(placed(1, 0, "o-1", None), delivered(2, 99 * DAY, order_id="o-1")) == []
    [pain] = pains(placed(1, 0, "o-2", DAY), delivered(2, 9 * DAY))
    assert pain["pain_kind"] == "missed_promise", "a delivery that names neither order nor shipment is nobody's"


@pytest.mark.parametrize(
    ("paid_after", "order_id", "severity", "evidence"),
    [
        (0, "o-1", "low", [uid(1), uid(2)]),
        (HOUR, "o-1", "low", [uid(1), uid(2)]),
        (HOUR + 1, "o-1", "medium", [uid(1)]),
        (-1, "o-1", "high", [uid(1)]),
        (0, "", "medium", [uid(1)]),
    ],
)
def test_a_failed_payment_weighs_by_what_followed(
    paid_after: int, order_id: str, severity: str, evidence: list[bytes]
) -> None:
    failed = fact(ANNA, 1, DAY, "payment.failed", order_id=order_id)
    paid = fact(ANNA, 2, DAY + paid_after, "payment.made", order_id=order_id)
    [pain] = pains(failed, paid)
    assert (pain["pain_severity"], pain["pain_evidence"]) == (severity, evidence)


def test_sentences_of_a_failed_payment() -> None:
    failed = fact(ANNA, 1, DAY, "payment.failed", order_id="o-1")
    assert pains(failed)[0]["pain_detail"] == "The payment of order o-1 failed and no payment of it followed."
    paid = fact(ANNA, 2, DAY + 5 * MINUTE, "payment.made", order_id="o-1")
    assert pains(failed, paid)[0]["pain_detail"] == "The payment of order o-1 failed; it was paid 5 minutes later."
    for after, told in ((HOUR, "60 minutes"), (HOUR + 1, "more than 60 minutes"), (HOUR + MINUTE, "61 minutes")):
        paid = fact(ANNA, 2, DAY + after, "payment.made", order_id="o-1")
        assert pains(failed, paid)[0]["pain_detail"].endswith(f"; it was paid {told} later.")
    assert pains(fact(ANNA, 1, DAY, "payment.failed"))[0]["pain_detail"] == "A payment failed."
    [pain] = pains(fact(ANNA, 1, DAY, "payment.failed", code="gateway_timeout"))
    assert pain["pain_detail"] == "A payment failed with the code 'gateway_timeout'."
    told = pains(fact(ANNA, 1, DAY, "payment.failed", order_id="o-1", code="expired"), paid)[0]["pain_detail"]
    assert told == "The payment of order o-1 failed with the code 'expired'; it was paid 61 minutes later."


@pytest.mark.parametrize(
    ("wait_s", "severity"),
    [
        (None, None),
        (180.0, None),
        (180.5, "low"),
        (359.0, "low"),
        (360.0, "medium"),
        (900.0, "high"),
        (float("nan"), None),
    ],
)
def test_a_long_wait(wait_s: float | None, severity: str | None) -> None:
    found = pains(fact(ANNA, 1, 0, "support.call_ended", wait_s=wait_s, ticket_id="t-1"))
    assert [(pain["pain_kind"], pain["pain_severity"]) for pain in found] == (
        [("long_wait", severity)] if severity else []
    )
    assert all(pain["pain_ticket_id"] == "t-1" for pain in found)


def test_the_longest_bearable_wait_is_a_setting() -> None:
    call = fact(ANNA, 1, 0, "support.call_ended", wait_s=61.0)
    [pain] = pains(call, settings=PainPointSettings(long_wait=timedelta(minutes=1)))
    assert pain["pain_detail"] == "The customer waited 1 minute for an answer in a call."


def test_a_conversation_waits_once_and_every_call_by_itself() -> None:
    chat = [fact(ANNA, number, number, "support.chat_message", conversation_id="c", wait_s=200.0) for number in (1, 2)]
    calls = [fact(ANNA, number, number, "support.call_ended", conversation_id="c", wait_s=200.0) for number in (3, 4)]
    waits = [pain["pain_evidence"] for pain in pains(*chat, *calls) if pain["pain_kind"] == "long_wait"]
    assert waits == [[uid(1)], [uid(3)], [uid(4)]]
    started = fact(ANNA, 1, 0, "support.call_started", wait_s=999.0)
    assert pains(started) == [], "a call is counted when it ended"


@pytest.mark.parametrize(("resolved", "count"), [(False, 1), (True, 0), (None, 0)])
@pytest.mark.parametrize("type_name", ["support.call_ended", "support.chat_ended"])
def test_an_unresolved_contact(type_name: str, resolved: bool | None, count: int) -> None:
    found = pains(fact(ANNA, 1, 0, type_name, resolved=resolved))
    assert [pain["pain_kind"] for pain in found] == ["unresolved_contact"] * count


@pytest.mark.parametrize(
    ("instrument", "score", "scale", "severity"),
    [
        ("star", 1, (None, None), "high"),
        ("star", 2, (None, None), "medium"),
        ("star", 3, (1, 5), None),
        ("csat", 2, (None, None), "medium"),
        ("csat", 3, (0, 10), None),
        ("csat", 2.5, (0, 10), "medium"),
        ("ces", 2, (None, None), "medium"),
        ("ces", 3, (None, None), None),
        ("nps", 6, (None, None), "medium"),
        ("nps", 7, (None, None), None),
        ("nps", 3, (0, 10), "high"),
        ("nps", 3, (1, 5), None),
        ("text", 0, (0, 10), None),
        ("star", 1, (5, 5), None),
        ("star", 1, (5, 1), None),
    ],
)
def test_a_low_score(
    instrument: str, score: float, scale: tuple[float | None, float | None], severity: str | None
) -> None:
    answer = fact(
        ANNA, 1, 0, "survey.answered", instrument=instrument, score=float(score), scale_min=scale[0], scale_max=scale[1]
    )
    assert [pain["pain_severity"] for pain in pains(answer)] == ([severity] if severity else [])


def test_what_is_low_is_a_setting() -> None:
    answer = fact(ANNA, 1, 0, "survey.answered", instrument="star", score=3.0)
    [pain] = pains(answer, settings=PainPointSettings(low_score_share=0.5))
    assert pain["pain_detail"] == "The customer answered 3 on a scale from 1 to 5 (star rating)."


def test_the_journey_is_that_of_the_last_evidence() -> None:
    [pain] = pains(placed(1, 0, "o-1", DAY), delivered(2, 90 * DAY, order_id="o-1"))
    assert pain["pain_journey"] == 2


def test_ids_stay_when_more_becomes_known() -> None:
    failed = fact(ANNA, 1, DAY, "payment.failed", order_id="o-1")
    paid = fact(ANNA, 2, DAY + 1, "payment.made", order_id="o-1")
    assert pains(failed)[0]["pain_point_id"] == pains(failed, paid)[0]["pain_point_id"]


def test_only_touchpoints_of_the_same_customer_are_matched() -> None:
    bert = uid(2)
    same = {"order_id": "7", "shipment_id": "7", "conversation_id": "7"}
    hers = [
        placed(2, 0, "7", DAY),
        shipped(3, 0, DAY, **same),
        fact(ANNA, 4, DAY, "payment.made", **same),
        fact(ANNA, 5, 0, "support.chat_ended", wait_s=999.0, **same),
    ]
    his = [
        fact(bert, 6, 5 * DAY, "delivery.delivered", **same),
        fact(bert, 7, DAY, "payment.failed", **same),
        fact(bert, 8, 1, "support.chat_ended", wait_s=999.0, **same),
        fact(bert, 9, 6 * DAY, "delivery.delivered", shipment_id="8"),
    ]
    her_promise = [shipped(10, 0, DAY, shipment_id="8")]
    identities = identities_frame([(ANNA, 0, ANNA), (bert, 0, bert)])
    rows = stitch(facts_frame([*hers, *his, *her_promise]), identities, StitchRules())
    anna, other = rows.sort("ident_key").to_dicts()
    assert anna["pain_kind"] == ["long_wait", "missed_promise", "missed_promise"]
    assert other["pain_kind"] == ["long_wait", "failed_payment"]
    assert other["pain_severity"][1] == "high"


def test_the_page_names_every_rule_with_its_version() -> None:
    page = (Path(__file__).parents[2] / "docs" / "pain-points.md").read_text(encoding="utf-8")
    for rule in RULES:
        assert f"| {rule.kind} | {rule.version} |" in page
        assert f"\n## {rule.kind}\n" in page

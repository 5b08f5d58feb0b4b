"""Every verdict on a decoded event, and that they are those of the contract."""

from typing import Any

import pytest

from pipeline.contracts.reasons import Problem, Reason
from pipeline.contracts.times import EARLIEST_MS, LATEST_MS, MAX_AHEAD_MS
from pipeline.contracts.touchpoint import decode_touchpoint
from pipeline.contracts.types import touchpoint_types
from pipeline.streaming.decode.values import ValueDecoder
from pipeline.streaming.decode.verdicts import Judged, judge
from tests.streaming.samples import RECEIVED_MS, all_golden, encoded, event, golden, identity, places, statement

DECODER = ValueDecoder(1_048_576)
GOOD = encoded(event(id="good"))
ALICE = {"kind": "customer_id", "value": "alice"}
BOB = {"kind": "customer_id", "value": "bob"}


def judged(values: list[bytes], families: list[str], timestamps: list[int | None] | None = None) -> Judged:
    return judge(DECODER.decode(values), places(families, timestamps))


def problems(found: Judged) -> dict[int, tuple[Reason, str]]:
    return {rejection.row: (rejection.problem.reason, rejection.problem.pointer) for rejection in found.rejections}


def raw(**changed: Any) -> bytes:
    """Return an event's value, its type swapped for another of the same length where `really` says so."""
    really = changed.pop("really", None)
    value = encoded(event(**changed))
    return value.replace(changed["type"].encode(), really.encode()) if really else value


BAD = [
    pytest.param(raw(type="web.page_viewed", really="web.page_wieved"), Reason.UNKNOWN_TYPE, "/type", id="type"),
    pytest.param(raw(type="web.page_viewed", really="payment.failed1"[:15]), Reason.UNKNOWN_TYPE, "/type", id="longer"),
    pytest.param(raw(type="product.viewed", really="payment.failed"), Reason.WRONG_TOPIC, "/type", id="other family"),
    pytest.param(raw(id=""), Reason.INVALID_VALUE, "/id", id="empty id"),
    pytest.param(raw(source=""), Reason.INVALID_VALUE, "/source", id="empty source"),
    pytest.param(raw(revision=-1), Reason.INVALID_VALUE, "/revision", id="revision"),
    pytest.param(raw(amount={"minor": 1, "currency": "EURO"}), Reason.INVALID_VALUE, "/amount/currency", id="currency"),
    pytest.param(raw(occurred_at=EARLIEST_MS - 1), Reason.INVALID_VALUE, "/occurred_at", id="before 1900"),
    pytest.param(raw(occurred_at=LATEST_MS + 1), Reason.INVALID_VALUE, "/occurred_at", id="after 2299"),
    pytest.param(raw(sent_at=2**62), Reason.INVALID_VALUE, "/sent_at", id="absurd sent_at"),
    pytest.param(raw(received_at=-(2**62)), Reason.INVALID_VALUE, "/received_at", id="absurd received_at"),
    pytest.param(raw(body={"query": "shoes"}), Reason.UNKNOWN_FIELD, "/body/query", id="foreign field"),
    pytest.param(raw(withdraws="e-0"), Reason.BAD_STATEMENT, "/withdraws", id="nothing to withdraw"),
    pytest.param(
        raw(identities=[identity("email", "x")]).replace(b"\x02\x04\x02x", b"\x02\x04\x00"), None, "", id="empty value"
    ),
]


@pytest.mark.parametrize(("value", "reason", "pointer"), BAD)
def test_a_verdict_names_the_fault_and_spares_neighbours(value: bytes, reason: Reason | None, pointer: str) -> None:
    found = judged([GOOD, value, GOOD], ["web"] * 3)
    expected = {} if reason is None else {1: (reason, pointer)}
    assert problems(found) == expected
    assert found.envelopes["row"].to_list() == [row for row in range(3) if row not in expected]
    assert found.bodies["web"]["row"].to_list() == found.envelopes["row"].to_list()
    slow = decode_touchpoint(value)
    assert (slow.reason, slow.pointer) == (reason, pointer) if isinstance(slow, Problem) else reason is None


def test_an_event_that_names_nobody_is_rejected() -> None:
    both = b"\x04\x1a\x08ck-1\x00\x00\x04\x1eAnn@Example.com\x00\x00\x00"
    refs = {"order_id": "", "survey_id": "s-1", "product_ids": ["p-1"], "campaign": "spring"}
    values = [encoded(event(refs=refs)), encoded(event(refs={"order_id": "o-1", "product_ids": []}))]
    assert all(both in value for value in values)
    unnamed, referred = (value.replace(both, b"\x00") for value in values)
    found = judged([GOOD, referred, unnamed], ["web"] * 3)
    assert problems(found) == {2: (Reason.NO_IDENTIFIER, "/identities")}


def test_a_type_on_another_familys_topic_is_rejected() -> None:
    found = judged([golden("order.placed"), GOOD], ["web", "web"])
    assert problems(found) == {0: (Reason.WRONG_TOPIC, "/type")}
    assert "touchpoints.orders" in found.rejections[0].problem.detail


def test_a_required_body_field_must_be_there() -> None:
    without_score = encoded(event(type="survey.declined", body={"instrument": "nps"}))
    lacking = without_score.replace(b"\x1esurvey.declined", b"\x1esurvey.answered")
    found = judged([lacking, encoded(event(type="custom.tracked"))], ["feedback", "accounts"])
    assert problems(found) == {0: (Reason.MISSING_FIELD, "/body/score"), 1: (Reason.MISSING_FIELD, "/body/name")}


@pytest.mark.parametrize(
    ("sent", "pointer"),
    [
        (statement("aliased", ALICE, {"kind": "email", "value": "bob@example.com"}), "/body/b/kind"),
        (statement("aliased", ALICE, {"kind": "customer_id", "value": " alice "}), "/body/b"),
        (statement("unlinked", ALICE, {"kind": "email", "value": "  "}), "/body/b/value"),
    ],
)
def test_a_statement_that_says_nothing_is_rejected(sent: dict[str, Any], pointer: str) -> None:
    good = encoded(statement("unlinked", ALICE, BOB, withdraws="s-0"))
    found = judged([encoded(sent), good], ["accounts", "accounts"])
    assert problems(found) == {0: (Reason.BAD_STATEMENT, pointer)}


@pytest.mark.parametrize(
    ("received_at", "timestamp", "ahead_of", "is_future"),
    [
        (None, 1_000_000, 1_000_000, True),
        (2_000_000, 1_000_000, 1_000_000, True),
        (1_000_000, 2_000_000, 1_000_000, True),
        (1_000_000, None, 1_000_000, True),
        (None, None, 0, False),
    ],
)
def test_the_day_ahead_is_measured_from_the_earlier_receipt(
    received_at: int | None, timestamp: int | None, ahead_of: int, is_future: bool
) -> None:
    limit = encoded(event(occurred_at=ahead_of + MAX_AHEAD_MS, received_at=received_at))
    beyond = encoded(event(occurred_at=ahead_of + MAX_AHEAD_MS + 1, received_at=received_at))
    found = judged([limit, beyond], ["web", "web"], [timestamp, timestamp])
    assert problems(found) == ({1: (Reason.FUTURE_TIME, "/occurred_at")} if is_future else {})


def test_old_times_are_fine() -> None:
    values = [encoded(event(occurred_at=time)) for time in (EARLIEST_MS, 0, 1)]
    assert problems(judged(values, ["web"] * 3)) == {}


def test_what_is_stored_as_receipt_and_what_the_type_fills_in() -> None:
    told = encoded(event(occurred_at=5, received_at=5))
    silent = encoded(event(type="support.call_ended")).replace(b"\x02\x00\x02\x00", b"\x00\x00", 1)
    found = judged([told, silent], ["web", "support"])
    lines = found.envelopes.select("received_at", "channel", "direction", "revision").rows()
    assert lines == [(5, "web", "inbound", 0), (RECEIVED_MS, "phone", "inbound", 0)]


def test_every_golden_example_passes() -> None:
    families = [row.family for row in touchpoint_types().values()]
    found = judged(list(all_golden()), families)
    assert found.rejections == []
    assert found.envelopes["row"].to_list() == list(range(len(families)))
    assert found.envelopes["channel"].null_count() == found.envelopes["direction"].null_count() == 0

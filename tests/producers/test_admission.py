"""Which touchpoints may enter."""

from typing import Any

import pytest

from pipeline.config import IdentitySettings
from pipeline.contracts.reasons import Reason
from pipeline.contracts.touchpoint import decode_touchpoint
from pipeline.producers.admission import LARGEST_EVENT_BYTES, Admission, Admitted, Refused
from tests.producers.events import RECEIVED_AT, page_viewed

MINUTE_MS = 60_000


def judge(value: object, *, keeps_receipt: bool = False) -> Admitted | Refused:
    admission = Admission(IdentitySettings(), LARGEST_EVENT_BYTES, keeps_receipt=keeps_receipt)
    return admission.judge(value, RECEIVED_AT)


def admitted(value: object, *, keeps_receipt: bool = False) -> Admitted:
    judged = judge(value, keeps_receipt=keeps_receipt)
    assert isinstance(judged, Admitted), judged
    return judged


def refused(value: object) -> Refused:
    judged = judge(value)
    assert isinstance(judged, Refused), judged
    return judged


def decoded(judged: Admitted) -> dict[str, Any]:
    event = decode_touchpoint(judged.record.value)
    assert isinstance(event, dict)
    return event


def test_a_correct_touchpoint_becomes_the_record_of_its_topic() -> None:
    judged = admitted(page_viewed(7))
    assert (judged.event_id, judged.record.topic, judged.record.key) == (
        "e-7",
        "touchpoints.web",
        b"cookie_id:cookie-7",
    )
    assert decoded(judged)["received_at"] == RECEIVED_AT


@pytest.mark.parametrize(("keeps_receipt", "expected"), [(True, 1_772_366_400_000), (False, RECEIVED_AT)])
def test_files_keep_the_receipt_that_they_bring_and_the_collector_sets_its_own(
    keeps_receipt: bool, expected: int
) -> None:
    value = page_viewed(received_at="2026-03-01T12:00:00Z")
    assert decoded(admitted(value, keeps_receipt=keeps_receipt))["received_at"] == expected


def test_the_content_ignores_when_it_was_sent_and_nothing_else() -> None:
    first = admitted(page_viewed(sent_at="2026-03-01T10:04:01Z")).content
    assert admitted(page_viewed(sent_at="2026-03-01T10:09:01Z")).content == first
    assert admitted(page_viewed()).content == first
    for other in (
        page_viewed(2),
        page_viewed(revision=1),
        page_viewed(body={"dwell_ms": 5}),
        page_viewed(occurred_at="2026-03-01T10:04:00.001Z"),
        page_viewed(source="app"),
    ):
        assert admitted(other).content != first


def test_the_order_of_fields_is_no_content() -> None:
    value = page_viewed(context={"url": "https://a.example/", "title": "A"})
    turned = dict(reversed(page_viewed(context={"title": "A", "url": "https://a.example/"}).items()))
    assert admitted(value).content == admitted(turned).content


@pytest.mark.parametrize(
    ("occurred_at", "is_admitted"),
    [
        (RECEIVED_AT + 24 * 60 * MINUTE_MS, True),
        (RECEIVED_AT + 24 * 60 * MINUTE_MS + 1, False),
        ("1970-01-01T00:00:00Z", True),
        ("2100-01-01T00:00:00Z", False),
    ],
)
def test_old_is_fine_and_more_than_a_day_ahead_is_not(occurred_at: object, is_admitted: bool) -> None:
    judged = judge(page_viewed(occurred_at=occurred_at))
    assert isinstance(judged, Admitted) == is_admitted
    if isinstance(judged, Refused):
        assert [(problem.reason, problem.pointer) for problem in judged.problems] == [
            (Reason.FUTURE_TIME, "/occurred_at")
        ]


@pytest.mark.parametrize("value", ["null", " Anonymous ", "0000", "[object Object]"])
def test_values_that_identify_nobody_are_no_identifier(value: str) -> None:
    alone = page_viewed(identities=[{"kind": "cookie_id", "value": value}])
    assert refused(alone).problems[0].reason is Reason.NO_IDENTIFIER
    admitted({**alone, "refs": {"order_id": "o-1"}})


def test_every_fault_is_told_with_its_place() -> None:
    judged = refused({**page_viewed(), "type": "web.page_viewed", "occurred_at": "today", "body": {"scream": 1}})
    assert judged.event_id == "e-1"
    assert {(problem.reason, problem.pointer) for problem in judged.problems} == {
        (Reason.INVALID_VALUE, "/occurred_at"),
        (Reason.UNKNOWN_FIELD, "/body/scream"),
    }


@pytest.mark.parametrize("value", [None, 3, "text", [], [[[]]], {"id": 4}])
def test_what_is_no_touchpoint_is_refused_without_an_id(value: object) -> None:
    assert refused(value).event_id is None


def test_a_record_that_kafka_would_not_take_is_too_large() -> None:
    value = page_viewed(context={"title": "x" * LARGEST_EVENT_BYTES})
    assert refused(value).problems[0].reason is Reason.TOO_LARGE
    admitted(page_viewed(context={"title": "x" * (LARGEST_EVENT_BYTES - 1_000)}))

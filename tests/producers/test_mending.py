"""What a dead letter says is read, patched and judged as when it first came."""

import json
from dataclasses import replace
from typing import Any

import pytest
from pydantic import SecretStr

from pipeline.config import IdentitySettings
from pipeline.contracts.encoding import record_writer
from pipeline.contracts.examples import example_of
from pipeline.contracts.reasons import Problem, Reason
from pipeline.contracts.schemas import fields_of, writer_schema
from pipeline.contracts.touchpoint import decode_touchpoint, encode_touchpoint, parse_touchpoint, to_json
from pipeline.contracts.types import touchpoint_types
from pipeline.contracts.unjudged import read_unjudged
from pipeline.contracts.wire import encode_single_object
from pipeline.producers.admission import Admission
from pipeline.producers.mending import mend
from pipeline.producers.patching import parse_steps
from pipeline.warehouse.dead_letters import DeadLetter

ADMISSION = Admission(IdentitySettings(hash_key=SecretStr("k" * 32)), 1_048_576, keeps_receipt=True)
REJECTED_MS = 1_772_360_000_000  # 2026-03-01T10:13:20Z


def letter(payload: bytes | None) -> DeadLetter:
    return DeadLetter(
        log_id="log",
        topic="touchpoints.web",
        partition=0,
        offset=7,
        rejected_at_ms=REJECTED_MS,
        reason="undecodable",
        detail="",
        schema="",
        state="open",
        payload=payload,
        key=b"",
    )


def avro(type_name: str, **changes: Any) -> bytes:
    """Write an event as a producer does that judges nothing."""
    event = parse_touchpoint(example_of(type_name))
    assert isinstance(event, dict)
    schema = writer_schema(touchpoint_types()[type_name].family)
    payload = bytearray()
    record_writer(fields_of(schema))(payload, {**event, **changes})
    return encode_single_object(schema.fingerprint, bytes(payload))


@pytest.mark.parametrize("name", ["order.placed", "identity.aliased", "web.page_viewed", "survey.answered"])
def test_a_good_record_reads_as_its_json(name: str) -> None:
    event = parse_touchpoint(example_of(name))
    assert isinstance(event, dict)
    assert read_unjudged(encode_touchpoint(event).value) == to_json(event)


@pytest.mark.parametrize(
    ("payload", "reason"),
    [
        (None, Reason.TOMBSTONE),
        (b"rubbish", Reason.UNDECODABLE),
        (b'{"id": ', Reason.UNDECODABLE),
        (b"[1, 2]", Reason.WRONG_TYPE),
        (b"\xc3\x01" + bytes(8) + b"x", Reason.UNKNOWN_SCHEMA),
        (b"{" * 100_000, Reason.UNDECODABLE),
    ],
)
def test_what_cannot_be_read_is_told(payload: bytes | None, reason: Reason) -> None:
    read = read_unjudged(payload)
    assert isinstance(read, Problem)
    assert read.reason is reason
    assert mend(letter(payload), (), ADMISSION).problems == (read,)


def test_a_type_that_does_not_exist_is_mended_and_goes_to_its_topic() -> None:
    mended = mend(letter(avro("order.placed", type="order.bought")), (), ADMISSION)
    assert [problem.reason for problem in mended.problems] == [Reason.UNKNOWN_TYPE]
    mended = mend(letter(avro("order.placed", type="order.bought")), parse_steps(["set /type order.placed"]), ADMISSION)
    assert mended.admitted is not None
    assert mended.admitted.record.topic == "touchpoints.orders"
    assert mended.before is not None
    assert mended.before["type"] == "order.bought"


def test_json_in_an_avro_topic_is_mended_without_a_patch() -> None:
    mended = mend(letter(json.dumps(example_of("web.page_viewed")).encode()), (), ADMISSION)
    assert mended.admitted is not None
    decoded = decode_touchpoint(mended.admitted.record.value)
    assert isinstance(decoded, dict)
    assert decoded["id"] == example_of("web.page_viewed")["id"]


def test_mending_late_is_no_way_around_the_rules() -> None:
    """A time that lay too far ahead when the record came is too far ahead for ever."""
    ahead = avro("web.page_viewed", occurred_at=REJECTED_MS + 2 * 86_400_000, received_at=None, sent_at=None)
    assert [problem.reason for problem in mend(letter(ahead), (), ADMISSION).problems] == [Reason.FUTURE_TIME]


def test_times_that_no_warehouse_holds_are_shown_as_numbers() -> None:
    mended = mend(letter(avro("web.page_viewed", occurred_at=2**62)), (), ADMISSION)
    assert mended.before is not None
    assert mended.before["occurred_at"] == 2**62
    assert mended.problems[0].reason is Reason.INVALID_VALUE


def test_the_last_repair_wins() -> None:
    rejected = letter(json.dumps({**example_of("survey.answered"), "occurred_at": REJECTED_MS, "revision": 2}).encode())
    revisions = []
    for score in (4, 5, 5, 4, 4):
        mended = mend(rejected, parse_steps([f"set /body/score {score}"]), ADMISSION)
        assert mended.after is not None
        assert mended.admitted is not None
        assert mended.after["body"]["score"] == score
        revisions.append(mended.after["revision"])
        rejected = replace(rejected, patch=mended.patch)
    assert revisions == [2, 3, 3, 4, 4], "one that says something else wins, the same again is the same event"
    mended = mend(rejected, parse_steps(["set /revision 9", "set /body/score 1"]), ADMISSION)
    mended = mend(replace(rejected, patch=mended.patch), parse_steps(["set /body/score 2"]), ADMISSION)
    assert mended.after is not None
    assert mended.after["revision"] == 10


def test_a_step_that_fails_is_told_and_nothing_is_admitted() -> None:
    steps = parse_steps(["cast /source integer"])
    mended = mend(letter(avro("web.page_viewed")), steps, ADMISSION)
    assert (mended.admitted, mended.after) == (None, None)
    assert "cast /source integer" in mended.problems[0].detail

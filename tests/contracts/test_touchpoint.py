"""Touchpoints from JSON: what is filled in, what is refused, and that every fault is found at once."""

import json
from typing import Any

import pytest

from pipeline.contracts.meaning import identifiers_of
from pipeline.contracts.reading import MOST_PROBLEMS
from pipeline.contracts.reasons import Problem, Reason, pointer_to
from pipeline.contracts.touchpoint import encode_touchpoint, parse_touchpoint, to_json
from tests.contracts.golden import parsed

CALL: dict[str, Any] = {
    "id": "0190",
    "type": "support.call_ended",
    "source": "callcentre",
    "occurred_at": "2026-03-01T10:04:00Z",
    "identities": [{"kind": "phone", "value": "+49 30 1234567"}],
    "refs": {"order_id": "o-7", "ticket_id": "t-9"},
    "body": {"wait_s": 340, "talk_s": 200, "resolved": False},
    "attributes": [{"key": "agent_group", "value": "billing"}],
}


def faults(touchpoint: object) -> set[tuple[Reason, str]]:
    problems = parse_touchpoint(touchpoint)
    assert isinstance(problems, list), "this should have been refused"
    return {(problem.reason, problem.pointer) for problem in problems}


def changed(**fields: Any) -> dict[str, Any]:
    return {**CALL, **fields}


def statement(type_name: str = "identity.aliased", **body: Any) -> dict[str, Any]:
    sides = {"a": {"kind": "customer_id", "value": "1"}, "b": {"kind": "customer_id", "value": "2"}}
    return changed(type=type_name, refs=None, body={**sides, **body})


def test_the_contracts_example_becomes_an_event() -> None:
    event = parsed(CALL)
    assert event["occurred_at"] == 1_772_359_440_000
    assert (event["channel"], event["direction"], event["revision"]) == ("phone", "inbound", 0)
    assert event["body"] == {"wait_s": 340.0, "talk_s": 200.0, "resolved": False}
    assert event["identities"] == [{"kind": "phone", "value": "+49 30 1234567", "hashed": False, "verified": False}]
    assert (event["context"], event["consent"], event["amount"]) == (None, [], None)


def test_a_channel_that_is_given_beats_the_default() -> None:
    event = parsed(changed(channel="app", direction="system"))
    assert (event["channel"], event["direction"]) == ("app", "system")


def test_null_is_the_same_as_absent() -> None:
    absent = {name: value for name, value in CALL.items() if name != "attributes"}
    nulls = dict.fromkeys(("channel", "sent_at", "context", "attributes", "amount", "revision", "withdraws"))
    body = {**CALL["body"], "reason": None, "party": None}
    assert parsed({**CALL, **nulls, "body": body}) == parsed(absent)


def test_every_fault_is_reported_at_once() -> None:
    assert faults(
        {
            "id": 7,
            "type": "support.call_ended",
            "occurred_at": "yesterday",
            "colour": "red",
            "revision": True,
            "identities": [{"kind": "phone", "value": "1"}, {"kind": "passport", "value": 3}, {"kind": "email"}],
            "amount": {"minor": 1.5, "currency": "EURO"},
            "body": {"wait_s": "long", "party": "agent", "nonsense": 1, "resolved": "no"},
        }
    ) == {
        (Reason.WRONG_TYPE, "/id"),
        (Reason.MISSING_FIELD, "/source"),
        (Reason.INVALID_VALUE, "/occurred_at"),
        (Reason.UNKNOWN_FIELD, "/colour"),
        (Reason.WRONG_TYPE, "/revision"),
        (Reason.INVALID_VALUE, "/identities/1/kind"),
        (Reason.WRONG_TYPE, "/identities/1/value"),
        (Reason.MISSING_FIELD, "/identities/2/value"),
        (Reason.WRONG_TYPE, "/amount/minor"),
        (Reason.INVALID_VALUE, "/amount/currency"),
        (Reason.WRONG_TYPE, "/body/wait_s"),
        (Reason.UNKNOWN_FIELD, "/body/party"),
        (Reason.UNKNOWN_FIELD, "/body/nonsense"),
        (Reason.WRONG_TYPE, "/body/resolved"),
    }


@pytest.mark.parametrize("name", ["id", "type", "source", "occurred_at"])
def test_required_fields_are_missed_where_they_would_stand(name: str) -> None:
    lacking = {field: value for field, value in CALL.items() if field != name}
    assert faults(lacking) == {(Reason.MISSING_FIELD, f"/{name}")}
    assert faults(changed(**{name: None})) == {(Reason.MISSING_FIELD, f"/{name}")}


@pytest.mark.parametrize("name", ["id", "type", "source"])
def test_names_must_not_be_empty(name: str) -> None:
    assert (Reason.INVALID_VALUE, f"/{name}") in faults(changed(**{name: ""}))


@pytest.mark.parametrize("value", [None, 1, "text", [], True])
def test_only_an_object_is_a_touchpoint(value: object) -> None:
    assert faults(value) == {(Reason.WRONG_TYPE, "")}


@pytest.mark.parametrize(
    ("field", "value", "reason"),
    [
        ("occurred_at", float("nan"), Reason.WRONG_TYPE),
        ("occurred_at", float("inf"), Reason.WRONG_TYPE),
        ("occurred_at", True, Reason.WRONG_TYPE),
        ("occurred_at", 1.5, Reason.WRONG_TYPE),
        ("occurred_at", "2026-03-01T10:04:00", Reason.INVALID_VALUE),
        ("occurred_at", "2026-13-01T10:04:00Z", Reason.INVALID_VALUE),
        ("occurred_at", 10**18, Reason.INVALID_VALUE),
        ("occurred_at", -(10**18), Reason.INVALID_VALUE),
        ("revision", -1, Reason.INVALID_VALUE),
        ("revision", 2**31, Reason.INVALID_VALUE),
        ("revision", "1", Reason.WRONG_TYPE),
        ("channel", "fax", Reason.INVALID_VALUE),
        ("channel", 1, Reason.WRONG_TYPE),
        ("source", "half \ud800", Reason.INVALID_VALUE),
        ("session_id", {"id": 1}, Reason.WRONG_TYPE),
    ],
)
def test_values_that_a_field_does_not_take(field: str, value: object, reason: Reason) -> None:
    assert faults(changed(**{field: value})) == {(reason, f"/{field}")}


@pytest.mark.parametrize("value", [float("nan"), float("-inf"), 10**400])
def test_numbers_are_finite(value: object) -> None:
    assert faults(changed(body={"wait_s": value})) == {(Reason.INVALID_VALUE, "/body/wait_s")}


def test_times_are_rfc_3339_or_milliseconds_and_old_is_fine() -> None:
    for value, expected in (
        (1_772_359_440_000, 1_772_359_440_000),
        (1_772_359_440_000.0, 1_772_359_440_000),
        ("2026-03-01T11:04:00+01:00", 1_772_359_440_000),
        (0, 0),
        ("1900-01-01T00:00:00Z", -2_208_988_800_000),
        ("2100-01-01T00:00:00Z", 4_102_444_800_000),
    ):
        assert parsed(changed(occurred_at=value))["occurred_at"] == expected


def test_an_unknown_type_is_named_and_the_envelope_still_read() -> None:
    assert faults(changed(type="support.vanished", colour=1)) == {
        (Reason.UNKNOWN_TYPE, "/type"),
        (Reason.UNKNOWN_FIELD, "/colour"),
    }


@pytest.mark.parametrize(
    ("type_name", "body", "missing"),
    [
        ("custom.tracked", None, {"/body/name"}),
        ("survey.answered", {"comment": "hm"}, {"/body/instrument", "/body/score"}),
        ("identity.unlinked", {}, {"/body/a", "/body/b"}),
    ],
)
def test_required_body_fields(type_name: str, body: object, missing: set[str]) -> None:
    assert faults(changed(type=type_name, body=body)) == {(Reason.MISSING_FIELD, pointer) for pointer in missing}


def test_lines_are_read_one_by_one() -> None:
    order = changed(type="order.placed", body={"lines": [{"price_minor": 5}, {"price_minor": 1.25}, 7, {"colour": 1}]})
    assert faults(order) == {
        (Reason.WRONG_TYPE, "/body/lines/1/price_minor"),
        (Reason.WRONG_TYPE, "/body/lines/2"),
        (Reason.UNKNOWN_FIELD, "/body/lines/3/colour"),
    }


def test_pointers_escape_what_rfc_6901_demands() -> None:
    assert faults(changed(**{"a/b~c": 1})) == {(Reason.UNKNOWN_FIELD, "/a~1b~0c")}
    assert pointer_to("lines", 0, "a/b") == "/lines/0/a~1b"


def test_somebody_must_be_named() -> None:
    nobody = changed(identities=[], refs={"survey_id": "s", "campaign": "c", "product_ids": ["p"]})
    assert faults(nobody) == {(Reason.NO_IDENTIFIER, "/identities")}
    assert faults(changed(identities=None, refs=None)) == {(Reason.NO_IDENTIFIER, "/identities")}
    parsed(changed(identities=[], refs={"shipment_id": "sh-1"}))


def test_a_faulty_identity_is_not_also_a_missing_one() -> None:
    assert faults(changed(identities=7, refs=None)) == {(Reason.WRONG_TYPE, "/identities")}


def test_identifiers_come_strongest_first_and_include_references() -> None:
    event = parsed(
        changed(
            identities=[
                {"kind": "cookie_id", "value": "c"},
                {"kind": "order_id", "value": "o-7"},
                {"kind": "customer_id", "value": "k"},
            ]
        )
    )
    assert identifiers_of(event) == [
        ("customer_id", "k"),
        ("order_id", "o-7"),
        ("ticket_id", "t-9"),
        ("cookie_id", "c"),
    ]
    assert encode_touchpoint(event).key == b"customer_id:k"


def test_a_rating_may_be_text_but_no_other_number() -> None:
    review = changed(type="review.published", body={"rating": " 4.5", "scale": 5})
    assert parsed(review)["body"] == {"rating": 4.5, "scale": 5.0}
    assert faults(changed(type="review.published", body={"rating": "great"})) == {(Reason.WRONG_TYPE, "/body/rating")}
    assert faults(changed(type="review.published", body={"scale": "5"})) == {(Reason.WRONG_TYPE, "/body/scale")}


def test_nested_utm_is_read_as_flat() -> None:
    nested = parsed(changed(context={"utm": {"source": "x", "medium": "cpc"}, "utm_source": "flat"}))
    assert nested["context"] == {"utm_source": "flat", "utm_medium": "cpc"}
    assert faults(changed(context={"utm": {"colour": "x"}})) == {(Reason.UNKNOWN_FIELD, "/context/utm/colour")}
    assert faults(changed(context={"utm": 7})) == {(Reason.WRONG_TYPE, "/context/utm")}


def test_aliases_join_two_accounts_only() -> None:
    parsed(statement())
    phone = {"kind": "phone", "value": "1"}
    assert faults(statement(a=phone)) == {(Reason.BAD_STATEMENT, "/body/a/kind")}
    assert faults(statement(b={"kind": "customer_id", "value": " 1 "})) == {(Reason.BAD_STATEMENT, "/body/b")}
    assert faults(statement(b={"kind": "customer_id", "value": "  "})) == {(Reason.BAD_STATEMENT, "/body/b/value")}
    parsed(statement("identity.unlinked", a=phone))
    assert faults(statement("identity.unlinked", a=phone, b=phone)) == {(Reason.BAD_STATEMENT, "/body/b")}


def test_only_statements_can_be_withdrawn() -> None:
    assert faults(changed(withdraws="0189")) == {(Reason.BAD_STATEMENT, "/withdraws")}
    assert parsed({**statement(), "withdraws": "0189"})["withdraws"] == "0189"


def test_a_list_of_many_faults_is_not_reported_item_by_item() -> None:
    problems = parse_touchpoint(changed(identities=[7] * 100_000))
    assert isinstance(problems, list)
    assert len(problems) <= MOST_PROBLEMS + 10


def test_a_problem_reads_as_one_line() -> None:
    problem = Problem(Reason.MISSING_FIELD, "/id", "this field is required")
    assert str(problem) == "missing_field at /id: this field is required"


def test_what_is_shown_is_json_and_says_no_defaults() -> None:
    shown = to_json(parsed(changed(type="order.placed", body={"promised_delivery_at": 1_772_359_440_000})))
    assert json.loads(json.dumps(shown)) == shown
    assert shown["body"] == {"promised_delivery_at": "2026-03-01T10:04:00.000Z"}
    assert "revision" not in shown
    assert shown["identities"] == CALL["identities"]

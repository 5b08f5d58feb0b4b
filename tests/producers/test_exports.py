"""Export files of customer data platforms become the touchpoints that live messages become."""

from typing import Any

import pytest

from pipeline.contracts.reasons import Problem
from pipeline.contracts.touchpoint import parse_touchpoint
from pipeline.producers.exports import translator
from pipeline.producers.segment import Sender, to_touchpoint

SENDER = Sender("web-shop", "EUR")
AT = "2026-03-01T10:00:00.000Z"


def made(form: str, row: object) -> dict[str, Any]:
    (found,) = translator(form, SENDER, lambda: 1_772_361_000_000)(row)
    assert not isinstance(found, Problem), found
    event = parse_touchpoint(found.touchpoint)
    assert isinstance(event, dict), [str(problem) for problem in event]
    return event


@pytest.mark.parametrize("form", ["segment", "rudderstack"])
def test_messages_are_read_as_the_collector_reads_them(form: str) -> None:
    message = {
        "type": "track",
        "event": "Order Completed",
        "messageId": "m-1",
        "timestamp": AT,
        "userId": "u-1",
        "properties": {"order_id": "o-1", "total": 12.5, "currency": "EUR"},
    }
    live = to_touchpoint(message, SENDER, 0)
    assert not isinstance(live, Problem)
    assert made(form, message) == parse_touchpoint(live.touchpoint)
    assert made(form, message)["type"] == "order.placed"


def posthog(event: str, distinct_id: str = "u-1", /, **properties: Any) -> dict[str, Any]:
    return {"uuid": "p-1", "event": event, "distinct_id": distinct_id, "timestamp": AT, "properties": properties}


def who(event: dict[str, Any]) -> list[tuple[str, str]]:
    return [(identity["kind"], identity["value"]) for identity in event["identities"]]


def test_properties_of_posthog_may_be_a_text_of_json() -> None:
    row = posthog("Seat Map Opened", plan="pro")
    assert made("posthog", {**row, "properties": '{"plan": "pro"}'}) == made("posthog", row)
    assert {"key": "properties", "value": "{"} in made("posthog", {**row, "properties": "{"})["attributes"]


def test_posthog_page_views_tell_page_campaign_and_device() -> None:
    event = made(
        "posthog",
        posthog(
            "$pageview",
            "d-1",
            **{
                "$device_id": "d-1",
                "$current_url": "https://shop.example/a",
                "$referrer": "$direct",
                "utm_source": "mail",
                "$session_id": "s-1",
            },
        ),
    )
    assert (event["type"], event["id"], event["session_id"]) == ("web.page_viewed", "p-1", "s-1")
    assert who(event) == [("cookie_id", "d-1")]
    assert event["context"]["url"] == "https://shop.example/a"
    assert event["context"]["utm_source"] == "mail"
    assert "referrer" not in event["context"]


def test_posthog_identifies_and_aliases() -> None:
    identified = made("posthog", posthog("$identify", **{"$anon_distinct_id": "d-1", "$set": {"email": "a@b.example"}}))
    assert identified["type"] == "account.identified"
    assert who(identified) == [("customer_id", "u-1"), ("email", "a@b.example"), ("cookie_id", "d-1")]
    aliased = made("posthog", posthog("$create_alias", alias="u-0"))
    assert aliased["type"] == "identity.aliased"
    assert [aliased["body"][side]["value"] for side in ("a", "b")] == ["u-0", "u-1"]


def test_posthog_events_of_known_and_unknown_names() -> None:
    known = made("posthog", posthog("Order Completed", **{"order_id": "o-1", "total": 5, "$lib": "posthog-ios"}))
    assert (known["type"], known["amount"]["minor"]) == ("order.placed", 500)
    unknown = made("posthog", posthog("fridge opened", door="left", **{"$device_id": "d-1", "$os": "iOS"}))
    assert (unknown["type"], unknown["body"]["name"]) == ("custom.tracked", "fridge opened")
    assert unknown["attributes"] == [{"key": "door", "value": "left"}]
    assert who(unknown) == [("customer_id", "u-1"), ("cookie_id", "d-1")]
    screen = made("posthog", posthog("$screen", **{"$screen_name": "Cart"}))
    assert (screen["type"], screen["body"]["screen"]) == ("app.screen_viewed", "Cart")


def test_what_is_no_contact_is_skipped_and_what_is_no_message_is_a_problem() -> None:
    translate = translator("posthog", SENDER, lambda: 0)
    assert list(translate(posthog("$feature_flag_called"))) == []
    rows: tuple[object, ...] = (None, 5, [], {"distinct_id": "x"})
    for row in rows:
        (problem,) = translate(row)
        assert isinstance(problem, Problem)

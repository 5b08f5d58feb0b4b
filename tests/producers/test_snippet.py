"""The program for web pages: small, on its own, quiet without consent; run by node where there is one."""

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from pipeline.contracts.touchpoint import parse_touchpoint
from pipeline.producers.collector import service

SNIPPET = Path(service.__file__).parent / service.SNIPPET
NODE = shutil.which("node")

needs_node = pytest.mark.skipif(NODE is None, reason="no node here to run the snippet")


def page(steps: str = "", **given: Any) -> dict[str, Any]:
    """Open a page with the snippet and do something on it; returns what was sent and kept."""
    attributes = {"data-write-key": "wk", "data-source": "web-shop", **given.pop("attributes", {})}
    arguments = json.dumps({"attributes": attributes, "steps": steps, **given})
    ran = subprocess.run(
        [str(NODE), str(Path(__file__).parent / "browser.js"), str(SNIPPET), arguments],
        capture_output=True, text=True, check=True, timeout=30,
    )  # fmt: skip
    told: dict[str, Any] = json.loads(ran.stdout)
    return told


def test_it_is_under_five_kilobytes_and_needs_nobody() -> None:
    text = SNIPPET.read_text()
    assert len(text.encode()) < 5_000
    assert text.isascii()
    for word in ("import ", "require(", "eval(", "innerHTML", "document.write", "console."):
        assert word not in text
    for opening, closing in ("()", "[]", "{}"):
        assert text.count(opening) == text.count(closing)


@needs_node
def test_a_page_view_is_sent_by_beacon_as_a_touchpoint() -> None:
    told = page()
    (view,) = told["sent"]
    assert view["url"] == "https://collect.example/v1/touchpoints?writeKey=wk"
    event = parse_touchpoint(view["body"])
    assert isinstance(event, dict), event
    assert (event["type"], event["source"], event["id"][14]) == ("web.page_viewed", "web-shop", "7")
    assert event["identities"][0]["kind"] == "cookie_id"
    assert event["identities"][0]["value"] == told["storage"]["tl_id"]
    assert (event["context"]["url"], event["context"]["title"]) == (
        "https://shop.example/boots?utm_source=news",
        "Boots",
    )


@needs_node
def test_the_visitor_keeps_the_same_id_and_moving_on_is_a_new_view() -> None:
    told = page(
        'window.history.pushState({}, "", "/socks"); window.history.replaceState();', storage={"tl_id": "known"}
    )
    first, second = (parse_touchpoint(each["body"]) for each in told["sent"])
    assert isinstance(first, dict)
    assert isinstance(second, dict)
    assert first["identities"][0]["value"] == second["identities"][0]["value"] == "known"
    assert second["context"]["url"] == "https://shop.example/socks"
    assert second["context"]["referrer"] == first["context"]["url"]


@needs_node
def test_identify_and_track() -> None:
    told = page('window.throughline.identify("4711"); window.throughline.track("Zoomed", {level: 3});')
    events = [parse_touchpoint(each["body"]) for each in told["sent"]]
    assert [event["type"] for event in events if isinstance(event, dict)] == [
        "web.page_viewed",
        "account.identified",
        "custom.tracked",
    ]
    last = events[-1]
    assert isinstance(last, dict)
    assert last["identities"][0] == {"kind": "customer_id", "value": "4711", "hashed": False, "verified": False}
    assert (last["body"], last["attributes"]) == ({"name": "Zoomed"}, [{"key": "level", "value": "3"}])


@needs_node
@pytest.mark.parametrize("navigator", [{"globalPrivacyControl": True}, {"doNotTrack": "1"}])
def test_a_browser_that_says_no_sends_and_keeps_nothing(navigator: dict[str, Any]) -> None:
    told = page('window.throughline.track("x");', navigator=navigator)
    assert (told["sent"], told["storage"], told["cookie"]) == ([], {}, "")


@needs_node
def test_where_consent_is_required_nothing_is_sent_or_kept_before_it_is_given() -> None:
    required = {"data-consent": "required"}
    told = page('window.throughline.track("x");', attributes=required)
    assert (told["sent"], told["storage"], told["cookie"]) == ([], {}, "")
    told = page("window.throughline.consent({analytics: true, marketing: false});", attributes=required)
    (view,) = told["sent"]
    assert view["body"]["consent"] == [
        {"purpose": "analytics", "granted": True},
        {"purpose": "marketing", "granted": False},
    ]
    told = page('window.throughline.consent({analytics: false}); window.throughline.track("x");', attributes=required)
    assert told["sent"] == []
    assert "tl_id" not in told["storage"]


@needs_node
def test_consent_is_remembered_and_can_be_taken_back() -> None:
    kept = {"tl_consent": '{"analytics":true}', "tl_id": "known"}
    told = page(
        "window.throughline.consent({analytics: false});", attributes={"data-consent": "required"}, storage=kept
    )
    assert len(told["sent"]) == 1, "the page view, before it was taken back"
    assert "tl_id" not in told["storage"]


@needs_node
def test_without_beacon_it_fetches() -> None:
    (view,) = page(navigator={"sendBeacon": None})["sent"]
    assert view["fetched"]

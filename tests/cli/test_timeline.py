"""A customer's story in words and lines."""

from typing import Any

from pipeline.cli.story import Journey, Story
from pipeline.cli.timeline import lay_out
from pipeline.cli.wording import describe, name_type


def touchpoint(uid: str, at: str, type_name: str, channel: str, **fields: Any) -> dict[str, Any]:
    return {"event_uid": uid, "occurred_at": at, "type": type_name, "channel": channel, "visit_id": None, **fields}


def test_details_are_the_fields_of_the_type_in_words() -> None:
    call = touchpoint("e", "2026-03-01 10:00:00.000", "support.call_ended", "phone", wait_s=340.0, resolved=False)
    assert describe(call) == "wait 5m 40s, not resolved"
    order = touchpoint("e", "2026-03-01 10:00:00.000", "order.placed", "web", amount_minor=1999, currency="EUR")
    assert describe(order) == "19.99 EUR"
    assert describe({**order, "amount_minor": 1999, "currency": "JPY"}) == "1,999 JPY"
    answer = touchpoint("e", "2026-03-01 10:00:00.000", "survey.answered", "email", instrument="nps", score=3.0)
    assert describe(answer) == "NPS, score 3"
    assert name_type("support.call_ended") == "call ended"


def test_lines_go_by_journey_day_and_visit_with_pain_points_where_they_happened() -> None:
    summary = {
        "started_at": "2026-03-01 10:00:00.000",
        "ended_at": "2026-03-02 09:00:00.000",
        "touchpoints": 6,
        "orders": 0,
        "revenue": {},
        "is_open": False,
    }
    visit = {
        "visit_id": "v",
        "started_at": "2026-03-01 10:00:00.000",
        "ended_at": "2026-03-01 10:04:00.000",
        "touchpoints": 5,
        "channel": "web",
        "channel_group": "organic search",
        "utm_source": None,
    }
    views = [
        touchpoint(f"w{n}", f"2026-03-01 10:0{n}:00.000", "web.page_viewed", "web", url="https://shop.example/a")
        | {"visit_id": "v"}
        for n in range(5)
    ]
    call = touchpoint("c", "2026-03-02 09:00:00.000", "support.call_ended", "phone", wait_s=340.0)
    pain = {"kind": "long_wait", "severity": "high", "evidence": ["c"], "detail": "waited 340 s", "occurred_at": ""}
    customer = {"identifiers": [["email", "x"], ["cookie_id", "y"], ["cookie_id", "z"]], "touchpoints": 6, "visits": 1}
    customer |= {"journeys": 1, "orders": 0, "revenue": {}, "pain_points": 1}
    story = Story(
        "u",
        is_shared=False,
        summary=customer,
        journeys=[Journey(summary, [visit], [*views, call], [pain])],
        statements=[],
    )
    lines = [line.plain for line in lay_out(story)]
    assert lines[1] == "  known by email, cookie_id ×2"
    body = lines[lines.index("  Sun 1 Mar 2026") :]
    assert body[1].strip() == "┌ visit from organic search, 5 touchpoints, 4m"
    assert "page viewed ×5" in body[2]
    assert body[3] == "  Mon 2 Mar 2026"
    assert "call ended" in body[4]
    assert "▲ long wait (high)  waited 340 s" in body[5]
    whole = [line.plain for line in lay_out(story, is_whole=True)]
    assert sum("page viewed" in line for line in whole) == 5

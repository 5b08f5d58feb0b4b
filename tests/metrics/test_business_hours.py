"""Reply and resolution in opening hours, against hours counted on the calendar by hand."""

from datetime import date, timedelta
from typing import Any

import pytest
from clickhouse_connect.driver.client import Client

from pipeline.config import Settings
from pipeline.config_pain import BusinessCalendar, PainPointSettings
from pipeline.warehouse.opening_hours import record_hours, versions_with_hours
from pipeline.warehouse.rules import RulesBook
from tests.metrics.conftest import Told

REPLY, RESOLUTION = "first_reply_business", "resolution_business"
NIGHTS = dict.fromkeys(("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"), ("00:00-24:00",))
OFFICE = BusinessCalendar(time_zone="Europe/Berlin", holidays=(date(2025, 4, 1),))
SETTINGS = PainPointSettings(
    calendars={
        "default": OFFICE,
        "always": BusinessCalendar.model_validate({"time_zone": "Europe/Berlin", **NIGHTS}),
        "lunch": BusinessCalendar(monday=("09:00-12:00", "13:00-17:00")),
    },
    calendar_of_source={"hotline": "always"},
)


@pytest.fixture
def desk(told: Told, client: Client) -> Told:
    record_hours(client, 1, SETTINGS)
    return told


def ask(told: Told, who: str, asked: str, answered: str, **more: Any) -> None:
    refs = {"ticket_id": f"t-{who}"}
    told.say(who, 0, "support.ticket_created", at=asked, refs=refs, **more)
    told.say(who, 0, "support.email_sent", at=answered, refs=refs)
    told.say(who, 0, "support.ticket_solved", at=answered, refs=refs)


@pytest.mark.parametrize(
    ("asked", "answered", "hours"),
    [
        # Friday 16:00 to Monday 10:00 in Berlin, where clocks went forward on Sunday: an hour of each.
        ("2025-03-28T15:00:00Z", "2025-03-31T08:00:00Z", 2.0),
        # From closing to opening nobody was there: nothing, to the millisecond.
        ("2025-03-31T15:00:00Z", "2025-03-31T15:00:00.001Z", 0.0),
        ("2025-03-31T14:00:00Z", "2025-03-31T15:00:00Z", 1.0),
        # Tuesday is a holiday: Monday's last hour and Wednesday's first.
        ("2025-03-31T14:00:00Z", "2025-04-02T08:00:00Z", 2.0),
        # Within the weekend, and answered in the same millisecond.
        ("2025-03-29T08:00:00Z", "2025-03-30T20:00:00Z", 0.0),
        ("2025-03-31T09:00:00Z", "2025-03-31T09:00:00Z", 0.0),
        # Clocks go back on 26 October: Friday's last hour in summer time, Monday's first in winter time.
        ("2025-10-24T14:00:00Z", "2025-10-27T09:00:00Z", 2.0),
    ],
)
def test_open_hours_of_the_default_calendar_count(desk: Told, asked: str, answered: str, hours: float) -> None:
    ask(desk, "a", asked, answered)
    desk.stitch()
    assert desk.cell(REPLY, "p50") == (1, hours, None, None)
    assert desk.cell(RESOLUTION, "p50")[:2] == (1, hours)


def test_a_touchpoint_is_measured_by_its_own_calendar_then_by_its_sources(desk: Told) -> None:
    """The night on which clocks go forward has an hour less; the lunch hour does not count."""
    ask(desk, "night", "2025-03-29T23:00:00Z", "2025-03-30T04:00:00Z", source="hotline", channel="phone")
    noon = [{"key": "calendar", "value": "lunch"}]
    ask(desk, "noon", "2025-03-31T11:30:00Z", "2025-03-31T13:30:00Z", attributes=noon, source="hotline", channel="chat")
    unknown = [{"key": "calendar", "value": "nobody's"}]
    ask(desk, "other", "2025-03-31T14:00:00Z", "2025-04-02T08:00:00Z", attributes=unknown, channel="email")
    desk.stitch()
    by_channel = desk.cells(REPLY, "channel")
    assert {key[0]: cell[:2] for key, cell in by_channel.items() if key[1] == "p50"} == {
        "phone": (1, 5.0),
        "chat": (1, 1.0),
        "email": (1, 2.0),
    }
    assert desk.cell(REPLY, "p90")[:2] == (3, 5.0)


def test_without_messages_or_calendars_nothing_is_claimed(told: Told) -> None:
    assert told.cells(REPLY) == {}
    ask(told, "a", "2025-03-28T15:00:00Z", "2025-03-31T08:00:00Z")
    told.stitch()
    assert told.cells(REPLY) == told.cells(RESOLUTION) == {}


def test_the_calendars_of_recorded_rules_are_laid_out_once(client: Client) -> None:
    book = RulesBook(client)
    rows = "SELECT rules_version, calendar, length(opens_ms) FROM opening_hours ORDER BY calendar"
    book.record(77, Settings(pain_points=SETTINGS))
    laid = client.query(rows).result_rows
    days = (date(2004, 12, 31) + timedelta(days=day) for day in range(16_438))
    assert laid[1] == (77, "default", sum(day.weekday() < 5 for day in days) - 1)
    book.record_hours()
    assert client.query(rows).result_rows == laid
    assert versions_with_hours(client) == {77}
    client.command("DELETE FROM rules WHERE rules_version = 77")

"""Opening hours, counted by hand: closing minutes, weekends, holidays, both changes of clocks, several calendars."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

from pipeline.config_pain import BusinessCalendar, PainPointSettings
from pipeline.stitching.pain.calendars import NEVER, OpeningHours
from tests.stitching.facts import fact, uid
from tests.stitching.test_pain_points import pains

ANNA = uid(1)
HOUR = timedelta(hours=1)
BERLIN = BusinessCalendar(time_zone="Europe/Berlin", saturday=("10:00-14:00",), holidays=(date(2026, 5, 1),))
NIGHT = BusinessCalendar.model_validate(
    {"time_zone": "Europe/Berlin", "saturday": ["20:00-24:00"], "sunday": ["00:00-06:00"]}
)


def moment(text: str) -> datetime:
    return datetime.fromisoformat(text)


def due(calendar: BusinessCalendar, start: str, open_for: timedelta) -> str | None:
    starts = np.array([round(moment(start).timestamp() * 1000)])
    hours = OpeningHours.between(calendar, int(starts[0]), int(starts[0]))
    [found] = hours.after(starts, open_for // timedelta(milliseconds=1)).tolist()
    return None if found == NEVER else datetime.fromtimestamp(found / 1000, UTC).isoformat()


@pytest.mark.parametrize(
    ("start", "hours", "expected"),
    [
        # Monday 10:00 in Berlin is 09:00 UTC in winter; the day closes at 17:00, and eight hours are one day's.
        ("2026-01-12T09:00:00Z", 7, "2026-01-12T16:00:00+00:00"),
        ("2026-01-12T09:00:00Z", 8, "2026-01-13T09:00:00+00:00"),
        # At night, at the minute of opening, and at the minute of closing.
        ("2026-01-12T02:00:00Z", 8, "2026-01-12T16:00:00+00:00"),
        ("2026-01-12T08:00:00Z", 8, "2026-01-12T16:00:00+00:00"),
        ("2026-01-12T16:00:00Z", 8, "2026-01-13T16:00:00+00:00"),
        # Friday 16:00: one hour, four on Saturday, the rest on Monday until 12:00.
        ("2026-01-16T15:00:00Z", 8, "2026-01-19T11:00:00+00:00"),
        # The first of May is closed.
        ("2026-04-30T13:00:00Z", 3, "2026-05-02T09:00:00+00:00"),
        # Clocks go forward on the last Sunday of March: Saturday's hours are UTC+1, Monday's UTC+2.
        ("2026-03-28T12:00:00Z", 2, "2026-03-30T08:00:00+00:00"),
        # And back on the last Sunday of October.
        ("2026-10-24T11:00:00Z", 2, "2026-10-26T09:00:00+00:00"),
    ],
)
def test_when_the_opening_hours_run_out(start: str, hours: int, expected: str) -> None:
    assert due(BERLIN, start, hours * HOUR) == expected


@pytest.mark.parametrize(
    ("start", "hours", "expected"),
    [
        # Saturday 20:00 to Sunday 6:00 is ten hours, nine where an hour is left out, eleven where one comes twice.
        ("2026-03-21T19:00:00Z", 10, "2026-03-22T05:00:00+00:00"),
        ("2026-03-28T19:00:00Z", 9, "2026-03-29T04:00:00+00:00"),
        ("2026-03-28T19:00:00Z", 10, "2026-03-30T08:00:00+00:00"),
        ("2026-10-24T18:00:00Z", 11, "2026-10-25T05:00:00+00:00"),
    ],
)
def test_a_night_in_which_clocks_change_has_the_hours_that_pass(start: str, hours: int, expected: str) -> None:
    assert due(NIGHT, start, hours * HOUR) == expected


@pytest.mark.parametrize(
    ("opens", "expected"), [("02:30", "2026-03-29T02:00:00+00:00"), ("02:00", "2026-03-29T02:00:00+00:00")]
)
def test_who_opens_in_the_hour_that_is_left_out_opens_when_it_is_over(opens: str, expected: str) -> None:
    calendar = BusinessCalendar(time_zone="Europe/Berlin", sunday=(f"{opens}-05:00",))
    assert due(calendar, "2026-03-28T23:00:00Z", HOUR) == expected


def test_a_calendar_that_is_never_open_measures_nobody() -> None:
    closed: dict[str, Any] = dict.fromkeys(("monday", "tuesday", "wednesday", "thursday", "friday"), ())
    assert due(BusinessCalendar(**closed), "2026-01-12T09:00:00Z", HOUR) is None
    yearly = BusinessCalendar(**closed | {"friday": ("09:00-09:10",)})
    assert due(yearly, "2026-01-12T09:00:00Z", 10 * HOUR) is None, "sixty Fridays are more than a year"


@pytest.mark.parametrize(
    ("told", "wrong"),
    [
        ({"time_zone": "Europe/Berlyn"}, "IANA"),
        ({"monday": ("9-17",)}, "09:00-17:30"),
        ({"monday": ("17:00-09:00",)}, "end after they begin"),
        ({"monday": ("09:00-24:30",)}, "after 24:00"),
        ({"monday": ("09:00-12:00", "11:00-13:00")}, "overlap"),
    ],
)
def test_a_calendar_that_makes_no_sense_is_refused(told: dict[str, Any], wrong: str) -> None:
    with pytest.raises(ValidationError, match=wrong):
        BusinessCalendar(**told)


def test_calendars_that_are_named_must_exist() -> None:
    with pytest.raises(ValidationError, match="do not exist: night"):
        PainPointSettings(calendar_of_source={"desk": "night"})
    with pytest.raises(ValidationError, match="default"):
        PainPointSettings(calendars={"berlin": BERLIN})


@pytest.mark.parametrize(
    ("source", "calendar", "answered", "severities"),
    [
        # Friday 15:30 in Berlin, 14:30 UTC. The default (UTC, until 17:00) has two and a half hours left.
        ("mail", "", "2026-01-16T15:30:00Z", []),
        ("mail", "", "2026-01-16T15:30:00.001Z", ["low"]),
        # Berlin's desk has one and a half, then none until Monday 9:00 (or Saturday 10:00 with a Saturday).
        ("desk", "", "2026-01-16T15:30:00Z", []),
        ("mail", "late desk", "2026-01-16T15:00:00Z", []),
        ("mail", "late desk", "2026-01-19T08:30:00Z", []),
        ("mail", "late desk", "2026-01-19T08:30:00.001Z", ["low"]),
        ("mail", "nobody knows", "2026-01-16T15:30:00.001Z", ["low"]),
    ],
)
def test_whose_opening_hours_count(source: str, calendar: str, answered: str, severities: list[str]) -> None:
    settings = PainPointSettings(
        slow_reply=HOUR,
        calendars={
            "default": BusinessCalendar(),
            "berlin": BusinessCalendar(time_zone="Europe/Berlin"),
            "late desk": BusinessCalendar(time_zone="Europe/Berlin", friday=("09:00-16:00",)),
        },
        calendar_of_source={"desk": "berlin"},
    )
    at, then = (round(moment(text).timestamp() * 1000) for text in ("2026-01-16T14:30:00Z", answered))
    asked = fact(ANNA, 1, at, "support.email_received", ticket_id="t", source=source, calendar=calendar)
    reply = fact(ANNA, 2, then, "support.email_sent", ticket_id="t", direction="outbound")
    assert [pain["pain_severity"] for pain in pains(asked, reply, settings=settings)] == severities

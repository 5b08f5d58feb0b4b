"""
The settings of the pain-point rules: thresholds, and the business calendars that a reply is measured by.

One rule: what a rule compares with is a setting here; bands of severity belong to the rule. The words beside each
setting are those of `docs/reference/settings.md`.
"""

import re
from datetime import date, timedelta
from itertools import pairwise
from typing import Self
from zoneinfo import ZoneInfo

from pydantic import Field, model_validator

from pipeline.config_types import Duration, Group

_HOURS = re.compile(r"([01]\d|2[0-3]):([0-5]\d)-([01]\d|2[0-3]|24):([0-5]\d)")
_WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_OFFICE = ("09:00-17:00",)
DEFAULT_CALENDAR = "default"


class BusinessCalendar(Group):
    """When somebody is there to answer: opening hours by weekday in local time, and days on which nobody is there."""

    time_zone: str = Field("UTC", description="IANA time zone of the hours, as Europe/Berlin.")
    monday: tuple[str, ...] = Field(_OFFICE, description="Opening hours as HH:MM-HH:MM; 24:00 is midnight.")
    tuesday: tuple[str, ...] = Field(_OFFICE, description="As monday.")
    wednesday: tuple[str, ...] = Field(_OFFICE, description="As monday.")
    thursday: tuple[str, ...] = Field(_OFFICE, description="As monday.")
    friday: tuple[str, ...] = Field(_OFFICE, description="As monday.")
    saturday: tuple[str, ...] = Field((), description="As monday; nobody there by default.")
    sunday: tuple[str, ...] = Field((), description="As monday; nobody there by default.")
    holidays: tuple[date, ...] = Field((), description="Days without opening hours, as 2026-12-25.")

    @property
    def week(self) -> tuple[tuple[tuple[int, int], ...], ...]:
        """Return the opening hours from Monday to Sunday, as minutes of the day."""
        return tuple(tuple(_minutes(hours) for hours in getattr(self, day)) for day in _WEEKDAYS)

    def __str__(self) -> str:
        """Return the calendar on one line, for the list of settings."""
        hours = {day: "+".join(getattr(self, day)) for day in _WEEKDAYS}
        open_days = (f"{day[:3].title()} {hours[day]}" for day in _WEEKDAYS if hours[day])
        return f"{self.time_zone} ({', '.join(open_days)}; {len(self.holidays)} holidays)"

    @model_validator(mode="after")
    def _is_sound(self) -> Self:
        try:
            ZoneInfo(self.time_zone)
        except (KeyError, ValueError, OSError) as error:
            raise ValueError(f"time_zone {self.time_zone!r} is none of the IANA database, as Europe/Berlin") from error
        for day in self.week:
            if any(opens >= closes for opens, closes in day):
                raise ValueError("opening hours must end after they begin; hours over midnight are two entries")
            if any(later[0] < earlier[1] for earlier, later in pairwise(day)):
                raise ValueError("opening hours of a day must follow each other without overlap")
        return self


def _minutes(hours: str) -> tuple[int, int]:
    match = _HOURS.fullmatch(hours)
    if match is None:
        raise ValueError(f"{hours!r} is no opening hours, as 09:00-17:30")
    opens, closes = (int(match[at]) * 60 + int(match[at + 1]) for at in (1, 3))
    if closes > 24 * 60:
        raise ValueError(f"{hours!r} ends after 24:00")
    return opens, closes


class PainPointSettings(Group):
    """Thresholds of the pain-point rules."""

    long_wait: Duration = Field(
        timedelta(minutes=3), description="Waiting longer than this for an answer is a pain point."
    )
    low_score_share: float = Field(
        0.25,
        ge=0,
        le=1,
        description="A score at or below this share of its scale is low (1–5: 1 and 2; NPS has its own).",
    )
    low_nps: int = Field(6, ge=0, le=10, description="An NPS answer at or below this is low (detractor).")
    abandoned_checkout: Duration = Field(
        timedelta(hours=24), description="A checkout without an order for this long was abandoned."
    )
    transfers: int = Field(2, ge=1, description="Handed on at least this often, a contact is a pain point.")
    repeat_contact: Duration = Field(
        timedelta(days=7),
        description="A contact within this time of the last one repeats it, unless about another order.",
    )
    repeat_contact_matter: Duration = Field(
        timedelta(days=30), description="The same for contacts that name the same order or ticket."
    )
    reopened_grace: Duration = Field(
        timedelta(minutes=10), description="A ticket solved again within this was reopened by accident (a thank-you)."
    )
    slow_reply: Duration = Field(
        timedelta(hours=8), description="Opening hours within which a message is answered (business calendars)."
    )
    calendars: dict[str, BusinessCalendar] = Field(
        default_factory=lambda: {DEFAULT_CALENDAR: BusinessCalendar()},
        description="Business calendars by name; `default` holds where no other is named.",
    )
    calendar_of_source: dict[str, str] = Field(
        default_factory=dict,
        description="Source of a message → its calendar; the message's attribute `calendar` goes before.",
    )
    bot_repeats: int = Field(3, ge=2, description="A bot that gives the same answer this often is in a loop.")
    bot_silence: Duration = Field(
        timedelta(minutes=30), description="A conversation with a bot is over after this silence."
    )
    rage_clicks: int = Field(3, ge=2, description="This many fruitless clicks on one spot in a row are rage.")
    rage_click_gap: Duration = Field(timedelta(seconds=1), description="Longest pause between two of them.")
    rage_click_px: float = Field(
        30, ge=0, description="Spots at most this far apart are one, where no element is named."
    )
    ui_error_gap: Duration = Field(timedelta(minutes=30), description="The same error within this counts once.")
    stalled_return: Duration = Field(
        timedelta(days=14), description="A refund later than this after the goods came back is stalled."
    )
    damaged_conditions: tuple[str, ...] = Field(
        ("damaged", "broken", "defective", "crushed", "leaking"),
        description="Values (any case) of a delivery's `condition` that mean damage.",
    )
    product_reasons: tuple[str, ...] = Field(
        ("not_as_described",), description="Reasons of a return that blame the product itself."
    )
    complaint_severe: tuple[str, ...] = Field(
        ("major", "high", "severe", "critical", "urgent"),
        description="Values (any case) of a complaint's `severity` that make it high.",
    )
    complaint_light: tuple[str, ...] = Field(
        ("minor", "low", "trivial"), description="Values (any case) of a complaint's `severity` that make it low."
    )
    churn_grace: Duration = Field(
        timedelta(days=30), description="A subscription taken up again within this was not lost."
    )

    @model_validator(mode="after")
    def _calendars_exist(self) -> Self:
        if DEFAULT_CALENDAR not in self.calendars:
            raise ValueError(f"calendars must hold one that is named {DEFAULT_CALENDAR!r}")
        if unknown := sorted(set(self.calendar_of_source.values()) - set(self.calendars)):
            raise ValueError(f"calendar_of_source names calendars that do not exist: {', '.join(unknown)}")
        return self

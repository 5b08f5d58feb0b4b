"""What the oracle's pain-point rules are given and what they answer."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from pipeline.config_pain import BusinessCalendar, PainPointSettings
from tests.oracle.stories import Touchpoint

MINUTE = 60_000
HOUR = 60 * MINUTE
DAY = 24 * HOUR


def _minutes(clock: str) -> int:
    hours, minutes = clock.split(":")
    return int(hours) * 60 + int(minutes)


@dataclass(frozen=True)
class Calendar:
    """Opening hours: per weekday from Monday, (opens, closes) in minutes of the local day."""

    time_zone: str = "UTC"
    week: tuple[tuple[tuple[int, int], ...], ...] = (((540, 1020),),) * 5 + ((), ())
    holidays: tuple[str, ...] = ()

    @classmethod
    def of(cls, settings: BusinessCalendar) -> "Calendar":
        """Return the calendar that the settings describe."""
        week = []
        for day in ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"):
            spans = [hours.split("-") for hours in getattr(settings, day)]
            week.append(tuple((_minutes(opens), _minutes(closes)) for opens, closes in spans))
        return cls(settings.time_zone, tuple(week), tuple(day.isoformat() for day in settings.holidays))


@dataclass(frozen=True)
class Thresholds:
    """The settings of the rules; times in milliseconds unless the name says otherwise."""

    long_wait_s: float = 180
    low_score_share: float = 0.25
    low_nps: int = 6
    abandoned_checkout: int = 24 * HOUR
    transfers: int = 2
    repeat_contact: int = 7 * DAY
    repeat_contact_matter: int = 30 * DAY
    reopened_grace: int = 10 * MINUTE
    slow_reply: int = 8 * HOUR
    calendars: dict[str, Calendar] = field(default_factory=lambda: {"default": Calendar()})
    calendar_of_source: dict[str, str] = field(default_factory=dict)
    bot_repeats: int = 3
    bot_silence: int = 30 * MINUTE
    rage_clicks: int = 3
    rage_click_gap: int = 1000
    rage_click_px: float = 30
    ui_error_gap: int = 30 * MINUTE
    stalled_return: int = 14 * DAY
    damaged_conditions: tuple[str, ...] = ("damaged", "broken", "defective", "crushed", "leaking")
    product_reasons: tuple[str, ...] = ("not_as_described",)
    complaint_severe: tuple[str, ...] = ("major", "high", "severe", "critical", "urgent")
    complaint_light: tuple[str, ...] = ("minor", "low", "trivial")
    churn_grace: int = 30 * DAY

    @classmethod
    def of(cls, settings: PainPointSettings) -> "Thresholds":
        """Return the thresholds that the settings name."""
        told = {name: getattr(settings, name) for name in cls.__dataclass_fields__ if name != "long_wait_s"}
        values: dict[str, Any] = {
            name: round(value.total_seconds() * 1000) if isinstance(value, timedelta) else value
            for name, value in told.items()
            if name != "calendars"
        }
        calendars = {name: Calendar.of(calendar) for name, calendar in settings.calendars.items()}
        return cls(long_wait_s=settings.long_wait.total_seconds(), calendars=calendars, **values)


@dataclass(frozen=True)
class Found:
    """One pain point; order and ticket are those of the touchpoint that shows it where they are None."""

    kind: str
    severity: str
    shown_by: Touchpoint
    at: int
    witness: Touchpoint | None = None
    due_at: int | None = None
    order: str | None = None
    ticket: str | None = None


Rule = Callable[[list[Touchpoint], Thresholds], list[Found]]


def of_type(steps: list[Touchpoint], *types: str) -> list[Touchpoint]:
    """Return the touchpoints of these types, in order."""
    return [step for step in steps if step["type"] in types]


def first(steps: list[Touchpoint]) -> Touchpoint | None:
    """Return the first touchpoint, or None."""
    return steps[0] if steps else None


def graded(amount: float, medium: float, high: float) -> str:
    """Return low, medium or high by two thresholds, both inclusive."""
    return "high" if amount >= high else "medium" if amount >= medium else "low"

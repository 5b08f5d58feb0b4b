"""
Business calendars as the warehouse has them: when somebody was there to answer, in UTC, a row a calendar.

One rule: the hours are laid out by the code that the rule slow_reply reads them by, for decades and without a look at
the clock, so that a view needs no time zones and what a touchpoint is measured by never changes.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

from clickhouse_connect.driver.client import Client

from pipeline.config_pain import PainPointSettings
from pipeline.stitching.pain.calendars import HORIZON_DAYS, OpeningHours
from pipeline.warehouse.errors import translated

FIRST_DAY: Final = datetime(2005, 1, 1, tzinfo=UTC)
LAST_DAY: Final = datetime(2050, 1, 1, tzinfo=UTC)
_DAY_MS: Final = 86_400_000
_COLUMNS: Final = ("rules_version", "calendar", "sources", "opens_ms", "closes_ms", "before_ms")


def record_hours(client: Client, rules_version: int, settings: PainPointSettings) -> None:
    """Write the calendars of a rules version; the same again changes nothing."""
    rows = [
        [rules_version, name, _sources(name, settings.calendar_of_source), *_hours(settings, name)]
        for name in sorted(settings.calendars)
    ]
    with translated():
        client.insert("opening_hours", rows, column_names=list(_COLUMNS))


def versions_with_hours(client: Client) -> set[int]:
    """Return the rules versions whose calendars are written."""
    with translated():
        return {int(row[0]) for row in client.query("SELECT DISTINCT rules_version FROM opening_hours").result_rows}


def _sources(calendar: str, by_source: Mapping[str, str]) -> list[str]:
    return sorted(source for source, name in by_source.items() if name == calendar)


def _hours(settings: PainPointSettings, calendar: str) -> list[list[Any]]:
    first, last = (round(day.timestamp() * 1000) for day in (FIRST_DAY, LAST_DAY))
    hours = OpeningHours.between(settings.calendars[calendar], first, last - HORIZON_DAYS * _DAY_MS)
    return [hours.opens.tolist(), hours.closes.tolist(), hours.before.tolist()]

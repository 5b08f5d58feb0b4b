"""
Time counted in opening hours: the SQL that measures a span by the business calendars of the active rules.

The rule owned here: which calendar measures what, as slow_reply says it: the one that the touchpoint names, else that
of its source, else the default. Openings are laid out in UTC beforehand, so that no view handles time zones.
"""

from typing import Final

from pipeline.config_pain import DEFAULT_CALENDAR
from pipeline.warehouse.views.expressions import ACTIVE_RULES
from pipeline.warehouse.views.metrics.declaration import day, dims, of_customers

CALENDAR: Final = "t.attributes.value[indexOf(t.attributes.key, 'calendar')]"
"""The calendar that a touchpoint names; empty: none."""

_OF_RULES: Final = f"FROM {{db}}.opening_hours FINAL WHERE rules_version = {ACTIVE_RULES}"
_OPEN_TIME: Final = "toInt64(ended_ms_open - began_ms_open)"
_OPENINGS: Final = f"""SELECT calendar, o.1 AS opens, o.2 AS closes, o.3 AS open_before
    FROM (SELECT calendar, arrayJoin(arrayZip(opens_ms, closes_ms, before_ms)) AS o {_OF_RULES})"""


def open_time_between(spans: str) -> str:
    """
    Return the rows of a metric that measures spans in opening hours.

    Args:
        spans: SELECT of `began` (at, uid, channel, campaign, calendar named, source, products) and `ended`.
    """
    return f"""SELECT {day("began.1")},
    {dims("began.7", channel="began.3", campaign="began.4")} AS dims,
    {_OPEN_TIME} AS hit, 1 AS base
FROM
({_measured(spans)}
)"""


def open_time_of_customers(spans: str) -> str:
    """Return the same rows by customer, who is the eighth of what is in `began`."""
    return of_customers("began.1", _OPEN_TIME, f"SELECT *, began.8 AS customer FROM ({_measured(spans)}\n)")


def _measured(spans: str) -> str:
    """Select `began` and the open time before both ends of each span: `began_ms_open`, `ended_ms_open`."""
    of_source = "arrayFirst(c -> has(c.2, began.6), calendars).1"
    calendar = (
        f"multiIf(arrayExists(c -> c.1 = began.5, calendars), began.5, {of_source} != '', {of_source}, "
        f"'{DEFAULT_CALENDAR}')"
    )
    measured = f"""
        SELECT began, toUnixTimestamp64Milli(began.1) AS began_ms, toUnixTimestamp64Milli(ended) AS ended_ms,
            (SELECT groupArray((calendar, sources)) {_OF_RULES}) AS calendars, {calendar} AS calendar
        FROM
        ({spans}
        )
        WHERE notEmpty(calendars)"""
    begun = _open_until(measured, "began_ms", "began, ended_ms, calendar")
    return _open_until(begun, "ended_ms", "began, began_ms_open")


def _open_until(rows: str, moment: str, kept: str) -> str:
    """Add `<moment>_open`: the open time before a moment, since the calendar begins."""
    columns = ", ".join(f"q.{name} AS {name}" for name in kept.split(", "))
    return f"""
    SELECT {columns}, h.open_before + least(q.{moment}, h.closes) - h.opens AS {moment}_open
    FROM ({rows}
    ) AS q
    ASOF LEFT JOIN ({_OPENINGS}) AS h ON h.calendar = q.calendar AND h.opens <= q.{moment}"""

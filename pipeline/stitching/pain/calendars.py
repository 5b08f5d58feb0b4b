"""
Business time: how much of a span somebody was there to answer.

The rule owned here: opening hours are local wall-clock time of the calendar's zone, so a day on which clocks change is
open as long as the clock on the wall says; holidays are closed whole. All of it is columnar: the hours of the days that
are asked about are laid out once, as spans of UTC.
"""

from dataclasses import dataclass
from datetime import date
from typing import Self

import numpy as np
import polars as pl

from pipeline.config_pain import BusinessCalendar
from pipeline.stitching.columns import Ints

_DAY_MS = 86_400_000
_MINUTE_MS = 60_000
# Nobody is measured by a calendar that is not open for the asked time within a year.
HORIZON_DAYS = 366
NEVER = np.iinfo(np.int64).max


@dataclass(frozen=True, slots=True)
class OpeningHours:
    """
    The opening hours of a calendar over a span of days, in order.

    Attributes:
        opens: When each begins, epoch milliseconds.
        closes: When each ends.
        before: Open time before each, since the first.
    """

    opens: Ints
    closes: Ints
    before: Ints

    @classmethod
    def between(cls, calendar: BusinessCalendar, first_ms: int, last_ms: int) -> Self:
        """Lay out the hours from the day before the first moment to a year after the last."""
        first_day, last_day = (_day(moment) for moment in (first_ms - _DAY_MS, last_ms + HORIZON_DAYS * _DAY_MS))
        days = np.arange(first_day, last_day + 1, dtype=np.int64)
        closed = np.array([(day - date(1970, 1, 1)).days for day in calendar.holidays], dtype=np.int64)
        days = days[~np.isin(days, closed)]
        # 1970-01-01 was a Thursday; Monday is 0.
        weekday = (days + 3) % 7
        hours = [
            (days[weekday == number] * _DAY_MS + opens * _MINUTE_MS, (closes - opens) * _MINUTE_MS)
            for number, day in enumerate(calendar.week)
            for opens, closes in day
        ]
        local = np.concatenate([begins for begins, _ in hours]) if hours else np.zeros(0, dtype=np.int64)
        ends = np.concatenate([begins + length for begins, length in hours]) if hours else local
        opens, closes = _utc(local, calendar.time_zone), _utc(ends, calendar.time_zone)
        order = np.argsort(opens, kind="stable")
        opens, closes = opens[order], closes[order]
        is_open = closes > opens
        opens, closes = opens[is_open], closes[is_open]
        return cls(opens, closes, np.cumsum(closes - opens) - (closes - opens))

    def after(self, starts: Ints, open_ms: int) -> Ints:
        """Return the moment at which the business was open for so long after each start; `NEVER` beyond a year."""
        due = np.full(len(starts), NEVER, dtype=np.int64)
        if not len(self.opens):
            return due
        wanted = self._open_until(starts) + open_ms
        total = self.before + (self.closes - self.opens)
        place = np.searchsorted(total, wanted, side="left")
        inside = place < len(total)
        at = place[inside]
        moments = self.opens[at] + (wanted[inside] - self.before[at])
        near = moments - starts[inside] <= HORIZON_DAYS * _DAY_MS
        due[np.flatnonzero(inside)[near]] = moments[near]
        return due

    def _open_until(self, moments: Ints) -> Ints:
        """Return the open time since the first opening."""
        if not len(self.opens):
            return np.zeros(len(moments), dtype=np.int64)
        place = np.searchsorted(self.opens, moments, side="right") - 1
        at = np.maximum(place, 0)
        inside = np.minimum(moments, self.closes[at]) - self.opens[at]
        return np.where(place >= 0, self.before[at] + inside, 0)


def _utc(local_ms: Ints, time_zone: str) -> Ints:
    """Turn wall-clock times into moments: the earlier of two when clocks go back, the next that exists when forward."""
    local = pl.Series(local_ms).cast(pl.Datetime("ms"))
    moments = local.dt.replace_time_zone(time_zone, ambiguous="earliest", non_existent="null")
    while moments.null_count():
        # Where clocks go forward, the first half-hour that they show again.
        local = local.dt.offset_by("30m").dt.truncate("30m")
        again = local.dt.replace_time_zone(time_zone, ambiguous="earliest", non_existent="null")
        moments = moments.fill_null(again)
    return moments.to_physical().to_numpy()


def _day(moment_ms: int) -> int:
    return moment_ms // _DAY_MS

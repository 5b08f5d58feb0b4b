"""
When things happen: evenings more than nights, Sundays more than Tuesdays, and offices only when they are open.

All moments are epoch milliseconds in UTC. Whoever asks brings the random numbers; nothing here looks at a clock.
"""

from random import Random
from typing import Final

SECOND: Final = 1_000
MINUTE: Final = 60 * SECOND
HOUR: Final = 60 * MINUTE
DAY: Final = 24 * HOUR

# 1970-01-01 was a Thursday; Monday is 0 here.
_EPOCH_WEEKDAY: Final = 3

# Share of visits by hour of the day: asleep, a rise at lunch, the peak between eight and ten in the evening.
_HOURS: Final = (1, 1, 1, 1, 1, 1, 3, 5, 6, 7, 8, 9, 10, 9, 8, 8, 9, 10, 12, 15, 18, 17, 10, 4)
_WEEKDAYS: Final = (10, 9, 9, 9, 10, 12, 15)

_OPENS: Final = 8
_CLOSES: Final = 18


def weekday(at: int) -> int:
    """Return the day of the week, Monday being 0."""
    return (at // DAY + _EPOCH_WEEKDAY) % 7


def visiting_moment(rng: Random, first_day: int, days: int) -> int:
    """Return a moment within `days` days from the midnight `first_day` at which people like to visit."""
    every_day = [first_day + day * DAY for day in range(days)]
    day = rng.choices(every_day, [_WEEKDAYS[weekday(day)] for day in every_day])[0]
    return evening_of(rng, day)


def evening_of(rng: Random, at: int) -> int:
    """Return a moment on the same day, by the hours people like."""
    hour = rng.choices(range(24), _HOURS)[0]
    return at // DAY * DAY + hour * HOUR + rng.randrange(HOUR)


def office_moment(rng: Random, after: int) -> int:
    """Return a moment at or after `after` when an office is open: working days from eight to six."""
    midnight = after // DAY * DAY
    if weekday(after) < 5 and after < midnight + _OPENS * HOUR:
        return midnight + _OPENS * HOUR + rng.randrange(2 * HOUR)
    if weekday(after) < 5 and after < midnight + (_CLOSES - 1) * HOUR:
        return after + rng.randrange(30 * MINUTE)
    next_day = midnight + DAY
    while weekday(next_day) >= 5:
        next_day += DAY
    return next_day + _OPENS * HOUR + rng.randrange(3 * HOUR)


def monday_before(at: int) -> int:
    """Return the midnight of the Monday of that week."""
    return at // DAY * DAY - weekday(at) * DAY


def next_working_day(at: int) -> int:
    """Return the midnight of the first Monday to Friday at or after that day."""
    day = at // DAY * DAY
    while weekday(day) >= 5:
        day += DAY
    return day

"""
Times of touchpoints: epoch milliseconds inside, RFC 3339 or epoch milliseconds in JSON.

A time is accepted where the warehouse can hold it (DateTime64(3): the years 1900 to 2299); whether it lies too far
ahead of its receipt is judged on landing, where the receipt is known.
"""

import re
from datetime import UTC, datetime, timedelta
from functools import lru_cache

EARLIEST_MS = -2_208_988_800_000
"""1900-01-01T00:00:00Z, the first moment of DateTime64."""

LATEST_MS = 10_413_791_999_999
"""2299-12-31T23:59:59.999Z, the last moment of DateTime64(3)."""

MAX_AHEAD_MS = 86_400_000
"""A touchpoint said to have happened more than this after its own receipt is refused."""

_PLAIN_DATE = re.compile(r"\d{4}-\d\d-\d\dT", re.ASCII).fullmatch
_PLAIN_MINUTE = re.compile(r"([01]\d|2[0-3]):([0-5]\d)", re.ASCII).fullmatch
_PLAIN_END = re.compile(r":([0-5]\d)(?:\.(\d{3}))?Z", re.ASCII).fullmatch
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)
_RFC_3339 = re.compile(
    r"(\d{4}-\d\d-\d\d)[Tt ](\d\d:\d\d:)(\d\d)(\.\d+)?([Zz]|[+-]\d\d:\d\d)",
    re.ASCII,
)


def parse_rfc3339(text: str) -> int | None:
    """Return the epoch milliseconds (rounded down) of an RFC 3339 date-time, or None where it is none."""
    # Nearly all are of one form, of few days, and their parts come again and again.
    day, minute, end = _day_ms(text[:11]), _minute_ms(text[11:16]), _end_ms(text[16:])
    if day is not None and minute is not None and end is not None:
        return day + minute + end
    match = _RFC_3339.fullmatch(text)
    if match is None:
        return None
    date, minutes, seconds, fraction, offset = match.groups()
    leap = seconds == "60"  # RFC 3339 allows a leap second, datetime does not: it is the second after :59
    try:
        moment = datetime.fromisoformat(
            f"{date}T{minutes}{'59' if leap else seconds}{(fraction or '')[:7]}{offset.upper()}"
        )
    except ValueError:
        return None
    return (moment - _EPOCH) // _MILLISECOND + (1000 if leap else 0)


@lru_cache(maxsize=4_096)
def _day_ms(text: str) -> int | None:
    if _PLAIN_DATE(text) is None:
        return None
    try:
        return (datetime.fromisoformat(text[:10]).replace(tzinfo=UTC) - _EPOCH) // _MILLISECOND
    except ValueError:
        return None


@lru_cache(maxsize=2_048)
def _minute_ms(text: str) -> int | None:
    match = _PLAIN_MINUTE(text)
    return None if match is None else (int(match[1]) * 60 + int(match[2])) * 60_000


@lru_cache(maxsize=65_536)
def _end_ms(text: str) -> int | None:
    match = _PLAIN_END(text)
    return None if match is None else int(match[1]) * 1_000 + int(match[2] or 0)


def format_rfc3339(epoch_ms: int) -> str:
    """Return an accepted time as RFC 3339 in UTC with milliseconds."""
    return (_EPOCH + epoch_ms * _MILLISECOND).replace(tzinfo=None).isoformat(timespec="milliseconds") + "Z"


def is_storable(epoch_ms: int) -> bool:
    """Say whether the warehouse can hold this time."""
    return EARLIEST_MS <= epoch_ms <= LATEST_MS

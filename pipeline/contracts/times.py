"""
Times of touchpoints: epoch milliseconds inside, RFC 3339 or epoch milliseconds in JSON.

A time is accepted where the warehouse can hold it (DateTime64(3): the years 1900 to 2299); whether it lies too far
ahead of its receipt is judged on landing, where the receipt is known.
"""

import re
from datetime import UTC, datetime, timedelta

EARLIEST_MS = -2_208_988_800_000
"""1900-01-01T00:00:00Z, the first moment of DateTime64."""

LATEST_MS = 10_413_791_999_999
"""2299-12-31T23:59:59.999Z, the last moment of DateTime64(3)."""

MAX_AHEAD_MS = 86_400_000
"""A touchpoint said to have happened more than this after its own receipt is refused."""

_PLAIN_END = re.compile(r"(\.\d{3})?Z", re.ASCII).fullmatch
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)
_RFC_3339 = re.compile(
    r"(\d{4}-\d\d-\d\d)[Tt ](\d\d:\d\d:)(\d\d)(\.\d+)?([Zz]|[+-]\d\d:\d\d)",
    re.ASCII,
)


def parse_rfc3339(text: str) -> int | None:
    """Return the epoch milliseconds (rounded down) of an RFC 3339 date-time, or None where it is none."""
    if text[4:5] == text[7:8] == "-" and text[10:11] == "T" and text[13:14] == ":" and _PLAIN_END(text, 19):
        # Nearly all are of this form, and what Python reads in it is RFC 3339.
        try:
            return (datetime.fromisoformat(text) - _EPOCH) // _MILLISECOND
        except ValueError:
            pass
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


def format_rfc3339(epoch_ms: int) -> str:
    """Return an accepted time as RFC 3339 in UTC with milliseconds."""
    return (_EPOCH + epoch_ms * _MILLISECOND).replace(tzinfo=None).isoformat(timespec="milliseconds") + "Z"


def is_storable(epoch_ms: int) -> bool:
    """Say whether the warehouse can hold this time."""
    return EARLIEST_MS <= epoch_ms <= LATEST_MS

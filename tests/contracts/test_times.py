"""Times as RFC 3339."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.contracts.times import EARLIEST_MS, LATEST_MS, format_rfc3339, is_storable, parse_rfc3339


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1970-01-01T00:00:00Z", 0),
        ("1970-01-01t00:00:00z", 0),
        ("1970-01-01 01:00:00+01:00", 0),
        ("1969-12-31T23:59:59.9999Z", -1),
        ("1970-01-01T00:00:00.0019999999Z", 1),
        ("1990-12-31T23:59:60Z", 662_688_000_000),
        ("1990-12-31T15:59:60-08:00", 662_688_000_000),
        ("2026-02-29T00:00:00Z", None),
        ("2026-03-01T24:00:00Z", None),
        ("2026-03-01T10:04Z", None),
        ("2026-03-01", None),
        ("20260301T100400Z", None),
        ("2026-03-01T10:04:00", None),
        ("2026-03-01T10:04:00+0100", None),
        ("2026-03-01T10:04:00+25:00", None),
        ("2026-03-01T10:04:00Z ", None),
        ("２０２６-03-01T10:04:00Z", None),
        ("0000-01-01T00:00:00Z", None),
        ("", None),
    ],
)
def test_reading(text: str, expected: int | None) -> None:
    assert parse_rfc3339(text) == expected


@given(st.integers(EARLIEST_MS, LATEST_MS))
def test_every_time_that_is_kept_reads_back(epoch_ms: int) -> None:
    assert parse_rfc3339(format_rfc3339(epoch_ms)) == epoch_ms


def test_bounds_are_the_warehouses() -> None:
    assert datetime(1900, 1, 1, tzinfo=UTC).timestamp() * 1000 == EARLIEST_MS
    assert format_rfc3339(LATEST_MS) == "2299-12-31T23:59:59.999Z"
    assert is_storable(EARLIEST_MS)
    assert is_storable(LATEST_MS)
    assert not is_storable(EARLIEST_MS - 1)
    assert not is_storable(LATEST_MS + 1)

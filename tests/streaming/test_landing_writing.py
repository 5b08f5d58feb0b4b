"""Halving what is refused."""

from collections.abc import Callable

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.streaming.landing.writing import REFUSED_BEFORE_DOUBT, insert_halving
from pipeline.warehouse.errors import WarehouseRefused, WarehouseUnavailable


def taker(bad: set[int], taken: set[int]) -> Callable[[pl.Series], None]:
    """Return an insert that refuses any part with a bad row in it."""

    def insert(part: pl.Series) -> None:
        rows = set(part)
        if rows & bad:
            raise WarehouseRefused(f"cannot take {min(rows & bad)}")
        taken.update(rows)

    return insert


@given(st.integers(0, 60), st.sets(st.integers(0, 59), max_size=8))
def test_exactly_the_bad_are_refused_and_all_others_taken(count: int, bad: set[int]) -> None:
    taken: set[int] = set()
    refused = insert_halving(pl.Series(range(count), dtype=pl.UInt32), taker(bad, taken))
    expected = {row for row in bad if row < count}
    assert refused == {row: f"cannot take {row}" for row in expected}
    assert taken == set(range(count)) - expected


def test_when_nothing_is_taken_the_fault_is_elsewhere() -> None:
    rows = pl.Series(range(REFUSED_BEFORE_DOUBT), dtype=pl.UInt32)
    with pytest.raises(WarehouseRefused):
        insert_halving(rows, taker(set(rows), set()))
    assert len(insert_halving(rows[:-1], taker(set(rows), set()))) == REFUSED_BEFORE_DOUBT - 1


def test_an_unknown_outcome_is_not_divided() -> None:
    calls: list[int] = []

    def insert(part: pl.Series) -> None:
        calls.append(len(part))
        raise WarehouseUnavailable("away")

    with pytest.raises(WarehouseUnavailable):
        insert_halving(pl.Series(range(10), dtype=pl.UInt32), insert)
    assert calls == [10]

"""The union of landed ranges counts every offset once, however batches were cut, read again or killed."""

import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from pipeline.config import ClickHouseSettings
from pipeline.warehouse.accounting import (
    Accounting,
    PartitionAccount,
    Watermarks,
    account,
    accounts_of,
    balance,
    uncovered,
)
from pipeline.warehouse.connection import connect

NO_REJECTED = pl.DataFrame(
    schema={"log_id": pl.String, "topic": pl.String, "partition": pl.Int32, "rejected": pl.Int64}
)
Span = tuple[int, int]

spans = st.tuples(st.integers(0, 40), st.integers(0, 12)).map(lambda pair: (pair[0], pair[0] + pair[1]))


def ranges_frame(ranges: list[Span], topic: str = "touchpoints.web") -> pl.DataFrame:
    return pl.DataFrame(
        [
            {
                "log_id": "log",
                "topic": topic,
                "partition": 0,
                "first_offset": first,
                "last_offset": last,
                "records": last - first + 1,
                "lost": 0,
            }
            for first, last in ranges
        ],
        schema={
            "log_id": pl.String,
            "topic": pl.String,
            "partition": pl.Int32,
            "first_offset": pl.Int64,
            "last_offset": pl.Int64,
            "records": pl.Int64,
            "lost": pl.Int64,
        },
    )


def offsets_of(ranges: list[Span]) -> set[int]:
    return {offset for first, last in ranges for offset in range(first, last + 1)}


@given(st.lists(spans, min_size=1, max_size=12))
def test_union_of_overlapping_ranges_is_the_set_of_their_offsets(ranges: list[Span]) -> None:
    (entry,) = accounts_of(ranges_frame(ranges), NO_REJECTED)
    offsets = offsets_of(ranges)
    assert {offset for first, end in entry.spans for offset in range(first, end)} == offsets
    assert entry.covered == entry.records == len(offsets)
    assert all(a[1] < b[0] for a, b in zip(entry.spans, entry.spans[1:], strict=False))


@given(st.lists(spans, min_size=1, max_size=12), st.integers(0, 60), st.integers(0, 60), st.integers(0, 60))
def test_every_offset_of_the_log_is_covered_in_flight_or_unaccounted(
    ranges: list[Span], low: int, committed: int, high: int
) -> None:
    (entry,) = accounts_of(ranges_frame(ranges), NO_REJECTED)
    offsets = offsets_of(ranges)
    high = max(high, *offsets) + 1
    result = balance(entry, Watermarks(low=low, committed=committed, high=high))
    begin = min(low, *offsets)
    done = max(begin, min(committed, high))
    assert result.unaccounted == len(set(range(begin, done)) - offsets)
    assert result.in_flight == len(set(range(done, high)) - offsets)


@given(st.permutations([(0, 9), (10, 19), (5, 14), (20, 29)]))
def test_order_of_the_ranges_does_not_matter(ranges: list[Span]) -> None:
    (entry,) = accounts_of(ranges_frame(ranges), NO_REJECTED)
    assert (entry.spans, entry.records, entry.covered_to) == (((0, 30),), 30, 30)


def test_a_gap_below_the_commit_is_unaccounted_and_one_above_it_is_in_flight() -> None:
    (entry,) = accounts_of(ranges_frame([(0, 9), (20, 29)]), NO_REJECTED)
    assert entry.gaps == ((10, 20),)
    assert entry.covered_to == 10
    assert balance(entry, Watermarks(0, 30, 30)).unaccounted == 10
    above = balance(entry, Watermarks(0, 10, 35))
    assert (above.unaccounted, above.in_flight) == (0, 15)


def test_lost_offsets_are_covered_and_counted() -> None:
    ranges = ranges_frame([(0, 99)]).with_columns(records=pl.lit(40, pl.Int64), lost=pl.lit(60, pl.Int64))
    (entry,) = accounts_of(ranges, NO_REJECTED)
    assert (entry.covered, entry.records, entry.lost) == (100, 40, 60)


def test_partitions_and_topics_do_not_mix() -> None:
    both = pl.concat([ranges_frame([(0, 4)]), ranges_frame([(3, 9)], topic="touchpoints.orders")])
    rejected = pl.DataFrame(
        {"log_id": ["log"], "topic": ["touchpoints.orders"], "partition": [0], "rejected": [2]},
        schema=NO_REJECTED.schema,
    )
    orders, web = accounts_of(both, rejected)
    assert (orders.topic, orders.spans, orders.rejected) == ("touchpoints.orders", ((3, 10),), 2)
    assert (web.topic, web.spans, web.rejected) == ("touchpoints.web", ((0, 5),), 0)


def test_a_partition_that_was_never_read_is_all_in_flight() -> None:
    entry = PartitionAccount("log", "touchpoints.web", 0, spans=(), records=0, rejected=0, lost=0)
    result = balance(entry, Watermarks(low=5, committed=None, high=25))
    assert (result.in_flight, result.unaccounted) == (20, 0)
    assert uncovered((), 5, 3) == 0


def test_duplicates_are_what_was_read_beyond_rejected_and_stored() -> None:
    assert Accounting((), records=100, rejected=7, stored=80).duplicates == 13
    landing = Accounting((), records=100, rejected=0, stored=120)
    assert (landing.duplicates, landing.stored_ahead) == (0, 20)


def test_what_an_earlier_log_lost_stays_lost(fresh_database: ClickHouseSettings) -> None:
    client = connect(fresh_database)
    landed = "INSERT INTO landed (log_id, topic, partition, first_offset, last_offset, records, lost)"
    client.command(
        f"{landed} VALUES ('earlier', 'touchpoints.web', 0, 0, 9, 3, 7), ('now', 'touchpoints.web', 0, 0, 4, 5, 0)"
    )
    found = account(client, "now", {("touchpoints.web", 0): Watermarks(0, 5, 5)})
    assert (found.records, found.lost, found.unaccounted) == (8, 7, 0)

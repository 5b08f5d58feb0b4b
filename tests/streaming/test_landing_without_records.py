"""A chunk may hold no records at all (markers of transactions, an aborted one): its offsets are landed all the same."""

from pipeline.config import ClickHouseSettings
from pipeline.streaming.records import Chunk
from pipeline.warehouse.connection import connect
from tests.streaming.samples import chunk, encoded, event
from tests.streaming.test_landing import Bench


def test_offsets_without_records_are_landed_alone_and_in_company(fresh_database: ClickHouseSettings) -> None:
    bench = Bench(connect(fresh_database))
    markers = Chunk("touchpoints.web", 0, 3, 5, [])
    outcome = bench.landing.land([markers])
    assert (outcome.records, outcome.stored, outcome.rejected) == (0, 0, 0)
    bench.landing.land([Chunk("touchpoints.web", 1, 0, 0, []), chunk("touchpoints.web", [encoded(event())], 6)])
    ranges = bench.rows("partition, first_offset, last_offset, records, lost", "landed")
    assert ranges == [(0, 3, 5, 0, 0), (0, 6, 6, 1, 0), (1, 0, 0, 0, 0)]
    assert len(bench.rows("event_uid", "touchpoints")) == 1

"""The equation that `status` prints, while records land."""

from pipeline.cli.account import identity_of
from pipeline.warehouse.accounting import Accounting, PartitionAccount, PartitionBalance, Watermarks


def landing(records: int, stored: int, in_flight: int) -> Accounting:
    entry = PartitionAccount("log", "touchpoints.web", 0, spans=((0, records),), records=records, rejected=19, lost=3)
    marks = Watermarks(0, records, records + in_flight)
    partition = PartitionBalance(account=entry, watermarks=marks, in_flight=in_flight, unaccounted=0)
    return Accounting((partition,), records=records, rejected=19, stored=stored, lost=3)


def test_touchpoints_that_are_stored_before_their_range_count_once() -> None:
    told = identity_of(landing(records=44_477, stored=44_502, in_flight=105))
    assert (told.stored, told.in_flight, told.received) == (44_502, 61, 44_477 + 3 + 105)
    assert told.received == told.stored + told.duplicate + told.rejected + told.lost + told.in_flight


def test_what_landed_after_kafka_was_asked_is_received() -> None:
    told = identity_of(landing(records=100, stored=150, in_flight=10))
    assert (told.in_flight, told.received) == (0, 150 + 19 + 3)


def test_at_rest_nothing_is_in_flight() -> None:
    told = identity_of(landing(records=100, stored=80, in_flight=0))
    assert (told.duplicate, told.in_flight, told.received) == (1, 0, 103)

"""The rule that keeps feeders from overrunning readers, without a broker."""

from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from pipeline.producers.backpressure import RECORD_OVERHEAD_BYTES, LagLedger, StallWatch, Unread

TARGET = ("touchpoints.web", 3)


def looked(ledger: LagLedger, unread: Unread) -> bool:
    return ledger.note_look(TARGET, unread, ledger.begin_look(TARGET))


def test_without_a_limit_there_is_always_room() -> None:
    assert LagLedger(0).has_room(TARGET, 10**9)


def test_a_partition_that_was_never_looked_at_has_no_room() -> None:
    assert not LagLedger(1_000).has_room(TARGET, 1)


def test_unread_counts_from_the_oldest_record_where_the_group_never_committed() -> None:
    assert Unread(low=10, high=25, committed=None).records == 15
    assert Unread(low=10, high=25, committed=20).records == 5
    assert Unread(low=10, high=25, committed=4).records == 15
    assert Unread(low=0, high=3, committed=40).records == 0, "a log that began anew"


def test_what_was_sent_since_the_last_look_takes_room() -> None:
    ledger = LagLedger(1_000)
    looked(ledger, Unread(0, 0, 0))
    while ledger.has_room(TARGET, 100):
        ledger.note_sent(TARGET, 100)
    sent = 1_000 // (100 + RECORD_OVERHEAD_BYTES)
    for offset in range(sent):
        ledger.note_settled(TARGET, 100, offset)
    assert not looked(ledger, Unread(0, sent, 0)), "nobody has read anything"
    assert not ledger.has_room(TARGET, 100)
    assert looked(ledger, Unread(0, sent, sent))
    assert ledger.has_room(TARGET, 100)


def test_a_look_before_delivery_does_not_forget_what_is_on_its_way() -> None:
    ledger = LagLedger(1_000)
    looked(ledger, Unread(0, 0, 0))
    ledger.note_sent(TARGET, 900)
    looked(ledger, Unread(0, 0, 0))
    assert not ledger.has_room(TARGET, 900)


def test_one_record_above_the_limit_goes_alone() -> None:
    ledger = LagLedger(1_000)
    looked(ledger, Unread(0, 5, 5))
    assert ledger.has_room(TARGET, 5_000)
    ledger.note_sent(TARGET, 5_000)
    assert not ledger.has_room(TARGET, 1)


def test_a_large_record_after_many_small_ones_counts_with_its_own_size() -> None:
    ledger = LagLedger(100_000)
    looked(ledger, Unread(0, 0, 0))
    for offset in range(1_000):
        ledger.note_sent(TARGET, 50)
        ledger.note_settled(TARGET, 50, offset)
    looked(ledger, Unread(0, 1_000, 1_000))
    ledger.note_sent(TARGET, 90_000)
    ledger.note_settled(TARGET, 90_000, 1_000)
    looked(ledger, Unread(0, 1_001, 1_000))
    assert not ledger.has_room(TARGET, 90_000)


def test_a_record_that_was_not_delivered_takes_no_room() -> None:
    ledger = LagLedger(1_000)
    looked(ledger, Unread(0, 0, 0))
    ledger.note_sent(TARGET, 900)
    ledger.note_settled(TARGET, 900, None)
    assert ledger.has_room(TARGET, 900)


def test_records_of_a_log_that_is_gone_are_forgotten() -> None:
    ledger = LagLedger(1_000)
    looked(ledger, Unread(0, 40, 40))
    ledger.note_sent(TARGET, 900)
    ledger.note_settled(TARGET, 900, 40)
    assert not ledger.has_room(TARGET, 900)
    looked(ledger, Unread(0, 0, None))
    assert ledger.has_room(TARGET, 900)


def test_after_a_stop_half_of_the_limit_must_be_free() -> None:
    ledger = LagLedger(1_000)
    looked(ledger, Unread(0, 2, 0))
    assert ledger.has_room(TARGET, 100)
    assert not ledger.has_eased(TARGET, 100), "800 of 1,000 bytes are unread, as far as one can guess"
    looked(ledger, Unread(0, 2, 2))
    assert ledger.has_eased(TARGET, 100)


@given(
    steps=st.lists(
        st.tuples(st.integers(0, 1), st.integers(1, 60), st.sampled_from((10, 100, 900)), st.integers(0, 3)),
        max_size=120,
    ),
)
def test_two_feeders_at_once_stay_within_twice_the_limit(steps: list[tuple[int, int, int, int]]) -> None:
    limit = 2_000
    ledgers = [LagLedger(limit), LagLedger(limit)]
    log: list[int] = []
    committed = 0
    for who, burst, size, reads in steps:
        committed = min(len(log), committed + reads * 5)
        ledger = ledgers[who]
        for _ in range(burst):
            if not ledger.has_room(TARGET, size):
                looked(ledger, Unread(0, len(log), committed))
                if not ledger.has_room(TARGET, size):
                    break
            ledger.note_sent(TARGET, size)
            ledger.note_settled(TARGET, size, len(log))
            log.append(size + RECORD_OVERHEAD_BYTES)
        assert sum(log[committed:]) <= 2 * limit


def test_readers_that_stand_still_are_given_up_and_moving_ones_are_not() -> None:
    watch = StallWatch(timedelta(seconds=10), now=0)
    assert not watch.is_stalled(9, moved=False)
    assert not watch.is_stalled(11, moved=True)
    assert not watch.is_stalled(20, moved=False)
    assert watch.is_stalled(22, moved=False)

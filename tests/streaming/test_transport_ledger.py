"""The commit rule, over every interleaving that can be thought of."""

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.streaming.transport.ledger import AckLedger

GAPS_AND_LENGTHS = st.lists(st.tuples(st.integers(0, 3), st.integers(1, 5)), min_size=1, max_size=30)


def test_nothing_is_committed_for_work_in_flight() -> None:
    ledger = AckLedger()
    ledger.deliver(31, 31)
    ledger.deliver(32, 32)
    ledger.finish(32)
    assert ledger.committable() is None


def test_commits_what_follows_the_last_finished_chunk() -> None:
    ledger = AckLedger()
    ledger.deliver(0, 9)
    ledger.deliver(10, 19)
    ledger.deliver(20, 29)
    ledger.finish(10 - 1)
    assert ledger.committable() == 10
    ledger.finish(29)
    assert ledger.committable() == 10
    ledger.finish(19)
    assert ledger.committable() == 30


def test_a_confirmed_commit_is_not_repeated_and_a_failed_one_is() -> None:
    ledger = AckLedger()
    ledger.deliver(5, 7)
    ledger.finish(7)
    assert (ledger.committable(), ledger.committable()) == (8, 8)
    ledger.committed(8)
    assert ledger.committable() is None


def test_finishing_twice_or_the_unknown_changes_nothing() -> None:
    ledger = AckLedger()
    ledger.deliver(0, 4, size_bytes=100)
    ledger.deliver(5, 9, size_bytes=10)
    assert not ledger.finish(3)
    assert ledger.finish(4)
    assert not ledger.finish(4)
    assert (ledger.unfinished_bytes, ledger.unfinished_chunks) == (10, 1)


@pytest.mark.parametrize(("first", "last"), [(4, 8), (0, 2), (3, 4), (9, 8)])
def test_refuses_chunks_that_do_not_follow(first: int, last: int) -> None:
    ledger = AckLedger()
    ledger.deliver(0, 4)
    with pytest.raises(ValueError, match="does not follow"):
        ledger.deliver(first, last)


@given(GAPS_AND_LENGTHS, st.randoms(use_true_random=False))
def test_every_commit_is_exactly_the_end_of_the_finished_prefix(shape: list[tuple[int, int]], random: Random) -> None:
    chunks, position = [], 0
    for gap, length in shape:
        chunks.append((position + gap, position + gap + length - 1))
        position += gap + length
    ledger, delivered = AckLedger(), 0
    finished: set[int] = set()
    while len(finished) < len(chunks):
        open_chunks = [i for i in range(delivered) if i not in finished]
        if delivered < len(chunks) and (not open_chunks or random.random() < 0.5):
            ledger.deliver(*chunks[delivered], size_bytes=1)
            delivered += 1
        else:
            chosen = random.choice(open_chunks)
            ledger.finish(chunks[chosen][1])
            finished.add(chosen)
        prefix = next((i for i in range(len(chunks)) if i not in finished), len(chunks))
        assert ledger.committable() == (chunks[prefix - 1][1] + 1 if prefix else None)
        assert ledger.unfinished_chunks == delivered - len(finished) == ledger.unfinished_bytes

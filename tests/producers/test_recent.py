"""What was seen lately, in bounded memory."""

from hypothesis import given
from hypothesis import strategies as st

from pipeline.producers.recent import RecentContents


def content(number: int) -> bytes:
    return number.to_bytes(16)


@given(numbers=st.lists(st.integers(1, 30)), capacity=st.integers(2, 20))
def test_it_never_invents_keeps_the_last_half_and_stays_bounded(numbers: list[int], capacity: int) -> None:
    recent = RecentContents(capacity)
    seen: list[int] = []
    for number in numbers:
        if content(number) in recent:
            assert number in seen
        recent.remember(content(number))
        seen.append(number)
        assert len(recent) <= capacity
        newest_distinct = list(dict.fromkeys(reversed(seen)))[: capacity // 2]
        assert all(content(kept) in recent for kept in newest_distinct)


def test_at_least_half_of_the_capacity_is_remembered() -> None:
    recent = RecentContents(100)
    for number in range(1, 1_001):
        recent.remember(content(number))
    assert all(content(number) in recent for number in range(951, 1_001))
    assert content(1) not in recent


def test_contents_that_share_a_place_are_told_apart() -> None:
    recent = RecentContents(8)
    alike = [first.to_bytes(8) + bytes(8) for first in range(1, 4)]
    assert [recent.remember(each) for each in alike] == [True, True, True]
    assert [recent.remember(each) for each in alike] == [False, False, False]
    assert (9).to_bytes(8) + bytes(8) not in recent


def test_what_was_seen_before_the_turn_is_no_news() -> None:
    recent = RecentContents(8)
    assert all(recent.remember(content(number)) for number in range(1, 6))
    assert not any(recent.remember(content(number)) for number in range(3, 6))

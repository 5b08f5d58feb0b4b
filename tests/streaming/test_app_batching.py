"""Batches grow under load and linger when little comes."""

from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.streaming.batching import BatchPolicy, LastBatch, News, SweepPolicy

POLICY = BatchPolicy(max_size=100, linger=timedelta(seconds=1))


RESTING = BatchPolicy(max_size=100, linger=timedelta(seconds=1), max_rest=timedelta(seconds=30))
SINCE_LONG = News(waited=timedelta(minutes=1), age=timedelta(seconds=6))
BREATHING = BatchPolicy(max_size=100, linger=timedelta(seconds=0.1), max_breath=timedelta(seconds=0.4))


def test_the_first_of_few_waits_for_company_and_no_longer() -> None:
    assert POLICY.patience(1, News(timedelta(seconds=0.25))) == timedelta(seconds=0.75)
    assert POLICY.patience(1, News(timedelta(seconds=5))) == timedelta(0)


def test_enough_waits_for_nothing() -> None:
    assert POLICY.patience(100, News(timedelta(0))) == timedelta(0)


@pytest.mark.parametrize(
    ("took", "since", "rest"),
    [(1.9, 0, 0), (2.5, 0, 1.5), (3, 2, 1), (3, 3, 0), (6, 9, 1), (6, 0, 2), (60, 0, 2), (60, 10, 0)],
)
def test_work_that_gains_from_being_put_off_rests_after_a_long_batch(took: float, since: float, rest: float) -> None:
    last = LastBatch(timedelta(seconds=took), timedelta(seconds=since))
    assert RESTING.patience(1, SINCE_LONG, last) == timedelta(seconds=rest)
    assert RESTING.patience(100, SINCE_LONG, last) == timedelta(0), "a full batch waits for nothing"
    young = replace(SINCE_LONG, age=timedelta(seconds=4))
    assert RESTING.patience(1, young, last) == timedelta(0), "people wait for it, and whoever brings it keeps up"
    quiet = replace(SINCE_LONG, quiet_for=timedelta(seconds=2))
    assert RESTING.patience(1, quiet, last) == timedelta(0), "nothing more comes"
    slow = replace(quiet, gap=timedelta(seconds=60))
    whole = max(0, min(3 * (took - 2), 10) - since)
    assert RESTING.patience(1, slow, last) == timedelta(seconds=whole), "it never came in less"
    assert POLICY.patience(1, SINCE_LONG, last) == timedelta(0), "other work never rests"


@pytest.mark.parametrize(
    ("took", "since", "breath"), [(0.3, 0, 0.3), (0.3, 0.125, 0.175), (0.3, 0.5, 0), (3, 0, 0.4), (3, 3, 0)]
)
def test_small_batches_draw_breath_as_long_as_the_last_one_took(took: float, since: float, breath: float) -> None:
    last, news = LastBatch(timedelta(seconds=took), timedelta(seconds=since)), News(waited=timedelta(seconds=1))
    assert BREATHING.patience(1, news, last) == timedelta(seconds=breath)
    assert BREATHING.patience(100, news, last) == timedelta(0), "a full batch waits for nothing"
    assert BREATHING.patience(1, replace(news, age=timedelta(seconds=6)), last) == timedelta(0), "nor does a backlog"
    assert BREATHING.patience(1, News(timedelta(0)), last) == max(timedelta(seconds=breath), BREATHING.linger)


@pytest.mark.parametrize(
    ("waited", "gap", "quiet_for", "rest"),
    [(1, 4, 1, 7), (1, 4, 8, 0), (25, 4, 1, 5), (31, 4, 1, 0), (1, 0.5, 1, 1), (1, 0, 1, 4), (1, 60, 1, 9)],
)
def test_news_that_is_old_when_it_comes_waits_for_the_rest_of_the_backlog(
    waited: float, gap: float, quiet_for: float, rest: float
) -> None:
    second = timedelta(seconds=1)
    news = News(waited=waited * second, quiet_for=quiet_for * second, gap=gap * second, age=6 * second)
    assert RESTING.patience(1, news) == timedelta(seconds=rest)
    assert RESTING.patience(100, news) == timedelta(0), "a full batch waits for nothing"
    assert RESTING.patience(1, replace(news, age=timedelta(seconds=4))) == timedelta(0), "landing has caught up"
    assert POLICY.patience(1, news) == timedelta(0), "other work never rests"


@pytest.mark.parametrize(("quiet_for", "rest"), [(0, 0.5), (0.25, 0.25), (0.5, 0), (1, 0)])
@pytest.mark.parametrize("gap", [0, 0.5, 4])
@pytest.mark.parametrize("last", [None, LastBatch(timedelta(seconds=60), timedelta(0))])
def test_where_nothing_more_waits_the_rest_of_it_is_waited_for(
    quiet_for: float, rest: float, gap: float, last: LastBatch | None
) -> None:
    second = timedelta(seconds=1)
    news = News(waited=second, quiet_for=quiet_for * second, gap=gap * second, age=6 * second, is_last=True)
    assert RESTING.patience(1, news, last) == timedelta(seconds=rest)


def test_the_first_old_news_after_fresh_news_goes_at_once() -> None:
    """Something stood still for a moment: the sooner results move again the better."""
    second = timedelta(seconds=1)
    old = News(waited=second, quiet_for=second, gap=4 * second, age=6 * second)
    assert RESTING.patience(1, old, LastBatch(second, second, age=2 * second)) == timedelta(0)
    assert RESTING.patience(1, old, LastBatch(second, second, age=6 * second)) == 7 * second, "and then it rests"
    assert RESTING.patience(1, old, LastBatch(second, second)) == 7 * second, "nobody knows"
    assert RESTING.patience(1, old, LastBatch(6 * second, second, age=second)) == 7 * second, "it was a long batch"


@pytest.mark.parametrize(
    ("sizes", "taken"), [([40, 40, 40], 2), ([40, 60, 1], 2), ([500, 1], 1), ([1], 1), ([50, 500], 1), ([0, 0], 2)]
)
def test_a_batch_is_as_large_as_the_limit_allows(sizes: list[int], taken: int) -> None:
    assert POLICY.take(sizes) == taken


@given(st.lists(st.integers(0, 300), min_size=1, max_size=50))
def test_every_chunk_is_taken_in_order_and_no_limit_is_passed_by_company(sizes: list[int]) -> None:
    left = list(sizes)
    while left:
        taken = POLICY.take(left)
        assert taken >= 1
        assert taken == 1 or sum(left[:taken]) <= POLICY.max_size
        left = left[taken:]


def test_sweeps_soon_after_the_start_then_when_idle_and_at_last_under_load() -> None:
    policy, long = SweepPolicy(timedelta(seconds=60)), timedelta(hours=1)
    assert not policy.is_due(None, timedelta(seconds=1), is_idle=True)
    assert policy.is_due(None, timedelta(seconds=2), is_idle=True)
    assert not policy.is_due(None, timedelta(seconds=299), is_idle=False)
    assert policy.is_due(None, timedelta(seconds=300), is_idle=False)
    assert not policy.is_due(timedelta(seconds=59), long, is_idle=True)
    assert policy.is_due(timedelta(seconds=60), long, is_idle=True)
    assert not policy.is_due(timedelta(seconds=299), long, is_idle=False)
    assert policy.is_due(timedelta(seconds=300), long, is_idle=False)

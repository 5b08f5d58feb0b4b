"""How a speed is read from what arrived when."""

import pytest

from bench.field import LEAST_EVENTS, measured, most_in_a_batch


def test_the_first_tenth_is_the_warm_up() -> None:
    span = measured([(10.0, 50), (12.0, 60), (20.0, 490), (22.0, 400)], 1_000)
    assert (span.started, span.ended, span.events) == (12.0, 22.0, 890)
    assert span.rate() == 89.0
    assert span.batches == 2


def test_a_later_end_makes_it_slower() -> None:
    span = measured([(0.0, 100), (9.0, 900)], 1_000)
    assert span.rate() == 100.0
    assert span.rate(18.0) == 50.0


def test_what_comes_after_the_share_does_not_count() -> None:
    span = measured([(0.0, 100), (5.0, 400), (6.0, 500), (100.0, 5_000)], 1_000)
    assert (span.ended, span.events) == (6.0, 900)


def test_one_batch_measures_nothing() -> None:
    with pytest.raises(ValueError, match="too few"):
        measured([(0.0, 1_000)], 1_000)


@pytest.mark.parametrize("events", [LEAST_EVENTS, 50_000, 500_000])
def test_even_few_events_come_in_more_than_one_batch(events: int) -> None:
    batch = most_in_a_batch(events, 60_000)
    sizes = [batch] * (events // batch) + [events % batch]
    assert measured([(float(at), size) for at, size in enumerate(sizes)], events).events >= events / 2


def test_many_events_come_in_usual_batches() -> None:
    assert most_in_a_batch(200_000, 60_000) == 60_000

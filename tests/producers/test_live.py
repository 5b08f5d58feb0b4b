"""The shop played live, on a clock of the test's own."""

from datetime import UTC, datetime

import pytest

from pipeline.producers.simulator import LiveStream, simulate
from pipeline.producers.simulator.journal import rfc3339

END = datetime(2026, 11, 1, tzinfo=UTC)
BEGAN = 1_800_000_000.0


class Clock:
    """A clock that moves only when somebody pauses."""

    def __init__(self) -> None:
        self.now = BEGAN

    def __call__(self) -> float:
        return self.now

    def pause(self, seconds: float) -> None:
        assert seconds > 0
        self.now += seconds


def test_every_touchpoint_happens_when_it_is_played_at_the_rate() -> None:
    shop, clock = simulate(5, 30, end=END), Clock()
    for number, touchpoint in enumerate(LiveStream(shop, 50, clock=clock, pause=clock.pause)):
        assert clock.now == pytest.approx(BEGAN + number / 50)
        assert touchpoint["occurred_at"] == rfc3339(int(clock.now * 1000))
    assert number + 1 == len(shop)


def test_what_was_late_in_the_story_is_late_on_the_clock_and_nothing_else() -> None:
    shop, clock = simulate(5, 400, end=END), Clock()
    played = list(LiveStream(shop, 100, clock=clock, pause=clock.pause))
    promises = {
        each["refs"]["order_id"]: each["body"]["promised_delivery_at"]
        for each in played
        if each["type"] == "order.placed" and "promised_delivery_at" in each["body"]
    }
    orders = {
        each["refs"]["shipment_id"]: each["refs"]["order_id"] for each in played if each["type"] == "delivery.shipped"
    }
    late = {
        orders[each["refs"]["shipment_id"]]
        for each in played
        if each["type"] == "delivery.delivered" and each["occurred_at"] > promises[orders[each["refs"]["shipment_id"]]]
    }
    assert late == set(shop.pains()["late_delivery"])


def test_a_promise_beyond_the_end_lies_in_the_future() -> None:
    shop, clock = simulate(5, 400, end=END), Clock()
    played = list(LiveStream(shop, 100, clock=clock, pause=clock.pause))
    end = rfc3339(int(END.timestamp() * 1000))
    later = [
        mine["body"]["promised_delivery_at"]
        for mine, told in zip(played, shop, strict=True)
        if told.get("body", {}).get("promised_delivery_at", "") > end
    ]
    assert later
    assert all(promise > played[-1]["occurred_at"] for promise in later)


def test_a_slow_consumer_makes_the_stream_late_and_it_says_so() -> None:
    shop, clock = simulate(5, 30, end=END), Clock()
    stream = LiveStream(shop, 10, clock=clock, pause=clock.pause)
    playing = iter(stream)
    next(playing)
    clock.now += 3
    next(playing)
    assert stream.behind_s == pytest.approx(2.9)
    for _ in range(40):
        next(playing)
    assert stream.behind_s == 0


def test_the_simulation_itself_is_not_changed() -> None:
    shop, clock = simulate(5, 30, end=END), Clock()
    before = [dict(touchpoint) for touchpoint in shop]
    list(LiveStream(shop, 1000, clock=clock, pause=clock.pause))
    assert list(shop) == before


def test_a_rate_of_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="rate"):
        LiveStream(simulate(5, 2, end=END), 0, clock=Clock(), pause=Clock().pause)

"""Alive is who gets something done, tries, or has nothing to do."""

from datetime import timedelta

from pipeline.observability.health import Health


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def test_silence_beyond_the_timeout_is_death() -> None:
    clock = Clock()
    health = Health(timedelta(seconds=60), clock)
    clock.now += 60
    assert health.is_live().ok
    clock.now += 1
    assert not health.is_live().ok
    health.sign("batch finished")
    assert health.is_live().ok


def test_ready_once_started_and_until_it_stops() -> None:
    health = Health(timedelta(seconds=60), Clock())
    assert health.is_ready().reason == "starting"
    health.ready()
    assert health.is_ready().ok
    health.stopping()
    assert not health.is_ready().ok


def test_blocked_is_alive_but_not_ready() -> None:
    health = Health(timedelta(seconds=60), Clock())
    health.ready()
    health.block("land", "the warehouse does not answer")
    assert health.is_live().ok
    assert health.is_ready().reason == "land: the warehouse does not answer"
    health.unblock("land")
    assert health.is_ready().ok


def test_the_dead_are_not_ready() -> None:
    clock = Clock()
    health = Health(timedelta(seconds=1), clock)
    health.ready()
    clock.now += 2
    assert not health.is_ready().ok

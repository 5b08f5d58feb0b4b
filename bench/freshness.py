"""
How long after its receipt an event is in `v_journeys`, at a steady rate.

Events are offered before those that count, so that the workers are warm, and after them, so that nothing becomes easier
for the last; all that count are waited for, however long they take.
"""

import time
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory

from confluent_kafka import Producer

from bench.events import Encoded, encoded_events
from bench.field import Field, Lane, Setting
from bench.servers import Servers
from bench.shown import Waits, waits, watch

# First batches load what a worker needs, compile what it asks, and work off what gathered meanwhile.
WARM_UP_SECONDS = 20
AFTER_SECONDS = 5
CUSTOMERS = 20_000
LIMIT_SECONDS = 240.0
_POLL_SECONDS = 0.5


@dataclass(frozen=True)
class Course:
    """
    What is offered.

    Attributes:
        rate: Events a second.
        seconds: How long those are offered that count.
        customers: How many people they are spread over.
        warm_up: How many seconds others are offered before.
        after: How many seconds others are offered after.
    """

    rate: int
    seconds: int
    customers: int = CUSTOMERS
    warm_up: int = WARM_UP_SECONDS
    after: int = AFTER_SECONDS


@dataclass(frozen=True)
class Freshness:
    """How long events took at a rate, and how many cores each process had busy meanwhile."""

    rate: int
    waits: Waits
    cores: dict[str, float]


def run_freshness(course: Course, setting: Setting) -> Freshness:
    """
    Offer events at a steady rate and tell how long those took that count.

    Raises:
        RuntimeError: If some of them were not shown in the end.
    """
    rate, offered = course.rate, course.rate * (course.warm_up + course.seconds + course.after)
    # Made before: making them would take a good part of a core from what is measured.
    events = iter(list(encoded_events(offered, course.customers)))
    with TemporaryDirectory(prefix="throughline-bench-") as folder, Servers(Path(folder)) as servers:
        field = Field(servers, [], setting)
        lane = servers.enter_context(field.lane())
        watch(lane.client)
        for number in range(1, setting.workers + 1):
            lane.start_worker("land", number)
            lane.start_worker("stitch", number)
        producer = Producer({"bootstrap.servers": field.bootstrap, "acks": "all", "linger.ms": 5, "log_level": 0})
        _offer(producer, islice(events, rate * course.warm_up), rate)
        before, since = servers.cpu_seconds(), datetime.now(UTC)
        _offer(producer, islice(events, rate * course.seconds), rate)
        after, until = servers.cpu_seconds(), datetime.now(UTC)
        _offer(producer, events, rate)
        _wait_until_through(lane, offered)
        found = waits(lane.client, since, until)
    if found.shown < found.events:
        raise RuntimeError(f"{found.events - found.shown} of {found.events} events are not shown")
    took = (until - since) / timedelta(seconds=1)
    return Freshness(rate, found, {name: round((after[name] - before[name]) / took, 2) for name in after})


def _wait_until_through(lane: Lane, events: int) -> None:
    deadline = time.monotonic() + LIMIT_SECONDS
    # Announced after it is landed: what is at rest once may not have heard of it yet.
    at_rest = 0
    while at_rest < 2:
        if time.monotonic() > deadline:
            raise TimeoutError(f"{lane.landed()} of {events} events were landed, and stitching is not through")
        time.sleep(_POLL_SECONDS)
        at_rest = at_rest + 1 if lane.landed() >= events and lane.stitch_lag() == 0 else 0


def _offer(producer: Producer, events: Iterable[Encoded], rate: int) -> None:
    began = time.monotonic()
    for number, event in enumerate(events):
        ahead = number / rate - (time.monotonic() - began)
        if ahead > 0.01:
            time.sleep(ahead)
        producer.produce(event.topic, event.value, event.key)
        producer.poll(0)
    if producer.flush(60):
        raise RuntimeError("the broker did not take all events")

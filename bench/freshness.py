"""
How long after its receipt an event is in `v_journeys`, at a steady rate.

Measured by the stitching worker itself (`throughline_freshness_seconds`): from the earliest receipt among the events of
an announcement to the moment their journeys can be queried. The first seconds do not count.
"""

import time
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory

from confluent_kafka import Producer

from bench.events import Encoded, encoded_events
from bench.field import Field, Setting
from bench.scrape import quantile
from bench.servers import Servers

WARM_UP_SECONDS = 10
CUSTOMERS = 20_000


@dataclass(frozen=True)
class Freshness:
    """Quantiles in seconds at an offered rate of events a second."""

    rate: int
    p50: float
    p99: float


def run_freshness(rate: int, seconds: int, setting: Setting) -> Freshness:
    """Offer events at a steady rate and read how fresh the journeys were."""
    # Made before: making them would take a good part of a core from what is measured.
    events = iter(list(encoded_events(rate * (seconds + WARM_UP_SECONDS), CUSTOMERS)))
    with TemporaryDirectory(prefix="throughline-bench-") as folder, Servers(Path(folder)) as servers:
        field = Field(servers, [], setting)
        lane = servers.enter_context(field.lane())
        lane.start_worker("land")
        worker = lane.start_worker("stitch")
        producer = Producer({"bootstrap.servers": field.bootstrap, "acks": "all", "linger.ms": 5, "log_level": 0})
        _offer(producer, islice(events, rate * WARM_UP_SECONDS), rate)
        before = worker.freshness()
        _offer(producer, events, rate)
        after = worker.freshness()
    return Freshness(rate, quantile(0.5, before, after), quantile(0.99, before, after))


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

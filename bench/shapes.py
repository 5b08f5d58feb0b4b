"""
What one more event costs when its customer has an ugly history: `python -m bench.shapes`.

Each shape is landed and stitched whole, then single events of the same customer follow, each landed and stitched by
itself. The worker's part runs in this process, the warehouse in its own; the CPU seconds of both are told. The
last line is JSON.
"""

import argparse
import json
import resource
import statistics
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import polars as pl
import psutil

from bench.arguments import whole
from bench.servers import Servers
from pipeline.config import ClickHouseSettings, IdentitySettings, StitchingSettings
from pipeline.config_pain import PainPointSettings
from pipeline.contracts.touchpoint import encode_touchpoint, parse_touchpoint
from pipeline.streaming.landing import Landing, Origin
from pipeline.streaming.records import Chunk
from pipeline.streaming.stitcher import StitchRulesOf, stitch_batch
from pipeline.warehouse.connection import connect
from pipeline.warehouse.facts import FactStore
from pipeline.warehouse.migrate import migrate
from pipeline.warehouse.results import StitchStore

START = datetime(2026, 1, 1, tzinfo=UTC)
BATCH = 50_000
EVENTS = 5
IDENTITY = IdentitySettings.model_validate({"hash_key": "bench"})
Touchpoint = dict[str, Any]


@dataclass(frozen=True)
class StoredRecord:
    """A record as Kafka would hand it over."""

    offset: int
    value: bytes
    timestamp: int
    key: bytes | None = None


@dataclass
class Shop:
    """Lands and stitches with the warehouse, and remembers what was announced."""

    settings: ClickHouseSettings
    announced: list[pl.DataFrame] = field(default_factory=list)
    offset: int = 0
    bytes: int = 0

    def __post_init__(self) -> None:
        store = FactStore(connect(self.settings))
        self._landing = Landing(store, self, IDENTITY, Origin("bench", 1_048_576))
        self._store = StitchStore(connect(self.settings), 1, timedelta(seconds=120))
        self._rules = StitchRulesOf(IDENTITY, StitchingSettings(), PainPointSettings())

    def announce(self, keys: pl.DataFrame, received_at_ms: int | None) -> None:  # noqa: ARG002  # of the protocol
        """Remember identifiers."""
        self.announced.append(keys)

    def publish(self, changes: pl.DataFrame) -> None:
        """Take changes; nobody reads them."""

    def land(self, touchpoints: list[Touchpoint]) -> None:
        """Land touchpoints of one family."""
        self.land_records(self.encoded(touchpoints))

    def encoded(self, touchpoints: list[Touchpoint]) -> Chunk:
        """Encode touchpoints of one family as the records of a partition."""
        records, now_ms, first = [], int(time.time() * 1000), self.offset
        for touchpoint in touchpoints:
            event = parse_touchpoint(touchpoint)
            if not isinstance(event, dict):
                raise TypeError(f"no touchpoint: {event}")
            encoded = encode_touchpoint(event)
            records.append(StoredRecord(self.offset, encoded.value, now_ms))
            self.offset += 1
            self.bytes += len(encoded.value)
        return Chunk(encoded.topic, 0, first, self.offset - 1, records)

    def land_records(self, chunk: Chunk) -> None:
        """Land the records of a partition."""
        self._landing.land([chunk])

    def stitch(self) -> dict[str, float]:
        """Stitch what was announced; return the seconds by part."""
        keys = pl.concat(self.announced)["ident_key"].unique()
        self.announced.clear()
        return stitch_batch(keys, self._store, self, self._rules, "bench").seconds


def page_view(number: int, cookie: str, minutes: float) -> Touchpoint:
    """Make a page view of a logged-in customer."""
    return {
        "id": f"e{number}",
        "type": "web.page_viewed",
        "source": "bench",
        "occurred_at": (START + timedelta(minutes=minutes)).isoformat(),
        "identities": [{"kind": "customer_id", "value": "u-1"}, {"kind": "cookie_id", "value": cookie}],
    }


def loyal(size: int) -> Callable[[int], Touchpoint]:
    """One customer with one cookie and many touchpoints."""
    return lambda number: page_view(number, "c-1", number * 200_000 / max(size, 1))


def crumbled() -> Callable[[int], Touchpoint]:
    """One customer whose every touchpoint has a cookie of its own."""
    return lambda number: page_view(number, f"c-{number}", number * 2.0)


def kiosk() -> Callable[[int], Touchpoint]:
    """One cookie that every touchpoint's customer shares."""

    def make(number: int) -> Touchpoint:
        event = page_view(number, "kiosk", number * 2.0)
        event["identities"][0]["value"] = f"u-{number}"
        return event

    return make


def household() -> Callable[[int], Touchpoint]:
    """Fifty identifiers: five accounts that share an address, four phones, and devices of which some are shared too."""

    def make(number: int) -> Touchpoint:
        member = number % 5
        event = page_view(number, f"c-{member}-{number // 5 % 8}", number * 2.0)
        event["identities"][0]["value"] = f"u-{member}"
        if number % 20 == member:
            event["identities"].append({"kind": "email", "value": "home@example.org"})
        if number % 20 == member + 5 < 9:
            event["identities"].append({"kind": "phone", "value": f"+4930123456{member}"})
        if number % 7 == 0:
            event["identities"][1]["value"] = f"c-{(member + 1) % 5}-{number // 5 % 4}"
        return event

    return make


def call_centre() -> Callable[[int], Touchpoint]:
    """One account under which a call centre books the calls of everybody: each has a phone number of its own."""

    def make(number: int) -> Touchpoint:
        event = page_view(number, "", number * 2.0)
        event["identities"][1] = {"kind": "phone", "value": f"+49301{number:06d}"}
        return event

    return make


@dataclass(frozen=True)
class Cost:
    """Seconds on the clock, and of the processors: the worker's and the warehouse's."""

    wall: float
    worker: float
    warehouse: float

    @classmethod
    def of(cls, work: Callable[[], object], warehouse: psutil.Process) -> "Cost":
        """Do something and say what it took."""
        before = time.perf_counter(), time.process_time(), sum(warehouse.cpu_times()[:2])
        work()
        after = time.perf_counter(), time.process_time(), sum(warehouse.cpu_times()[:2])
        return cls(*(late - early for early, late in zip(before, after, strict=True)))

    @classmethod
    def told(cls, name: str, costs: Sequence["Cost"]) -> dict[str, float]:
        """Name the medians of costs; a warehouse does other things too, in a long moment more of them."""
        return {
            f"{name}_{part}": round(statistics.median(getattr(cost, attribute) for cost in costs), 4)
            for part, attribute in (
                ("seconds", "wall"),
                ("worker_cpu_seconds", "worker"),
                ("warehouse_cpu_seconds", "warehouse"),
            )
        }


def measure(servers: Servers, url: str, make: Callable[[int], Touchpoint], size: int) -> dict[str, float]:
    """Build a shape in a new database and time some more events."""
    settings = ClickHouseSettings.model_validate({"url": url})
    migrate(connect(settings))
    shop = Shop(settings)
    warehouse = psutil.Process(servers.processes["warehouse"].pid)
    for first in range(0, size, BATCH):
        shop.land([make(number) for number in range(first, min(first + BATCH, size))])
    whole = Cost.of(shop.stitch, warehouse)
    landed, stitched = [], []
    for number in range(size, size + EVENTS):
        landed.append(Cost.of(lambda number=number: shop.land([make(number)]), warehouse))  # type: ignore[misc]
        stitched.append(Cost.of(shop.stitch, warehouse))
    return {
        "touchpoints": size,
        **Cost.told("whole_stitch", [whole]),
        **Cost.told("land", landed),
        **Cost.told("stitch", stitched),
        "worker_rss_mib": psutil.Process().memory_info().rss >> 20,
        "worker_peak_rss_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10,
        "warehouse_rss_mib": warehouse.memory_info().rss >> 20,
    }


def shapes(largest: int) -> Iterator[tuple[str, Callable[[int], Touchpoint], int]]:
    """Name the shapes: a growing customer, one with many cookies, a shared cookie, a household, a shared account."""
    for size in (10, 1_000, 10_000, 100_000, 1_000_000):
        if size <= largest:
            yield f"customer of {size}", loyal(size), size
    yield f"customer of {min(largest, 100_000)} cookies", crumbled(), min(largest, 100_000)
    yield f"kiosk of {min(largest, 10_000)} accounts", kiosk(), min(largest, 10_000)
    yield "household of 50 identifiers", household(), 1_000
    yield f"call centre of {min(largest, 10_000)} phones", call_centre(), min(largest, 10_000)


def main() -> None:
    """Measure every shape and print the result."""
    parser = argparse.ArgumentParser(prog="python -m bench.shapes", description=__doc__)
    parser.add_argument("--largest", type=whole(1), default=100_000, help="touchpoints of the largest customer")
    parser.add_argument("--only", default="", help="only shapes whose names contain this")
    asked = parser.parse_args()
    results = {}
    with TemporaryDirectory(prefix="throughline-bench-") as folder, Servers(Path(folder)) as servers:
        ready = servers.warehouse()
        token = json.loads(Path(ready["credentials"]).read_text(encoding="utf-8"))["throughline"]
        address = ready["address"].removeprefix("http://")
        chosen = [shape for shape in shapes(asked.largest) if asked.only in shape[0]]
        for number, (name, make, size) in enumerate(chosen):
            results[name] = measure(servers, f"http://throughline:{token}@{address}/shape{number}", make, size)
            sys.stderr.write(f"{name}: {results[name]}\n")
    sys.stdout.write(json.dumps(results) + "\n")


if __name__ == "__main__":
    main()

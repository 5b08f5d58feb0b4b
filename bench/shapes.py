"""
What one more event costs when its customer has an ugly history: `python -m bench.shapes`.

Each shape is landed and stitched whole, then single events of the same customer follow, each landed and stitched by
itself. The worker's part runs in this process, the warehouse in its own. The last line is JSON.
"""

import argparse
import json
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import polars as pl
import psutil

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
        records, now_ms = [], int(time.time() * 1000)
        for touchpoint in touchpoints:
            event = parse_touchpoint(touchpoint)
            if not isinstance(event, dict):
                raise TypeError(f"no touchpoint: {event}")
            encoded = encode_touchpoint(event)
            records.append(StoredRecord(self.offset, encoded.value, now_ms))
            self.offset += 1
        self._landing.land([Chunk(encoded.topic, 0, records[0].offset, records[-1].offset, records)])

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


def measure(servers: Servers, url: str, make: Callable[[int], Touchpoint], size: int) -> dict[str, float]:
    """Build a shape in a new database and time three more events."""
    settings = ClickHouseSettings.model_validate({"url": url})
    migrate(connect(settings))
    shop = Shop(settings)
    for first in range(0, size, BATCH):
        shop.land([make(number) for number in range(first, min(first + BATCH, size))])
    began = time.perf_counter()
    shop.stitch()
    whole = time.perf_counter() - began
    landed, stitched = [], []
    for number in range(size, size + 3):
        began = time.perf_counter()
        shop.land([make(number)])
        landed.append(time.perf_counter() - began)
        began = time.perf_counter()
        shop.stitch()
        stitched.append(time.perf_counter() - began)
    return {
        "touchpoints": size,
        "whole_stitch_seconds": round(whole, 3),
        "land_seconds": round(statistics.median(landed), 4),
        "stitch_seconds": round(statistics.median(stitched), 4),
        "worker_rss_mib": psutil.Process().memory_info().rss >> 20,
        "warehouse_rss_mib": psutil.Process(servers.processes["warehouse"].pid).memory_info().rss >> 20,
    }


def shapes(largest: int) -> Iterator[tuple[str, Callable[[int], Touchpoint], int]]:
    """Name the shapes: one growing customer, one with many cookies, one shared cookie."""
    for size in (10, 1_000, 10_000, 100_000, 1_000_000):
        if size <= largest:
            yield f"customer of {size}", loyal(size), size
    yield f"customer of {min(largest, 100_000)} cookies", crumbled(), min(largest, 100_000)
    yield f"kiosk of {min(largest, 10_000)} accounts", kiosk(), min(largest, 10_000)


def main() -> None:
    """Measure every shape and print the result."""
    parser = argparse.ArgumentParser(prog="python -m bench.shapes", description=__doc__)
    parser.add_argument("--largest", type=int, default=100_000, help="touchpoints of the largest customer")
    largest = parser.parse_args().largest
    results = {}
    with TemporaryDirectory(prefix="throughline-bench-") as folder, Servers(Path(folder)) as servers:
        ready = servers.warehouse()
        token = json.loads(Path(ready["credentials"]).read_text(encoding="utf-8"))["throughline"]
        address = ready["address"].removeprefix("http://")
        for number, (name, make, size) in enumerate(shapes(largest)):
            results[name] = measure(servers, f"http://throughline:{token}@{address}/shape{number}", make, size)
            sys.stderr.write(f"{name}: {results[name]}\n")
    sys.stdout.write(json.dumps(results) + "\n")


if __name__ == "__main__":
    main()

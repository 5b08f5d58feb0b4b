"""
One contestant, one run: fill the broker, start the workers, and time until everything is through.

The broker is filled before any worker starts, so producing costs the contestants nothing. Every run has a broker, a
warehouse and a database of its own. Our first batch is the warm-up: time runs from its completion, and its records do
not count. The peer's time runs from the first record it takes. Start of processes and imports is in neither.
"""

import json
import sys
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import psutil
from clickhouse_connect.driver.client import Client
from confluent_kafka import Consumer, Producer, TopicPartition

from bench.events import Encoded
from bench.scrape import Worker
from bench.servers import Servers, first_line
from pipeline.config import ClickHouseSettings
from pipeline.contracts.topics import STITCH_DIRTY
from pipeline.warehouse.connection import connect
from pipeline.warehouse.migrate import migrate

PARTITIONS = 32
DATABASE = "bench"
LIMIT_SECONDS = 900.0
POLL_SECONDS = 0.5
# Reading the memory of processes this large stops them for a moment: not at every poll.
POLLS_PER_PSS = 4


@dataclass(frozen=True)
class Result:
    """
    What one run measured.

    Attributes:
        landed_per_second: Events through LAND (or the whole job, for a peer).
        stitched_per_second: Events whose journeys are current, 0 where nothing was stitched.
        peak_pss_bytes: Most memory of all processes together.
        seconds: Where the time of our workers went, by role and part.
    """

    landed_per_second: float
    stitched_per_second: float = 0.0
    peak_pss_bytes: int = 0
    seconds: Mapping[str, float] = field(default_factory=dict)


def run_ours(events: list[Encoded], roles: tuple[str, ...]) -> Result:
    """Time our workers: `("land",)` is the bound without stitching, `("land", "stitch")` the whole job."""
    with TemporaryDirectory(prefix="throughline-bench-") as folder, Servers(Path(folder)) as servers:
        bench = Bench(servers, events)
        workers = {role: Worker(servers.start_worker(role, bench.settings)) for role in roles}
        peak, polls = 0, 0
        landed = stitched = 0.0
        deadline = time.monotonic() + LIMIT_SECONDS
        while not landed or ("stitch" in roles and not stitched):
            if time.monotonic() > deadline:
                raise TimeoutError(f"{roles} did not finish {len(events)} events in {LIMIT_SECONDS} s")
            time.sleep(POLL_SECONDS)
            polls += 1
            if polls % POLLS_PER_PSS == 0:
                peak = max(peak, servers.pss_bytes())
            landed = landed or (bench.landed_at() if bench.landed() >= len(events) else 0.0)
            if landed and "stitch" in roles and bench.stitch_lag() == 0:
                stitched = bench.now()
        started, warm_up = bench.first_batch()
        counted = len(events) - warm_up
        seconds = {f"{role} {part}": taken for role in roles for part, taken in workers[role].seconds_by_part().items()}
        return Result(counted / (landed - started), counted / (stitched - started) if stitched else 0.0, peak, seconds)


def run_stock_faust(events: list[Encoded]) -> Result:
    """Time the stock Faust app on the same records and the same kind of warehouse."""
    with TemporaryDirectory(prefix="throughline-bench-") as folder, Servers(Path(folder)) as servers:
        bench = Bench(servers, events)
        arguments = ["-m", "bench.stock_faust", bench.bootstrap, bench.url, str(len(events))]
        process = servers.start("stock-faust", arguments, {})
        line = first_line(process.stdout, "stock-faust", starts="{")
        seconds = float(json.loads(line)["seconds"])
        return Result(len(events) / seconds)


class Bench:
    """Filled servers, and the questions that tell how far a run is."""

    def __init__(self, servers: Servers, events: Iterable[Encoded]) -> None:
        broker = servers.broker(PARTITIONS)
        warehouse = servers.warehouse()
        self.bootstrap = broker["address"]
        token = json.loads(Path(warehouse["credentials"]).read_text(encoding="utf-8"))["throughline"]
        self.url = f"http://throughline:{token}@{warehouse['address'].removeprefix('http://')}/{DATABASE}"
        self.settings = {
            "THROUGHLINE_KAFKA__BOOTSTRAP": self.bootstrap,
            "THROUGHLINE_KAFKA__LOG_ID": broker["log_id"],
            "THROUGHLINE_CLICKHOUSE__URL": self.url,
            "THROUGHLINE_IDENTITY__HASH_KEY": "bench",
        }
        settings = ClickHouseSettings.model_validate({"url": self.url})
        migrate(connect(settings))
        self._client: Client = connect(settings)
        self._group: Any = Consumer({"bootstrap.servers": self.bootstrap, "group.id": "throughline-stitch-1"})
        servers.callback(self._group.close)
        _fill(self.bootstrap, events)

    def landed(self) -> int:
        """Return the records that are in; fails when the broker lost some, for the run would never end."""
        records, lost = self._client.query("SELECT sum(records), sum(lost) FROM landed FINAL").result_rows[0]
        if lost:
            raise RuntimeError(f"{lost} events did not fit into the embedded broker: use fewer, or more partitions")
        return int(records)

    def first_batch(self) -> tuple[float, int]:
        """When the first batch was complete, and its records."""
        query = "SELECT toFloat64(completed_at), sum(records) FROM landed GROUP BY completed_at ORDER BY 1 LIMIT 1"
        completed_at, records = self._client.query(query).result_rows[0]
        return float(completed_at), int(records)

    def landed_at(self) -> float:
        """Return when the last batch was complete, by the warehouse's clock."""
        return float(self._client.query("SELECT toFloat64(max(completed_at)) FROM landed").result_rows[0][0])

    def now(self) -> float:
        """Return the time of the warehouse's clock."""
        return float(self._client.query("SELECT toFloat64(now64(6))").result_rows[0][0])

    def stitch_lag(self) -> int:
        """Records of the dirty topic that are not committed."""
        partitions = [TopicPartition(STITCH_DIRTY, number) for number in range(4)]
        lag = 0
        for partition in self._group.committed(partitions, timeout=10):
            _, high = self._group.get_watermark_offsets(partition, timeout=10)
            lag += high - max(partition.offset, 0)
        return lag


def _fill(bootstrap: str, events: Iterable[Encoded]) -> None:
    producer = Producer(
        {
            "bootstrap.servers": bootstrap,
            "acks": "all",
            "linger.ms": 500,  # full batches, as a busy producer sends them; the mock broker hands them out one a fetch
            "queue.buffering.max.messages": 1_000_000,
        }
    )
    for event in events:
        producer.produce(event.topic, event.value, event.key)
        producer.poll(0)
    if producer.flush(60):
        raise RuntimeError("the broker did not take all events")


def machine() -> str:
    """Name what the numbers were measured on."""
    return f"{psutil.cpu_count()} cores, {psutil.virtual_memory().total >> 30} GiB, Python {sys.version.split()[0]}"

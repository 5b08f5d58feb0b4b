"""
What an event costs in LAND and in STITCH, in processor time: `python -m bench.profile_work`.

The worker's part runs in this process, the warehouse in its own, so both are told apart. Every event is landed once and
every customer stitched once; wall time says little on a busy machine, processor time much. The last line is JSON.
"""

import argparse
import cProfile
import json
import pstats
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

import polars as pl
import psutil

from bench.arguments import whole
from bench.events import Encoded, encoded_events
from bench.servers import Servers
from bench.shapes import IDENTITY, StoredRecord
from pipeline.config import ClickHouseSettings, StitchingSettings
from pipeline.config_pain import PainPointSettings
from pipeline.streaming import stitcher
from pipeline.streaming.landing import Landing, Origin, prepared
from pipeline.streaming.records import Chunk
from pipeline.streaming.stitcher import StitchRulesOf, stitch_batch
from pipeline.warehouse.connection import connect
from pipeline.warehouse.facts import FactStore
from pipeline.warehouse.migrate import migrate
from pipeline.warehouse.results import StitchStore

CHUNK_RECORDS = 2_000


@dataclass
class Costs:
    """Processor seconds by part, of this process and of the warehouse."""

    warehouse: psutil.Process
    seconds: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def of(self, part: str) -> Iterator[None]:
        """Add what happens inside to a part."""
        ours, theirs, wall = time.process_time(), self._warehouse_seconds(), time.perf_counter()
        yield
        self._add(f"{part} worker", time.process_time() - ours)
        self._add(f"{part} warehouse", self._warehouse_seconds() - theirs)
        self._add(f"{part} wall", time.perf_counter() - wall)

    def _warehouse_seconds(self) -> float:
        times = self.warehouse.cpu_times()
        return float(times.user + times.system)

    def _add(self, name: str, seconds: float) -> None:
        self.seconds[name] = self.seconds.get(name, 0.0) + seconds


@dataclass
class Outside:
    """Takes announcements and changes instead of Kafka."""

    announced: list[pl.DataFrame] = field(default_factory=list)

    def announce(self, keys: pl.DataFrame, received_at_ms: int | None) -> None:  # noqa: ARG002  # of the protocol
        """Remember identifiers."""
        self.announced.append(keys)

    def publish(self, changes: pl.DataFrame) -> None:
        """Take changes; nobody reads them."""

    def dirty(self) -> pl.Series:
        """Return what was announced, and forget it."""
        keys = pl.concat(self.announced)["ident_key"].unique()
        self.announced.clear()
        return keys


def chunks_of(events: Sequence[Encoded], batch: int) -> Iterator[list[Chunk]]:
    """Lay events out as a consumer would hand them over: batches of chunks of one partition each."""
    offsets: dict[str, int] = {}
    now_ms = int(time.time() * 1000)
    for first in range(0, len(events), batch):
        by_topic: dict[str, list[bytes]] = {}
        for event in events[first : first + batch]:
            by_topic.setdefault(event.topic, []).append(event.value)
        chunks = []
        for topic, values in by_topic.items():
            for start in range(0, len(values), CHUNK_RECORDS):
                at = offsets.get(topic, 0)
                records = [
                    StoredRecord(at + place, value, now_ms)
                    for place, value in enumerate(values[start : start + CHUNK_RECORDS])
                ]
                offsets[topic] = at + len(records)
                chunks.append(Chunk(topic, 0, records[0].offset, records[-1].offset, records))
        yield chunks


def measure(events: Sequence[Encoded], land_batch: int, stitch_keys: int, profiled: str) -> dict[str, float]:
    """Land everything, then stitch everything; return seconds by part."""
    with TemporaryDirectory(prefix="throughline-bench-") as folder, Servers(Path(folder)) as servers:
        ready = servers.warehouse()
        token = json.loads(Path(ready["credentials"]).read_text(encoding="utf-8"))["throughline"]
        address = ready["address"].removeprefix("http://")
        settings = ClickHouseSettings.model_validate({"url": f"http://throughline:{token}@{address}/profile"})
        migrate(connect(settings))
        costs, outside = Costs(psutil.Process(servers.processes["warehouse"].pid)), Outside()
        land = Landing(FactStore(connect(settings)), outside, IDENTITY, Origin("bench", 1_048_576)).land
        batches = list(chunks_of(events, land_batch))
        land([Chunk(chunk.topic, 1, 0, 9, chunk.records[:10]) for chunk in batches[0]])
        with costs.of("land"), _profile(profiled == "land"):
            for chunks in batches:
                _add_parts(costs, "land", land(chunks).seconds)
        dirty = outside.dirty()
        store = StitchStore(connect(settings), 1, timedelta(seconds=120))
        rules = StitchRulesOf(IDENTITY, StitchingSettings(), PainPointSettings())
        stitch_batch(dirty[:10], store, outside, rules, "bench")
        with costs.of("stitch"), _profile(profiled == "stitch"):
            for first in range(0, len(dirty), stitch_keys):
                found = stitch_batch(dirty[first : first + stitch_keys], store, outside, rules, "bench")
                _add_parts(costs, "stitch", found.seconds)
        return costs.seconds


def _add_parts(costs: Costs, role: str, seconds: dict[str, float]) -> None:
    for part, taken in seconds.items():
        name = f"{role} {part} of it"
        costs.seconds[name] = costs.seconds.get(name, 0.0) + taken


@contextmanager
def _profile(wanted: bool) -> Iterator[None]:
    if not wanted:
        yield
        return
    profile = cProfile.Profile()
    profile.enable()
    yield
    profile.disable()
    pstats.Stats(profile, stream=sys.stderr).sort_stats("tottime").print_stats(35)


def main() -> None:
    """Measure and print microseconds an event."""
    parser = argparse.ArgumentParser(prog="python -m bench.profile_work", description=__doc__)
    parser.add_argument("--events", type=whole(1), default=200_000)
    parser.add_argument("--customers", type=whole(1), default=20_000)
    parser.add_argument("--land-batch", type=whole(1), default=60_000, help="records of a landed batch")
    parser.add_argument("--stitch-keys", type=whole(1), default=400_000, help="identifiers of a stitched batch")
    parser.add_argument("--profile", choices=("land", "stitch", "none"), default="none", help="print its functions")
    arguments = parser.parse_args()
    events = list(encoded_events(arguments.events, arguments.customers))
    # The parts of a batch in processor time, as everything here.
    for module in (prepared, stitcher):
        setattr(module, "perf_counter", time.process_time)  # noqa: B010  # no attribute of ours, but an import
    seconds = measure(events, arguments.land_batch, arguments.stitch_keys, arguments.profile)
    micros = {name: round(taken * 1e6 / len(events), 2) for name, taken in seconds.items()}
    for name, taken in micros.items():
        sys.stderr.write(f"{name:28} {taken:8.2f} µs an event\n")
    sys.stdout.write(json.dumps({"events": len(events), "customers": arguments.customers, "micros": micros}) + "\n")


if __name__ == "__main__":
    main()

"""
One contestant, one run in a lane of its own: start the processes, and time until everything is through.

Ours and a peer are measured by one rule: the first tenth of the events is the warm-up, time runs from the moment it is
in the warehouse to the moment the last event is. Start of processes and imports is in neither.
"""

import json
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import psutil

from bench.contestants import PEERS
from bench.field import OUR_BATCHES, PEER_BATCHES, Field, measured
from bench.peers.obtain import command_of
from bench.servers import Servers
from pipeline.contracts.schemas import family_schema, writer_schema
from pipeline.contracts.types import FAMILIES

LIMIT_SECONDS = 900.0
POLL_SECONDS = 0.5
# Reading the memory of processes this large stops them for a moment: not at every poll.
POLLS_PER_PSS = 4
# CPU time is told only when at least this share of the events was still to come when it was first read.
CPU_SHARE = 0.2
ROOT = Path(__file__).parents[1]


@dataclass(frozen=True)
class Result:
    """
    What one run measured.

    Attributes:
        landed_per_second: Events through LAND (or the whole job, for a peer).
        stitched_per_second: Events whose journeys are current, 0 where nothing was stitched.
        peak_pss_bytes: Most memory of all processes together.
        cpu_us: CPU microseconds an event, by process, broker and warehouse among them.
        seconds: Where the time of our workers went, by role and part.
        visits: How many visits a peer found, and how many there are.
        inserts: With how many INSERTs a peer wrote what was measured; 0 where nobody looked.
    """

    landed_per_second: float
    stitched_per_second: float = 0.0
    peak_pss_bytes: int = 0
    cpu_us: Mapping[str, float] = field(default_factory=dict)
    seconds: Mapping[str, float] = field(default_factory=dict)
    visits: tuple[int, int] = (0, 0)
    inserts: int = 0

    @property
    def whole_cpu_us(self) -> float:
        """CPU microseconds an event, of the contestant's processes and the warehouse; 0 if unknown."""
        return sum(spent for name, spent in self.cpu_us.items() if name != "broker")

    @property
    def whole_per_second(self) -> float:
        """Events a second through all that this contestant does."""
        return self.stitched_per_second or self.landed_per_second


class Meter:
    """
    Waits for a run's end, and reads memory and CPU of all processes meanwhile.

    Args:
        servers: The processes.
        events: How many events there are.
        is_ready: Whether all processes have started; else that is so when the first event is through.
    """

    def __init__(self, servers: Servers, events: int, *, is_ready: bool = False) -> None:
        self._servers = servers
        self._events = events
        self._polls = 0
        self._through = 0
        self._first = (0, servers.cpu_seconds()) if is_ready else None
        self.peak_pss_bytes = 0

    def wait(self, is_done: Callable[[], bool], through: Callable[[], int]) -> None:
        """
        Wait until all is done.

        Raises:
            TimeoutError: If it takes too long.
            RuntimeError: If a process ended that should not have.
        """
        deadline = time.monotonic() + LIMIT_SECONDS
        while True:
            time.sleep(POLL_SECONDS)
            self._polls += 1
            if self._polls % POLLS_PER_PSS == 0:
                self.peak_pss_bytes = max(self.peak_pss_bytes, self._servers.pss_bytes())
            done = self._through = through()
            if self._first is None and done:
                self._first = done, self._servers.cpu_seconds()
            if is_done():
                return
            if time.monotonic() > deadline:
                raise TimeoutError(f"{done} of {self._events} events were through after {LIMIT_SECONDS} s")
            for name, process in self._servers.processes.items():
                if process.poll() and done < self._events:
                    raise RuntimeError(f"{name} ended with {process.returncode}: {self._servers.complaint(name)}")

    def cpu_us(self) -> dict[str, float]:
        """Return the CPU microseconds an event took in each process, their start not among them; empty if too quick."""
        done, before = self._first or (0, {})
        counted = self._through - done
        if counted < self._events * CPU_SHARE:
            return {}
        taken = self._servers.cpu_seconds()
        return {name: 1e6 * (spent - before.get(name, 0.0)) / counted for name, spent in taken.items()}


def run_ours(field: Field, roles: tuple[str, ...]) -> Result:
    """Time our workers: `("land",)` is the bound without stitching, `("land", "stitch")` the whole job."""
    with field.lane() as lane:
        numbers = range(1, field.setting.workers + 1)
        workers = [(role, lane.start_worker(role, number)) for number in numbers for role in roles]
        meter, is_whole = Meter(field.servers, field.events, is_ready=True), "stitch" in roles
        at_rest: list[bool] = []

        def is_done() -> bool:
            if lane.landed() < field.events:
                return False
            # Announced after it is landed: what is at rest once may not have heard of it yet.
            at_rest.append(not is_whole or lane.stitch_lag() == 0)
            return not is_whole or at_rest[-2:] == [True, True]

        meter.wait(is_done, lane.landed)
        span = measured(lane.batches(OUR_BATCHES), field.events)
        stitched = max((worker.last_progress("stitch") for role, worker in workers if role == "stitch"), default=0.0)
        seconds: dict[str, float] = {}
        for role, worker in workers:
            for part, taken in worker.seconds_by_part().items():
                seconds[f"{role} {part}"] = seconds.get(f"{role} {part}", 0.0) + taken
        rate = span.rate(stitched) if is_whole else 0.0
        return Result(span.rate(), rate, meter.peak_pss_bytes, meter.cpu_us(), seconds)


def run_peer(field: Field, name: str) -> Result:
    """
    Time a peer on the same records and the same warehouse, until its share of the events is through.

    Raises:
        PeerMissing: If it cannot run here.
    """
    command = command_of(name)
    events = field.events * PEERS[name].percent // 100
    with TemporaryDirectory(prefix="throughline-bench-") as folder, field.lane() as lane:
        write_schemas(Path(folder))
        topics = ",".join(sorted(field.topics))
        job = [field.bootstrap, lane.url, folder, topics, str(field.setting.partitions), lane.group]
        processes = field.setting.workers if PEERS[name].may_double else 1
        for number in range(1, processes + 1):
            lane.start(f"{name}-{number}", [*command, *job], {"PYTHONPATH": str(ROOT)})
        meter = Meter(field.servers, events)
        meter.wait(lambda: lane.written() >= events, lane.written)
        span = measured(lane.batches(PEER_BATCHES), events)
        cpu_us = meter.cpu_us()
        return Result(span.rate(), 0.0, meter.peak_pss_bytes, cpu_us, visits=lane.visits(), inserts=span.batches)


def write_schemas(folder: Path) -> None:
    """Write the schemas of all touchpoints where a peer reads them: each in a file named by its fingerprint."""
    for family in FAMILIES:
        file = folder / f"{writer_schema(family).fingerprint.hex()}.avsc"
        file.write_text(json.dumps(_plain(family_schema(family))), encoding="utf-8")


def _plain(schema: Any) -> Any:
    """Return a schema whose times are plain numbers: to make objects of them would slow the peers for nothing."""
    if isinstance(schema, Mapping):
        return {name: _plain(value) for name, value in schema.items() if name != "logicalType"}
    return [_plain(value) for value in schema] if isinstance(schema, list | tuple) else schema


def origin() -> dict[str, str]:
    """Name what was measured, and what it was measured on, for a line that is kept."""
    return {"machine": machine(), "revision": revision()}


def revision() -> str:
    """Name the commit of this checkout, with `-dirty` where code differs from it; empty where there is no git."""
    if not shutil.which("git"):
        return ""
    commit = _git("rev-parse", "--short", "HEAD").stdout.strip()
    # Lines that are kept lie in docs, and every point of a curve adds one.
    is_changed = bool(_git("diff", "--quiet", "HEAD", "--", ".", ":(exclude)docs").returncode)
    return f"{commit}-dirty" if commit and is_changed else commit


def _git(*asked: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(("git", *asked), cwd=ROOT, capture_output=True, text=True, check=False)


def machine() -> str:
    """Name what the numbers were measured on."""
    return f"{psutil.cpu_count()} cores, {psutil.virtual_memory().total >> 30} GiB, Python {sys.version.split()[0]}"

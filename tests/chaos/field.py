"""The field of a run: the installation that is hurt, its load and its disks, started and ended by their pids."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil

from pipeline.cli.installation import read_installation
from pipeline.config import child_environment
from tests.chaos.ground import REGISTRY, Layout, clock_file
from tests.chaos.proxy import Pair, Proxies
from tests.chaos.registry import Registry
from tests.chaos.sending import Load
from tests.convergence.history import PHONE_REGION
from tests.convergence.inprocess import HASH_KEY
from tests.convergence.installation import Installation

SETTINGS = {
    "THROUGHLINE_IDENTITY__HASH_KEY": HASH_KEY,
    "THROUGHLINE_IDENTITY__PHONE_REGION": PHONE_REGION,
    # A whole view of a long history is more than an analyst may usually ask of a busy machine.
    "THROUGHLINE_EMBEDDED__QUERY_TIMEOUT": "900s",
}
DISKS = ("warehouse", "kafka", "temp")
# Only what is written takes memory.
DISK_BYTES = 8 << 30
END_S = 60.0


class Disk:
    """A file system of its own in memory, whose size may be changed while it is used. Needs root."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(mode=0o700, exist_ok=True)
        self._mount(f"size={DISK_BYTES},mode=700")

    def fill(self) -> None:
        """Leave no room for one more page, or for a few where somebody writes at this moment."""
        for spare in range(0, 4_000, 40):
            held = os.statvfs(self.folder)
            # A size of 0 would mean none at all.
            pages = max(1, held.f_blocks - held.f_bfree) + spare
            with suppress(subprocess.CalledProcessError):
                self._mount(f"remount,size={pages * held.f_frsize}")
                return
        raise RuntimeError(f"{self.folder} is written to faster than it can be filled")

    def empty(self) -> None:
        """Give the room back."""
        self._mount(f"remount,size={DISK_BYTES}")

    def remove(self) -> None:
        """Let go of it."""
        subprocess.run(["umount", "--lazy", str(self.folder)], check=False, capture_output=True)

    def _mount(self, options: str) -> None:
        subprocess.run(
            ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(self.folder)], check=True, capture_output=True
        )


@dataclass
class Field:
    """
    What a nemesis may hurt.

    Attributes:
        folder: Data folder of the installation.
        layout: Who speaks to whom.
        proxies: The proxies of all pairs.
        load: What is sent.
        rate: Records a second.
        disks: Those whose room can be taken away, by name; none without root.
        registry: The schema registry; None where the layout has none.
    """

    folder: Path
    layout: Layout
    proxies: Proxies
    load: Load
    rate: float
    disks: dict[str, Disk] = field(default_factory=dict)
    registry: Registry | None = None
    _ground: "subprocess.Popen[bytes] | None" = None
    _load: "subprocess.Popen[bytes] | None" = None

    @property
    def ledger(self) -> Path:
        """The file of the load's ledger."""
        return self.folder / "ledger"

    @property
    def throughline(self) -> Installation:
        """The installation, for commands."""
        return Installation(self.folder, SETTINGS)

    @property
    def worker_url(self) -> str:
        """The warehouse with the rights of the pipeline, directly."""
        kept = read_installation(self.folder)
        assert kept is not None
        return kept.worker_url()

    @property
    def run(self) -> dict[str, Any]:
        """What run.json says."""
        said: dict[str, Any] = json.loads((self.folder / "run.json").read_text())
        return said

    def mount_disks(self) -> None:
        """Make the disks; each is known as soon as it is there."""
        for name in DISKS:
            self.disks[name] = Disk(self.folder / name)

    def pids(self) -> Mapping[str, int]:
        """Return the pids of all parts and of the load."""
        found = {part["name"]: part["pid"] for part in self.run["processes"]}
        if self.is_loading and self._load:
            found["load"] = self._load.pid
        if self.registry and (pid := self.registry.pid):
            found[REGISTRY] = pid
        return found

    def signal(self, name: str, number: int) -> None:
        """Send a signal to a part, if it runs."""
        with suppress(ProcessLookupError, KeyError, OSError):
            os.kill(self.pids()[name], number)

    def start(self) -> None:
        """Start the supervisor, without waiting."""
        command = [sys.executable, "-m", "tests.chaos.ground", "--data", str(self.folder)]
        with (self.folder / "ground.log").open("ab") as log:
            self._ground = subprocess.Popen(command, env=child_environment(SETTINGS), stdout=log, stderr=log)

    def await_ready(self, seconds: float) -> None:
        """Wait until all parts are ready."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            with suppress(OSError, ValueError):
                if self.run["state"] == "ready":
                    return
            assert self._ground is not None
            if self._ground.poll() is not None:
                break
            time.sleep(0.1)
        raise RuntimeError(f"the installation is not ready: {(self.folder / 'ground.log').read_text()[-3000:]}")

    def stop_supervisor(self, number: int) -> None:
        """End the supervisor and wait: killed, the kernel ends all parts with it; asked, it stops them cleanly."""
        assert self._ground is not None
        self._ground.send_signal(number)
        self._ground.wait(END_S)

    @property
    def is_loading(self) -> bool:
        """Whether the load runs."""
        return self._load is not None and self._load.poll() is None

    def start_load(self) -> None:
        """Start the load, or go on where its ledger ends; returns when it sends."""
        load = self.load
        command = [sys.executable, "-m", "tests.chaos.load", "--bootstrap", self.layout.bootstrap("load")]
        command += ["--ledger", str(self.ledger), "--rate", str(self.rate)]
        command += ["--seed", str(load.seed), "--people", str(load.people), "--events", str(load.events)]
        command += ["--framed"] if load.is_framed else []
        self._load = subprocess.Popen(command, env=child_environment({}), stdout=subprocess.PIPE)
        assert self._load.stdout is not None
        self._load.stdout.readline()

    def stop_load(self, number: int, seconds: float = END_S) -> None:
        """End the load: asked, it sends no more and ends when all that it has sent is spoken about."""
        if self._load is not None:
            self._load.send_signal(number)
            self._load.wait(seconds)

    def finish_load(self, seconds: float) -> None:
        """Let the load end, and wait until everything that it sent is spoken about."""
        self.stop_load(signal.SIGTERM, seconds)
        if self._load is not None and self._load.returncode:
            raise RuntimeError(f"the load ended with {self._load.returncode}")

    def end(self) -> None:
        """End the load and the installation, and let go of the disks whatever happens."""
        try:
            self._end_processes()
        finally:
            for disk in self.disks.values():
                disk.remove()

    def _end_processes(self) -> None:
        self.stop_load(signal.SIGKILL)
        if self.registry:
            self.registry.stop()
        ground, self._ground = self._ground, None
        if ground is not None:
            for name in self.pids() if (self.folder / "run.json").exists() else ():
                self.signal(name, signal.SIGCONT)
            ground.terminate()
            try:
                ground.wait(END_S)
            except subprocess.TimeoutExpired:
                ground.kill()
                ground.wait(END_S)


@contextmanager
def new_field(folder: Path, load: Load, rate: float, layout: Layout) -> Iterator[Field]:
    """Prepare a field; at the end everything is ended and the folder removed."""
    folder.mkdir(exist_ok=True)
    left_before = clock_leftovers()
    try:
        layout.write(folder)
        for worker in layout.workers:
            clock_file(folder, worker).write_text("+0\n")
        (folder / "temp").mkdir(exist_ok=True)
        pairs = [Pair(name, port, layout.listeners.get(name, 0)) for name, port in layout.proxies.items()]
        between = [Pair(way.name, way.port, way.port, host=way.host) for way in layout.peer_ways]
        proxies = Proxies([*pairs, *between])
        made = Field(folder, layout, proxies, load, rate)
        with proxies.running():
            try:
                if os.geteuid() == 0:
                    made.mount_disks()
                if layout.registry:
                    made.registry = Registry(folder, layout.registry, len(load.attempts))
                    made.registry.start()
                made.start()
                _aim(made)
                yield made
            finally:
                made.end()
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        for file in clock_leftovers() - left_before:
            file.unlink(missing_ok=True)


def _aim(made: Field) -> None:
    """Tell the proxies where the warehouse is, as soon as the installation has chosen its port."""
    deadline = time.monotonic() + END_S
    while (kept := read_installation(made.folder)) is None or "warehouse" not in kept.ports:
        if time.monotonic() > deadline:
            raise RuntimeError((made.folder / "ground.log").read_text()[-3000:])
        time.sleep(0.05)
    for pair in made.proxies.pairs.values():
        if pair.name.endswith(f">{REGISTRY}"):
            pair.target = made.layout.registry
        if pair.name.endswith(">warehouse"):
            pair.target = kept.ports["warehouse"]
            # An INSERT, or a long list of keys; a question after the version is let through.
            pair.smallest_request_bytes = 2_000


def clock_library() -> str:
    """Return the library that shifts clocks; empty where it is not installed."""
    found = sorted(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"))
    return str(found[0]) if found else ""


def clock_leftovers(shared: Path = Path("/dev/shm")) -> set[Path]:
    """Return what the library that shifts clocks left in memory for processes that are no more: killed, they cannot."""
    found = [*shared.glob("faketime_shm_*"), *shared.glob("sem.faketime_sem_*")]
    return {file for file in found if not psutil.pid_exists(int(file.name.rpartition("_")[2] or 0))}

"""The processes of a run: embedded broker and warehouse, workers, a peer; each ended by its own handle."""

import json
import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import IO

import psutil

from pipeline.config import child_environment
from pipeline.contracts.topics import CX_SIGNALS, JOURNEYS_UPDATED, STITCH_DIRTY, TOUCHPOINT_TOPICS

STOP_SECONDS = 20
READY_SECONDS = 60


class Servers(ExitStack):
    """
    Starts processes and ends them all on leaving.

    Args:
        folder: Data and logs.
    """

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self._folder = folder
        self.processes: dict[str, subprocess.Popen[str]] = {}

    def broker(self, partitions: int) -> Mapping[str, str]:
        """Start the embedded broker and return its readiness line: address and log_id."""
        topics = [f"{topic}:{partitions}" for topic in TOUCHPOINT_TOPICS]
        topics += [f"{topic}:4" for topic in (STITCH_DIRTY, JOURNEYS_UPDATED, CX_SIGNALS)]
        arguments = [argument for topic in topics for argument in ("--topic", topic)]
        data = str(self._folder / "broker")
        return self._ready("broker", ["-m", "pipeline.embedded.broker", "--data", data, *arguments])

    def warehouse(self) -> Mapping[str, str]:
        """Start the embedded warehouse and return its readiness line."""
        data = str(self._folder / "warehouse")
        return self._ready("warehouse", ["-m", "pipeline.embedded.warehouse", "--data", data])

    def start(self, name: str, arguments: list[str], settings: Mapping[str, str]) -> subprocess.Popen[str]:
        """Start a Python process whose output goes to a log file, or to a pipe for the caller to read."""
        log = self.enter_context((self._folder / f"{name}.log").open("w", encoding="utf-8"))
        process = subprocess.Popen(
            [sys.executable, *arguments],
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
            env=child_environment(settings),
        )
        self.processes[name] = process
        self.callback(self.stop, name)
        return process

    def start_worker(self, role: str, settings: Mapping[str, str]) -> int:
        """Start a worker of ours and return the port of its metrics once it is ready."""
        port = free_port()
        own = {**settings, "THROUGHLINE_OBSERVABILITY__PORT": str(port)}
        process = self.start(role, ["-m", "pipeline.cli", "worker", role], own)
        wait_until_ready(process, port, role)
        return port

    def stop(self, name: str) -> None:
        """End a process, first politely."""
        process = self.processes.pop(name, None)
        if process is None:
            return
        process.terminate()
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def pss_bytes(self) -> int:
        """Return the memory of all running processes; pages they share count once."""
        return sum(psutil.Process(process.pid).memory_full_info().pss for process in self.processes.values())

    def _ready(self, name: str, arguments: list[str]) -> Mapping[str, str]:
        output = self.start(name, arguments, {}).stdout
        line: dict[str, str] = json.loads(first_line(output, name))
        return line


def first_line(output: IO[str] | None, name: str, starts: str = "") -> str:
    """
    Return the first line a process prints that starts so; Faust prints a banner before.

    Raises:
        RuntimeError: If it ended without one; its log says why.
    """
    for line in output or ():
        if line.startswith(starts):
            return line
    raise RuntimeError(f"{name} ended before it was ready; see its log")


def free_port() -> int:
    """Return a port of the loopback that nobody uses now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def wait_until_ready(process: subprocess.Popen[str], port: int, name: str) -> None:
    """
    Wait until a worker serves its metrics.

    Raises:
        RuntimeError: If it ended, or took longer than a minute; its log says why.
    """
    deadline = time.monotonic() + READY_SECONDS
    while process.poll() is None and time.monotonic() < deadline:
        with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return
        time.sleep(0.05)
    raise RuntimeError(f"{name} is not ready; see its log")

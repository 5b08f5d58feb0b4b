"""The processes of a run: broker, warehouse, workers, a peer; each ended by its own handle."""

import json
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import IO

import psutil
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from bench.contestants import KAFKA
from pipeline.config import child_environment
from pipeline.contracts.topics import CX_SIGNALS, JOURNEYS_UPDATED, STITCH_DIRTY, TOUCHPOINT_TOPICS
from pipeline.embedded.kafka.probe import answers

STOP_SECONDS = 20
READY_SECONDS = 60
LOG_CHARACTERS = 2_000
RESULT_PARTITIONS = 4
# The stock Faust app cannot make the topic of its Table on every broker: one for each lane that there may be.
LANES = 40
_ENDING = (signal.SIGTERM, signal.SIGINT)


def end_with_children() -> None:
    """
    Let SIGTERM or Ctrl-C end this process as an exception does, so that it ends what it started.

    Whoever sends a second one is impatient, not better served: what it would break off is the cleaning up.
    """

    def end(number: int, _frame: object) -> None:
        for each in _ENDING:
            signal.signal(each, signal.SIG_IGN)
        sys.exit(128 + number)

    for each in _ENDING:
        signal.signal(each, end)


def lane_name(number: int) -> str:
    """Return the prefix of the consumer groups of a lane."""
    return f"bench-{number}"


def changelogs() -> list[str]:
    """Return the topics in which the stock Faust app keeps its Table."""
    return [f"{lane_name(number)}-visits-changelog" for number in range(1, LANES + 1)]


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

    def broker(self, partitions: int, kind: str = "embedded") -> Mapping[str, str]:
        """
        Start a broker with the topics of the pipeline and return its address and log_id.

        Args:
            partitions: Of each topic of touchpoints.
            kind: The embedded broker, or Apache Kafka, which `make kafka` gets.
        """
        topics = {**dict.fromkeys(TOUCHPOINT_TOPICS, partitions), **dict.fromkeys(changelogs(), partitions)}
        topics |= dict.fromkeys((STITCH_DIRTY, JOURNEYS_UPDATED, CX_SIGNALS), RESULT_PARTITIONS)
        data = str(self._folder / "broker")
        if kind == KAFKA:
            return self._kafka(data, topics)
        named = [argument for topic, count in topics.items() for argument in ("--topic", f"{topic}:{count}")]
        return self._ready("broker", ["-m", "pipeline.embedded.broker", "--data", data, *named])

    def _kafka(self, data: str, topics: Mapping[str, int]) -> Mapping[str, str]:
        ports = ["--port", str(free_port()), "--controller-port", str(free_port())]
        ready = self._ready("broker", ["-m", "pipeline.embedded.kafka", "--data", data, *ports])
        deadline = time.monotonic() + READY_SECONDS
        while not answers(ready["address"], 1.0):
            if time.monotonic() > deadline:
                raise RuntimeError("Apache Kafka does not answer; see its log")
            time.sleep(0.1)
        admin = AdminClient({"bootstrap.servers": ready["address"]})
        made = admin.create_topics([NewTopic(topic, num_partitions=count) for topic, count in topics.items()])
        for future in made.values():
            future.result(READY_SECONDS)
        return ready

    def warehouse(self) -> Mapping[str, str]:
        """Start the embedded warehouse and return its readiness line."""
        data = str(self._folder / "warehouse")
        return self._ready("warehouse", ["-m", "pipeline.embedded.warehouse", "--data", data])

    def start(self, name: str, command: list[str], settings: Mapping[str, str]) -> subprocess.Popen[str]:
        """Start a process whose complaints go to a log file, and its output to a pipe for the caller to read."""
        log = self.enter_context((self._folder / f"{name}.log").open("w", encoding="utf-8"))
        process = subprocess.Popen(
            command,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
            env=child_environment(settings),
        )
        self.processes[name] = process
        self.callback(self.stop, name)
        return process

    def start_worker(self, role: str, settings: Mapping[str, str], number: int = 1) -> int:
        """Start a worker of ours and return the port of its metrics once it is ready."""
        port = free_port()
        own = {**settings, "THROUGHLINE_OBSERVABILITY__PORT": str(port)}
        name = f"{role}-{number}"
        process = self.start(name, [sys.executable, "-m", "pipeline.cli", "worker", role], own)
        wait_until_ready(process, port, name)
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

    def cpu_seconds(self) -> dict[str, float]:
        """Return the CPU seconds, of user and system, that every running process has taken so far."""
        taken = {}
        for name, process in self.processes.items():
            with suppress(psutil.Error):
                times = psutil.Process(process.pid).cpu_times()
                taken[name] = times.user + times.system
        return taken

    def complaint(self, name: str) -> str:
        """Return the end of what a process wrote to its log."""
        text = (self._folder / f"{name}.log").read_text(encoding="utf-8", errors="replace").strip()
        return text[-LOG_CHARACTERS:]

    def _ready(self, name: str, arguments: list[str]) -> Mapping[str, str]:
        output = self.start(name, [sys.executable, *arguments], {}).stdout
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

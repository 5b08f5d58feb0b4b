"""The processes of a run: embedded broker and warehouse, workers, a peer; each ended by its own handle."""

import json
import subprocess
import sys
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import IO

import psutil

from pipeline.config import child_environment
from pipeline.contracts.topics import CX_SIGNALS, JOURNEYS_UPDATED, STITCH_DIRTY, TOUCHPOINT_TOPICS

STOP_SECONDS = 20


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

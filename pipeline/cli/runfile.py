"""
`run.json`: what runs in a data folder, for people's scripts and for our own commands.

The names of CONTRACT.md (kafka, clickhouse, collector, write_key, metrics, processes) are fixed; the rest is ours.
Only the supervisor writes it. The lock on the folder, not this file, says whether a supervisor lives.
"""

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path

from pipeline.cli.files import is_locked, write_privately

RUN_FILE = "run.json"
LOCK_FILE = "lock"


@dataclass
class PartRun:
    """One process of the installation: `started` tells it from a later one with the same pid."""

    name: str
    pid: int
    log: str
    state: str = "starting"
    started: float = 0.0
    restarts: int = 0
    last_exit: str = ""


@dataclass
class Notice:
    """Something that happened and that the owner should know, such as records that may be lost."""

    at: str
    text: str


@dataclass
class Run:
    """All of run.json."""

    kafka: str
    clickhouse: str
    collector: str
    write_key: str
    metrics: list[str]
    processes: list[PartRun]
    broker: str = "embedded"
    state: str = "starting"
    log_id: str = ""
    supervisor_pid: int = 0
    supervisor_started: float = 0.0
    notices: list[Notice] = field(default_factory=list)
    settings: dict[str, str] | None = None
    """What was set when it was started, of secrets the digest; None: by a release that did not write it down."""

    def write(self, folder: Path) -> None:
        """Replace the file in one step."""
        write_privately(folder / RUN_FILE, json.dumps(asdict(self), indent=1) + "\n")


def read_run(folder: Path) -> Run | None:
    """Return what the folder's run.json says; None when there is none or it cannot be understood."""
    try:
        said = json.loads((folder / RUN_FILE).read_text(encoding="utf-8"))
        said["processes"] = [PartRun(**process) for process in said["processes"]]
        said["notices"] = [Notice(**notice) for notice in said.get("notices", [])]
        return Run(**said)
    except (OSError, ValueError, TypeError, KeyError):
        return None


def is_supervised(folder: Path) -> bool:
    """Return whether a supervisor lives in the folder."""
    return is_locked(folder / LOCK_FILE)


def live_run(folder: Path) -> Run | None:
    """Return what runs in the folder now; None when nothing does."""
    return read_run(folder) if is_supervised(folder) else None

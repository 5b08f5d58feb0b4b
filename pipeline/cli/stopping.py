"""Stopping an installation, whatever state it is in, so that nothing of it is left."""

import os
import signal
import time
from pathlib import Path

from pipeline.cli.errors import CommandError
from pipeline.cli.processes import end, is_same
from pipeline.cli.runfile import RUN_FILE, PartRun, Run, is_supervised, read_run

# Draining, then every part's own patience one after the other.
SUPERVISOR_PATIENCE_S = 60.0
LEFTOVER_PATIENCE_S = 5.0
_ORDER = ("collector", "land", "stitch", "broker", "warehouse")


def stop(folder: Path) -> bool:
    """
    Stop everything that runs in a folder and wait until it is gone.

    The supervisor stops its parts in the order in which work flows. One that does not answer is killed, and the
    kernel ends its parts with it.

    Returns:
        Whether anything ran.
    """
    if not is_supervised(folder):
        return bool(end_leftovers(folder))
    run = _run_of_supervisor(folder)
    os.kill(run.supervisor_pid, signal.SIGTERM)
    if not _is_free_within(folder, SUPERVISOR_PATIENCE_S):
        os.kill(run.supervisor_pid, signal.SIGKILL)
        _is_free_within(folder, LEFTOVER_PATIENCE_S)
        end_leftovers(folder)
    return True


def end_leftovers(folder: Path) -> list[str]:
    """
    End what a supervisor that died has left, known by pid and start time, and take its run.json away.

    Call it only while no supervisor lives.

    Returns:
        Names of the parts that were still there.
    """
    run = read_run(folder)
    if run is None:
        return []
    ended = [
        part.name for part in sorted(run.processes, key=_place) if end(part.pid, part.started, LEFTOVER_PATIENCE_S)
    ]
    (folder / RUN_FILE).unlink(missing_ok=True)
    return ended


def _place(part: PartRun) -> int:
    role = part.name.partition("-")[0]
    return _ORDER.index(role) if role in _ORDER else 0


def _run_of_supervisor(folder: Path) -> Run:
    """Return run.json of the living supervisor, which may only just have started."""
    deadline = time.monotonic() + LEFTOVER_PATIENCE_S
    while time.monotonic() < deadline and is_supervised(folder):
        run = read_run(folder)
        if run is not None and is_same(run.supervisor_pid, run.supervisor_started):
            return run
        time.sleep(0.05)
    raise CommandError(
        "a process holds the folder but run.json does not name it",
        where=str(folder / "lock"),
        remedy="end it yourself (`fuser lock` in the folder names it), then call `throughline down` again",
    )


def _is_free_within(folder: Path, patience_s: float) -> bool:
    deadline = time.monotonic() + patience_s
    while is_supervised(folder):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True

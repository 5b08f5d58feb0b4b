"""
Processes of this machine: known by pid *and* start time, started so that they die with us, ended for certain.

A pid alone proves nothing: after a crash of the machine it may belong to anybody.
"""

import os
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import psutil

from pipeline.config import child_environment
from pipeline.embedded.process import die_with

# The start time is seconds since boot plus the boot time, which moves when the clock is set; a pid that comes round
# again within two seconds does not happen (pids are given in a circle of at least 32,768).
START_TOLERANCE_S = 2.0
LARGEST_LOG_BYTES = 20_000_000


def started_at(pid: int) -> float | None:
    """Return when a running process started (seconds since 1970); None when there is none, or only its corpse."""
    try:
        process = psutil.Process(pid)
        return None if process.status() == psutil.STATUS_ZOMBIE else process.create_time()
    except psutil.Error:
        return None


def is_same(pid: int, started: float) -> bool:
    """Return whether the process of that pid runs and is the one that started then."""
    found = started_at(pid)
    return found is not None and abs(found - started) < START_TOLERANCE_S


def spawn(argv: Sequence[str], overrides: Mapping[str, str], log: Path) -> subprocess.Popen[bytes]:
    """
    Start a child whose output goes to a log file, and which the kernel kills when this process dies.

    `PR_SET_PDEATHSIG` with SIGKILL is chosen because it needs nothing from the child and cannot hang: every part is
    made to survive kill -9, and a child left behind would keep the ports and the lock of the warehouse. The child
    gets a session of its own, so that Ctrl-C reaches the supervisor alone, which then stops the parts in order.
    The kernel binds the signal to the *thread* that forks: call this from the main thread.
    """
    with log.open("ab") as stream:
        return subprocess.Popen(
            argv,
            stdin=subprocess.DEVNULL,
            stdout=stream,
            stderr=subprocess.STDOUT,
            env=child_environment({"PYTHONUNBUFFERED": "1", **overrides}),
            start_new_session=True,
            preexec_fn=die_with(os.getpid()),  # noqa: PLW1509 (the supervisor has one thread)
        )


def spawn_detached(argv: Sequence[str], log: Path) -> subprocess.Popen[bytes]:
    """Start a process that outlives this one and its terminal."""
    with log.open("ab") as stream:
        return subprocess.Popen(
            argv,
            stdin=subprocess.DEVNULL,
            stdout=stream,
            stderr=subprocess.STDOUT,
            env=child_environment({"PYTHONUNBUFFERED": "1"}),
            start_new_session=True,
        )


def end(pid: int, started: float, patience_s: float) -> bool:
    """
    End a process that may not be our child: ask, wait, then kill.

    Args:
        pid: Which one.
        started: Its start time; a process of the same pid that started at another time is left alone.
        patience_s: Time between asking and killing.

    Returns:
        Whether there was one to end.
    """
    if not is_same(pid, started):
        return False
    for order, wait_s in ((signal.SIGTERM, patience_s), (signal.SIGKILL, 5.0)):
        try:
            os.kill(pid, order)
        except ProcessLookupError:
            return True
        deadline = time.monotonic() + wait_s
        while time.monotonic() < deadline:
            if not is_same(pid, started):
                return True
            time.sleep(0.02)
    return True


def describe_exit(code: int) -> str:
    """Return how a process ended, in words."""
    if code < 0:
        return f"killed by {signal.Signals(-code).name}"
    return f"exit code {code}"


def keep_log_small(log: Path) -> int:
    """
    Make ready to append to a log: one that has grown large is put aside as `.1`.

    Returns:
        The size it has now, where the next process's lines begin.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    if not log.exists():
        return 0
    if log.stat().st_size > LARGEST_LOG_BYTES:
        log.replace(log.with_suffix(log.suffix + ".1"))
        return 0
    return log.stat().st_size

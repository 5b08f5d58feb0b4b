"""
What both embedded servers share as processes: the readiness line, the wait for the end, and the end with a parent.

A server prints exactly one line of JSON on stdout, when it can be used; everything else goes to stderr.
"""

import ctypes
import json
import os
import signal
import sys
import threading
from collections.abc import Callable, Mapping

_PR_SET_PDEATHSIG = 1
_STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT)


def announce_ready(facts: Mapping[str, object]) -> None:
    """Print the readiness line; whoever started us may have gone, which is no fault of ours."""
    try:
        sys.stdout.write(json.dumps({"ready": True, **facts}) + "\n")
        sys.stdout.flush()
    except BrokenPipeError:
        complain("nobody reads the readiness line; serving all the same")


def complain(message: str) -> None:
    """Say one line on stderr."""
    sys.stderr.write(f"{message}\n")
    sys.stderr.flush()


def stop_event() -> threading.Event:
    """Return an event that SIGTERM and SIGINT set; call it in the main thread."""
    event = threading.Event()
    for number in _STOP_SIGNALS:
        signal.signal(number, lambda *_: event.set())
    return event


def die_with(parent: int) -> Callable[[], None]:
    """
    Return what a forked child does before it becomes its program, so that the kernel kills it when its parent dies.

    The kernel binds that to the *thread* that forks: start the child from the main thread.
    """
    # Loaded before the fork.
    prctl = ctypes.CDLL(None, use_errno=True).prctl if sys.platform == "linux" else None

    def prepare() -> None:
        if prctl is not None:
            prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        # 1. we fork; 2. the parent is killed; 3. the child asks to die with its parent, which is init by now.
        if os.getppid() != parent:
            os._exit(1)

    return prepare

"""
What both embedded servers share as processes: the readiness line and the wait for the end.

A server prints exactly one line of JSON on stdout, when it can be used; everything else goes to stderr.
"""

import json
import signal
import sys
import threading
from collections.abc import Mapping

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

"""
Whether a process lives and is ready, judged by what it gets done.

Live: it finished something, found nothing to do or made another attempt within the time-out. A process whose parts
died silently does none of these, so it is restarted; one that waits for a broken warehouse keeps trying and is left
alone, because a restart mends nothing. Ready: started, and not blocked.
"""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta


@dataclass(frozen=True)
class Verdict:
    """Yes or no, and why in a few words."""

    ok: bool
    reason: str


class Health:
    """Signs of life of one process; every method may be called from any thread."""

    def __init__(self, progress_timeout: timedelta, clock: Callable[[], float] = time.monotonic) -> None:
        self._timeout_s = progress_timeout.total_seconds()
        self._clock = clock
        self._lock = threading.Lock()
        self._last_sign = clock()
        self._last_what = "created"
        self._not_ready: str | None = "starting"
        self._blocked: dict[str, str] = {}
        self._hindered: dict[str, str] = {}

    def ready(self) -> None:
        """Say that the process has all it needs; called once, at the end of the start."""
        with self._lock:
            self._not_ready = None
        self.sign("started")

    def stopping(self) -> None:
        """Say that no new work should be sent here."""
        with self._lock:
            self._not_ready = "stopping"

    @property
    def was_ready(self) -> bool:
        """Tell whether the start is over."""
        with self._lock:
            return self._not_ready is None

    def sign(self, what: str) -> None:
        """Give a sign of life: something was finished, tried again, or there is nothing to do."""
        with self._lock:
            self._last_sign = self._clock()
            self._last_what = what

    def block(self, part: str, reason: str) -> None:
        """Say that `part` cannot go on for now; it keeps trying."""
        with self._lock:
            self._hindered.pop(part, None)
            self._blocked[part] = reason

    def hinder(self, part: str, reason: str) -> None:
        """Say that `part` cannot go on for now, and that the process does its work all the same."""
        with self._lock:
            self._blocked.pop(part, None)
            self._hindered[part] = reason

    def unblock(self, part: str) -> None:
        """Say that `part` goes on."""
        with self._lock:
            self._blocked.pop(part, None)
            self._hindered.pop(part, None)

    def trouble(self, part: str) -> str | None:
        """Return why `part` cannot go on; None where it can."""
        with self._lock:
            why = self._blocked.get(part, self._hindered.get(part))
        return None if why is None else f"{part}: {why}"

    def is_live(self) -> Verdict:
        """Judge whether the process does anything at all."""
        with self._lock:
            silence_s = self._clock() - self._last_sign
            told = f"{self._last_what} {silence_s:.0f} s ago"
        return Verdict(silence_s <= self._timeout_s, told)

    def is_ready(self) -> Verdict:
        """Judge whether the process can do its work now."""
        live = self.is_live()
        with self._lock:
            reasons = [] if self._not_ready is None else [self._not_ready]
            reasons += [f"{part}: {why}" for part, why in self._blocked.items()]
            hindered = "".join(f"; {part}: {why}" for part, why in self._hindered.items())
        if reasons:
            return Verdict(ok=False, reason="; ".join(reasons))
        return Verdict(live.ok, live.reason + hindered)

"""
One supervised part and its life: waiting → starting → ready, back after every death, with a growing pause.

It knows how to start, watch and end one process. Which part must wait for which is the supervisor's to know.
"""

import json
import signal
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from http.client import HTTPException
from pathlib import Path
from typing import Any

from pipeline.cli.backoff import BackOff
from pipeline.cli.processes import describe_exit, keep_log_small, spawn, started_at
from pipeline.embedded.kafka.probe import answers

OK = 200
PROBE_INTERVAL_S = 0.2
PROBE_TIMEOUT_S = 1.0
LIVE_INTERVAL_S = 5.0
# It says itself that nothing gets done (its own judgement takes a minute of silence).
MOST_DEAD_PROBES = 3
# People are told by then; nothing else is done, for a busy machine makes parts slow to answer.
TOLD_SILENT_PROBES = 2
# It does not even say that: more than a minute, so that a busy machine kills nobody.
MOST_SILENT_PROBES = 13
# Long enough to finish the batch in hand; what is not finished by then is landed again from Kafka.
END_PATIENCE_S = 8.0
# Of the line with which a part dies.
MOST_WORDS = 300


class State(StrEnum):
    """Where a part is in its life."""

    WAITING = "waiting"
    STARTING = "starting"
    READY = "ready"
    BACKING_OFF = "restarting"
    ENDING = "stopping"
    DONE = "done"


@dataclass(frozen=True)
class Part:
    """
    What a part is: how it is started and how it says that it is ready.

    `health` is the address of /readyz and /livez, `kafka` that of a broker that must answer; where both are empty, the
    part prints a JSON line with `"ready": true`, or, as a task, ends with exit code 0. `ping` is what a part of the
    latter kind answers as long as it lives, however busy it is. `patience_s` is the time between asking it to end and
    killing it. After `most_silent` questions in a row without an answer, one every five seconds, it is started again.
    """

    name: str
    argv: tuple[str, ...]
    log: Path
    needs: tuple[str, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    health: str = ""
    kafka: str = ""
    ping: str = ""
    is_task: bool = False
    patience_s: float = END_PATIENCE_S
    most_silent: int = MOST_SILENT_PROBES


class Child:
    """The process of one part, watched by calling `tick` often."""

    def __init__(self, part: Part) -> None:
        self.part = part
        self.state = State.WAITING
        self.pid = 0
        self.started = 0.0
        self.restarts = 0
        self.last_exit = ""
        self.said: dict[str, Any] = {}
        self._process: subprocess.Popen[bytes] | None = None
        self._back_off = BackOff()
        self._born = 0.0
        self._again_at = 0.0
        self._kill_at = 0.0
        self._probe_at = 0.0
        self._log_offset = 0
        self._dead_probes = 0
        self._silent_probes = 0

    @property
    def is_alive(self) -> bool:
        """Whether it has a process now."""
        return self._process is not None

    @property
    def is_settled(self) -> bool:
        """Whether others may count on it: ready, or a task that is done."""
        return self.state in (State.READY, State.DONE)

    @property
    def is_silent(self) -> bool:
        """Whether it was ready and has not answered lately: stopped, or starved of a processor."""
        return self.state is State.READY and self._silent_probes >= TOLD_SILENT_PROBES

    @property
    def told_state(self) -> str:
        """Its state in a word, as people are told it."""
        return "silent" if self.is_silent else str(self.state)

    def start(self, environment: Mapping[str, str], now: float) -> None:
        """Start the process."""
        self._log_offset = keep_log_small(self.part.log)
        self._process = spawn(self.part.argv, {**self.part.environment, **environment}, self.part.log)
        self.restarts += 1 if self.pid else 0
        self.pid = self._process.pid
        self.started = started_at(self.pid) or time.time()
        self.said = {}
        self._dead_probes = self._silent_probes = 0
        self._born, self._probe_at, self.state = now, now, State.STARTING

    @property
    def _is_watched(self) -> bool:
        return bool(self.part.health or self.part.kafka or self.part.ping)

    def end(self, now: float, patience_s: float | None = None) -> None:
        """Ask the process to end; `tick` kills it when its time is over."""
        if self._process is None:
            self.state = State.WAITING
        elif self.state is not State.ENDING:
            self._process.send_signal(signal.SIGTERM)
            # One that is stopped hears nothing else: it would be waited for and then killed, with what it could finish.
            self._process.send_signal(signal.SIGCONT)
            self._kill_at = now + (self.part.patience_s if patience_s is None else patience_s)
            self.state = State.ENDING

    def kill(self) -> None:
        """End the process at once."""
        if self._process is not None:
            self._process.kill()

    def do_again(self) -> None:
        """Run a task that is done once more."""
        if self.state is State.DONE:
            self.state = State.WAITING

    def retry_now(self) -> None:
        """Forget the pause before the next start."""
        self._again_at = 0.0

    def tick(self, now: float) -> str | None:
        """
        Look once, and move on.

        Returns:
            What happened, in words for the log; None when nothing did.
        """
        if self._process is not None:
            code = self._process.poll()
            if code is not None:
                return self._bury(code, now)
        if self.state is State.STARTING and now >= self._probe_at:
            self._probe_at = now + PROBE_INTERVAL_S
            if self._is_ready():
                self.state = State.READY
                return f"{self.part.name} is ready (pid {self.pid}, {now - self._born:.1f} s)"
        elif self.state is State.READY and self._is_watched and now >= self._probe_at:
            self._probe_at, was_silent = now + LIVE_INTERVAL_S, self.is_silent
            if self._is_stuck():
                self.last_exit = "gave no sign of life"
                self.end(now)
                return f"{self.part.name} gives no sign of life (pid {self.pid}); starting it again"
            if self.is_silent is not was_silent:
                return f"{self.part.name} {'answers again' if was_silent else 'does not answer'} (pid {self.pid})"
        elif self.state is State.ENDING and now >= self._kill_at:
            self.kill()
        elif self.state is State.BACKING_OFF and now >= self._again_at:
            self.state = State.WAITING
        return None

    def _bury(self, code: int, now: float) -> str | None:
        self._process = None
        was, self.state = self.state, State.WAITING
        if was is State.ENDING:
            return f"{self.part.name} stopped"
        self.last_exit = describe_exit(code)
        if self.part.is_task and code == 0:
            self.state = State.DONE
            return f"{self.part.name} is done"
        self._back_off = self._back_off.after_death(now - self._born)
        delay_s = self._back_off.delay_s()
        self._again_at, self.state = now + delay_s, State.BACKING_OFF
        words = self._last_words() if was is State.STARTING else ""
        told = f"{self.part.name} died ({self.last_exit}); starting it again in {delay_s:g} s; see {self.part.log}"
        return f"{told}: {words}" if words else told

    def _last_words(self) -> str:
        """Return the last line that it wrote; one that dies before it is ready mostly says there why."""
        with self.part.log.open("rb") as stream:
            stream.seek(self._log_offset)
            lines = stream.read().decode(errors="replace").split("\n")
        return next((line.strip() for line in reversed(lines) if line.strip()), "")[:MOST_WORDS]

    def _is_stuck(self) -> bool:
        """Ask whether it lives; parts can die within a process that runs on."""
        if self.part.kafka:
            status = OK if answers(self.part.kafka, PROBE_TIMEOUT_S) else None
        else:
            status = probe(self.part.ping or f"{self.part.health}/livez")
        self._silent_probes = self._silent_probes + 1 if status is None else 0
        self._dead_probes = self._dead_probes + 1 if status not in (None, OK) else 0
        return self._dead_probes >= MOST_DEAD_PROBES or self._silent_probes >= self.part.most_silent

    def _is_ready(self) -> bool:
        if self.part.is_task:
            return False
        if self.part.health:
            return probe(f"{self.part.health}/readyz") == OK
        if self.part.kafka and not answers(self.part.kafka, PROBE_TIMEOUT_S):
            return False
        self.said = _facts(self.part.log, self._log_offset, "log_id" if self.part.kafka else "ready")
        return bool(self.said)


def probe(url: str) -> int | None:
    """Return the status of a health address; None where nothing answers in time."""
    try:
        with urllib.request.urlopen(url, timeout=PROBE_TIMEOUT_S) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code
    except (OSError, HTTPException):
        return None


def _facts(log: Path, offset: int, mark: str) -> dict[str, Any]:
    """Return the JSON line with which a server says what it is, known by its `mark`, from what it wrote since then."""
    with log.open("rb") as stream:
        stream.seek(offset)
        for line in stream.read().splitlines():
            if line.startswith(b"{") and mark.encode() in line:
                try:
                    said = json.loads(line)
                except ValueError:
                    continue
                if isinstance(said, dict) and said.get(mark):
                    return said
    return {}

"""
The supervisor: starts the parts in order, starts again what dies, and stops all of them.

It is one thread and one loop. It holds no data, so that its own death costs nothing: the kernel ends the children
with it, and the next `up` starts everything again from the data folder.

Apache Kafka's log is on disk: when it dies it is started again, and everybody else goes on with the same log.

When the embedded broker dies its log is gone. The order then is: 1. its readers and writers are asked to end, so that
they finish what they hold; 2. only when they are gone the broker starts, with a new log id; 3. they start with that
id. A worker that lived on would record offsets of the new log under the old log's name.
"""

import signal
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import FrameType

from pipeline.cli.child import Child, Part, State
from pipeline.cli.installation import KAFKA
from pipeline.cli.lag import waiting_touchpoints
from pipeline.cli.rules_file import rules_stamp
from pipeline.cli.runfile import RUN_FILE, Notice, PartRun, Run
from pipeline.config import environment_name

TICK_S = 0.05
MOST_NOTICES = 20
# Time for readers and writers of a broker that died: what they have in hand can be landed, nothing can be sent.
BROKEN_PATIENCE_S = 4.0
BROKER, WAREHOUSE, COLLECTOR = "broker", "warehouse", "collector"


@dataclass(frozen=True)
class Plan:
    """What is to run from now on, and what the owner should know about it."""

    parts: Sequence[Part]
    remarks: Sequence[str] = ()


class Supervisor:
    """
    Keeps the parts of one data folder running.

    Args:
        folder: The data folder, whose lock this process holds.
        run: What run.json says; kept up to date here.
        parts: What is to run, in the order of starting.
        drain: Waits until what is in the broker is landed, and returns what is left in words (empty: nothing).
        say: Called with one line per happening.
        replan: Says what is to run, whenever the rules versions of the folder have changed; None: always the same.
    """

    def __init__(
        self,
        folder: Path,
        run: Run,
        parts: Sequence[Part],
        drain: Callable[[], str],
        say: Callable[[str], None],
        replan: Callable[[], Plan] | None = None,
    ) -> None:
        self._folder = folder
        self._run = run
        self._children = {part.name: Child(part) for part in parts}
        self._drain = drain
        self._say = say
        self._stop_orders = 0
        self._replan = replan
        self._rules_stamp = rules_stamp(folder)
        self._remarks: set[str] = set()
        self._leaving: list[Child] = []
        self._is_stale = False
        self._keeps_log = run.broker == KAFKA

    def keep_running(self, welcome: Callable[[], None]) -> None:
        """
        Run until a signal says stop; then stop everything in order and take run.json away.

        Args:
            welcome: Called once, when all parts are ready for the first time.
        """
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, self._on_stop)
        signal.signal(signal.SIGUSR1, self._on_retry)
        self._record()
        is_welcomed = False
        while not self._stop_orders:
            if self._tick():
                self._record()
                if self._run.state == "ready" and not is_welcomed:
                    is_welcomed = True
                    welcome()
            time.sleep(TICK_S)
        self._stop_all()
        (self._folder / RUN_FILE).unlink(missing_ok=True)

    def _on_stop(self, _number: int, _frame: FrameType | None) -> None:
        self._stop_orders += 1

    def _on_retry(self, _number: int, _frame: FrameType | None) -> None:
        for child in self._children.values():
            child.retry_now()
        self._is_stale = True

    def _tick(self) -> bool:
        """Look at every part once; return whether anything happened."""
        now = time.monotonic()
        happenings = [told for child in self._children.values() if (told := child.tick(now))]
        for happening in happenings:
            self._say(happening)
        self._follow_broker(now)
        self._follow_rules(now)
        started = [child for child in self._children.values() if self._may_start(child)]
        for child in started:
            child.start(self._environment(child), now)
        was_stale, self._is_stale = self._is_stale, False
        return bool(happenings or started or was_stale)

    def _may_start(self, child: Child) -> bool:
        if child.state is not State.WAITING or self._stop_orders:
            return False
        users_first = child.part.name == BROKER and not self._keeps_log
        if users_first and any(user.is_alive for user in self._users_of_broker()):
            return False
        return all(self._children[need].is_settled for need in child.part.needs)

    def _users_of_broker(self) -> list[Child]:
        return [child for child in self._children.values() if BROKER in child.part.needs and not child.part.is_task]

    def _follow_broker(self, now: float) -> None:
        broker = self._children[BROKER]
        if self._keeps_log:
            if broker.state is State.READY:
                self._follow_log(str(broker.said["log_id"]), now)
            return
        if not broker.is_alive and self._run.log_id:
            lost_log, self._run.log_id = self._run.log_id, ""
            for user in self._users_of_broker():
                user.end(now, BROKEN_PATIENCE_S)
            waited = waiting_touchpoints(self._run.metrics)
            count = "" if waited is None else f" ({waited:,} at the workers' last look, and what came after it)"
            self._notice(
                f"the broker ended ({broker.last_exit}) and its log {lost_log} with it (embedded: memory only); "
                f"records that it had accepted and that were not landed yet are lost{count}; "
                "whoever sent them may send them again"
            )
        if broker.state is State.READY and not self._run.log_id:
            self._run.log_id = str(broker.said.get("log_id", ""))
            self._record()

    def _follow_rules(self, now: float) -> None:
        """Run the workers that the rules versions of the folder need; those whose part has changed start anew."""
        leaving = [told for child in self._leaving if (told := child.tick(now))]
        self._leaving = [child for child in self._leaving if child.is_alive]
        for told in leaving:
            self._say(told)
        stamp = rules_stamp(self._folder)
        if self._replan is None or self._stop_orders or stamp == self._rules_stamp:
            return
        self._rules_stamp = stamp
        plan = self._replan()
        known, self._children = self._children, {}
        for part in plan.parts:
            child = known.pop(part.name) if part.name in known else Child(part)
            self._children[part.name] = child
            if child.part != part:
                child.part = part
                if child.is_alive and not part.is_task:
                    child.end(now)
        for child in known.values():
            child.end(now)
            self._leaving.append(child)
        # What is mended is not told any more.
        gone = self._remarks - {*plan.remarks}
        self._run.notices = [notice for notice in self._run.notices if notice.text not in gone]
        self._remarks = {*plan.remarks}
        for remark in plan.remarks:
            if all(notice.text != remark for notice in self._run.notices):
                self._notice(remark)
        self._is_stale = True

    def _follow_log(self, log_id: str, now: float) -> None:
        """Take note of the id of a log on disk; another one than before means that somebody took the folder away."""
        lost_log, self._run.log_id = self._run.log_id, log_id
        if lost_log and lost_log != log_id:
            self._children["topics"].do_again()
            for user in self._users_of_broker():
                user.end(now, BROKEN_PATIENCE_S)
            self._notice(
                f"Kafka's log {lost_log} is gone and a new one, {log_id}, was begun; what nobody landed is lost"
            )

    def _environment(self, child: Child) -> dict[str, str]:
        return {environment_name("kafka", "log_id"): self._run.log_id} if BROKER in child.part.needs else {}

    def _notice(self, text: str) -> None:
        self._say(text)
        self._run.notices.append(Notice(datetime.now(UTC).isoformat(timespec="seconds"), text))
        del self._run.notices[:-MOST_NOTICES]

    def _record(self) -> None:
        """Write run.json. A part that is down keeps its last pid until it has a new one."""
        children = self._children.values()
        self._run.processes = [
            PartRun(
                name=child.part.name,
                pid=child.pid,
                log=str(child.part.log),
                state=child.told_state,
                started=child.started,
                restarts=child.restarts,
                last_exit=child.last_exit,
            )
            for child in children
            if child.pid and (not child.part.is_task or (child.last_exit and not child.is_settled))
        ]
        if self._stop_orders:
            self._run.state = "stopping"
        else:
            is_silent = any(child.is_silent for child in children)
            is_ready = all(child.is_settled for child in children)
            self._run.state = "silent" if is_silent else "ready" if is_ready else "starting"
        self._run.write(self._folder)

    def _stop_all(self) -> None:
        """Stop in the order in which work flows, so that each part can hand on what it holds."""
        self._record()
        self._children = {child.part.name: child for child in self._leaving} | self._children
        names = list(self._children)
        workers = [name for name in names if name not in (BROKER, WAREHOUSE, COLLECTOR)]
        can_drain = self._children[BROKER].state is State.READY and self._children[WAREHOUSE].state is State.READY
        self._end([COLLECTOR])
        # A log on disk needs no draining: the next `up` goes on where this one ends.
        if can_drain and not self._keeps_log and self._stop_orders == 1 and (left := self._drain()):
            self._say(left)
        for group in (workers, [BROKER], [WAREHOUSE]):
            self._end(group)

    def _end(self, names: Iterable[str]) -> None:
        children = [self._children[name] for name in names if name in self._children]
        for child in children:
            child.end(time.monotonic())
        while any(child.is_alive for child in children):
            for child in children:
                if self._stop_orders > 1:
                    child.kill()
                if told := child.tick(time.monotonic()):
                    self._say(told)
            time.sleep(TICK_S)
        self._record()

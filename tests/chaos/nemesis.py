"""
The nemesis: every fault by name, with what begins and what ends it.

A fault is a word and a target, as `kill land` or `hole stitch>broker`. Of several workers of a role the schedule names
one. What a machine cannot do (no root: no disk to fill; no library: no clock to shift) is told, and counts as not done.
"""

import resource
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from dataclasses import field as of_default
from typing import cast

import psutil
from confluent_kafka.admin import AdminClient

from pipeline.config import child_environment, environment_name
from pipeline.contracts.topics import TOUCHPOINT_TOPICS
from tests.chaos.field import SETTINGS, Field
from tests.chaos.ground import REGISTRY, clock_file
from tests.chaos.peers import PEERS, troubled
from tests.chaos.proxy import Trouble
from tests.kafka.servers import add_partitions

ROOM_BYTES = 16 << 20
CLOCK_SHIFT_S = 90
RESETS = 8
NODE_S = 60.0
Act = Callable[["Nemesis", str], None]


@dataclass
class Nemesis:
    """
    Begins and ends faults on a field. What it started beside them ends with `heal`.

    Attributes:
        field: What it hurts.
        strangers: From when to when strangers landed, on the monotonic clock.
    """

    field: Field
    strangers: list[tuple[float, float]] = of_default(default_factory=list)
    _limits: dict[int, tuple[int, tuple[int, int]]] = of_default(default_factory=dict)
    _helpers: list[threading.Thread] = of_default(default_factory=list)

    def begin(self, word: str, target: str) -> None:
        """Let a fault begin."""
        BEGIN[word](self, target)

    def end(self, word: str, target: str) -> None:
        """Let it end; what happens in a moment needs no end."""
        if word in END:
            END[word](self, target)

    def heal(self) -> None:
        """Wait for what still goes on."""
        for helper in self._helpers:
            helper.join(NODE_S * 4)

    def stop(self, target: str, number: signal.Signals) -> None:
        """End somebody by a signal: at once (SIGKILL), or as it ends itself (SIGTERM)."""
        if target == "load":
            self.field.stop_load(number)
        elif target == "supervisor":
            self.field.stop_supervisor(number)
        elif target == REGISTRY and self.field.registry:
            self.field.registry.stop(number)
        else:
            self.field.signal(target, number)

    def start_again(self, target: str) -> None:
        """Start what nobody else starts again."""
        if target == "load":
            self.field.start_load()
        elif target == "supervisor":
            self.field.start()
        elif target == REGISTRY and self.field.registry:
            self._help(self.field.registry.start)

    def limit_memory(self, target: str) -> None:
        """Leave a worker nearly no more memory than it has, and a broker or the warehouse none."""
        # It may be starting at this moment.
        with suppress(ProcessLookupError, psutil.Error, KeyError):
            pid = self.field.pids()[target]
            held = psutil.Process(pid).memory_info()
            # A JVM and the warehouse's engine reserve addresses long before they use them, and live long on 16 MB.
            kind, most = (
                (resource.RLIMIT_AS, held.vms + ROOM_BYTES) if _is_worker(target) else (resource.RLIMIT_DATA, held.data)
            )
            before = resource.prlimit(pid, kind)
            self._limits[pid] = (kind, before)
            resource.prlimit(pid, kind, (most, before[1]))

    def unlimit_memory(self, _target: str) -> None:
        """Take the limit away, where the process still lives."""
        for pid, (kind, limits) in self._limits.items():
            with suppress(ProcessLookupError):
                resource.prlimit(pid, kind, limits)
        self._limits.clear()

    def trouble(self, kind: str, pair: str) -> None:
        """Let something go wrong between a client and a server: with every node, where there are three."""
        for name, here in self._ways(kind, pair).items():
            if here == "reset":
                self.field.proxies.reset(name)
            else:
                self.field.proxies.make(name, cast(Trouble, here), resets=RESETS)

    def is_connected(self, pair: str) -> bool:
        """Tell whether there is a connection that trouble between a client and a server would find."""
        return any(self.field.proxies.pairs[name].links for name in self._ways("reset", pair))

    def has_struck(self, pair: str, before: int) -> bool:
        """Tell whether troubles between a client and a server have hit more than before."""
        return self.struck(pair) > before

    def struck(self, pair: str) -> int:
        """Return how much troubles between a client and a server have hit so far."""
        return sum(self.field.proxies.pairs[name].struck for name in self._ways("reset", pair))

    def _ways(self, kind: str, pair: str) -> dict[str, str]:
        client, _, server = pair.partition(">")
        if PEERS in (client, server):
            return troubled(self.field.layout.nodes, kind, pair)
        return {f"{client}>{name}": kind for name in (self.field.layout.nodes if server == "broker" else (server,))}

    def shift_clock(self, target: str, seconds: int) -> None:
        """Set the clock of a process."""
        if self.field.layout.clocks:
            clock_file(self.field.folder, target).write_text(f"{seconds:+d}\n")

    def add_partitions(self, _target: str) -> None:
        """Give one topic two partitions more."""
        bootstrap = self.field.run["kafka"]
        topic = TOUCHPOINT_TOPICS[0]
        admin = AdminClient({"bootstrap.servers": bootstrap, "log_level": 0})
        add_partitions(bootstrap, topic, len(admin.list_topics(topic, timeout=30).topics[topic].partitions) + 2)

    def storm(self, _target: str) -> None:
        """Let strangers join the landing group and vanish, two of three without a word."""
        self._help(self._join_and_vanish)

    def roll(self, _target: str) -> None:
        """Restart the brokers one after the other, each when the one before is back."""
        self._help(self._restart_each)

    def _help(self, work: Callable[[], None]) -> None:
        helper = threading.Thread(target=work, daemon=True)
        self._helpers.append(helper)
        helper.start()

    def _join_and_vanish(self) -> None:
        environment = {
            **SETTINGS,
            environment_name("kafka", "bootstrap"): self.field.run["kafka"],
            environment_name("clickhouse", "url"): self.field.worker_url,
            environment_name("registry", "url"): self.field.registry.url if self.field.registry else "",
        }
        command = [sys.executable, "-m", "pipeline.cli", "worker", "land"]
        began = time.monotonic()
        for order in (signal.SIGKILL, signal.SIGTERM, signal.SIGKILL):
            stranger = subprocess.Popen(
                command, env=child_environment(environment), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
            )
            time.sleep(5.0)
            stranger.send_signal(order)
            try:
                stranger.wait(15)
            except subprocess.TimeoutExpired:
                stranger.kill()
                stranger.wait()
        self.strangers.append((began, time.monotonic()))

    def _restart_each(self) -> None:
        for node in self.field.layout.nodes:
            before = self.field.pids().get(node)
            self.field.signal(node, signal.SIGTERM)
            deadline = time.monotonic() + NODE_S
            while time.monotonic() < deadline:
                parts = self.field.run["processes"]
                if any(part["name"] == node and part["pid"] != before and part["state"] == "ready" for part in parts):
                    break
                time.sleep(0.2)


def _is_worker(target: str) -> bool:
    return target.startswith(("land", "stitch"))


def _disk(action: str) -> Act:
    return lambda nemesis, target: getattr(nemesis.field.disks[target], action)() if nemesis.field.disks else None


def _stop(number: signal.Signals) -> Act:
    return lambda nemesis, target: nemesis.stop(target, number)


def _signal(number: int) -> Act:
    return lambda nemesis, target: nemesis.field.signal(target, number)


def _trouble(kind: str) -> Act:
    return lambda nemesis, target: nemesis.trouble(kind, target)


_LASTING = ("hole", "half-open", "delay", "throttle", "refuse", "reset-after")
BEGIN: dict[str, Act] = {
    "kill": _stop(signal.SIGKILL),
    "term": _stop(signal.SIGTERM),
    "freeze": _signal(signal.SIGSTOP),
    "memory": Nemesis.limit_memory,
    **{kind: _trouble(kind) for kind in (*_LASTING, "reset")},
    "full": _disk("fill"),
    "clock-back": lambda nemesis, target: nemesis.shift_clock(target, -CLOCK_SHIFT_S),
    "clock-ahead": lambda nemesis, target: nemesis.shift_clock(target, CLOCK_SHIFT_S),
    "storm": Nemesis.storm,
    "partitions": Nemesis.add_partitions,
    "roll": Nemesis.roll,
}
END: dict[str, Act] = {
    "kill": Nemesis.start_again,
    "term": Nemesis.start_again,
    "freeze": _signal(signal.SIGCONT),
    "memory": Nemesis.unlimit_memory,
    **dict.fromkeys(_LASTING, _trouble("none")),
    "full": _disk("empty"),
    "clock-back": lambda nemesis, target: nemesis.shift_clock(target, 0),
    "clock-ahead": lambda nemesis, target: nemesis.shift_clock(target, 0),
}

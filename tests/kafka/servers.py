"""
Apache Kafka for tests: one node, or three that make a quorum, on free ports of the loopback.

A node is started as the product starts it (`python -m pipeline.embedded.kafka`) and ended by its pid. Where Java and
Maven are, the jars are fetched if need be, and the tests do not skip; where they are not, the skip says how.
"""

import secrets
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewPartitions, NewTopic

from pipeline.config import child_environment, load_settings
from pipeline.embedded.kafka.jars import KafkaMissing, find_java, jars_folder, require_jars
from pipeline.embedded.kafka.node import new_cluster_id
from pipeline.embedded.kafka.obtain import obtain
from pipeline.embedded.kafka.probe import answers
from tests.absent import not_here

# A busy machine of two cores; a quiet one needs 5 s.
START_S = 90.0
END_S = 30.0
# Tests say when they are about fast failure; nothing here waits for sessions of the real length.
_FAST = {"group.initial.rebalance.delay.ms": "0", "log.initial.task.delay.ms": "1000"}
PORTS = range(20_000, 32_000)
HOW = "install Java 17 or newer and Apache Maven, then run `make kafka`"


def require_kafka() -> None:
    """Make sure that the jars are there; skip the test, or fail it in CI, where they cannot be had."""
    jars = jars_folder(load_settings().embedded.kafka_folder)
    try:
        find_java()
        if shutil.which("mvn"):
            obtain(jars)
        require_jars(jars)
    except KafkaMissing as error:
        not_here(f"no Apache Kafka here ({error})", HOW)


@dataclass
class KafkaNode:
    """One node; `controllers` and `cluster_id` make several of them one cluster."""

    data: Path
    port: int
    controller_port: int
    cluster_id: str = field(default_factory=new_cluster_id)
    controllers: Mapping[int, int] = field(default_factory=dict)
    settings: Mapping[str, str] = field(default_factory=dict)
    environment: Mapping[str, str] = field(default_factory=dict)
    process: "subprocess.Popen[bytes] | None" = None

    @property
    def bootstrap(self) -> str:
        return f"127.0.0.1:{self.port}"

    @property
    def pid(self) -> int:
        assert self.process is not None
        return self.process.pid

    @property
    def log(self) -> str:
        return (self.data / "test.log").read_text()

    def begin(self) -> "KafkaNode":
        """Start the process without waiting for it."""
        self.data.mkdir(parents=True, exist_ok=True)
        command = [sys.executable, "-m", "pipeline.embedded.kafka", "--data", str(self.data), "--port", str(self.port)]
        command += ["--controller-port", str(self.controller_port), "--cluster-id", self.cluster_id]
        command += [f"--controller={node}={port}" for node, port in self.controllers.items()]
        command += [f"--set={name}={value}" for name, value in {**_FAST, **self.settings}.items()]
        with (self.data / "test.log").open("ab") as log:
            self.process = subprocess.Popen(command, stdout=log, stderr=log, env=child_environment(self.environment))
        return self

    def await_answer(self) -> "KafkaNode":
        """Wait until it answers."""
        deadline = time.monotonic() + START_S
        while not answers(self.bootstrap, 1.0):
            assert self.process is not None
            assert self.process.poll() is None, self.log[-2000:]
            assert time.monotonic() < deadline, self.log[-2000:]
            time.sleep(0.05)
        return self

    def start(self) -> "KafkaNode":
        return self.begin().await_answer()

    def kill(self) -> None:
        """Kill -9, as a crash would."""
        self._end(signal.SIGKILL)

    def stop(self) -> int:
        """End it cleanly, and return the exit status."""
        return self._end(signal.SIGTERM)

    def _end(self, order: signal.Signals) -> int:
        process, self.process = self.process, None
        if process is None:
            return 0
        process.send_signal(order)
        # One that was stopped cannot end.
        process.send_signal(signal.SIGCONT)
        try:
            return process.wait(END_S)
        except subprocess.TimeoutExpired:
            process.kill()
            return process.wait(END_S)

    def __enter__(self) -> "KafkaNode":
        return self.start()

    def __exit__(self, *_reason: object) -> None:
        self.kill()


def new_node(data: Path, settings: Mapping[str, str] | None = None) -> KafkaNode:
    """Return a node of its own, to be started."""
    port, controller_port = free_ports(2)
    return KafkaNode(data, port, controller_port, settings=settings or {})


@contextmanager
def three_nodes(data: Path, settings: Mapping[str, str] | None = None) -> Iterator[Sequence[KafkaNode]]:
    """
    Run three nodes that are brokers and controllers of one cluster: two of them are a quorum.

    Topics made with replication 3 and min.insync.replicas 2 take records while any one node is away.
    """
    ports = free_ports(6)
    controllers = {number: ports[number + 2] for number in (1, 2, 3)}
    name = new_cluster_id()
    nodes = [
        KafkaNode(data / f"node-{number}", ports[number - 1], at, name, controllers, settings or {})
        for number, at in controllers.items()
    ]
    with together(nodes):
        yield nodes


@contextmanager
def together(nodes: Sequence[KafkaNode]) -> Iterator[None]:
    """Run nodes that need each other: all are begun before one is waited for."""
    with ExitStack() as stack:
        for node in nodes:
            stack.callback(node.kill)
            node.begin()
        for node in nodes:
            node.await_answer()
        yield


def create_topic(bootstrap: str, name: str, partitions: int, config: Mapping[str, str] | None = None) -> None:
    """Make a topic and wait until its partitions have leaders."""
    admin = AdminClient({"bootstrap.servers": bootstrap, "log_level": 0})
    replicas = min(3, len(admin.list_topics(timeout=30).brokers))
    topic = NewTopic(name, num_partitions=partitions, replication_factor=replicas, config=dict(config or {}))
    admin.create_topics([topic], request_timeout=30)[name].result(30)
    deadline = time.monotonic() + 30
    while True:
        found = admin.list_topics(name, timeout=30).topics[name].partitions.values()
        if len(found) == partitions and all(partition.leader >= 0 for partition in found):
            return
        assert time.monotonic() < deadline, f"{name} has no leaders"
        time.sleep(0.05)


def add_partitions(bootstrap: str, topic: str, total: int) -> None:
    """Let a topic have more partitions than it had."""
    admin = AdminClient({"bootstrap.servers": bootstrap, "log_level": 0})
    admin.create_partitions([NewPartitions(topic, total)])[topic].result(30)


def free_ports(number: int) -> list[int]:
    """Return free ports, all different, below the range of outgoing connections: a node must find its own again."""
    found: list[int] = []
    while len(found) < number:
        port = secrets.choice(PORTS)
        with socket.socket() as trial, suppress(OSError):
            trial.bind(("127.0.0.1", port))
            found += [port] if port not in found else []
    return found

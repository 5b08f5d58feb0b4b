"""
One Kafka node: its settings as Kafka reads them, its log folder made ready once, and the command that runs it.

The rule it owns: *the log is one log for ever*. The folder is formatted in a draft that takes its place in one step;
a folder that exists is never formatted again, so the cluster id (our `log_id`) stays. The list of controllers stands
in the settings and not in the log, so a port may change between two starts.
"""

import base64
import shutil
import subprocess
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from pipeline.config import EmbeddedSettings
from pipeline.embedded.kafka.jars import class_options, find_java, jars_folder, require_jars

HOST = "127.0.0.1"
FORMAT_S = 120
# What is used beside the heap: network buffers of 1 to 8 MB for each connection at work, classes, compiled code.
_DIRECT_BYTES = 128 * 1024 * 1024
_YEAR_MINUTES = 365 * 24 * 60


class NodeFailed(Exception):  # noqa: N818 - the name says what happened
    """The node cannot be started with this folder: what is wrong with it, and what to do."""


@dataclass(frozen=True)
class Node:
    """
    A node that is broker and controller at once.

    Attributes:
        data: Folder of the node (absolute); its log is in `log`.
        port: Where clients speak to it.
        controller_port: Where nodes speak about the metadata.
        node_id: Number of the node, from 1.
        controllers: Node id → controller port of all nodes; empty: this one alone.
        more: Settings of Kafka beyond ours, which they override.
    """

    data: Path
    port: int
    controller_port: int
    node_id: int = 1
    controllers: Mapping[int, int] = field(default_factory=dict)
    more: Mapping[str, str] = field(default_factory=dict)

    @property
    def address(self) -> str:
        """Where clients speak to it."""
        return f"{HOST}:{self.port}"

    @property
    def log(self) -> Path:
        """Where the log is."""
        return self.data / "log"

    def properties(self, log: Path) -> dict[str, str]:
        """Return the settings of the node for a log folder."""
        controllers = self.controllers or {self.node_id: self.controller_port}
        replicas = str(min(3, len(controllers)))
        listeners = f"CLIENTS://{HOST}:{self.port},CONTROLLER://{HOST}:{self.controller_port}"
        return {
            "process.roles": "broker,controller",
            "node.id": str(self.node_id),
            "controller.quorum.voters": ",".join(f"{node}@{HOST}:{port}" for node, port in controllers.items()),
            "listeners": listeners,
            "advertised.listeners": listeners,
            "listener.security.protocol.map": "CLIENTS:PLAINTEXT,CONTROLLER:PLAINTEXT",
            "inter.broker.listener.name": "CLIENTS",
            "controller.listener.names": "CONTROLLER",
            "log.dirs": str(log),
            # Topics are made on purpose: a producer that mistypes a name is told so.
            "auto.create.topics.enable": "false",
            "offsets.topic.replication.factor": replicas,
            "offsets.topic.num.partitions": "4",
            "transaction.state.log.replication.factor": replicas,
            "transaction.state.log.min.isr": str(len(controllers) // 2 + 1) if replicas == "3" else "1",
            "transaction.state.log.num.partitions": "4",
            "share.coordinator.state.topic.replication.factor": replicas,
            "share.coordinator.state.topic.min.isr": "1",
            # Whoever was away longer than a week must not read everything again.
            "offsets.retention.minutes": str(_YEAR_MINUTES),
            # After a crash the node may register again only when the session of its former self has run out.
            "broker.session.timeout.ms": "2500",
            "broker.heartbeat.interval.ms": "500",
            "group.initial.rebalance.delay.ms": "100",
            "group.min.session.timeout.ms": "1000",
            # One machine, few partitions: small indexes, few threads, a small buffer for the compaction.
            "log.segment.bytes": str(256 * 1024 * 1024),
            "log.index.size.max.bytes": str(1024 * 1024),
            "log.cleaner.dedupe.buffer.size": str(16 * 1024 * 1024),
            "num.network.threads": "2",
            "num.io.threads": "4",
            "num.replica.fetchers": "1",
            "background.threads": "2",
            **self.more,
        }


def prepare(node: Node, settings: EmbeddedSettings, cluster_id: str = "") -> list[str]:
    """
    Make the log folder ready, write the settings, and return the command that runs the node.

    Args:
        node: Which one.
        settings: Where the jars are, and how much memory the node may use.
        cluster_id: Id for a folder that has none yet; empty: a new one.

    Raises:
        KafkaMissing: If Java or the jars are missing.
        NodeFailed: If the folder cannot be used.
    """
    jars = jars_folder(settings.kafka_folder)
    require_jars(jars)
    java = find_java()
    if not node.log.exists():
        _format(node, java, jars, cluster_id or new_cluster_id())
    elif not (node.log / "meta.properties").is_file():
        raise NodeFailed(f"{node.log}: meta.properties is missing; restore it from a copy, or begin with a new folder")
    properties = node.data / "server.properties"
    _write(properties, node.properties(node.log))
    heap_bytes = settings.kafka_heap_bytes
    return [
        java,
        f"-Xms{min(heap_bytes, 128 * 1024 * 1024)}",
        f"-Xmx{heap_bytes}",
        f"-XX:MaxDirectMemorySize={_DIRECT_BYTES}",
        # A small node on shared cores: compiling for the last per cent and collecting in threads cost more than they
        # save, also after millions of records (half the CPU time, 50 to 100 MB less, 1.5 s less of it at the start).
        "-XX:TieredStopAtLevel=1",
        "-XX:+UseSerialGC",
        # Half dead it would serve nobody; whoever started it starts it again.
        "-XX:+ExitOnOutOfMemoryError",
        # What the JVM writes when it crashes lies with the node, not in whatever folder it was started from.
        f"-XX:ErrorFile={node.data / 'crash.log'}",
        f"-XX:ReplayDataFile={node.data / 'replay.log'}",
        "-Djava.awt.headless=true",
        f"-Djava.io.tmpdir={_own_folder(node.data / 'tmp')}",
        *_logging(),
        *class_options(jars),
        "kafka.Kafka",
        str(properties),
    ]


def cluster_id(node: Node) -> str:
    """Return the id that the log was formatted with."""
    lines = (node.log / "meta.properties").read_text(encoding="utf-8").splitlines()
    return next(line.partition("=")[2].strip() for line in lines if line.startswith("cluster.id="))


def new_cluster_id() -> str:
    """Return a new id in Kafka's form: 22 characters for 128 random bits, none of them taken for an option."""
    while True:
        name = base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
        if not name.startswith("-"):
            return name


def _format(node: Node, java: str, jars: Path, name: str) -> None:
    draft, properties = node.data / "log.draft", node.data / "draft.properties"
    shutil.rmtree(draft, ignore_errors=True)
    _write(properties, node.properties(draft))
    command = [java, "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", *_logging(), *class_options(jars)]
    command += ["kafka.tools.StorageTool", "format", "--cluster-id", name, "--config", str(properties)]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=FORMAT_S, check=False)
    if ended.returncode:
        told = (ended.stdout + ended.stderr).strip().splitlines()[-5:]
        raise NodeFailed(f"{draft}: Kafka could not format it:\n" + "\n".join(f"    {line}" for line in told))
    properties.unlink()
    draft.rename(node.log)


def _logging() -> tuple[str, ...]:
    return (f"-Dlog4j2.configurationFile={Path(__file__).with_name('log4j2.properties').as_uri()}",)


def _own_folder(folder: Path) -> Path:
    folder.mkdir(mode=0o700, exist_ok=True)
    return folder


def _write(file: Path, settings: Mapping[str, str]) -> None:
    # A properties file takes \ for an escape, in a path as anywhere.
    text = "".join(f"{name}={value}\n" for name, value in settings.items()).replace("\\", "\\\\")
    file.write_text(text, encoding="utf-8")

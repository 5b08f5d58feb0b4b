"""What an installation consists of: every part with its command, its settings and what it waits for."""

import json
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

from pipeline.cli.child import END_PATIENCE_S, Part
from pipeline.cli.installation import KAFKA, Installation
from pipeline.cli.rules_file import LiveRules, rules_environment
from pipeline.cli.runfile import Run
from pipeline.config import DATA_VARIABLE, Settings, environment_name
from pipeline.contracts.topics import CX_SIGNALS, JOURNEYS_UPDATED, STITCH_DIRTY, TOUCHPOINT_TOPICS

# A third of what a partition of the embedded broker holds: feeders wait long before it drops anything.
FEEDER_MAX_LAG_BYTES = 1_500_000
# The collector answers every request that came in; the last one may wait this long for Kafka.
_COLLECTOR_PATIENCE_S = 30.0
# Kafka closes its logs cleanly; after a kill it would have to look through them at the next start.
_KAFKA_PATIENCE_S = 20.0
# Ten minutes of silence: with the embedded broker goes what nobody landed, and one that is only stopped may go on.
_SILENT_EMBEDDED = 121
WRITE_KEY_NAME = "default"
# Every rebalance of the embedded broker takes as long as a session, less a second, however soon all have joined.
_EMBEDDED_SESSION = {"session_timeout": "6s", "heartbeat_interval": "1500ms"}
_PYTHON = (sys.executable, "-m")


def part_names(land: int, stitch: int) -> list[str]:
    """Return the names of the parts that have a port."""
    return ["broker", "warehouse", *_workers("land", land), *_workers("stitch", stitch), "collector"]


def fixed_ports(settings: Settings, names: list[str]) -> dict[str, int]:
    """Return the ports that the settings name; processes with metrics count up from the one of observability."""
    measured = [name for name in names if name not in ("broker", "warehouse")]
    first = settings.observability.port
    ports = {f"{name}.metrics": first + index for index, name in enumerate(measured)} if first else {}
    return {**ports, "collector": settings.collector.port} if settings.collector.port else ports


def port_names(names: list[str], broker: str) -> list[str]:
    """Return what a port is kept for: servers under their own name, metrics as `land-1.metrics`."""
    servers = [name for name in names if name in ("broker", "warehouse", "collector")]
    servers += ["broker.controller"] if broker == KAFKA else []
    return servers + [f"{name}.metrics" for name in names if name not in ("broker", "warehouse")]


def plan_parts(
    folder: Path, installation: Installation, settings: Settings, names: list[str], rules: LiveRules | None = None
) -> list[Part]:
    """
    Return the parts in the order of starting.

    Args:
        folder: The data folder (absolute).
        installation: Its ports and secrets.
        settings: Settings of the environment; what they set is passed on, except addresses and keys.
        names: From `part_names`, and those of workers for further rules versions.
        rules: The rules versions that live; None before the first migration.
    """
    common = common_environment(folder, installation)
    logs = folder / "logs"
    server = (*_PYTHON, "pipeline.embedded.warehouse", "--data", str(folder / "warehouse"))
    parts = [
        *_broker_parts(folder, installation, settings, common),
        Part(
            "warehouse",
            (*server, "--port", str(installation.ports["warehouse"])),
            logs / "warehouse.log",
            environment=common,
            ping=f"http://{installation.address('warehouse')}/ping",
        ),
        Part(
            "migrate", (*_PYTHON, "pipeline.cli", "migrate"), logs / "migrate.log", ("warehouse",), common, is_task=True
        ),
    ]
    needs = ("broker", "migrate", *(part.name for part in parts if part.name == "topics"))
    collector = _collector_environment(installation, settings)
    for name in names:
        if name in ("broker", "warehouse"):
            continue
        port = installation.ports[f"{name}.metrics"]
        own = collector if name == "collector" else _membership(folder, installation, settings, name)
        own |= rules_environment(name, rules)
        parts.append(
            Part(
                name,
                (*_PYTHON, "pipeline.cli", *_command(name)),
                logs / f"{name}.log",
                needs,
                {**common, environment_name("observability", "port"): str(port), **own},
                health=f"http://127.0.0.1:{port}",
                patience_s=_COLLECTOR_PATIENCE_S if name == "collector" else END_PATIENCE_S,
            )
        )
    return parts


def _command(name: str) -> tuple[str, ...]:
    if name == "collector":
        return ("collect",)
    role = name.partition("-")[0]
    return ("worker", role, "--recorded") if role == "stitch" else ("worker", role)


def _broker_parts(
    folder: Path, installation: Installation, settings: Settings, common: Mapping[str, str]
) -> Iterator[Part]:
    """Yield the broker, and what makes the topics where the broker does not have them by itself."""
    logs, port, address = folder / "logs", str(installation.ports["broker"]), installation.address("broker")
    if installation.broker != KAFKA:
        server = (*_PYTHON, "pipeline.embedded.broker", "--data", str(folder / "broker"), "--port", port)
        command = (*server, *_topics(settings))
        yield Part("broker", command, logs / "broker.log", (), common, kafka=address, most_silent=_SILENT_EMBEDDED)
        return
    ports = ("--port", port, "--controller-port", str(installation.ports["broker.controller"]))
    node = (*_PYTHON, "pipeline.embedded.kafka", "--data", str(folder / "kafka"), *ports)
    yield Part("broker", node, logs / "broker.log", (), common, kafka=address, patience_s=_KAFKA_PATIENCE_S)
    create = (*_PYTHON, "pipeline.cli", "topics", "create")
    yield Part("topics", create, logs / "topics.log", ("broker",), common, is_task=True)


def _collector_environment(installation: Installation, settings: Settings) -> dict[str, str]:
    write_keys = {name: key.get_secret_value() for name, key in settings.collector.write_keys.items()}
    return {
        environment_name("collector", "port"): str(installation.ports["collector"]),
        environment_name("collector", "write_keys"): json.dumps({**write_keys, WRITE_KEY_NAME: installation.write_key}),
    }


def _membership(folder: Path, installation: Installation, settings: Settings, name: str) -> dict[str, str]:
    """Return what lets a worker that is started again take its partitions back at once, on either broker."""
    if installation.broker == KAFKA:
        return {environment_name("kafka", "instance_id"): name, environment_name("kafka", "membership_file"): ""}
    own = {
        environment_name("kafka", "membership_file"): str(folder / "members" / name),
        environment_name("kafka", "instance_id"): "",
    }
    for key, value in _EMBEDDED_SESSION.items():
        if key not in settings.kafka.model_fields_set:
            own[environment_name("kafka", key)] = value
    return own


def first_run(installation: Installation, names: list[str]) -> Run:
    """Return what run.json says before anything has started."""
    return Run(
        kafka=installation.address("broker"),
        clickhouse=installation.analyst_url(),
        collector=f"http://{installation.address('collector')}",
        write_key=installation.write_key,
        metrics=[
            f"http://{installation.address(f'{name}.metrics')}/metrics"
            for name in names
            if name not in ("broker", "warehouse")
        ],
        processes=[],
        broker=installation.broker,
    )


def _workers(role: str, number: int) -> list[str]:
    return [f"{role}-{index}" for index in range(1, number + 1)]


def _topics(settings: Settings) -> list[str]:
    names = (*TOUCHPOINT_TOPICS, STITCH_DIRTY, JOURNEYS_UPDATED, CX_SIGNALS)
    return [f"--topic={name}:{settings.kafka.partitions}" for name in names]


def feeder_max_lag_bytes(installation: Installation) -> int:
    """Return how far workers may be behind before feeders wait: a log on disk takes whatever comes."""
    return 0 if installation.broker == KAFKA else FEEDER_MAX_LAG_BYTES


def common_environment(folder: Path, installation: Installation) -> dict[str, str]:
    """Return the settings that every part of the installation gets."""
    return {
        DATA_VARIABLE: str(folder),
        environment_name("kafka", "bootstrap"): installation.address("broker"),
        environment_name("kafka", "replication"): "1",
        environment_name("kafka", "min_insync_replicas"): "1",
        environment_name("kafka", "feeder_max_lag_bytes"): str(feeder_max_lag_bytes(installation)),
        environment_name("clickhouse", "url"): installation.worker_url(),
        environment_name("identity", "hash_key"): installation.hash_key,
    }

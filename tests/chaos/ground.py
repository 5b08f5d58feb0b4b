"""
The installation that is hurt: the product's own supervisor and parts, with a proxy in every way between them.

`python -m tests.chaos.ground --data DIR` is `throughline up --broker kafka` in the foreground with one change: what
`DIR/chaos.json` says about ports is laid over the settings of its parts. Each worker gets a listener of Kafka and an
address of the warehouse of its own, so that one worker alone can be cut off. `run.json` names the direct ways: commands
of the checker meet no trouble.
"""

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from unittest import mock

from pipeline.cli import supervise
from pipeline.cli.child import Part
from pipeline.cli.guard import run
from pipeline.cli.plan import plan_parts
from pipeline.config import environment_name
from tests.chaos.peers import HOST, PeerWay, java_options, listening, peer_settings, peer_ways, write_hosts
from tests.kafka.servers import free_ports
from tests.registry.servers import api_of

CONFIG = "chaos.json"
LOAD, REGISTRY = "load", "registry"
NODES = ("broker", "broker-2", "broker-3")


@dataclass(frozen=True)
class Layout:
    """
    Who speaks to whom, and where.

    Attributes:
        workers: Names of the workers, as the supervisor calls them.
        nodes: Names of the brokers: one, or three that are a quorum.
        direct: Direct port of every further node, and of every node's controller (`broker-2.controller`).
        listeners: Client of Kafka and node (`land-1>broker`) → port on which Kafka listens for it.
        proxies: Pair (`land-1>broker`, `land-1>warehouse`) → port on which its proxy listens.
        peers: Of several nodes: port on which each listens for the others, and their proxies for each other.
        clocks: Library that shifts clocks; empty: clocks are true.
        registry: Port of the schema registry; 0: there is none.
    """

    workers: Sequence[str]
    nodes: Sequence[str]
    direct: Mapping[str, int] = field(default_factory=dict)
    listeners: Mapping[str, int] = field(default_factory=dict)
    proxies: Mapping[str, int] = field(default_factory=dict)
    peers: Mapping[str, int] = field(default_factory=dict)
    clocks: str = ""
    registry: int = 0

    @staticmethod
    def planned(land: int, stitch: int, nodes: int, clocks: str = "", *, has_registry: bool = False) -> "Layout":
        """Return a layout on free ports."""
        workers = worker_names(land, stitch)
        names = NODES[:nodes]
        ways = [f"{client}>{node}" for client in (*workers, LOAD) for node in names]
        pairs = [*ways, *(f"{worker}>warehouse" for worker in workers)]
        pairs += [f"{worker}>{REGISTRY}" for worker in workers if has_registry and worker.startswith("land")]
        direct = [*names[1:], *(f"{node}.controller" for node in names)] if nodes > 1 else []
        peers = names if nodes > 1 else ()
        ports = iter(free_ports(len(ways) + len(pairs) + len(direct) + len(peers) + has_registry))
        return Layout(
            workers,
            names,
            direct=dict(zip(direct, ports, strict=False)),
            listeners=dict(zip(ways, ports, strict=False)),
            proxies=dict(zip(pairs, ports, strict=False)),
            peers=dict(zip(peers, ports, strict=False)),
            clocks=clocks,
            registry=next(ports) if has_registry else 0,
        )

    def bootstrap(self, client: str) -> str:
        """Return the addresses at which a client finds the brokers."""
        return ",".join(f"{HOST}:{self.proxies[f'{client}>{node}']}" for node in self.nodes)

    @property
    def peer_ways(self) -> list[PeerWay]:
        """The proxies between the brokers."""
        return peer_ways(self.nodes, self.peers, self.direct) if self.peers else []

    def write(self, folder: Path) -> None:
        """Leave it where the installation looks for it."""
        write_hosts(folder, [*self.peers])
        (folder / CONFIG).write_text(json.dumps(asdict(self)))


def worker_names(land: int, stitch: int) -> list[str]:
    """Return the names of so many workers, as the supervisor calls them."""
    return [f"land-{n}" for n in range(1, land + 1)] + [f"stitch-{n}" for n in range(1, stitch + 1)]


def clock_file(folder: Path, part: str) -> Path:
    """Return the file that says how far the clock of a part is off."""
    return folder / f"clock-{part}"


def arranged(parts: Sequence[Part], layout: Layout, folder: Path) -> list[Part]:
    """Lay the ways of a layout over the parts of an installation."""
    return [each for part in parts for each in _arranged(part, layout, folder)]


def _arranged(part: Part, layout: Layout, folder: Path) -> list[Part]:
    quorum = len(layout.nodes) > 1
    common = {"TMPDIR": str(folder / "temp")}
    if part.name == "broker":
        return [_node(part, name, layout, folder) for name in layout.nodes]
    # Not the warehouse: its engine waits for ever under that library. With a true monotonic clock, which sessions and
    # time-outs need, its clock_nanosleep fails (0.9.10): only the slow lane sleeps so, and no history here reaches it.
    if layout.clocks and part.name in layout.workers:
        common |= {
            "LD_PRELOAD": layout.clocks,
            "FAKETIME_TIMESTAMP_FILE": str(clock_file(folder, part.name)),
            "FAKETIME_NO_CACHE": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        }
    if quorum:
        common |= {
            environment_name("kafka", "replication"): "3",
            environment_name("kafka", "min_insync_replicas"): "2",
        }
    if part.name in layout.workers:
        url = part.environment[environment_name("clickhouse", "url")]
        head, _, tail = url.rpartition(":")
        common |= {
            environment_name("kafka", "bootstrap"): layout.bootstrap(part.name),
            environment_name("clickhouse", "url"): f"{head}:{layout.proxies[f'{part.name}>warehouse']}/"
            + tail.partition("/")[2],
        }
        if way := layout.proxies.get(f"{part.name}>{REGISTRY}"):
            common[environment_name("registry", "url")] = api_of(way)
    needs = (*part.needs, *layout.nodes[1:]) if quorum and part.name == "topics" else part.needs
    return [replace(part, environment={**part.environment, **common}, needs=needs)]


def _node(part: Part, name: str, layout: Layout, folder: Path) -> Part:
    """Return one node that listens for every client apart, and says the address of the client's proxy."""
    place = part.argv.index("--port") + 1, part.argv.index("--controller-port") + 1
    argv = [*part.argv]
    if len(layout.nodes) > 1:
        argv[place[1]] = str(layout.direct[f"{name}.controller"])
        quorum = enumerate(layout.nodes, start=1)
        argv += [f"--controller={number}={layout.direct[f'{node}.controller']}" for number, node in quorum]
        argv += ["--cluster-id", "Y2hhb3MtY2hhb3MtY2hhbw"]
    if name != "broker":
        argv[place[0]] = str(layout.direct[name])
        argv[part.argv.index("--data") + 1] = str(folder / name)
    direct, controller = argv[place[0]], argv[place[1]]
    clients = [way.partition(">")[0] for way in layout.listeners if way.endswith(f">{name}")]
    listens = [f"CLIENTS://{HOST}:{direct}"]
    told = [*listens]
    labels = ["CLIENTS", "CONTROLLER", *(client.replace("-", "").upper() for client in clients)]
    for client in clients:
        label = client.replace("-", "").upper()
        listens.append(f"{label}://{HOST}:{layout.listeners[f'{client}>{name}']}")
        told.append(f"{label}://{HOST}:{layout.proxies[f'{client}>{name}']}")
    environment = part.environment
    if layout.peers:
        labels.append("PEERS")
        here, names = listening(name, layout.peers, layout.direct)
        listens, told = [*listens, *here], [*told, *names]
        argv += [f"--set={key}={value}" for key, value in peer_settings(layout.nodes, layout.direct).items()]
        environment = {**environment, **java_options(folder, name)}
    else:
        listens.append(f"CONTROLLER://{HOST}:{controller}")
    argv += [
        f"--set=listeners={','.join(listens)}",
        f"--set=advertised.listeners={','.join(told)}",
        f"--set=listener.security.protocol.map={','.join(f'{label}:PLAINTEXT' for label in labels)}",
        "--set=group.initial.rebalance.delay.ms=0",
    ]
    return replace(
        part,
        name=name,
        argv=tuple(argv),
        environment=environment,
        kafka=f"{HOST}:{direct}",
        log=part.log.with_name(f"{name}.log"),
    )


def main() -> int:
    """Run the installation until SIGTERM."""
    parser = argparse.ArgumentParser(prog="python -m tests.chaos.ground", description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    folder = parser.parse_args().data.absolute()
    layout = Layout(**json.loads((folder / CONFIG).read_text()))

    def plan(*arguments: object) -> list[Part]:
        return arranged(plan_parts(*arguments), layout, folder)  # type: ignore[arg-type]

    count = {role: str(sum(name.startswith(role) for name in layout.workers)) for role in ("land", "stitch")}
    words = ["up", "--broker", "kafka", "--data", str(folder), "--land", count["land"], "--stitch", count["stitch"]]
    with mock.patch.object(supervise, "plan_parts", plan):
        return run(words)


if __name__ == "__main__":
    sys.exit(main())

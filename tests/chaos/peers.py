"""
The ways between brokers: a proxy for every ordered pair of them, for replication and for the quorum of controllers.

A broker tells all its peers one and the same address. So it tells a name, and every JVM has a list of names of its own
(`jdk.net.hosts.file`): one name leads each peer to another address of the loopback, where a proxy of just that pair
listens at the port that the broker has at its own. Clients never see these names.
"""

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

HOST = "127.0.0.1"
PEERS = "peers"
CONTROLLER = ".controller"


@dataclass(frozen=True)
class PeerWay:
    """One proxy between two brokers: its name (`broker>broker-2`), the address it listens at, and the port of both."""

    name: str
    host: str
    port: int


def peer_ways(nodes: Sequence[str], peers: Mapping[str, int], direct: Mapping[str, int]) -> list[PeerWay]:
    """
    Return the proxies between all brokers: two of every ordered pair, the second to the controller of the server.

    Args:
        nodes: Names of the brokers.
        peers: Port of each for its peers.
        direct: Port of each one's controller (`broker-2.controller`).
    """
    return [
        PeerWay(f"{client}>{server}{which}", _address(nodes, client, server), port)
        for client, server in itertools.permutations(nodes, 2)
        for which, port in (("", peers[server]), (CONTROLLER, direct[server + CONTROLLER]))
    ]


def troubled(nodes: Sequence[str], kind: str, pair: str) -> dict[str, str]:
    """
    Return what must go wrong on which ways between brokers for a fault of a pair, as `hole broker-2>peers`.

    Where answers alone are lost, one direction of the network is: what the client asks arrives, and nobody's word
    reaches it, neither an answer nor what its peers would ask. Everything else hurts both directions alike.

    Args:
        nodes: Names of the brokers.
        kind: What goes wrong.
        pair: `broker-2>peers` or `peers>broker-2`.
    """
    client, _, server = pair.partition(">")
    one = server if client == PEERS else client
    ways: dict[str, str] = {}
    for asking, asked in itertools.permutations(nodes, 2):
        if one not in (asking, asked):
            continue
        is_deaf = asking == one if server == PEERS else asked == one
        here = "hole" if kind == "half-open" and not is_deaf else kind
        ways |= {f"{asking}>{asked}": here, f"{asking}>{asked}{CONTROLLER}": here}
    return ways


def listening(name: str, peers: Mapping[str, int], direct: Mapping[str, int]) -> tuple[list[str], list[str]]:
    """Return where a broker listens for its peers, and what it tells them: its name, at the ports of its proxies."""
    ports = {"PEERS": peers[name], "CONTROLLER": direct[name + CONTROLLER]}
    return (
        [f"{label}://{HOST}:{port}" for label, port in ports.items()],
        [f"{label}://{name}:{port}" for label, port in ports.items()],
    )


def peer_settings(nodes: Sequence[str], direct: Mapping[str, int]) -> dict[str, str]:
    """Return the settings of Kafka by which brokers seek each other by name."""
    voters = (f"{number}@{node}:{direct[node + CONTROLLER]}" for number, node in enumerate(nodes, start=1))
    return {"inter.broker.listener.name": "PEERS", "controller.quorum.voters": ",".join(voters)}


def java_options(folder: Path, node: str) -> dict[str, str]:
    """Return the environment that makes a broker's JVM read its list of names."""
    return {"JAVA_TOOL_OPTIONS": f"-Djdk.net.hosts.file={hosts_file(folder, node)}"}


def write_hosts(folder: Path, nodes: Sequence[str]) -> None:
    """Leave every broker's list of names in a folder."""
    for node in nodes:
        names = [f"{HOST} localhost", *(f"{_address(nodes, node, other)} {other}" for other in nodes)]
        hosts_file(folder, node).write_text("".join(f"{line}\n" for line in names))


def hosts_file(folder: Path, node: str) -> Path:
    """Return the file of a broker's list of names."""
    return folder / f"hosts-{node}"


def _address(nodes: Sequence[str], client: str, server: str) -> str:
    """Return where a client finds a server: itself at its own address, others at that of the pair's proxy."""
    return HOST if client == server else f"127.0.{nodes.index(client) + 1}.{nodes.index(server) + 1}"

"""Proxies between brokers: who is cut off from whom, and that workers go on while a leader is without its peers."""

import asyncio
import itertools
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

from pipeline.embedded.kafka.node import new_cluster_id
from pipeline.streaming.publishing import KafkaWriter, Outgoing
from tests.chaos.peers import (
    HOST,
    java_options,
    listening,
    peer_settings,
    peer_ways,
    troubled,
    write_hosts,
)
from tests.chaos.proxy import Pair, Proxies
from tests.kafka.servers import KafkaNode, create_topic, free_ports, require_kafka, together
from tests.kafka.test_quorum import leader_of
from tests.streaming.kafka import NumbersRead, kafka_settings, new_name, reading, until

NAMES = ("broker", "broker-2", "broker-3")
# The writer gives a delivery up after 30 s: it must have found the new leader long before.
FOUND_WITHIN_S = 25.0


def test_every_ordered_pair_of_brokers_has_an_address_of_its_own() -> None:
    ports = {name: 1000 + at for at, name in enumerate(NAMES)}
    direct = {f"{name}.controller": 2000 + at for at, name in enumerate(NAMES)}
    ways = peer_ways(NAMES, ports, direct)
    assert {way.name for way in ways} == {
        f"{client}>{server}{which}"
        for client, server in itertools.permutations(NAMES, 2)
        for which in ("", ".controller")
    }
    assert len({(way.host, way.port) for way in ways}) == len(ways) == 12
    assert HOST not in {way.host for way in ways}


def test_a_list_of_names_leads_to_oneself_directly_and_to_others_through_their_pair(tmp_path: Path) -> None:
    write_hosts(tmp_path, NAMES)
    lines = (tmp_path / "hosts-broker-2").read_text().splitlines()
    assert lines == ["127.0.0.1 localhost", "127.0.2.1 broker", "127.0.0.1 broker-2", "127.0.2.3 broker-3"]


def test_a_broker_that_is_cut_off_is_so_in_both_directions_and_the_others_have_each_other() -> None:
    ways = troubled(NAMES, "hole", "broker-2>peers")
    assert set(ways.values()) == {"hole"}
    assert {name for name in ways if ".controller" not in name} == {
        "broker>broker-2",
        "broker-2>broker",
        "broker-2>broker-3",
        "broker-3>broker-2",
    }
    assert len(ways) == 8


def test_half_open_is_one_direction_of_the_network() -> None:
    deaf = troubled(NAMES, "half-open", "broker-2>peers")
    assert (deaf["broker-2>broker"], deaf["broker>broker-2"]) == ("half-open", "hole")
    mute = troubled(NAMES, "half-open", "peers>broker-2")
    assert (mute["broker-2>broker.controller"], mute["broker>broker-2.controller"]) == ("hole", "half-open")


@contextmanager
def three_apart(folder: Path) -> Iterator[tuple[Sequence[KafkaNode], Proxies]]:
    """Run three brokers with a proxy for every ordered pair of them."""
    ports = free_ports(9)
    peers = dict(zip(NAMES, ports, strict=False))
    direct = {f"{name}.controller": port for name, port in zip(NAMES, ports[3:], strict=False)}
    controllers = {number: direct[f"{name}.controller"] for number, name in enumerate(NAMES, start=1)}
    cluster = new_cluster_id()
    write_hosts(folder, NAMES)
    nodes = []
    for name, port in zip(NAMES, ports[6:], strict=True):
        here, told = listening(name, peers, direct)
        settings = {
            **peer_settings(NAMES, direct),
            "listeners": ",".join([f"CLIENTS://{HOST}:{port}", *here]),
            "advertised.listeners": ",".join([f"CLIENTS://{HOST}:{port}", *told]),
            "listener.security.protocol.map": "CLIENTS:PLAINTEXT,PEERS:PLAINTEXT,CONTROLLER:PLAINTEXT",
        }
        environment = java_options(folder, name)
        nodes.append(
            KafkaNode(folder / name, port, direct[f"{name}.controller"], cluster, controllers, settings, environment)
        )
    pairs = [Pair(way.name, way.port, way.port, host=way.host) for way in peer_ways(NAMES, peers, direct)]
    with Proxies(pairs).running() as proxies, together(nodes):
        yield nodes, proxies


@pytest.mark.slow
@pytest.mark.timeout(300)
async def test_the_leader_is_cut_off_from_its_peers_and_reading_and_writing_go_on(tmp_path: Path) -> None:
    """It takes connections and records all the while, and would never confirm one."""
    require_kafka()
    topic, read = new_name("topic"), NumbersRead()

    def records(values: range) -> list[Outgoing]:
        return [Outgoing(topic, None, str(value).encode(), 0) for value in values]

    with three_apart(tmp_path) as (nodes, proxies):
        bootstrap = ",".join(node.bootstrap for node in nodes)
        settings = kafka_settings(bootstrap)
        await asyncio.to_thread(create_topic, bootstrap, topic, 1, {"min.insync.replicas": "2"})
        writer = KafkaWriter(settings)
        await asyncio.to_thread(writer.write, records(range(100)))
        async with reading(settings, new_name("group"), topic, read.accept):
            await until(lambda: {*read.numbers} == set(range(100)), 60)
            leader = NAMES[await asyncio.to_thread(leader_of, bootstrap, topic) - 1]
            for name, trouble in troubled(NAMES, "hole", f"{leader}>peers").items():
                proxies.make(name, trouble)  # type: ignore[arg-type]
            began = time.monotonic()
            await asyncio.to_thread(writer.write, records(range(100, 200)))
            assert time.monotonic() - began < FOUND_WITHIN_S
            await until(lambda: {*read.numbers} == set(range(200)), 60)
            assert proxies.struck > 0
        writer.close()

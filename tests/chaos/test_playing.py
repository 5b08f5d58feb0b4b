"""A fault of the network is played until somebody ran into it, or told as one that showed nothing."""

import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.chaos.field import Field
from tests.chaos.ground import Layout
from tests.chaos.nemesis import Nemesis
from tests.chaos.playing import Moment, play
from tests.chaos.proxy import Pair, Proxies
from tests.chaos.schedule import Fault
from tests.chaos.sending import Load
from tests.chaos.test_parts import echo
from tests.kafka.servers import free_ports

LATE_S, WITHIN_S = 0.5, 1.5


@pytest.fixture
def field(tmp_path: Path) -> Iterator[Field]:
    (port,) = free_ports(1)
    with echo() as target, Proxies([Pair("load>broker", port, target)]).running() as proxies:
        yield Field(tmp_path, Layout([], ["broker"], proxies={"load>broker": port}), proxies, Load(1, 1, 1), 1.0)


def played(field: Field, schedule: list[Fault]) -> list[Moment]:
    return play(Nemesis(field), schedule, lambda _: None, WITHIN_S)


def late_client(field: Field) -> threading.Timer:
    """Somebody who connects and speaks when the fault has begun."""

    def speak() -> None:
        with socket.create_connection(("127.0.0.1", field.layout.proxies["load>broker"]), timeout=0.3) as connection:
            connection.sendall(b"piece")
            try:
                while connection.recv(100):
                    connection.sendall(b"piece")
                    time.sleep(0.05)
            except OSError:
                return

    timer = threading.Timer(LATE_S, speak)
    timer.start()
    return timer


@pytest.mark.parametrize("word", ["reset", "hole", "half-open", "refuse", "delay"])
def test_what_finds_nobody_waits_for_somebody_and_all_behind_it_is_later(field: Field, word: str) -> None:
    late = late_client(field)
    following = Fault(0.2, "clock-back", "nobody", 0.0)
    first, second = played(field, [Fault(0.0, word, "load>broker", 0.1), following])
    late.join()
    assert first.struck > 0
    assert first.over >= LATE_S
    assert second.began - first.over == pytest.approx(following.at_s - 0.1, abs=0.15)


def test_what_hits_nobody_in_time_is_told_as_such(field: Field) -> None:
    (moment,) = played(field, [Fault(0.0, "half-open", "load>broker", 0.1)])
    assert moment.struck == 0
    assert WITHIN_S <= moment.over - moment.began < WITHIN_S + 1

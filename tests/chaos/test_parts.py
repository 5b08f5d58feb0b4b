"""The parts of the chaos harness: the same seed is the same run, ledgers survive kills, proxies do what they say."""

import os
import socket
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.chaos.__main__ import plan_of, the_parser
from tests.chaos.field import clock_leftovers
from tests.chaos.ground import NODES, Layout
from tests.chaos.ledger import ACKNOWLEDGED, ATTEMPTED, REFUSED, Account, Ledger, read_ledger
from tests.chaos.nemesis import BEGIN, END
from tests.chaos.proxy import Pair, Proxies, Trouble
from tests.chaos.rebalances import generation_of
from tests.chaos.registry import head_of
from tests.chaos.schedule import ALL, ALWAYS, LASTS_S, LATER, OF_PEERS, ONE_NODE, SEEDS_OF_A_DECK, dealt, scheduled
from tests.chaos.sending import POISONS, Load
from tests.chaos.watching import Samples, arrived, held, port_opened, recovery_of
from tests.kafka.servers import free_ports

LAYOUT = Layout(workers=["land-1", "land-2", "stitch-1"], nodes=["broker"])


def test_a_schedule_follows_from_its_seed_and_not_from_the_clock() -> None:
    assert scheduled(7, LAYOUT) == scheduled(7, LAYOUT)
    assert scheduled(7, LAYOUT) != scheduled(8, LAYOUT)
    for fault, following in zip(scheduled(7, LAYOUT), scheduled(7, LAYOUT)[1:], strict=False):
        assert fault.ends_s < following.at_s


def test_ten_seeds_in_a_row_play_every_fault() -> None:
    as_it_comes = the_parser().parse_args([])
    for first in (1, 11, 21):
        plans = [plan_of(seed, as_it_comes) for seed in range(first, first + SEEDS_OF_A_DECK)]
        played = [words for plan in plans for words in dealt(plan.seed, plan.nodes)]
        assert set(played) == ALL
        assert all(played.count(words) == SEEDS_OF_A_DECK for words in ALWAYS)
        assert all(played.count(words) == 1 for words in (*ONE_NODE, *LATER))


def test_faults_between_brokers_are_dealt_to_those_who_have_three_and_name_one_of_them() -> None:
    assert not {*OF_PEERS} & {*dealt(3, 1)}
    assert {*OF_PEERS} & {*dealt(3, 3)}
    three = Layout(workers=["land-1", "stitch-1"], nodes=[*NODES])
    (cut, mute) = scheduled(3, three, ["hole broker>peers", "half-open peers>broker"])
    assert cut.target.partition(">")[0] in NODES
    assert mute.target.partition(">")[2] in NODES


def test_the_nemesis_knows_every_fault_and_ends_what_lasts() -> None:
    for words in ALL:
        word = words.partition(" ")[0]
        assert word in BEGIN
        assert (word in END) or word not in LASTS_S or word in ("storm", "roll")


def test_what_a_fault_held_up_is_what_waited_and_what_came() -> None:
    samples = Samples(sent=[(0.0, 100.0), (5.0, 150.0), (9.0, 190.0)], landed=[(0.0, 90.0), (1.0, 95.0), (8.0, 190.0)])
    assert held(samples, 2.0, 6.0) == 55
    assert held(samples, 9.0, 9.0) == 0


def test_named_faults_have_their_length_and_a_worker_of_the_role() -> None:
    (fault,) = scheduled(1, LAYOUT, ["hole stitch>warehouse:60"])
    assert (fault.word, fault.target, fault.lasts_s) == ("hole", "stitch-1>warehouse", 60)


def test_what_shifted_clocks_left_is_known_by_processes_that_are_no_more(tmp_path: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", ""]) as ended:
        pass
    for name in (
        f"faketime_shm_{ended.pid}",
        f"sem.faketime_sem_{ended.pid}",
        f"faketime_shm_{os.getpid()}",
        "other_1",
    ):
        (tmp_path / name).touch()
    assert {file.name for file in clock_leftovers(tmp_path)} == {
        f"faketime_shm_{ended.pid}",
        f"sem.faketime_sem_{ended.pid}",
    }


def test_a_load_follows_from_its_numbers_and_holds_repetitions_and_every_poison() -> None:
    attempts = Load(3, 100, 4_000).attempts
    assert attempts == Load(3, 100, 4_000).attempts
    values = [attempt.value for attempt in attempts if attempt.event is not None]
    assert len(values) - len(set(values)) > 0.1 * len(values)
    assert {attempt.reason for attempt in attempts if attempt.event is None} == {reason for reason, _, _ in POISONS}


def test_a_framed_load_names_ever_new_schemas_and_is_the_same_else() -> None:
    plain, framed = Load(3, 100, 2_000).attempts, Load(3, 100, 2_000, is_framed=True).attempts
    changed = [(a, b) for a, b in zip(plain, framed, strict=True) if a != b]
    assert {a.topic for a, _ in changed} == {"touchpoints.web"}
    assert {b.value[:5] for _, b in changed if b.value} == {head_of(b.number) for _, b in changed}
    assert all(a.value and b.value and a.value[10:] == b.value[5:] for a, b in changed)
    assert len({head_of(b.number) for _, b in changed}) > 5


def test_a_ledger_that_a_kill_cut_short_says_what_was_whole(tmp_path: Path) -> None:
    with Ledger(tmp_path / "ledger") as ledger:
        ledger.note(ATTEMPTED, [0, 1, 2, 17])
        ledger.note(ACKNOWLEDGED, [1])
        ledger.note(REFUSED, [2])
    with (tmp_path / "ledger").open("ab") as stream:
        stream.write(b"acknowledged 1")
    account = read_ledger(tmp_path / "ledger")
    assert (account.attempted, account.acknowledged, account.unknown) == ({0, 1, 2, 17}, {1}, {0, 2, 17})
    assert account.refused == {2}
    assert account.following == 18
    assert read_ledger(tmp_path / "none") == Account()


@contextmanager
def echo() -> Iterator[int]:
    """A server that answers every piece with the same piece, after it has noted it."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def answer(connection: socket.socket) -> None:
            with connection:
                try:
                    while piece := connection.recv(1000):
                        heard.append(piece)
                        connection.sendall(piece)
                except OSError:
                    return

        def serve() -> None:
            while True:
                try:
                    connection, _ = server.accept()
                except OSError:
                    return
                threading.Thread(target=answer, args=(connection,), daemon=True).start()

        threading.Thread(target=serve, daemon=True).start()
        yield server.getsockname()[1]
        server.shutdown(socket.SHUT_RDWR)


heard: list[bytes] = []


@pytest.fixture
def pair() -> Iterator[tuple[Proxies, Callable[[], socket.socket]]]:
    """A proxy before the echo, and what connects to it."""
    heard.clear()
    (port,) = free_ports(1)
    with echo() as target, Proxies([Pair("a>b", port, target)]).running() as proxies:
        opened: list[socket.socket] = []

        def connect() -> socket.socket:
            opened.append(socket.create_connection(("127.0.0.1", port), timeout=1.0))
            return opened[-1]

        yield proxies, connect
        for connection in opened:
            connection.close()


Way = tuple[Proxies, Callable[[], socket.socket]]


def asked(connection: socket.socket, what: bytes) -> bytes:
    connection.sendall(what)
    return connection.recv(1000)


def test_a_proxy_without_trouble_passes_everything(pair: Way) -> None:
    connection = pair[1]()
    assert asked(connection, b"one") == b"one"
    assert asked(connection, b"two") == b"two"
    assert pair[0].struck == 0


def test_a_reset_after_the_request_was_applied(pair: Way) -> None:
    proxies, connect = pair
    connection = connect()
    assert asked(connection, b"one") == b"one"
    proxies.make("a>b", "reset-after", resets=1)
    with pytest.raises(ConnectionResetError):
        asked(connection, b"two")
    assert heard == [b"one", b"two"], "the server did it, and the client does not know"
    assert proxies.pairs["a>b"].swallowed == proxies.struck == 1
    assert asked(connect(), b"three") == b"three"


def test_a_server_that_breaks_off_is_told_to_a_client_that_waits_for_its_answer() -> None:
    (port,) = free_ports(1)
    with (
        socket.create_server(("127.0.0.1", 0)) as server,
        Proxies([Pair("a>b", port, server.getsockname()[1])]).running(),
        socket.create_connection(("127.0.0.1", port), timeout=2.0) as client,
    ):
        connection, _ = server.accept()
        client.sendall(b"one")
        assert connection.recv(1000) == b"one"
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        connection.close()
        with pytest.raises(ConnectionResetError):
            client.recv(1000)


def test_half_open_brings_the_request_and_no_answer_and_a_hole_brings_neither(pair: Way) -> None:
    proxies, connect = pair
    connection = connect()
    struck = 0
    cases: tuple[tuple[Trouble, list[bytes]], ...] = (("half-open", [b"half-open"]), ("hole", []))
    for trouble, expected in cases:
        heard.clear()
        proxies.make("a>b", trouble)
        with pytest.raises(TimeoutError):
            asked(connection, trouble.encode())
        assert heard == expected
        assert proxies.struck > struck
        struck = proxies.struck
        proxies.make("a>b", "none")
        with pytest.raises(ConnectionResetError):
            connection.recv(1000)
        connection = connect()
        assert asked(connection, b"well") == b"well"


def test_refusing_resets_what_there_is_and_what_comes(pair: Way) -> None:
    proxies, connect = pair
    connection = connect()
    assert asked(connection, b"one") == b"one"
    proxies.make("a>b", "refuse")
    with pytest.raises(ConnectionResetError):
        connection.recv(1000)
    with pytest.raises(ConnectionError):
        asked(connect(), b"two")
    proxies.make("a>b", "none")
    assert asked(connect(), b"three") == b"three"


@pytest.mark.parametrize("trouble", ["delay", "throttle"])
def test_delay_and_throttle_bring_everything_later(pair: Way, trouble: str) -> None:
    proxies, connect = pair
    proxies.pairs["a>b"].delay_s, proxies.pairs["a>b"].bytes_per_s = 0.1, 1_000.0
    proxies.make("a>b", "delay" if trouble == "delay" else "throttle")
    began = time.monotonic()
    assert asked(connect(), b"x" * 100) == b"x" * 100
    assert time.monotonic() - began >= 0.2


def test_a_recovery_is_read_from_samples() -> None:
    """Landing stands still from 10 to 14, has then a backlog, and is even with what came at 15."""
    sent = [(t / 2, 100.0 * t / 2) for t in range(60)]
    landed = [(t, min(v, 1000.0) if t < 14 else v - 300 if t < 15 else v - 20) for t, v in sent]
    samples = Samples(landed=landed, version=landed, sent=sent)
    found = recovery_of(samples, "land", (10.0, 12.0), 25.0, 100.0)
    assert (found.standstill_s, found.first_row_s, found.caught_up_s) == (4.0, 2.0, 3.0)
    assert found.catch_up_rate is not None
    assert found.catch_up_rate > 3
    never = Samples(landed=[(t, min(v, 1000.0)) for t, v in sent], sent=sent)
    assert recovery_of(never, "land", (10.0, 12.0), 25.0, 100.0).caught_up_s is None


def test_a_rest_after_the_first_row_is_no_part_of_a_recovery() -> None:
    """The broker is away from 10 to 14 and rows come from 15; then 9 s without any, for another reason."""
    moves = [(t / 2, t / 2 if t / 2 < 10.5 else 10.0 if t / 2 < 15 or 16 <= t / 2 < 25 else t / 2) for t in range(60)]
    moves = [(t, max(value for _, value in moves[: at + 1])) for at, (t, _) in enumerate(moves)]
    found = recovery_of(Samples(version=moves), "stitch", (10.0, 14.0), 29.0, 100.0)
    assert (found.standstill_s, found.first_row_s) == (9.5, 1.0)


def test_what_arrives_counts_from_the_end_of_a_fault() -> None:
    samples = Samples(sent=[(1.0, 5.0), (2.0, 5.0), (3.0, 5.0), (4.0, 6.0)])
    assert arrived(samples, 2.2, 9.0) == 1.8
    assert arrived(samples, 2.2, 3.5) is None


def test_the_brokers_port_counts_from_when_it_is_open_again() -> None:
    samples = Samples(port=[(1.0, 1.0), (2.0, 0.0), (3.0, 0.0), (4.0, 1.0), (5.0, 1.0)])
    assert port_opened(samples, after=1.5, until=9.0) == 4.0
    assert port_opened(samples, after=4.5, until=9.0) == 4.5


def test_a_generation_is_read_from_the_record_that_kafka_writes() -> None:
    key = struct.pack(">hh", 2, 5) + b"group"
    value = struct.pack(">hh", 3, 8) + b"consumer" + struct.pack(">i", 17) + b"more"
    assert generation_of(key, value) == ("group", 17)
    assert generation_of(struct.pack(">hh", 1, 5) + b"group", value) is None
    assert generation_of(key, None) is None

"""What commands say, and how soon, of servers that take connections and never answer, and of those that are gone."""

import socket
import time
from collections.abc import Iterator
from typing import cast

import pytest

from pipeline.cli import account, clickhouse, visibility, watermarks
from pipeline.cli.errors import CommandError
from pipeline.cli.runfile import PartRun, Run
from pipeline.cli.status import _advice
from pipeline.cli.watermarks import Watermarks
from pipeline.config import ClickHouseSettings, Settings
from tests.cli.conftest import Command
from tests.embedded.servers import BrokerServer

PATIENCE_S = 0.3
# The first command of a process imports for seconds on a busy machine; without a bound these would take minutes.
SOON_S = 20.0


@pytest.fixture
def hanging(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The address of a server that is stopped: the kernel takes connections, and nobody answers."""
    for module in (account, clickhouse, visibility):
        monkeypatch.setattr(module, "PATIENCE_S", PATIENCE_S)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield f"127.0.0.1:{listener.getsockname()[1]}"


@pytest.mark.parametrize("words", [("query", "SELECT 1"), ("status",), ("wait", "--timeout", "1"), ("painpoints",)])
def test_a_hanging_warehouse_is_named_soon(
    command: Command, hanging: str, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...]
) -> None:
    monkeypatch.setenv("THROUGHLINE_CLICKHOUSE__URL", f"http://someone:secret@{hanging}/shop")
    began = time.monotonic()
    outcome = command(*words)
    assert time.monotonic() - began < SOON_S
    said = " ".join((outcome.out + outcome.err).split())
    assert outcome.code == 1
    assert "does not answer (no word in 0.3 s)" in said
    assert f"http://{hanging}" in said
    assert "secret" not in said


def test_a_question_is_not_waited_for_when_the_warehouse_falls_silent_meanwhile(
    hanging: str, fresh_database: ClickHouseSettings
) -> None:
    settings = Settings(clickhouse=fresh_database)
    look = visibility.Visibility(settings, cast(Watermarks, None), 60.0, lambda _: None)

    def slow() -> str:
        time.sleep(2 * PATIENCE_S)
        return "slow but alive"

    assert look._asked(slow) == "slow but alive"
    look._place = f"http://{hanging}"
    began = time.monotonic()
    with pytest.raises(CommandError, match="does not answer"):
        look._asked(lambda: time.sleep(20))
    assert time.monotonic() - began < 10


def test_wait_keeps_to_its_time_when_kafka_is_away(
    command: Command, fresh_database: ClickHouseSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{nobody.getsockname()[1]}"
        monkeypatch.setenv("THROUGHLINE_CLICKHOUSE__URL", fresh_database.url.get_secret_value())
        monkeypatch.setenv("THROUGHLINE_KAFKA__BOOTSTRAP", address)
        command("wait", "--timeout", "0")  # imports
        began = time.monotonic()
        outcome = command("wait", "--timeout", "1.5")
        assert time.monotonic() - began < 6
    assert (outcome.code, f"where: {address}" in outcome.err) == (1, True)


@pytest.mark.parametrize("is_there", [True, False])
def test_status_names_a_kafka_that_is_stopped_or_gone_soon(
    command: Command, fresh_database: ClickHouseSettings, monkeypatch: pytest.MonkeyPatch, is_there: bool
) -> None:
    monkeypatch.setenv("THROUGHLINE_CLICKHOUSE__URL", fresh_database.url.get_secret_value())
    with socket.socket() as nobody, socket.create_server(("127.0.0.1", 0)) as stopped:
        nobody.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{(stopped if is_there else nobody).getsockname()[1]}"
        monkeypatch.setenv("THROUGHLINE_KAFKA__BOOTSTRAP", address)
        command("status", "--json")  # imports
        began = time.monotonic()
        outcome = command("status")
        # On a busy machine the rest of the command takes its time too.
        assert time.monotonic() - began < account.KAFKA_PATIENCE_S + 3
    assert account.KAFKA_PATIENCE_S <= 2
    said = " ".join(outcome.out.split())
    assert outcome.code == 1
    assert f"Kafka does not answer ({'no word in 1.5 s' if is_there else 'nobody listens'}) at {address}" in said


def test_one_broker_of_several_is_enough(broker: BrokerServer) -> None:
    with socket.create_server(("127.0.0.1", 0)) as stopped:
        watermarks.require_kafka_answer(f"127.0.0.1:{stopped.getsockname()[1]}, {broker.bootstrap}", 10)


def test_status_says_what_to_do_about_a_part_that_is_silent() -> None:
    parts = [PartRun("broker", 4, "/b.log", "silent", 0, 0, ""), PartRun("warehouse", 5, "/w.log", "silent", 0, 0, "")]
    run = Run("k", "c", "h", "w", [], parts, "embedded")
    broker, warehouse = _advice(run)
    assert "lost" in broker
    assert "kill -9" not in broker
    assert "`kill -CONT 4` lets it go on" in broker
    assert "`kill -9 5` makes it start at once. Its log: /w.log" in warehouse
    assert _advice(None) == []

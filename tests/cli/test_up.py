"""What `up` says before it starts anything, and of settings that are not those of what runs."""

import os
import socket
import time
from pathlib import Path

import psutil
import pytest

from pipeline.cli.given import differing, told, without_effect
from pipeline.cli.installation import EMBEDDED, KAFKA, keep_installation
from pipeline.cli.ports import PORT_PATIENCE_S, listener_at
from pipeline.config import load_settings
from tests.cli.conftest import Command


def test_a_port_of_the_folder_that_somebody_took_is_told_and_not_moved(command: Command, tmp_path: Path) -> None:
    folder = tmp_path / "shop"
    kept = keep_installation(folder, ["broker", "warehouse"], "", {})
    before = (folder / "installation.json").read_text()
    with socket.create_server(("127.0.0.1", kept.ports["broker"])):
        outcome = command("--data", str(folder), "up")
    assert outcome.code == 1
    assert f"where: 127.0.0.1:{kept.ports['broker']} (broker; " in outcome.err
    assert "take broker out of `ports`" in outcome.err
    assert (folder / "installation.json").read_text() == before


@pytest.mark.parametrize("more", [(), ("--detach",)])
def test_a_port_of_the_settings_that_somebody_has_is_told_with_whom_before_anything_starts(
    command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, more: tuple[str, ...]
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as somebody:
        port = somebody.getsockname()[1]
        monkeypatch.setenv("THROUGHLINE_COLLECTOR__PORT", str(port))
        command("status")  # imports
        began = time.monotonic()
        outcome = command("--data", str(tmp_path / "shop"), "up", *more)
        assert time.monotonic() - began < PORT_PATIENCE_S, "it waited, although nobody of ours has the port"
        assert listener_at(port) == psutil.Process()
    assert outcome.code == 1
    assert f"where: 127.0.0.1:{port} (collector; " in outcome.err
    assert f"pid {os.getpid()})" in outcome.err
    assert "THROUGHLINE_COLLECTOR__PORT" in outcome.err
    assert not (tmp_path / "shop" / "logs").exists()


@pytest.mark.parametrize(
    ("collector", "metrics", "said"),
    [
        ("21001", "21000", "21001 (stitch-1.metrics and collector)"),
        ("0", "65534", "65536 (collector.metrics) is no port"),
    ],
)
def test_ports_that_do_not_fit_together_are_wrong_settings(
    command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, collector: str, metrics: str, said: str
) -> None:
    monkeypatch.setenv("THROUGHLINE_COLLECTOR__PORT", collector)
    monkeypatch.setenv("THROUGHLINE_OBSERVABILITY__PORT", metrics)
    outcome = command("--data", str(tmp_path / "shop"), "up", "--detach")
    assert outcome.code == 2
    assert said in outcome.err


def test_settings_without_effect_on_one_machine_are_told() -> None:
    given = {
        "THROUGHLINE_KAFKA__BOOTSTRAP": "kafka:9092",
        "THROUGHLINE_KAFKA__REPLICATION": "3",
        "THROUGHLINE_KAFKA__RETENTION": "1d",
        "THROUGHLINE_LANDING__LINGER": "1s",
    }
    settings = load_settings(given)
    assert [line.split()[0] for line in without_effect(settings, KAFKA)] == [
        "THROUGHLINE_KAFKA__BOOTSTRAP",
        "THROUGHLINE_KAFKA__REPLICATION",
    ]
    assert without_effect(settings, EMBEDDED)[-1].startswith("THROUGHLINE_KAFKA__RETENTION has no effect here: ")
    assert without_effect(load_settings({}), EMBEDDED) == []


def test_settings_that_are_not_those_of_what_runs_are_told_and_secrets_are_not_shown() -> None:
    began = load_settings(
        {
            "THROUGHLINE_LANDING__LINGER": "1s",
            "THROUGHLINE_STITCHING__LINGER": "1s",
            "THROUGHLINE_IDENTITY__HASH_KEY": "first secret",
            "THROUGHLINE_COLLECTOR__WRITE_KEYS": '{"shop": "second secret"}',
        }
    )
    running = told(began)
    assert not any("secret" in value for value in running.values())
    assert differing(began, running, KAFKA) == []
    now = load_settings(
        {
            "THROUGHLINE_LANDING__LINGER": "2s",
            "THROUGHLINE_KAFKA__REPLICATION": "3",
            "THROUGHLINE_IDENTITY__HASH_KEY": "first secret",
            "THROUGHLINE_COLLECTOR__WRITE_KEYS": '{"shop": "third secret"}',
        }
    )
    assert differing(now, running, KAFKA) == [
        "THROUGHLINE_COLLECTOR__WRITE_KEYS is not what it was started with",
        "THROUGHLINE_LANDING__LINGER is 2s; it was started with 1s",
        "THROUGHLINE_STITCHING__LINGER is 150ms; it was started with 1s",
    ]

"""One supervised part: a real process that answers for its health."""

import os
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from pipeline.cli import child as module
from pipeline.cli.child import Child, Part, State
from pipeline.cli.installation import keep_installation
from pipeline.cli.plan import part_names, plan_parts, port_names
from pipeline.config import Settings

SERVER = """
import http.server, os, sys
class Answer(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        is_ok = self.path == "/readyz" or not os.path.exists(sys.argv[2])
        self.send_response(200 if is_ok else 503)
        self.end_headers()
    def log_message(self, *_):
        pass
http.server.HTTPServer(("127.0.0.1", int(sys.argv[1])), Answer).serve_forever()
"""


def tick_until(child: Child, state: State, within_s: float = 10) -> list[str]:
    told: list[str] = []
    deadline = time.monotonic() + within_s
    while child.state is not state:
        assert time.monotonic() < deadline, f"{child.state}, not {state}"
        told += [happening] if (happening := child.tick(time.monotonic())) else []
        time.sleep(0.01)
    return told


def tick_till_told(child: Child, within_s: float = 20) -> str:
    deadline = time.monotonic() + within_s
    while (told := child.tick(time.monotonic())) is None:
        assert time.monotonic() < deadline, f"nothing told, {child.told_state}"
        time.sleep(0.01)
    return told


@pytest.fixture
def child(tmp_path: Path) -> Iterator[Child]:
    port = keep_installation(tmp_path / "kept", ["part"], "", {}).ports["part"]
    argv = (sys.executable, "-c", SERVER, str(port), str(tmp_path / "stuck"))
    child = Child(Part("part", argv, tmp_path / "part.log", health=f"http://127.0.0.1:{port}"))
    child.start({}, time.monotonic())
    yield child
    child.kill()
    tick_until(child, State.BACKING_OFF if child.state is not State.ENDING else State.WAITING)


def test_a_part_that_says_it_does_nothing_is_ended_to_be_started_again(
    child: Child, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "LIVE_INTERVAL_S", 0.02)
    assert "part is ready" in tick_until(child, State.READY)[0]
    (tmp_path / "stuck").touch()
    told = tick_until(child, State.WAITING)
    assert "no sign of life" in told[0]
    assert child.last_exit == "gave no sign of life"
    child.start({}, time.monotonic())
    assert child.restarts == 1


def test_a_part_that_dies_waits_for_its_pause_or_for_the_order_to_hurry(child: Child) -> None:
    tick_until(child, State.READY)
    child.kill()
    told = tick_until(child, State.BACKING_OFF)
    assert "died (killed by SIGKILL); starting it again in 0.2 s" in told[0]
    child.retry_now()
    child.tick(time.monotonic())
    assert child.state is State.WAITING
    child.start({}, time.monotonic())


def test_a_part_that_is_frozen_is_silent_until_it_answers_again(child: Child, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LIVE_INTERVAL_S", 0.02)
    monkeypatch.setattr(module, "PROBE_TIMEOUT_S", 0.3)
    tick_until(child, State.READY)
    os.kill(child.pid, signal.SIGSTOP)
    told = tick_till_told(child)
    assert told == f"part does not answer (pid {child.pid})"
    assert (child.state, child.told_state) == (State.READY, "silent")
    os.kill(child.pid, signal.SIGCONT)
    assert tick_till_told(child) == f"part answers again (pid {child.pid})"
    assert child.told_state == "ready"


def test_a_frozen_server_that_only_says_ready_in_its_log_is_silent_then_started_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "LIVE_INTERVAL_S", 0.02)
    monkeypatch.setattr(module, "PROBE_TIMEOUT_S", 0.1)
    port = keep_installation(tmp_path / "kept", ["part"], "", {}).ports["part"]
    argv = (
        sys.executable,
        "-c",
        f"print('{{\"ready\": true}}', flush=True)\n{SERVER}",
        str(port),
        str(tmp_path / "no"),
    )
    child = Child(Part("part", argv, tmp_path / "part.log", ping=f"http://127.0.0.1:{port}/ping", patience_s=0.1))
    child.start({}, time.monotonic())
    try:
        tick_until(child, State.READY)
        while module.probe(child.part.ping) != module.OK:
            time.sleep(0.02)
        os.kill(child.pid, signal.SIGSTOP)
        told = tick_until(child, State.WAITING, within_s=30)
        assert told == [
            f"part does not answer (pid {child.pid})",
            f"part gives no sign of life (pid {child.pid}); starting it again",
            "part stopped",
        ]
    finally:
        child.kill()


def test_a_frozen_part_that_is_ended_ends_by_itself_and_is_not_waited_for(tmp_path: Path) -> None:
    # One without a handler of its own ends even when it is stopped.
    handler = "signal.signal(signal.SIGTERM, lambda *_: (print('tidied', flush=True), sys.exit(0)))"
    code = f"import signal, sys, time\n{handler}\nprint('{{\"ready\": true}}', flush=True)\ntime.sleep(600)"
    child = Child(Part("part", (sys.executable, "-c", code), tmp_path / "part.log"))
    child.start({}, time.monotonic())
    try:
        tick_until(child, State.READY)
        os.kill(child.pid, signal.SIGSTOP)
        child.end(time.monotonic(), patience_s=600)
        assert tick_until(child, State.WAITING) == ["part stopped"]
        assert "tidied" in (tmp_path / "part.log").read_text()
    finally:
        child.kill()


def test_a_minute_of_silence_restarts_nobody() -> None:
    assert (module.MOST_SILENT_PROBES - 1) * module.LIVE_INTERVAL_S >= 60


@pytest.mark.parametrize("broker", ["embedded", "kafka"])
def test_every_part_that_stays_is_watched(tmp_path: Path, broker: str) -> None:
    names = part_names(1, 1)
    kept = keep_installation(tmp_path, port_names(names, broker), "", {}, broker)
    parts = plan_parts(tmp_path, kept, Settings(), names)
    # With the embedded broker goes what nobody landed.
    minutes = [(one.most_silent - 1) * module.LIVE_INTERVAL_S / 60 for one in parts if one.name == "broker"]
    assert minutes == [10 if broker == "embedded" else 1]
    assert [part.name for part in parts if not (part.is_task or part.health or part.kafka or part.ping)] == []

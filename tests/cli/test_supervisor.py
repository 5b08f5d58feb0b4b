"""The supervisor's rules, on tiny real processes."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry

from pipeline.cli.errors import CommandError
from pipeline.cli.lag import waiting_touchpoints
from pipeline.cli.lifecycle import await_ready
from pipeline.cli.processes import is_same
from pipeline.cli.rules_file import LiveRules, write_rules_file
from pipeline.cli.runfile import PartRun, Run, is_supervised, live_run, read_run
from pipeline.cli.stopping import end_leftovers, stop
from pipeline.config import ObservabilitySettings
from pipeline.observability.health import Health
from pipeline.observability.metrics import Metrics
from pipeline.observability.server import serve

NAMES = ["broker", "warehouse", "land-1", "stitch-1", "collector"]


def eventually(condition: Callable[[], bool], within_s: float = 10.0) -> None:
    deadline = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < deadline, "did not come true in time"
        time.sleep(0.02)


def part(run: Run | None, name: str) -> PartRun:
    assert run is not None
    return next(process for process in run.processes if process.name == name)


def is_ready(folder: Path) -> bool:
    run = live_run(folder)
    return run is not None and run.state == "ready"


@contextmanager
def starting(folder: Path, kind: str) -> Iterator["subprocess.Popen[bytes]"]:
    supervisor = subprocess.Popen([sys.executable, "-m", "tests.cli.small_parts", str(folder), kind])
    try:
        eventually(lambda: is_supervised(folder))
        yield supervisor
    finally:
        supervisor.kill()
        supervisor.wait()


@contextmanager
def supervised(folder: Path, kind: str) -> Iterator[Path]:
    with starting(folder, kind):
        eventually(lambda: is_ready(folder))
        yield folder


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    with supervised(tmp_path, "embedded") as folder:
        yield folder


@pytest.fixture
def durable(tmp_path: Path) -> Iterator[Path]:
    with supervised(tmp_path, "kafka") as folder:
        yield folder


def test_run_file_names_every_process_in_the_order_of_starting(folder: Path) -> None:
    run = live_run(folder)
    assert run is not None
    assert [process.name for process in run.processes] == NAMES
    assert all(is_same(process.pid, process.started) for process in run.processes)
    assert (folder / "run.json").stat().st_mode & 0o777 == 0o600


def test_a_killed_part_is_started_again_and_the_others_stay(folder: Path) -> None:
    before = live_run(folder)
    os.kill(part(before, "land-1").pid, signal.SIGKILL)
    eventually(lambda: part(read_run(folder), "land-1").pid != part(before, "land-1").pid and is_ready(folder))
    after = live_run(folder)
    assert (part(after, "land-1").restarts, part(after, "land-1").last_exit) == (1, "killed by SIGKILL")
    for name in set(NAMES) - {"land-1"}:
        assert part(after, name).pid == part(before, name).pid


def test_a_new_broker_log_restarts_its_users_under_the_new_name_and_is_told(folder: Path) -> None:
    before = live_run(folder)
    assert before is not None
    assert before.log_id
    os.kill(part(before, "broker").pid, signal.SIGKILL)
    eventually(lambda: is_ready(folder) and part(read_run(folder), "collector").pid != part(before, "collector").pid)
    after = live_run(folder)
    assert after is not None
    assert after.log_id not in ("", before.log_id)
    diary = (folder / "diary").read_text().splitlines()
    for name in ("land-1", "stitch-1", "collector"):
        assert diary.index(f"{name} stopped") < diary.index("broker started -", diary.index("broker started -") + 1)
        assert f"{name} started {after.log_id}" in diary
    assert part(after, "warehouse").pid == part(before, "warehouse").pid
    assert "the broker ended (killed by SIGKILL)" in after.notices[0].text
    assert "lost" in after.notices[0].text


def test_a_broker_whose_log_is_on_disk_is_started_again_and_everybody_else_goes_on(durable: Path) -> None:
    before = live_run(durable)
    os.kill(part(before, "broker").pid, signal.SIGKILL)
    eventually(lambda: part(read_run(durable), "broker").pid != part(before, "broker").pid and is_ready(durable))
    after = live_run(durable)
    assert before is not None
    assert after is not None
    assert after.log_id == before.log_id != ""
    assert after.notices == []
    for name in set(NAMES) - {"broker"}:
        assert part(after, name).pid == part(before, name).pid
    assert stop(durable)
    assert "drained" not in (durable / "diary").read_text(), "the log keeps what nobody landed yet"


def test_a_log_on_disk_that_was_taken_away_is_told_and_its_users_begin_anew(durable: Path) -> None:
    before = live_run(durable)
    assert before is not None
    (durable / "diary.log").unlink()
    os.kill(part(before, "broker").pid, signal.SIGKILL)
    eventually(lambda: part(read_run(durable), "collector").pid != part(before, "collector").pid and is_ready(durable))
    after = live_run(durable)
    assert after is not None
    assert after.log_id not in ("", before.log_id)
    assert before.log_id in after.notices[0].text
    diary = (durable / "diary").read_text().splitlines()
    assert diary.count("topics started") == 2
    assert f"land-1 started {after.log_id}" in diary


def test_workers_follow_the_rules_versions_of_the_folder(folder: Path) -> None:
    """A new version gets a worker, a switch makes the workers change places, and a dropped one loses its worker."""

    def workers() -> dict[str, int]:
        run = live_run(folder)
        return {one.name: one.pid for one in run.processes if one.name not in ("broker", "warehouse")} if run else {}

    write_rules_file(folder, LiveRules(1, (1,)))
    eventually(lambda: is_ready(folder) and part(live_run(folder), "stitch-1").restarts == 1)
    before = workers()
    write_rules_file(folder, LiveRules(1, (1, 2), ("settings differ",)))
    eventually(lambda: "stitch-rules2-1" in workers() and is_ready(folder))
    assert {name: pid for name, pid in workers().items() if name != "stitch-rules2-1"} == before
    write_rules_file(folder, LiveRules(2, (1, 2), ("settings differ",)))
    eventually(lambda: {"stitch-1", "stitch-rules1-1"} <= set(workers()) and is_ready(folder))
    assert "stitch-rules2-1" not in workers()
    told = live_run(folder)
    assert told is not None
    assert [notice.text for notice in told.notices] == ["settings differ"]
    write_rules_file(folder, LiveRules(2, (2,)))
    eventually(lambda: set(workers()) == {"land-1", "stitch-1", "collector"} and is_ready(folder))
    run = live_run(folder)
    assert run is not None
    assert run.notices == []
    assert workers()["collector"] == before["collector"]


def test_parts_stop_in_the_order_in_which_work_flows(folder: Path) -> None:
    run = live_run(folder)
    assert stop(folder)
    diary = [line for line in (folder / "diary").read_text().splitlines() if "started" not in line]
    assert diary[:2] == ["collector stopped", "drained"]
    assert set(diary[2:4]) == {"land-1 stopped", "stitch-1 stopped"}
    assert diary[4:] == ["broker stopped", "warehouse stopped"]
    assert not (folder / "run.json").exists()
    assert run is not None
    assert not any(is_same(process.pid, process.started) for process in run.processes)


def test_kill_9_of_the_supervisor_leaves_no_process(folder: Path) -> None:
    run = live_run(folder)
    assert run is not None
    os.kill(run.supervisor_pid, signal.SIGKILL)
    eventually(lambda: not any(is_same(process.pid, process.started) for process in run.processes), within_s=3)
    assert live_run(folder) is None
    assert (folder / "run.json").exists(), "stale, and recognised as such"


def test_a_stopped_supervisor_is_killed_by_down_after_its_patience(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = live_run(folder)
    assert run is not None
    monkeypatch.setattr("pipeline.cli.stopping.SUPERVISOR_PATIENCE_S", 0.3)
    os.kill(run.supervisor_pid, signal.SIGSTOP)
    assert stop(folder)
    assert not is_supervised(folder)
    assert not any(is_same(process.pid, process.started) for process in run.processes)


@pytest.mark.parametrize(("kind", "exit_code"), [("dying", 1), ("refusing", 2)])
def test_whoever_waits_for_a_worker_that_dies_at_once_is_told_soon_and_why(
    tmp_path: Path, kind: str, exit_code: int
) -> None:
    with starting(tmp_path, kind) as supervisor:
        began = time.monotonic()
        with pytest.raises(
            CommandError, match=rf"land-1 dies whenever it is started \(exit code {exit_code}\)"
        ) as told:
            await_ready(tmp_path, 120, supervisor)
        assert time.monotonic() - began < 60
    assert "land-1.log\n    no such thing" in told.value.where


def test_leftovers_are_ended_by_pid_and_start_time_only(tmp_path: Path) -> None:
    left, innocent = (subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"]) for _ in range(2))
    try:
        born = time.time()
        Run(
            "k",
            "c",
            "h",
            "w",
            [],
            [PartRun("land-1", left.pid, "l", started=born), PartRun("stitch-1", innocent.pid, "l", started=born - 99)],
        ).write(tmp_path)
        assert end_leftovers(tmp_path) == ["land-1"]
        assert left.wait(30) == -signal.SIGTERM
        assert innocent.poll() is None
        assert not (tmp_path / "run.json").exists()
    finally:
        left.kill()
        innocent.kill()


def test_what_waited_when_the_broker_ended_is_told_by_the_workers_last_look() -> None:
    registry = CollectorRegistry()
    metrics = Metrics(registry)
    assert waiting_touchpoints(["http://127.0.0.1:9/metrics"]) is None
    with serve(ObservabilitySettings(), registry, Health(timedelta(minutes=1))) as server:
        metrics.set("throughline_consumer_lag_records", 12_000, topic="touchpoints.web")
        metrics.set("throughline_consumer_lag_records", 5, topic="touchpoints.orders")
        metrics.set("throughline_consumer_lag_records", 7, topic="stitch.dirty")
        assert waiting_touchpoints([f"{server.url}/metrics", "http://127.0.0.1:9/metrics"]) == 12_005

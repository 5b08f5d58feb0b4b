"""A whole installation as its owner meets it: real broker, warehouse, workers and collector."""

import gzip
import json
import os
import pty
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pipeline.cli.processes import is_same
from pipeline.cli.runfile import Run, live_run, read_run
from pipeline.config import child_environment
from tests.cli.conftest import Installation, run_here

NAMES = ["broker", "warehouse", "land-1", "stitch-1", "collector"]


def eventually(condition: Callable[[], bool], within_s: float) -> None:
    deadline = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < deadline, "did not come true in time"
        time.sleep(0.05)


def run_of(folder: Path) -> Run:
    run = read_run(folder)
    assert run is not None
    return run


def pids(folder: Path) -> dict[str, int]:
    return {part.name: part.pid for part in run_of(folder).processes}


def is_ready(folder: Path) -> bool:
    run = live_run(folder)
    return run is not None and run.state == "ready"


def touchpoint(number: int, **fields: Any) -> dict[str, Any]:
    return {
        "id": f"e-{number}",
        "type": "web.page_viewed",
        "source": "shop",
        "occurred_at": f"2026-03-01T10:{number % 60:02d}:00Z",
        "identities": [{"kind": "email", "value": f"person{number // 60}@example.org"}],
        **fields,
    }


def lines_of(*touchpoints: dict[str, Any]) -> bytes:
    return "".join(json.dumps(one) + "\n" for one in touchpoints).encode()


def one_number(installation: Installation, sql: str) -> int:
    outcome = installation("query", sql, "--format", "TSV")
    assert outcome.code == 0, outcome.err
    return int(outcome.out)


def count_from(installation: Installation, first: int) -> int:
    """Count the touchpoints that one test sent: every test counts from a thousand of its own."""
    which = f"toUInt32(substring(event_id, 3)) BETWEEN {first} AND {first + 999}"
    return one_number(installation, f"SELECT count() FROM v_touchpoints WHERE {which}")


def test_run_json_has_what_scripts_need_and_is_private(installation: Installation) -> None:
    said = json.loads((installation.folder / "run.json").read_text())
    assert [process["name"] for process in said["processes"]] == NAMES
    for name in ("run.json", "installation.json"):
        assert (installation.folder / name).stat().st_mode & 0o077 == 0
    with urllib.request.urlopen(f"{said['collector']}/readyz", timeout=30) as answer:
        assert answer.status == 200
    for address in said["metrics"]:
        with urllib.request.urlopen(address, timeout=30) as answer:
            assert b"throughline_build_info" in answer.read()


def test_import_tells_bad_lines_by_number_and_lands_their_neighbours(
    installation: Installation, tmp_path: Path
) -> None:
    file = tmp_path / "in.jsonl.gz"
    bad = touchpoint(903, type="weather.changed")
    file.write_bytes(
        gzip.compress(lines_of(touchpoint(901), touchpoint(902)) + b"no json\n" + lines_of(bad, touchpoint(904)))
    )
    outcome = installation("import", "events", str(file), "--wait", "--json")
    assert outcome.code == 1, outcome.err
    report = json.loads(outcome.out)
    assert (report["accepted"], report["rejected"]) == (3, 2)
    assert [(fault["line"], fault["reason"]) for fault in report["faults"]] == [(3, "undecodable"), (4, "unknown_type")]
    again = installation("import", "events", "-", "--wait", stdin=lines_of(touchpoint(901), touchpoint(902)))
    assert again.code == 0, again.err
    assert "accepted 2" in again.out
    assert (
        one_number(installation, "SELECT count() FROM v_touchpoints WHERE event_id IN ('e-901', 'e-902', 'e-904')") == 3
    )
    assert installation("import", "events", str(tmp_path / "missing.jsonl")).code == 2


def test_one_customer_over_channels_is_one_story(installation: Installation) -> None:
    ada = [{"kind": "email", "value": "Ada@Example.org"}]
    outcome = installation(
        "import",
        "events",
        "-",
        "--wait",
        stdin=lines_of(
            touchpoint(1, identities=[{"kind": "cookie_id", "value": "c-ada"}], context={"url": "https://x.example/a"}),
            touchpoint(2, identities=[*ada, {"kind": "cookie_id", "value": "c-ada"}]),
            touchpoint(
                3,
                type="order.placed",
                identities=ada,
                refs={"order_id": "o-1"},
                amount={"minor": 1999, "currency": "EUR"},
            ),
            touchpoint(4, type="support.call_ended", identities=ada, body={"wait_s": 900, "resolved": False}),
        ),
    )
    assert outcome.code == 0, outcome.err
    told = installation("customer", "email:ada@example.org")
    assert told.code == 0, told.err
    assert "19.99 EUR" in told.out
    assert "▲ long wait" in told.out
    by_cookie = json.loads(installation("customer", "cookie_id:c-ada", "--json").out)
    by_order = json.loads(installation("customer", "order_id:o-1", "--json").out)
    assert by_cookie["customer_uid"] == by_order["customer_uid"]
    assert [len(journey["touchpoints"]) for journey in by_cookie["journeys"]] == [4]
    unknown = installation("customer", "email:nobody@example.org")
    assert (unknown.code, unknown.out) == (1, "")


def test_query_speaks_formats_and_explains_refusals(installation: Installation) -> None:
    assert json.loads(installation("query", "SELECT 1 AS one", "--json").out) == {"one": 1}
    assert installation("query", "SELECT 1 AS one", "--format", "CSVWithNames").out == '"one"\n1\n'
    assert installation("query", "-", stdin=b"SELECT 1 AS one").out == "one\n1\n"
    wrong = installation("query", "SELECT nonsense FROM v_customers")
    assert wrong.code == 2
    assert "nonsense" in wrong.err
    assert installation("query", "SELECT 1 FORMAT Nope").err.count("73") == 1
    for forbidden in ("DROP VIEW v_customers", "SELECT * FROM file('/etc/passwd')", "INSERT INTO landed SELECT 1"):
        refused = installation("query", forbidden)
        assert refused.code != 0
        assert "refuses" in refused.err
        assert "Traceback" not in refused.err


def test_an_error_of_syntax_is_told_without_all_words_that_could_have_stood_there(installation: Installation) -> None:
    wrong = installation("query", f"SELEC {'x' * 5_000}")
    assert wrong.code == 2
    assert "Syntax error" in wrong.err
    assert "more)" in wrong.err
    assert len(wrong.err) < 700


@pytest.mark.parametrize(
    "arguments",
    [("query", "SELECT arrayJoin(range(500000))"), ("query", "SELECT 1", "--json"), ("settings",), ("status",)],
    ids=" ".join,
)
def test_a_reader_that_goes_away_ends_a_command_quietly(installation: Installation, arguments: tuple[str, ...]) -> None:
    """As with `| head -0`: what is written has nowhere to go."""
    reader, writer = os.pipe()
    call = [sys.executable, "-m", "pipeline.cli", *arguments, "--data", str(installation.folder)]
    with subprocess.Popen(call, stdout=writer, stderr=subprocess.PIPE, env=child_environment({})) as child:
        os.close(writer)
        os.close(reader)
        _, err = child.communicate(timeout=60)
    assert (child.returncode, err) == (0, b"")


def test_a_terminal_gets_a_table_with_colours_and_a_pipe_does_not(installation: Installation) -> None:
    reader, writer = pty.openpty()
    arguments = [sys.executable, "-m", "pipeline.cli", "query", "SELECT 41 + 1 AS answer"]
    child_settings = child_environment({"TERM": "xterm", "THROUGHLINE_DATA": str(installation.folder)})
    done = subprocess.run(arguments, stdout=writer, stderr=writer, env=child_settings, timeout=60, check=False)
    os.close(writer)
    shown = os.read(reader, 10_000).decode()
    os.close(reader)
    assert done.returncode == 0, shown
    assert "\x1b[" in shown
    assert "answer" in shown
    assert "1 rows" in shown
    assert "\x1b" not in installation("query", "SELECT 42 AS answer").out + installation("status").out


def test_rejected_records_are_listed_by_reason_and_shown_with_their_bytes(installation: Installation) -> None:
    from confluent_kafka import Producer

    producer = Producer({"bootstrap.servers": run_of(installation.folder).kafka})
    producer.produce("touchpoints.web", b"garbage \xff\x00")
    assert producer.flush(10) == 0
    assert installation("wait", "--timeout", "60").code == 0
    listed = json.loads(installation("rejected", "list", "--json").out)
    assert sum(listed["reasons"].values()) == len(listed["records"]) == 1
    record = listed["records"][0]
    place = f"{record['topic']}:{record['partition']}:{record['offset']}"
    assert b"garbage" in installation("rejected", "show", place).out.encode()
    assert json.loads(installation("rejected", "show", place, "--json").out)["reason"] == record["reason"]
    assert installation("rejected", "show", "touchpoints.web:0:999999").code == 1


def test_status_accounts_for_every_record(installation: Installation) -> None:
    assert installation("wait").code == 0
    said = json.loads(installation("status", "--json").out)
    account = said["accounting"]
    terms = ("stored", "duplicate", "rejected", "lost", "in_flight", "unaccounted")
    assert account["received"] == sum(account[term] for term in terms)
    assert (account["lost"], account["in_flight"], account["unaccounted"]) == (0, 0, 0)
    assert account["received"] > 0
    assert [part["name"] for part in said["parts"]] == NAMES
    assert all(part["state"] == "ready" for part in said["parts"])
    assert "unaccounted for 0" in installation("status").out


def test_a_second_up_says_what_runs_and_leaves_it_alone(
    installation: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = pids(installation.folder)
    again = installation("up", "--detach")
    assert again.code == 0
    assert "already running" in again.out
    assert again.err == ""
    monkeypatch.setenv("THROUGHLINE_LANDING__LINGER", "77ms")
    other = installation("up", "--land", "2", "--stitch", "1")
    assert other.code == 0
    assert "THROUGHLINE_LANDING__LINGER is 77ms; it was started with 100ms" in other.err
    assert "--land 2 was asked for; it runs with 1" in other.err
    assert "--stitch" not in other.err
    assert "`throughline down`, then `throughline up`" in other.err
    assert pids(installation.folder) == before


@pytest.mark.parametrize("name", ["warehouse", "land-1", "stitch-1", "collector"])
def test_a_killed_child_comes_back_within_15_seconds_and_nothing_is_missing(
    installation: Installation, name: str
) -> None:
    base = 10_000 + 1_000 * NAMES.index(name)
    before = run_of(installation.folder)
    old_pid = pids(installation.folder)[name]
    sent = [touchpoint(base + number) for number in range(600)]
    assert installation("import", "events", "-", stdin=lines_of(*sent[:300])).code == 0
    os.kill(old_pid, signal.SIGKILL)
    eventually(lambda: pids(installation.folder)[name] != old_pid, within_s=15)
    eventually(lambda: is_ready(installation.folder), within_s=60)
    assert installation("import", "events", "-", stdin=lines_of(*sent[300:])).code == 0
    waited = installation("wait", "--timeout", "170")
    assert waited.code == 0, waited.err
    after = run_of(installation.folder)
    assert (after.kafka, after.clickhouse, after.collector) == (before.kafka, before.clickhouse, before.collector)
    assert count_from(installation, base) == 600


def test_a_killed_broker_comes_back_empty_under_its_address_and_it_is_said(installation: Installation) -> None:
    before = run_of(installation.folder)
    os.kill(pids(installation.folder)["broker"], signal.SIGKILL)
    eventually(lambda: run_of(installation.folder).log_id not in ("", before.log_id), within_s=15)
    eventually(lambda: is_ready(installation.folder), within_s=60)
    after = run_of(installation.folder)
    assert after.kafka == before.kafka
    sent = [touchpoint(50_000 + number) for number in range(100)]
    assert installation("import", "events", "-", "--wait", stdin=lines_of(*sent)).code == 0
    assert count_from(installation, 50_000) == 100
    said = json.loads(installation("status", "--json").out)
    assert "lost" in said["notices"][-1]["text"]
    assert said["accounting"]["unaccounted"] == 0


def test_kill_9_of_the_supervisor_leaves_nothing_and_up_goes_on_from_the_folder(installation: Installation) -> None:
    before = run_of(installation.folder)
    stored = one_number(installation, "SELECT count() FROM v_touchpoints")
    os.kill(before.supervisor_pid, signal.SIGKILL)
    eventually(lambda: not any(is_same(part.pid, part.started) for part in before.processes), within_s=5)
    assert installation("status").code == 1
    assert installation("up", "--detach").code == 0
    after = run_of(installation.folder)
    assert (after.kafka, after.clickhouse, after.collector, after.write_key) == (
        before.kafka,
        before.clickhouse,
        before.collector,
        before.write_key,
    )
    assert one_number(installation, "SELECT count() FROM v_touchpoints") == stored


def test_down_lands_what_was_sent_and_leaves_nothing_behind(installation: Installation) -> None:
    sent = [touchpoint(70_000 + number) for number in range(1_000)]
    assert installation("import", "events", "-", stdin=lines_of(*sent)).code == 0
    run = run_of(installation.folder)
    down = installation("down")
    assert down.code == 0, down.err
    assert not any(is_same(part.pid, part.started) for part in run.processes)
    assert not (installation.folder / "run.json").exists()
    assert installation("status").code == 1
    assert installation("down").code == 0
    assert installation("up", "--detach").code == 0
    assert installation("wait").code == 0
    assert count_from(installation, 70_000) == 1_000


def test_the_foreground_ends_on_ctrl_c_in_order(tmp_path: Path) -> None:
    folder = tmp_path / "foreground"
    process = subprocess.Popen(
        [sys.executable, "-m", "pipeline.cli", "up", "--data", str(folder)], stdout=subprocess.PIPE, text=True
    )
    try:
        eventually(lambda: is_ready(folder), within_s=60)
        run = run_of(folder)
        process.send_signal(signal.SIGINT)
        said, _ = process.communicate(timeout=40)
    finally:
        process.kill()
    assert process.returncode == 0
    stopped = [line.split()[1] for line in said.splitlines() if line.endswith(" stopped") and line.count(" ") == 2]
    assert stopped[0] == "collector"
    assert stopped[-2:] == ["broker", "warehouse"]
    assert not any(is_same(part.pid, part.started) for part in run.processes)
    assert run_here("status", "--data", str(folder)).code == 1

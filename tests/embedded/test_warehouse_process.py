"""The warehouse as a process: its folder, its end, its crash, its memory."""

import http.client
import json
import os
import signal
import stat
import subprocess
import sys
import threading
import time
from pathlib import Path

import psutil
import pytest

from tests.embedded.http import ask, query
from tests.embedded.servers import WarehouseServer, new_warehouse

IDLE_RSS_BYTES = 350_000_000


def test_second_start_says_who_holds_the_folder(warehouse: WarehouseServer) -> None:
    command = [sys.executable, "-m", "pipeline.embedded.warehouse", "--data", str(warehouse.data)]
    second = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert second.returncode == 1
    assert str(warehouse.pid) in second.stderr
    assert "Traceback" not in second.stderr


def test_taken_port_is_told(warehouse: WarehouseServer, tmp_path: Path) -> None:
    command = [
        sys.executable,
        "-m",
        "pipeline.embedded.warehouse",
        "--data",
        str(tmp_path),
        "--port",
        str(warehouse.port),
    ]
    second = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert second.returncode == 1
    assert "choose another port" in second.stderr


def test_passwords_are_for_the_owner_only(warehouse: WarehouseServer) -> None:
    path = Path(warehouse.facts["credentials"])
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert set(json.loads(path.read_text())) == {"throughline", "analyst"}


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_clean_end_and_restart_at_the_same_address(tmp_path: Path, number: signal.Signals) -> None:
    server = new_warehouse(tmp_path).start()
    before = server.url
    for _ in range(15):  # every lane has been opened, some anew
        query(server.url, "SET max_threads = 1")
    assert query(server.url, "CREATE TABLE t (a UInt8) ENGINE = MergeTree ORDER BY a").status == 200
    assert query(server.url, "INSERT INTO t VALUES (1)").status == 200
    assert server.process is not None
    server.process.send_signal(number)
    assert server.process.wait(20) == 0
    with server:
        assert server.url == before
        assert query(server.url, "SELECT a FROM t").text == "1\n"


def test_clean_end_with_a_long_query_under_way(tmp_path: Path) -> None:
    with new_warehouse(tmp_path) as server:
        long = "SELECT count() FROM system.numbers WHERE number % 7 = 9"
        asking = threading.Thread(target=lambda: _answer_or_none(server.url, long))
        asking.start()
        while query(server.url, "SELECT count() FROM system.processes").text == "1\n":
            pass
        assert server.stop() == 0
        asking.join(10)


def _answer_or_none(url: str, statement: str) -> int | None:
    try:
        return query(url, statement).status
    except (OSError, http.client.HTTPException):
        return None


def test_kill_loses_no_acknowledged_row(tmp_path: Path) -> None:
    server = new_warehouse(tmp_path).start()
    assert query(server.url, "CREATE DATABASE throughline").status == 200
    assert query(server.url, "CREATE TABLE t (a UInt64, w UInt8) ENGINE = MergeTree ORDER BY a").status == 200
    acknowledged = [0, 0]
    enough = threading.Event()

    def write(writer: int) -> None:
        for number in range(100_000):
            rows = "\n".join(f"{number * 100 + n},{writer}" for n in range(100))
            try:
                if ask(server.url, f"INSERT INTO t FORMAT CSV\n{rows}\n").status != 200:
                    return
            except OSError:
                return
            acknowledged[writer] += 100
            if min(acknowledged) >= 3000:
                enough.set()

    url = server.url
    threads = [threading.Thread(target=write, args=(writer,)) for writer in range(2)]
    for thread in threads:
        thread.start()
    assert enough.wait(60)
    litter = tmp_path / "temporary" / "left-by-a-crash"
    litter.write_text("x")
    server.kill()
    for thread in threads:
        thread.join(30)
    with server:
        assert server.url == url
        assert not litter.exists()
        for writer in range(2):
            counted = query(url, f"SELECT count(), uniqExact(a) FROM t WHERE w = {writer}").text.split()
            assert counted[0] == counted[1]
            # One INSERT may have been in without its answer having come.
            assert int(counted[0]) in (acknowledged[writer], acknowledged[writer] + 100)
        assert query(url, "SELECT currentDatabase()").text == "throughline\n"


@pytest.mark.parametrize("is_used", [True, False])
def test_default_is_plain_at_every_start_and_keeps_its_tables(tmp_path: Path, is_used: bool) -> None:
    """The engine's own `default` reads files by name and is replaced at every start."""
    server = new_warehouse(tmp_path)
    for start in range(3):
        with server:
            assert query(server.url, "SELECT engine FROM system.databases WHERE name = 'default'").text == "Atomic\n"
            assert query(server.url, "CREATE DATABASE IF NOT EXISTS other").status == 200
            if is_used:
                create = "CREATE TABLE IF NOT EXISTS default.kept (a UInt8) ENGINE = MergeTree ORDER BY a"
                assert query(server.url, create).status == 200
                assert query(server.url, f"INSERT INTO default.kept VALUES ({start})").status == 200
                assert query(server.url, "SELECT count() FROM default.kept").text == f"{start + 1}\n"
            server.kill()


def test_idle_memory(tmp_path: Path) -> None:
    with new_warehouse(tmp_path) as server:
        assert query(server.url, "SELECT 1").text == "1\n"
        assert query(server.analyst_url, "SELECT 1").text == "1\n"
        assert psutil.Process(server.pid).memory_info().rss < IDLE_RSS_BYTES


def test_memory_of_all_queries_is_bounded(tmp_path: Path) -> None:
    bounds = {
        "THROUGHLINE_EMBEDDED__WAREHOUSE_MEMORY_BYTES": "300000000",
        "THROUGHLINE_EMBEDDED__QUERY_MEMORY_BYTES": "250000000",
    }
    hungry = "SELECT uniqExact(number), groupArray(number) FROM numbers(100000000) FORMAT Null"
    with new_warehouse(tmp_path, environment=bounds) as server:
        codes: list[int | None] = []
        threads = [threading.Thread(target=lambda: codes.append(query(server.url, hungry).code)) for _ in range(4)]
        for thread in threads:
            thread.start()
        process, peak = psutil.Process(server.pid), 0
        while any(thread.is_alive() for thread in threads):
            peak = max(peak, process.memory_info().rss)
            threads[0].join(0.02)
        assert codes == [241] * 4
        # Idle 270 MB, the bound, and what the allocator has not given back yet; 902 MB was seen once.
        assert peak < 1_200_000_000
        assert query(server.url, "SELECT 1").text == "1\n"


def test_large_document_is_answered_or_refused_and_its_memory_given_back(tmp_path: Path) -> None:
    """JSON cannot be made of parts: what does not fit the query's memory is refused, not the end of the process."""
    with new_warehouse(tmp_path) as server:
        process = psutil.Process(server.pid)
        statement = "SELECT repeat('x', 1000) AS x FROM numbers({rows}) FORMAT JSON"
        assert len(query(server.url, statement.format(rows=50_000)).body) > 50_000_000
        assert query(server.url, statement.format(rows=3_000_000)).code == 241
        assert query(server.url, "SELECT 1").text == "1\n"
        deadline = time.monotonic() + 20
        while process.memory_info().rss > 450_000_000 and time.monotonic() < deadline:
            time.sleep(0.2)
        assert process.memory_info().rss < 450_000_000, "idle is 270 MB; what the answers took was not given back"


def test_wrong_settings_are_told(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "pipeline.embedded.warehouse", "--data", str(tmp_path)]
    wrong = {"PATH": os.defpath, "THROUGHLINE_EMBEDDED__QUERY_TIMEOUT": "soon"}
    ended = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False, env=wrong)
    assert ended.returncode == 2
    assert "THROUGHLINE_EMBEDDED__QUERY_TIMEOUT" in ended.stderr

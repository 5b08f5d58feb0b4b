"""A worker as a process: ready, at work, blocked, told to stop."""

import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from pipeline.config import ClickHouseSettings, IdentitySettings, child_environment
from pipeline.contracts.schemas import schemas_folder
from pipeline.streaming.announcing import stitch_group
from pipeline.warehouse.connection import connect, database_of
from pipeline.warehouse.facts import FactStore
from pipeline.warehouse.landing_settings import enter_landing
from tests.embedded.servers import BrokerServer, WarehouseServer, new_broker
from tests.streaming.kafka import committed, kafka_settings, new_name, produce
from tests.warehouse import rows

START = """
import sys
from pipeline.config import load_settings
from pipeline.streaming.worker import run_worker
sys.exit(run_worker(sys.argv[1], load_settings()))
"""
AWAY = "127.0.0.1:9"


@dataclass
class WorkerProcess:
    process: "subprocess.Popen[bytes]"
    port: int
    log: Path

    def get(self, path: str) -> tuple[int, str]:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=30) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()
        except OSError:
            return 0, ""

    def wait_for(self, path: str, status: int, text: str = "", seconds: float = 40) -> str:
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            assert self.process.poll() is None, self.log.read_text()
            found, body = self.get(path)
            if found == status and text in body:
                return body
            time.sleep(0.1)
        raise AssertionError(f"{path} is {found} {body[-500:]}, log: {self.log.read_text()[-2000:]}")

    def stop(self) -> tuple[int, float]:
        began = time.monotonic()
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(20), time.monotonic() - began


@contextmanager
def worker(role: str, folder: Path, settings: Mapping[str, str]) -> Iterator[WorkerProcess]:
    log = folder / "worker.log"
    environment = child_environment({"THROUGHLINE_OBSERVABILITY__PORT": "0", **settings})
    with log.open("wb") as file:
        process = subprocess.Popen([sys.executable, "-c", START, role], stderr=file, env=environment)
        try:
            deadline = time.monotonic() + 90
            while "metrics on http://127.0.0.1:" not in log.read_text() and time.monotonic() < deadline:
                time.sleep(0.05)
            port = int(log.read_text().split("metrics on http://127.0.0.1:")[1].split()[0])
            yield WorkerProcess(process, port, log)
        finally:
            if process.poll() is None:
                process.kill()
                process.wait(10)


def environment(broker: BrokerServer, database: ClickHouseSettings | None, group: str) -> dict[str, str]:
    url = database.url.get_secret_value() if database else f"http://default@{AWAY}/throughline"
    return {
        "THROUGHLINE_KAFKA__BOOTSTRAP": broker.bootstrap,
        "THROUGHLINE_KAFKA__GROUP": group,
        "THROUGHLINE_KAFKA__COMMIT_INTERVAL": "200ms",
        "THROUGHLINE_CLICKHOUSE__URL": url,
        "THROUGHLINE_IDENTITY__HASH_KEY": "a key for tests",
    }


def example() -> bytes:
    """Return the bytes of a golden page view."""
    return (schemas_folder() / "examples" / "web.page_viewed.avro").read_bytes()


@pytest.fixture
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BrokerServer]:
    """A broker of this test alone: a new group reads everything, also what other tests sent to the shared one."""
    with new_broker(data=tmp_path_factory.mktemp("broker")) as server:
        yield server


def test_lands_and_commits_and_ends_when_told(
    broker: BrokerServer, fresh_database: ClickHouseSettings, tmp_path: Path
) -> None:
    group = new_name("group")
    with worker("land", tmp_path, environment(broker, fresh_database, group)) as running:
        running.wait_for("/readyz", 200)
        produce(broker.bootstrap, "touchpoints.web", [example(), b"garbage"])
        stored = 'throughline_events_total{outcome="stored",stage="land"} 1.0'
        text = running.wait_for("/metrics", 200, stored)
        assert 'throughline_rejected_total{reason="undecodable"}' in text
        client = connect(fresh_database)
        assert client.query("SELECT count() FROM touchpoints").result_rows == [(1,)]
        assert client.query("SELECT count() FROM rejected").result_rows == [(1,)]
        code, seconds = running.stop()
    assert (code, seconds < 10) == (0, True), running.log.read_text()
    end = committed(broker.bootstrap, f"{group}-land", "touchpoints.web")
    assert end is not None
    assert end >= 2


def test_stitches_what_was_announced(broker: BrokerServer, fresh_database: ClickHouseSettings, tmp_path: Path) -> None:
    group = new_name("group")
    settings = environment(broker, fresh_database, group)
    (tmp_path / "land").mkdir()
    with worker("land", tmp_path / "land", settings) as landing, worker("stitch", tmp_path, settings) as running:
        landing.wait_for("/readyz", 200)
        running.wait_for("/readyz", 200)
        produce(broker.bootstrap, "touchpoints.web", [example()])
        client, rows = connect(fresh_database), 0
        deadline = time.monotonic() + 30
        while not rows and time.monotonic() < deadline:
            rows = int(client.query("SELECT count() FROM stitched").result_rows[0][0])
            time.sleep(0.2)
        assert rows, running.log.read_text()
        running.wait_for("/metrics", 200, 'throughline_events_total{outcome="stored",stage="stitch"}')
        assert running.stop()[0] == 0
    kafka = kafka_settings(broker.bootstrap).model_copy(update={"group": group})
    assert any(committed(broker.bootstrap, stitch_group(kafka, 1), "stitch.dirty", number) for number in range(4))


def test_without_a_warehouse_it_waits_visibly_and_commits_nothing(broker: BrokerServer, tmp_path: Path) -> None:
    group = new_name("group")
    with worker("land", tmp_path, environment(broker, None, group)) as running:
        produce(broker.bootstrap, "touchpoints.web", [example()])
        assert "warehouse" in running.wait_for("/readyz", 503, "warehouse")
        assert running.get("/livez")[0] == 200
        assert 'throughline_blocked{stage="land"} 1.0' in running.get("/metrics")[1]
        code, seconds = running.stop()
    assert (code, seconds < 10) == (0, True), running.log.read_text()
    assert committed(broker.bootstrap, f"{group}-land", "touchpoints.web") is None
    told = [line for line in running.log.read_text().splitlines() if "WARNING pipeline.streaming.retry" in line]
    assert len(told) == 1


@pytest.mark.parametrize("role", ["land", "stitch"])
def test_without_a_broker_it_waits_and_ends_when_told(role: str, tmp_path: Path) -> None:
    settings = {"THROUGHLINE_KAFKA__BOOTSTRAP": AWAY, "THROUGHLINE_IDENTITY__HASH_KEY": "k"}
    with worker(role, tmp_path, settings) as running:
        time.sleep(1)
        assert running.get("/readyz")[0] == 503
        code, seconds = running.stop()
    assert (code, seconds < 10) == (0, True), running.log.read_text()


def test_a_land_worker_with_another_hash_key_ends_with_code_2(
    fresh_database: ClickHouseSettings, tmp_path: Path
) -> None:
    """It would split every customer; nothing of the broker is asked before."""
    client = connect(fresh_database)
    FactStore(client).insert_touchpoints(rows.frame([rows.touchpoint(1)]))
    assert enter_landing(client, IdentitySettings.model_validate({"hash_key": "the first key"})) == []
    settings = {
        "THROUGHLINE_CLICKHOUSE__URL": fresh_database.url.get_secret_value(),
        "THROUGHLINE_KAFKA__BOOTSTRAP": AWAY,
        "THROUGHLINE_IDENTITY__HASH_KEY": "another key",
    }
    with worker("land", tmp_path, settings) as refused:
        assert refused.process.wait(60) == 2, refused.log.read_text()
    assert "land worker refused: identity.hash_key is not the key" in refused.log.read_text()


def test_a_worker_as_a_user_who_may_only_read_ends_with_code_2_and_one_sentence(
    warehouse: WarehouseServer, fresh_database: ClickHouseSettings, tmp_path: Path
) -> None:
    settings = {
        "THROUGHLINE_CLICKHOUSE__URL": f"{warehouse.analyst_url}/{database_of(fresh_database)}",
        "THROUGHLINE_KAFKA__BOOTSTRAP": AWAY,
        "THROUGHLINE_IDENTITY__HASH_KEY": "a key",
    }
    with worker("land", tmp_path, settings) as refused:
        assert refused.process.wait(60) == 2, refused.log.read_text()
    log = refused.log.read_text()
    assert "land worker refused: the warehouse does not let 'analyst' write to http://127.0.0.1" in log
    assert "Traceback" not in log

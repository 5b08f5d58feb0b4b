"""The collector as a process: it comes up, outlives its broker, and leaves without losing what it took."""

import json
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.request import Request, urlopen
from uuid import uuid4

import pytest

from pipeline.contracts.touchpoint import decode_touchpoint
from tests.embedded.servers import BrokerServer, new_broker
from tests.producers.events import page_viewed
from tests.producers.kafka import made_topic, read_all

RUN = """
import sys
from pipeline.config import load_settings
from pipeline.producers.collector import run_collector
sys.exit(run_collector(load_settings()))
"""


@dataclass
class Running:
    """A collector in a process of its own."""

    process: subprocess.Popen[str]
    url: str
    metrics: str

    def post(self, event: dict[str, Any]) -> int:
        """Send one event; 0 where no connection is accepted."""
        request = Request(f"{self.url}/v1/touchpoints", json.dumps(event).encode(), {"Authorization": "Bearer k"})
        try:
            with urlopen(request, timeout=20) as response:
                return int(response.status)
        except HTTPError as error:
            return error.code
        except (URLError, ConnectionError):
            return 0


def started(bootstrap: str, **settings: str) -> subprocess.Popen[str]:
    environment = {
        "PATH": "/usr/bin:/bin",
        "THROUGHLINE_KAFKA__BOOTSTRAP": bootstrap,
        "THROUGHLINE_COLLECTOR__DELIVERY_TIMEOUT": "3s",
        **settings,
    }
    return subprocess.Popen([sys.executable, "-c", RUN], env=environment, stderr=subprocess.PIPE, text=True)


@pytest.fixture
def collector_at() -> Iterator[Callable[[str], Running]]:
    processes: list[subprocess.Popen[str]] = []

    def start(bootstrap: str) -> Running:
        process = started(bootstrap, THROUGHLINE_COLLECTOR__WRITE_KEYS='{"shop": "k"}')
        processes.append(process)
        assert process.stderr is not None
        told = next(line for line in process.stderr if "listens on" in line)
        threading.Thread(target=process.stderr.read, daemon=True).start()
        url, _, metrics = told.strip().partition("listens on ")[2].partition(", its metrics on ")
        return Running(process, url, metrics)

    yield start
    for process in processes:
        process.kill()
        process.wait()


def stored(bootstrap: str, run: str) -> list[str]:
    events = [decode_touchpoint(value) for _, value in read_all(bootstrap, "touchpoints.web")]
    return sorted(str(event["id"]) for event in events if isinstance(event, dict) and event["source"] == run)


def test_nothing_that_was_accepted_is_lost_when_it_is_stopped(
    broker: BrokerServer, collector_at: Callable[[str], Running]
) -> None:
    made_topic(broker.bootstrap, "touchpoints.web")
    running, run = collector_at(broker.bootstrap), uuid4().hex
    accepted: list[str] = []

    def send(sender: int) -> None:
        for number in range(10_000):
            event = page_viewed(number, id=f"{sender}-{number}", source=run)
            status = running.post(event)
            if status == 202:
                accepted.append(str(event["id"]))
            elif status == 0:
                return

    senders = [threading.Thread(target=send, args=(sender,)) for sender in range(4)]
    for sender in senders:
        sender.start()
    wait_until(lambda: len(accepted) > 20)
    running.process.send_signal(signal.SIGTERM)
    assert running.process.wait(30) == 0
    for sender in senders:
        sender.join()
    assert set(accepted) <= set(stored(broker.bootstrap, run))


def test_metrics_and_health_are_served(broker: BrokerServer, collector_at: Callable[[str], Running]) -> None:
    running = collector_at(broker.bootstrap)
    assert running.post(page_viewed(1)) == 202
    with urlopen(f"{running.metrics}/metrics", timeout=30) as response:
        text = response.read().decode()
    assert 'throughline_events_total{outcome="stored",stage="collect"} 1.0' in text
    for address in (running.url, running.metrics):
        with urlopen(f"{address}/readyz", timeout=30) as response:
            assert response.status == 200


def test_bytes_that_are_no_request_are_told_in_a_line(broker: BrokerServer) -> None:
    process = started(broker.bootstrap, THROUGHLINE_COLLECTOR__WRITE_KEYS='{"shop": "k"}')
    try:
        assert process.stderr is not None
        listening = next(line for line in process.stderr if "listens on" in line)
        host, port = listening.partition("listens on http://")[2].partition(",")[0].split(":")
        head = b"POST /v1/touchpoints HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer k\r\nContent-Length: 50\r\n\r\n{"
        for sent in (b"\x16\x03\x01 no HTTP\r\n\r\n", head):
            with socket.create_connection((host, int(port)), timeout=30) as connection:
                connection.sendall(sent)
                time.sleep(0.2)
        time.sleep(0.3)
    finally:
        process.terminate()
        _, told = process.communicate(timeout=20)
    assert "Traceback" not in told, told
    assert "ERROR" not in told, told
    assert "no HTTP request, refused" in told


@pytest.mark.slow
def test_connections_that_send_no_whole_head_are_closed(broker: BrokerServer) -> None:
    """Else whoever opens a thousand of them and says nothing keeps all others out."""
    process = started(
        broker.bootstrap,
        THROUGHLINE_COLLECTOR__WRITE_KEYS='{"shop": "k"}',
        THROUGHLINE_COLLECTOR__IDLE_TIMEOUT="1s",
    )
    try:
        assert process.stderr is not None
        listening = next(line for line in process.stderr if "listens on" in line)
        host, port = listening.partition("listens on http://")[2].partition(",")[0].split(":")
        head = b"POST /v1/touchpoints HTTP/1.1\r\nHost: x\r\n"
        for sent in (b"", b"POST /v1/tou", head, b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n" + head):
            with socket.create_connection((host, int(port)), timeout=20) as connection:
                connection.sendall(sent)
                while connection.recv(65_536):
                    pass
    finally:
        process.kill()
        process.wait()


def test_it_refuses_while_its_broker_is_away_and_goes_on_with_the_next_one(
    tmp_path: Path, collector_at: Callable[[str], Running]
) -> None:
    with new_broker(data=tmp_path) as broker:
        running = collector_at(broker.bootstrap)
        assert running.post(page_viewed(1)) == 202
        broker.kill()
        assert running.post(page_viewed(2)) == 503
        broker.start()
        wait_until(lambda: running.post(page_viewed(2)) == 202)
        assert stored(broker.bootstrap, "webshop") == ["e-2"], "the log of the first one is gone"
        wait_until(lambda: running.post(page_viewed(1)) == 202 and "e-1" in stored(broker.bootstrap, "webshop"))


def test_without_a_write_key_it_does_not_start() -> None:
    process = started("127.0.0.1:1")
    _, told = process.communicate(timeout=20)
    assert process.returncode == 2
    assert "THROUGHLINE_COLLECTOR__WRITE_KEYS" in told
    assert "Traceback" not in told


def wait_until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.2)

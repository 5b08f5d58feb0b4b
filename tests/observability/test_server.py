"""What Prometheus and probes get over HTTP."""

import socket
import struct
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from datetime import timedelta

import pytest
from prometheus_client import CollectorRegistry

from pipeline.config import ObservabilitySettings
from pipeline.observability.health import Health, Verdict
from pipeline.observability.metrics import Metrics
from pipeline.observability.server import MetricsServer, serve


@pytest.fixture
def health() -> Health:
    return Health(timedelta(seconds=60))


@pytest.fixture
def server(health: Health) -> Iterator[MetricsServer]:
    registry = CollectorRegistry()
    Metrics(registry).count("throughline_events_total", 5, stage="land", outcome="stored")
    with serve(ObservabilitySettings(), registry, health) as running:
        yield running


def get(url: str) -> tuple[int, str, str]:
    try:
        with urllib.request.urlopen(url, timeout=30) as answer:
            return answer.status, answer.headers["Content-Type"], answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.headers["Content-Type"], error.read().decode()


def test_metrics_in_the_text_format(server: MetricsServer) -> None:
    status, content_type, text = get(f"{server.url}/metrics")
    assert (status, content_type.split(";")[0]) == (200, "text/plain")
    assert 'throughline_events_total{outcome="stored",stage="land"} 5.0' in text


def test_readiness_follows_health(server: MetricsServer, health: Health) -> None:
    assert get(f"{server.url}/readyz")[0] == 503
    assert get(f"{server.url}/livez")[0] == 200
    health.ready()
    assert get(f"{server.url}/readyz?verbose=1")[0] == 200


def test_other_paths_name_the_right_ones(server: MetricsServer) -> None:
    status, _, text = get(f"{server.url}/")
    assert status == 404
    assert "/metrics" in text


def test_listens_on_loopback_only_by_default(server: MetricsServer) -> None:
    assert server.host == "127.0.0.1"
    assert server.port > 0


def test_a_taken_port_is_an_error(server: MetricsServer, health: Health) -> None:
    with pytest.raises(OSError, match="in use"):
        serve(ObservabilitySettings(port=server.port), CollectorRegistry(), health)


def test_a_caller_that_does_not_wait_leaves_no_traceback(
    server: MetricsServer, health: Health, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked, gone = threading.Event(), threading.Event()
    is_ready = health.is_ready

    def slowly() -> Verdict:
        asked.set()
        gone.wait(30)
        return is_ready()

    monkeypatch.setattr(health, "is_ready", slowly)
    with socket.create_connection((server.host, server.port)) as caller:
        caller.sendall(b"GET /readyz HTTP/1.0\r\n\r\n")
        assert asked.wait(30)
        caller.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    gone.set()
    assert get(f"{server.url}/livez")[0] == 200
    deadline = time.monotonic() + 30
    while any(thread.name.startswith("Thread-") for thread in threading.enumerate()) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert "Traceback" not in capfd.readouterr().err

"""
/metrics, /livez and /readyz of one process, on a thread of their own.

A thread, because a busy or stuck event loop must not make a process look dead to Prometheus, nor alive to a probe.
"""

import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Self

from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder

from pipeline.config import ObservabilitySettings
from pipeline.observability.health import Health, Verdict


class MetricsServer:
    """The running server; `close` ends it."""

    def __init__(self, host: str, port: int, registry: CollectorRegistry, health: Health) -> None:
        handler = type("Handler", (_Handler,), {"registry": registry, "health": health})
        self._server = _Server((host, port), handler)
        self.host = host
        self.port: int = self._server.server_address[1]
        self._thread = threading.Thread(target=self._server.serve_forever, name="metrics", daemon=True)
        self._thread.start()

    @property
    def url(self) -> str:
        """Address without a path."""
        return f"http://{self.host}:{self.port}"

    def close(self) -> None:
        """Stop answering; safe to call twice."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(timeout=5)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: object, client_address: object) -> None:
        """Keep quiet about a caller that did not wait for its answer: on a busy machine probes do that all the time."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)  # type: ignore[arg-type]


class _Handler(BaseHTTPRequestHandler):
    registry: CollectorRegistry
    health: Health

    def do_GET(self) -> None:
        path = self.path.partition("?")[0]
        if path == "/metrics":
            encode, content_type = choose_encoder(self.headers.get("Accept", ""))
            self._answer(200, content_type, encode(self.registry))
        elif path == "/livez":
            self._verdict(self.health.is_live())
        elif path == "/readyz":
            self._verdict(self.health.is_ready())
        else:
            self._answer(404, "text/plain; charset=utf-8", b"not found: try /metrics, /livez or /readyz\n")

    def _verdict(self, verdict: Verdict) -> None:
        text = f"{'ok' if verdict.ok else 'not ok'}: {verdict.reason}\n"
        self._answer(200 if verdict.ok else 503, "text/plain; charset=utf-8", text.encode())

    def _answer(self, status: int, content_type: str, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
        """Do not write a line for each probe."""


def serve(settings: ObservabilitySettings, registry: CollectorRegistry, health: Health) -> MetricsServer:
    """
    Start answering on the host and port of the settings (port 0: a free one, see `MetricsServer.port`).

    Raises:
        OSError: If the port is taken.
    """
    return MetricsServer(settings.host, settings.port, registry, health)

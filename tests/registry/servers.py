"""Registries for tests: the real one as a child process, and one that misbehaves as it is told."""

import json
import shutil
import socket
import subprocess
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from pipeline.config import child_environment
from tests.absent import not_here
from tests.registry.obtain import runner

START_S = 120


def is_there() -> bool:
    """Tell whether a registry can be run here."""
    return runner() is not None and shutil.which("java") is not None


def api_of(port: int) -> str:
    """Return the address of the Confluent API of a registry."""
    return f"http://127.0.0.1:{port}/apis/ccompat/v7"


def start_registry(folder: Path, port: int) -> "subprocess.Popen[bytes]":
    """Start Apicurio Registry with its data in memory; does not wait for it."""
    jar = runner()
    assert jar is not None
    environment = child_environment({"QUARKUS_HTTP_HOST": "127.0.0.1", "QUARKUS_HTTP_PORT": str(port)})
    with (folder / "registry.log").open("a") as log:
        return subprocess.Popen(
            ["java", "-Xmx256m", "-XX:TieredStopAtLevel=1", "-jar", str(jar)],
            cwd=folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
        )


@contextmanager
def real_registry(folder: Path) -> Iterator[str]:
    """Run Apicurio Registry with its data in memory; gives the address of its Confluent API."""
    if not is_there():
        not_here("no schema registry here", "run `make registry` (needs java 17 and mvn)")
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    process = start_registry(folder, port)
    try:
        await_registry(api_of(port), process, folder)
        yield api_of(port)
    finally:
        process.terminate()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def await_registry(url: str, process: "subprocess.Popen[bytes]", folder: Path) -> None:
    """
    Wait until a registry answers.

    Raises:
        RuntimeError: If it ends, or takes longer than `START_S`.
    """
    deadline = time.monotonic() + START_S
    while time.monotonic() < deadline and process.poll() is None:
        try:
            with urllib.request.urlopen(f"{url}/subjects", timeout=5) as answer:
                if answer.status == 200:
                    return
        except (OSError, urllib.error.URLError):
            time.sleep(0.2)
    raise RuntimeError(f"the registry did not start: {(folder / 'registry.log').read_text()[-2000:]}")


class Misbehaving:
    """
    A server in the place of a registry.

    Attributes:
        status: What it answers with.
        body: What it says.
        asked: Paths that it was asked for.
    """

    def __init__(self) -> None:
        self.status = 200
        self.body = b"{}"
        self.asked: list[str] = []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def _answer(self) -> None:
                outer.asked.append(self.path)
                self.rfile.read(int(self.headers.get("Content-Length") or 0))
                self.send_response(outer.status)
                self.send_header("Content-Length", str(len(outer.body)))
                self.end_headers()
                self.wfile.write(outer.body)

            do_GET = do_POST = do_PUT = _answer  # noqa: N815 - names of the library

            def log_message(self, *_: Any) -> None:
                """Say nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self.url = f"http://127.0.0.1:{self._server.server_port}/apis/ccompat/v7"

    def says(self, status: int, body: object) -> None:
        """Answer so from now on; text goes as it is."""
        self.status = status
        self.body = body if isinstance(body, bytes) else json.dumps(body).encode()

    def __enter__(self) -> "Misbehaving":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

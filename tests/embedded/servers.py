"""The embedded servers as child processes of a test run: started, found ready, and ended by their pid."""

import json
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from pipeline.config import child_environment

_STOP_S = 20


@dataclass
class Server:
    """A server process; `facts` is its readiness line."""

    module: str
    data: Path
    port: int = 0
    arguments: Sequence[str] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    facts: dict[str, Any] = field(default_factory=dict)
    process: "subprocess.Popen[str] | None" = None

    def start(self) -> Self:
        self.data.mkdir(parents=True, exist_ok=True)
        with (self.data / "test.log").open("a") as log:
            self.process = subprocess.Popen(
                [
                    sys.executable,
                    "-m",
                    self.module,
                    "--data",
                    str(self.data),
                    "--port",
                    str(self.port),
                    *self.arguments,
                ],
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                env=child_environment(self.environment),
            )
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if not line:
            self.process.wait(_STOP_S)
            raise RuntimeError(f"{self.module} did not start: {(self.data / 'test.log').read_text()[-2000:]}")
        self.facts = json.loads(line)
        # A restart takes the same port, as an installation does.
        self.port = int(self.address.rsplit(":", 1)[1])
        return self

    @property
    def address(self) -> str:
        return str(self.facts["address"])

    @property
    def pid(self) -> int:
        assert self.process is not None
        return self.process.pid

    def kill(self) -> None:
        """Kill -9, as a crash would."""
        assert self.process is not None
        self.process.kill()
        self.process.wait(_STOP_S)
        self._close()

    def stop(self) -> int:
        """End cleanly and return the exit status; a server that does not end is killed."""
        if self.process is None:
            return 0
        self.process.terminate()
        try:
            return self.process.wait(_STOP_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            return self.process.wait(_STOP_S)
        finally:
            self._close()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _close(self) -> None:
        if self.process is not None and self.process.stdout is not None:
            with suppress(OSError):
                self.process.stdout.close()
        self.process = None


class BrokerServer(Server):
    """An embedded broker."""

    @property
    def bootstrap(self) -> str:
        return self.address

    @property
    def log_id(self) -> str:
        return str(self.facts["log_id"])


class WarehouseServer(Server):
    """An embedded warehouse."""

    @property
    def url(self) -> str:
        """Address with the credentials of the pipeline itself; add /database."""
        return self.url_of("throughline")

    @property
    def analyst_url(self) -> str:
        """Address with the credentials of everybody outside; add /database."""
        return self.url_of("analyst")

    def url_of(self, user: str) -> str:
        password = json.loads(Path(self.facts["credentials"]).read_text())[user]
        return f"http://{user}:{password}@{self.address.removeprefix('http://')}"


def new_broker(topics: Mapping[str, int] | None = None, data: Path | None = None, port: int = 0) -> BrokerServer:
    """Return a broker to be started, with these topics or the pipeline's own."""
    arguments = [part for name, count in (topics or {}).items() for part in ("--topic", f"{name}:{count}")]
    return BrokerServer("pipeline.embedded.broker", data or Path(tempfile.mkdtemp()), port, arguments)


def new_warehouse(data: Path, port: int = 0, environment: Mapping[str, str] | None = None) -> WarehouseServer:
    """Return a warehouse to be started."""
    return WarehouseServer("pipeline.embedded.warehouse", data, port, environment=environment or {})

"""An installation of real processes in a folder of its own: fed from files, robbed of its workers, read out."""

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pipeline.cli.clickhouse import Warehouse
from pipeline.config import child_environment
from tests.convergence.dump import Dump, dump_of
from tests.convergence.inprocess import HASH_KEY

# A busy machine may take minutes over what takes seconds.
START_TIMEOUT_S = 600
COMMAND_TIMEOUT_S = 1800


class Installation:
    """
    One installation that runs.

    Args:
        folder: Its data folder.
        settings: Environment of its commands, by name.
    """

    def __init__(self, folder: Path, settings: Mapping[str, str]) -> None:
        self.folder = folder
        self._settings = settings
        self.kills = 0

    def __call__(self, *arguments: str, stdin: bytes | None = None) -> str:
        """Run a command to its end and return what it printed; its failure is ours."""
        done = self._popen(*arguments, stdin=subprocess.PIPE if stdin is not None else subprocess.DEVNULL)
        try:
            out, err = done.communicate(stdin, timeout=COMMAND_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            done.kill()
            raise
        if done.returncode:
            raise RuntimeError(f"throughline {' '.join(arguments)} ended with {done.returncode}: {err.decode()}")
        return out.decode()

    def feed(self, events: Iterable[Mapping[str, Any]]) -> None:
        """Import touchpoints in their order, as `throughline import events -` does."""
        self("import", "events", "-", "--json", stdin=b"".join(json.dumps(event).encode() + b"\n" for event in events))

    def kill(self, name: str) -> None:
        """Kill a worker as a crash would; the installation starts it again by itself."""
        pid = self._run()["pid"].get(name)
        if pid:
            try:
                os.kill(pid, signal.SIGKILL)
                self.kills += 1
            except ProcessLookupError:
                pass  # it is being started again at this moment

    def begin(self, *arguments: str) -> "subprocess.Popen[bytes]":
        """Start a command and let it run."""
        return self._popen(*arguments, stdin=subprocess.DEVNULL)

    def dump(self) -> Dump:
        """Return the order-free views as an analyst reads them."""
        return dump_of(Warehouse(self._run()["clickhouse"]))

    def rows(self, sql: str) -> list[dict[str, Any]]:
        """Return the answer to a statement."""
        return Warehouse(self._run()["clickhouse"]).rows(sql)

    def _run(self) -> dict[str, Any]:
        run = json.loads((self.folder / "run.json").read_text())
        return {**run, "pid": {process["name"]: process["pid"] for process in run["processes"]}}

    def _popen(self, *arguments: str, stdin: int) -> "subprocess.Popen[bytes]":
        command = (sys.executable, "-m", "pipeline.cli", *arguments, "--data", str(self.folder))
        environment = child_environment(self._settings)
        return subprocess.Popen(command, env=environment, stdin=stdin, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


@contextmanager
def installed(*, land: int = 1, stitch: int = 1, settings: Mapping[str, str] | None = None) -> Iterator[Installation]:
    """Start an installation in a new folder; at the end it is stopped and the folder removed."""
    folder = Path(tempfile.mkdtemp(prefix="throughline-convergence-"))
    # A whole view of a long history is more than an analyst may usually ask of a busy machine.
    patience = {"THROUGHLINE_EMBEDDED__QUERY_TIMEOUT": "900s"}
    whole = {"THROUGHLINE_IDENTITY__HASH_KEY": HASH_KEY, **patience, **(settings or {})}
    running = Installation(folder, whole)
    try:
        running("up", "--detach", "--land", str(land), "--stitch", str(stitch), "--timeout", str(START_TIMEOUT_S))
        yield running
    finally:
        running.begin("down").communicate(timeout=START_TIMEOUT_S)
        shutil.rmtree(folder, ignore_errors=True)

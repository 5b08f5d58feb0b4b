"""Commands as people run them, in this process where no process of their own is needed."""

import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from pipeline.cli.guard import run
from pipeline.config import child_environment


@dataclass(frozen=True)
class Outcome:
    code: int
    out: str
    err: str


Command = Callable[..., Outcome]


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder to be in, with nothing of Throughline in the environment."""
    for name in child_environment({}):
        if name.startswith("THROUGHLINE_"):
            monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def command(here: Path, capsys: pytest.CaptureFixture[str]) -> Command:
    """Runs one command line in this process."""

    def call(*arguments: str) -> Outcome:
        capsys.readouterr()
        code = run(arguments)
        said = capsys.readouterr()
        return Outcome(code, said.out, said.err)

    return call


def run_process(*arguments: str, stdin: bytes = b"", timeout: float = 120) -> Outcome:
    """Run one command line as a process of its own."""
    done = subprocess.run(
        [sys.executable, "-m", "pipeline.cli", *arguments],
        input=stdin,
        capture_output=True,
        timeout=timeout,
        check=False,
    )
    return Outcome(done.returncode, done.stdout.decode(), done.stderr.decode())


@dataclass(frozen=True)
class Installation:
    """One that runs, and how to talk to it."""

    folder: Path

    def __call__(self, *arguments: str, stdin: bytes = b"") -> Outcome:
        return run_process(*arguments, "--data", str(self.folder), stdin=stdin)


@pytest.fixture(scope="module")
def installation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """`up --detach`, shared by the tests of a module."""
    running = Installation(tmp_path_factory.mktemp("installation"))
    started = running("up", "--detach")
    try:
        assert started.code == 0, started.err
        yield running
    finally:
        running("down")

"""Commands as people run them, in this process where no process of their own is needed."""

import io
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


def run_here(*arguments: str, stdin: bytes = b"") -> Outcome:
    """
    Run one command line in this process, with streams of its own.

    What a process of its own would cost in imports is spared; nothing else is different.
    """
    streams = sys.stdin, sys.stdout, sys.stderr
    out, err = io.BytesIO(), io.BytesIO()
    sys.stdin = io.TextIOWrapper(io.BufferedReader(io.BytesIO(stdin)), encoding="utf-8")
    sys.stdout, sys.stderr = (io.TextIOWrapper(buffer, encoding="utf-8", write_through=True) for buffer in (out, err))
    try:
        code = run(arguments)
        return Outcome(code, out.getvalue().decode(), err.getvalue().decode())
    finally:
        sys.stdin, sys.stdout, sys.stderr = streams


@dataclass(frozen=True)
class Installation:
    """One that runs, and how to talk to it."""

    folder: Path

    def __call__(self, *arguments: str, stdin: bytes = b"") -> Outcome:
        return run_here(*arguments, "--data", str(self.folder), stdin=stdin)


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

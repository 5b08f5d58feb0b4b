"""The rules of the house that no linter knows: small files, small functions, and imports that do nothing."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
FOLDERS = ("pipeline", "tests", "bench", "docs", "deploy")
MOST_LINES_IN_FILE = 350
MOST_LINES_IN_FUNCTION = 60

IMPORT_EVERYTHING = """
import importlib, pkgutil, sys, threading, traceback
import pipeline.config as config

done = []
watched = {"socket.__new__", "socket.connect", "socket.bind", "subprocess.Popen", "os.fork", "os.posix_spawn"}

def watch(event, arguments):
    # Two libraries probe the machine when they are imported: croniter (of Faust) asks the program `file` whether
    # Python has 32 bits, urllib3 whether there is IPv6.
    probes = ("croniter/croniter.py", "urllib3/util/connection.py")
    if event in watched and not any(frame.filename.endswith(probes) for frame in traceback.extract_stack()):
        done.append(event)

sys.addaudithook(watch)
config.load_settings = lambda *a, **k: done.append("load_settings")
config.Settings.__init__ = lambda *a, **k: done.append("Settings()")

import pipeline
names = [module.name for module in pkgutil.walk_packages(pipeline.__path__, "pipeline.")]
assert len(names) > 50, names
for name in names:
    importlib.import_module(name)
    assert not done, f"importing {name} does {done}"
    assert threading.active_count() == 1, f"importing {name} starts {threading.enumerate()}"
    held = [key for key, value in vars(sys.modules[name]).items() if isinstance(value, config._Group)]
    assert not held, f"{name} holds settings: {held}"
"""


def sources() -> Iterator[Path]:
    for folder in FOLDERS:
        yield from (ROOT / folder).rglob("*.py")


def name_of(path: Path) -> str:
    return str(path.relative_to(ROOT))


@pytest.mark.parametrize("path", sorted(sources()), ids=name_of)
def test_files_and_functions_are_small(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert len(text.splitlines()) <= MOST_LINES_IN_FILE
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            assert node.end_lineno is not None
            lines = node.end_lineno - node.lineno + 1
            assert lines <= MOST_LINES_IN_FUNCTION, f"{node.name} has {lines} lines"


def test_importing_every_module_starts_nothing_opens_no_socket_and_reads_no_settings(tmp_path: Path) -> None:
    outcome = subprocess.run(
        [sys.executable, "-c", IMPORT_EVERYTHING],
        cwd=tmp_path,
        env={"PYTHONPATH": str(ROOT), "THROUGHLINE_NO__SUCH": "an import that reads settings fails on this"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert outcome.returncode == 0, outcome.stderr
    assert not list(tmp_path.iterdir()), "importing writes no file"


def test_imports_of_the_command_stay_light() -> None:
    """`throughline --help` and the supervisor must not pay for polars, Faust or ClickHouse."""
    heavy = {"polars", "pyarrow", "faust", "chdb", "clickhouse_connect", "confluent_kafka"}
    program = f"import sys, pipeline.cli, pipeline.cli.up; print(*sorted({heavy} & set(sys.modules)))"
    outcome = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=ROOT)
    assert outcome.stdout.split() == []

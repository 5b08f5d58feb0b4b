"""An installation of tiny parts, so that the supervisor's own rules are tested in fractions of a second.

`python -m tests.cli.small_parts DIR [kafka|dying|refusing]` supervises; each part is a real process that says it is
ready, writes down how it was started and stopped, and lives until it is told to end. With `kafka` the broker's log
outlives its process; with `dying` and `refusing` a worker ends as soon as it is started, with exit code 1 or 2.
"""

import sys
from dataclasses import replace
from pathlib import Path

from pipeline.cli.child import Part
from pipeline.cli.files import take_lock
from pipeline.cli.processes import started_at
from pipeline.cli.rules_file import names_with_rules, read_rules_file, rules_environment
from pipeline.cli.runfile import LOCK_FILE, Run
from pipeline.cli.supervisor import Plan, Supervisor

SERVER = """
import json, os, pathlib, signal, sys, time, uuid
name, diary = sys.argv[1:3]
log = pathlib.Path(diary + ".log")
if not log.exists() or len(sys.argv) < 4:
    log.write_text(uuid.uuid4().hex)
def note(what):
    with open(diary, "a") as file:
        file.write(f"{name} {what}\\n")
def end(*_):
    note("stopped")
    sys.exit(0)
signal.signal(signal.SIGTERM, end)
note("started " + os.environ.get("THROUGHLINE_KAFKA__LOG_ID", "-"))
print(json.dumps({"ready": True, "log_id": log.read_text()}))
while True:
    time.sleep(0.05)
"""
TOPICS = "import pathlib, sys; (pathlib.Path(sys.argv[1]) / 'diary').open('a').write('topics started\\n')"


def tiny_part(folder: Path, name: str, needs: tuple[str, ...] = (), kind: str = "kafka") -> Part:
    argv = (sys.executable, "-c", SERVER, name, str(folder / "diary"), *(["kept"] if kind == "kafka" else []))
    return Part(name, argv, folder / f"{name}.log", needs)


ENDING = {"dying": 1, "refusing": 2}


def main(folder: Path, kind: str) -> None:
    import os

    lock = take_lock(folder / LOCK_FILE)
    assert lock is not None
    parts = [
        tiny_part(folder, "broker", kind=kind),
        tiny_part(folder, "warehouse"),
        Part("migrate", (sys.executable, "-c", "pass"), folder / "migrate.log", ("warehouse",), is_task=True),
        Part("topics", (sys.executable, "-c", TOPICS, str(folder)), folder / "topics.log", ("broker",), is_task=True),
        *(tiny_part(folder, name, ("broker", "migrate")) for name in ("land-1", "stitch-1", "collector")),
    ]
    if kind in ENDING:
        end = f"import sys; print('no such thing'); sys.exit({ENDING[kind]})"
        parts[4] = replace(parts[4], argv=(sys.executable, "-c", end))
    run = Run("k", "c", "h", "w", [], [], kind)
    run.supervisor_pid, run.supervisor_started = os.getpid(), started_at(os.getpid()) or 0

    def drain() -> str:
        with (folder / "diary").open("a") as diary:
            diary.write("drained\n")
        return ""

    def replan() -> Plan:
        rules = read_rules_file(folder)
        servers, workers = parts[:4], names_with_rules([part.name for part in parts[4:]], rules)
        made = [tiny_part(folder, name, ("broker", "migrate")) for name in workers]
        made = [replace(part, environment=rules_environment(part.name, rules)) for part in made]
        return Plan([*servers, *made], rules.remarks if rules else ())

    def say(text: str) -> None:
        print(text, flush=True)  # noqa: T201 (its log)

    Supervisor(folder, run, parts, drain, say, replan).keep_running(lambda: None)


if __name__ == "__main__":
    main(Path(sys.argv[1]), *(sys.argv[2:] or ["embedded"]))

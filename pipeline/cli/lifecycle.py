"""Starting an installation in the background, waiting for it, and saying where it is: for `up` and for `demo`."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path

import click

from pipeline.cli.errors import CommandError
from pipeline.cli.given import differing
from pipeline.cli.installation import KAFKA
from pipeline.cli.output import error_console
from pipeline.cli.processes import keep_log_small, spawn_detached
from pipeline.cli.rules_file import read_rules_file
from pipeline.cli.runfile import PartRun, Run, is_supervised, live_run
from pipeline.config import Settings

POLL_S = 0.1
LOG_TAIL_LINES = 6
# Deaths before it was ready, in a row: an accident may happen twice. With this exit it says itself that no start helps.
MOST_DEATHS, HOPELESS_DEATHS, REFUSED = 3, 1, "exit code 2"


def supervisor_log(folder: Path) -> Path:
    """Return where a detached supervisor writes."""
    return folder / "logs" / "supervisor.log"


def launch_detached(folder: Path, broker: str, land: int, stitch: int) -> subprocess.Popen[bytes]:
    """Start a supervisor that outlives this process and its terminal."""
    log = supervisor_log(folder)
    keep_log_small(log)
    options = ("--data", str(folder), "--broker", broker, "--land", str(land), "--stitch", str(stitch))
    return spawn_detached((sys.executable, "-m", "pipeline.cli", "up", *options), log)


def await_ready(folder: Path, timeout_s: float, process: subprocess.Popen[bytes] | None) -> Run:
    """
    Wait until every part is ready.

    Args:
        folder: The data folder.
        timeout_s: How long that may take.
        process: The supervisor that we started; None: one that runs already.

    Raises:
        CommandError: If it ended, a part dies again and again, or is not ready in time; says which, and the last lines
            of its log.
    """
    deadline = time.monotonic() + timeout_s
    births: dict[str, int] = {}
    with error_console().status("starting") as status:
        while time.monotonic() < deadline:
            run = live_run(folder)
            if run is not None and run.state == "ready":
                return run
            if run is not None:
                if dying := _dying(run, births, is_ours=process is not None):
                    raise _dies(dying)
                status.update("starting: " + ", ".join(f"{part.name} {part.state}" for part in run.processes))
            if process is not None and process.poll() is not None and not is_supervised(folder):
                raise CommandError(
                    "it ended while it was starting",
                    where=f"{supervisor_log(folder)}\n{tail(supervisor_log(folder))}",
                    exit_code=process.returncode if process.returncode in (1, 2) else 1,
                )
            time.sleep(POLL_S)
    raise _not_ready(folder, timeout_s)


def mend(folder: Path, timeout_s: float, settings: Settings, asked: Mapping[str, int]) -> None:
    """
    Say what runs in a folder that has a supervisor already, and hurry what is being restarted.

    Args:
        folder: The data folder.
        timeout_s: How long it may take until everything is ready.
        settings: Those of this moment; where they are not those that it was started with, that is said.
        asked: Numbers of workers that were asked for, by role.
    """
    run = _await_run(folder)
    if run.state == "stopping":
        raise CommandError(
            "it is stopping at this moment", where=str(folder), remedy="call `throughline up` again in a few seconds"
        )
    click.echo(f"already running in {folder} (supervisor {run.supervisor_pid})")
    for remark in _not_as_asked(run, settings, asked):
        click.echo(f"throughline: {remark}", err=True)
    os.kill(run.supervisor_pid, signal.SIGUSR1)
    describe_run(folder, await_ready(folder, timeout_s, None))


def _not_as_asked(run: Run, settings: Settings, asked: Mapping[str, int]) -> list[str]:
    remarks = differing(settings, run.settings, run.broker) if run.settings is not None else []
    for role, number in asked.items():
        # Workers of further rules versions, `stitch-rules2-1`, are nobody's to ask for.
        running = sum(part.name.removeprefix(f"{role}-").isdecimal() for part in run.processes)
        if running != number:
            remarks.append(f"--{role} {number} was asked for; it runs with {running}")
    if remarks:
        remarks.append("what runs was left as it is: `throughline down`, then `throughline up` with what you want")
    return remarks


def describe_run(folder: Path, run: Run) -> None:
    """Print where everything is and what to try next, and settings that are not those of the active rules."""
    click.echo(f"Throughline is ready in {folder}")
    click.echo(f"  Kafka       {run.kafka}{'   (Apache Kafka, log on disk)' if run.broker == KAFKA else ''}")
    click.echo(f"  ClickHouse  {run.clickhouse}")
    click.echo(f"  Collector   {run.collector}   (write key {run.write_key})")
    click.echo(f"  Metrics     {'  '.join(run.metrics)}")
    click.echo(f"  Processes   {', '.join(f'{part.name} {part.pid}' for part in run.processes)}")
    rules = read_rules_file(folder)
    for remark in rules.remarks if rules else ():
        click.echo(f"throughline: {remark}", err=True)
    click.echo("Next: `throughline simulate`, `throughline status`, `throughline down`; all of this is in run.json.")


def tail(log: Path) -> str:
    """Return the last lines of a log, indented."""
    try:
        lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return ""
    return "\n".join(f"    {line}" for line in lines[-LOG_TAIL_LINES:])


def _await_run(folder: Path) -> Run:
    """Return run.json of a supervisor that may only just have started."""
    deadline = time.monotonic() + 5.0
    while time.monotonic() < deadline:
        run = live_run(folder)
        if run is not None:
            return run
        time.sleep(POLL_S)
    raise CommandError(
        "another process holds the folder but does not say what runs",
        where=str(folder / "lock"),
        remedy=f"look at {supervisor_log(folder)}",
    )


def _dying(run: Run, births: dict[str, int], *, is_ours: bool) -> PartRun | None:
    """Return a part that will not become ready by being started again; `births` keeps how often each was started."""
    for part in run.processes:
        began = births.setdefault(part.name, 0 if is_ours else part.restarts)
        if part.state not in ("starting", "restarting", "waiting") or not part.last_exit:
            continue
        deaths = part.restarts - began + (part.state == "restarting")
        if deaths >= (HOPELESS_DEATHS if part.last_exit == REFUSED else MOST_DEATHS) + (not is_ours):
            return part
    return None


def _dies(part: PartRun) -> CommandError:
    return CommandError(
        f"{part.name} dies whenever it is started ({part.last_exit})",
        where=f"{part.log}\n{tail(Path(part.log))}",
        remedy="mend what its log says; it is started again and again until `throughline down`",
    )


def _not_ready(folder: Path, timeout_s: float) -> CommandError:
    run = live_run(folder)
    missing = [part for part in run.processes if part.state not in ("ready", "done")] if run else []
    told = [f"{part.name} ({part.state} {part.last_exit}) {part.log}\n{tail(Path(part.log))}" for part in missing]
    if not told:
        told = [f"migrations: {folder / 'logs' / 'migrate.log'}\n{tail(folder / 'logs' / 'migrate.log')}"]
    return CommandError(
        f"not ready after {timeout_s:g} s",
        where="\n".join(told),
        remedy="on a busy machine wait, or give more with --timeout: `throughline status` shows what goes on; it "
        "goes on trying until `throughline down`",
    )

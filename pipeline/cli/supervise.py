"""The body of `up` in the process that stays: prepares the folder, runs the supervisor, tells what happens."""

import os
import subprocess
import sys
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import click

from pipeline.cli.given import told
from pipeline.cli.installation import keep_installation
from pipeline.cli.lifecycle import describe_run
from pipeline.cli.plan import common_environment, first_run, fixed_ports, part_names, plan_parts, port_names
from pipeline.cli.ports import require_ports
from pipeline.cli.processes import spawn, started_at
from pipeline.cli.rules_file import names_with_rules, read_rules_file
from pipeline.cli.runfile import Run
from pipeline.cli.supervisor import Plan, Supervisor
from pipeline.config import Settings, environment_name

DRAIN_S = 10


def supervise(folder: Path, settings: Settings, broker: str, land: int, stitch: int) -> None:
    """
    Run the installation in this process until a signal stops it.

    Args:
        folder: The data folder (absolute), whose lock this process holds.
        settings: Settings of the environment.
        broker: The kind of broker.
        land: Number of LAND workers.
        stitch: Number of STITCH workers.
    """
    names = names_with_rules(part_names(land, stitch), read_rules_file(folder))
    hash_key = settings.identity.hash_key.get_secret_value()
    ports = port_names(names, broker)
    fixed = fixed_ports(settings, names)
    require_ports(folder, ports, fixed)
    installation = keep_installation(folder, ports, hash_key, fixed, broker)
    run = first_run(installation, names)
    run.settings = told(settings)
    run.supervisor_pid = os.getpid()
    run.supervisor_started = started_at(run.supervisor_pid) or 0.0
    parts = plan_parts(folder, installation, settings, names, read_rules_file(folder))

    def replan() -> Plan:
        rules = read_rules_file(folder)
        wanted = names_with_rules(part_names(land, stitch), rules)
        unknown = [name for name in port_names(wanted, broker) if name not in installation.ports]
        known = keep_installation(folder, unknown, hash_key, fixed_ports(settings, wanted), broker)
        installation.ports.update(known.ports)
        run.metrics = first_run(installation, wanted).metrics
        remarks = rules.remarks if rules else ()
        return Plan(plan_parts(folder, installation, settings, wanted, rules), remarks)

    _say(f"starting {', '.join(names)} in {folder}")
    drain = _drainer(folder, run, common_environment(folder, installation))
    Supervisor(folder, run, parts, drain, _say, replan).keep_running(lambda: _welcome(folder, run))
    _say("stopped")


def require_ports_of(folder: Path, settings: Settings, broker: str, land: int, stitch: int) -> None:
    """
    See that an installation that is about to start can have its ports.

    Raises:
        CommandError: If it cannot; says which, who has it, and what to do.
    """
    names = names_with_rules(part_names(land, stitch), read_rules_file(folder))
    require_ports(folder, port_names(names, broker), fixed_ports(settings, names))


def _say(text: str) -> None:
    click.echo(f"{datetime.now().astimezone().isoformat(timespec='milliseconds')} {text}")


def _welcome(folder: Path, run: Run) -> None:
    """Tell a person where everything is; a log gets no keys."""
    if sys.stdout.isatty():
        describe_run(folder, run)
        click.echo("Ctrl-C stops it.")
    else:
        _say("everything is ready; addresses and keys are in run.json")


def _drainer(folder: Path, run: Run, environment: dict[str, str]) -> Callable[[], str]:
    """Return what waits, before workers and the memory-only broker stop, until everything in it is landed."""
    log = folder / "logs" / "drain.log"

    def drain() -> str:
        argv = (sys.executable, "-m", "pipeline.cli", "wait", "--landed", "--timeout", str(DRAIN_S))
        child = spawn(argv, {**environment, environment_name("kafka", "log_id"): run.log_id}, log)
        try:
            code = child.wait(DRAIN_S * 3)
        except subprocess.TimeoutExpired:
            child.kill()
            code = child.wait()
        return "" if code == 0 else f"stopping although not everything is landed (see {log})"

    return drain

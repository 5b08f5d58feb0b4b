"""`throughline status`: what runs, how far it is, what is accounted for, and what is promised."""

import time
from datetime import timedelta
from pathlib import Path
from typing import Any

import click
import psutil
from rich.console import Console
from rich.text import Text

from pipeline.cli.account import Account, take_account
from pipeline.cli.clickhouse import place_of
from pipeline.cli.errors import NOT_SO, CommandError
from pipeline.cli.installation import EMBEDDED
from pipeline.cli.invocation import Invocation, examples, json_option, shared
from pipeline.cli.output import console, count, print_json, span, table
from pipeline.cli.reach import Reach, try_reach
from pipeline.cli.runfile import PartRun, Run
from pipeline.warehouse.errors import WarehouseRefused, WarehouseUnavailable

PROMISES = {
    "embedded": (
        "Broker in memory: what is landed survives the crash of any process; what the broker accepted and nobody "
        "landed yet is lost if the broker itself dies, and that is said here. A power cut may take the last seconds."
    ),
    "kafka": (
        "Broker on disk: whatever Kafka accepted survives the crash of any process and is landed exactly once. "
        "A power cut may take the last seconds."
    ),
    "": "Kafka and ClickHouse are yours: what Kafka keeps is landed exactly once, whatever crashes here.",
}
STATE_STYLES = {
    "ready": "green",
    "starting": "yellow",
    "restarting": "red",
    "silent": "red",
    "stopping": "yellow",
    "waiting": "yellow",
}


@click.command(epilog=examples("throughline status", "throughline status --json"))
@json_option
@shared
def status(invocation: Invocation, *, as_json: bool) -> None:
    """
    Show what runs, how far it is, and whether every record is accounted for.

    Every record that was received is stored, a duplicate, rejected, lost by the broker, or still in flight; what is
    none of these is unaccounted for: always 0 at rest. Exit 1 if nothing runs or a part is not ready.
    """
    found = try_reach(invocation)
    if found is None:
        if as_json:
            print_json({"running": False, "data": str(invocation.data)})
        else:
            click.echo(f"nothing runs in {invocation.data}; start it with `throughline up --detach`", err=True)
        raise click.exceptions.Exit(NOT_SO)
    account, trouble = _try_account(found)
    if as_json:
        print_json(_as_json(found, invocation.data, account, trouble))
    else:
        _show(found, invocation.data, account, trouble)
    if trouble or (found.run is not None and found.run.state != "ready"):
        raise click.exceptions.Exit(NOT_SO)


def memory_bytes(pid: int) -> int | None:
    """Return the memory of a process, shared pages divided among those who share them; None if it is gone."""
    try:
        return int(psutil.Process(pid).memory_full_info().pss)
    except (psutil.Error, AttributeError):
        return None


def _try_account(found: Reach) -> tuple[Account | None, str]:
    try:
        return take_account(found.settings), ""
    except CommandError as error:
        return None, f"{error.what} at {error.where}" if error.where else error.what
    except WarehouseUnavailable:
        place = place_of(found.settings.clickhouse.url.get_secret_value())
        return None, f"the warehouse does not answer at {place}"
    except WarehouseRefused as error:
        return None, f"the warehouse refuses ({error})"


def _as_json(found: Reach, folder: Path, account: Account | None, trouble: str) -> dict[str, Any]:
    run = found.run
    parts = run.processes if run else []
    return {
        "running": True,
        "state": run.state if run else "",
        "data": str(folder) if run else "",
        "broker": run.broker if run else "",
        "promise": PROMISES[run.broker if run else ""],
        "parts": [_part_json(part) for part in parts],
        **(account.as_json() if account else {"topics": [], "accounting": None}),
        "trouble": trouble,
        "notices": [vars(notice) for notice in run.notices] if run else [],
    }


def _part_json(part: PartRun) -> dict[str, Any]:
    return {
        "name": part.name,
        "state": part.state,
        "pid": part.pid,
        "uptime_s": _uptime_s(part),
        "restarts": part.restarts,
        "last_exit": part.last_exit,
        "memory_bytes": memory_bytes(part.pid),
        "log": part.log,
    }


def _uptime_s(part: PartRun) -> float:
    return round(max(0.0, time.time() - part.started), 1) if part.state in ("ready", "silent", "starting") else 0.0


def _show(found: Reach, folder: Path, account: Account | None, trouble: str) -> None:
    screen = console()
    if found.run is not None:
        _show_parts(screen, found.run, folder)
    if account is not None:
        _show_account(screen, account)
    for advice in _advice(found.run):
        screen.print(Text(advice, style="yellow"), "")
    if trouble:
        screen.print(Text(f"How far everything is cannot be said: {trouble}", style="yellow"), "")
    screen.print(Text(PROMISES[found.run.broker if found.run else ""], style="dim"))
    for notice in found.run.notices if found.run else []:
        screen.print(Text(f"{notice.at}  {notice.text}", style="yellow"))


def _advice(run: Run | None) -> list[str]:
    """Say of every part that does not answer what happens by itself, and what else can be done."""
    advice = []
    for part in run.processes if run else []:
        if run is None or part.state != "silent":
            continue
        told = f"{part.name} does not answer (pid {part.pid}): it is started again after"
        if part.name == "broker" and run.broker == EMBEDDED:
            told += " ten minutes of silence, and what nobody landed is lost then; if somebody stopped it, "
            told += f"`kill -CONT {part.pid}` lets it go on with all that it has"
        else:
            told += f" a minute of silence; `kill -9 {part.pid}` makes it start at once"
        advice.append(f"{told}. Its log: {part.log}")
    return advice


def _show_parts(screen: Console, run: Run, folder: Path) -> None:
    rows = []
    for part in run.processes:
        memory = memory_bytes(part.pid)
        rows.append(
            (
                part.name,
                Text(part.state, style=STATE_STYLES.get(part.state, "")),
                str(part.pid),
                span(timedelta(seconds=_uptime_s(part))),
                f"{memory / 1e6:,.0f} MB" if memory else None,
                part.restarts,
                part.last_exit or None,
            )
        )
    columns = ("part", "state", "pid", "up for", "memory", "restarts", "last exit")
    title = f"Throughline in {folder}: {run.state}"
    screen.print(table(title, columns, rows, ("pid", "memory", "restarts")), "")


def _show_account(screen: Console, account: Account) -> None:
    lags = [(lag.topic, lag.records, lag.unread) for lag in account.topics if lag.records]
    if lags:
        screen.print(table("Topics", ("topic", "records", "lag"), lags, ("records", "lag")), "")
    identity = account.identity
    style = "bold red" if identity.unaccounted else "green"
    terms = (
        f"stored {count(identity.stored)} + duplicate {count(identity.duplicate)} + rejected "
        f"{count(identity.rejected)} + lost {count(identity.lost)} + in flight {count(identity.in_flight)}"
    )
    line = Text.assemble(("Received ", "bold"), f"{count(identity.received)} = {terms}, ")
    line.append(f"unaccounted for {count(identity.unaccounted)}", style=style)
    screen.print(line, "")
    if len(account.rules) > 1:
        said = "; ".join(
            f"version {one.number} {one.state}{' (active)' if one.active else ''}" for one in account.rules
        )
        screen.print(Text.assemble(("Rules ", "bold"), said), "")

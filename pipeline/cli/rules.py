"""`throughline rules`: versions of the rules that results are made by, side by side, and the switch between them."""

import time
from pathlib import Path
from typing import Any

import click
from clickhouse_connect.driver.client import Client

from pipeline.cli.errors import WRONG_USAGE, CommandError
from pipeline.cli.invocation import Invocation, examples, json_option, shared
from pipeline.cli.output import console, count, error_console, print_json, progress_bar, table
from pipeline.cli.reach import Reach, reach
from pipeline.cli.rules_state import (
    RulesState,
    describe_state,
    read_state,
    refuse_what_needs_a_replay,
    remarks,
    rules_of,
    tell_supervisor,
)
from pipeline.cli.runfile import live_run
from pipeline.cli.visibility import Visibility
from pipeline.cli.watermarks import Watermarks
from pipeline.streaming.restitching import Switch
from pipeline.streaming.switching import ASKED_EVERY_S
from pipeline.warehouse.connection import connect
from pipeline.warehouse.errors import translated
from pipeline.warehouse.rules import Progress, RulesBook, RulesVersion, State
from pipeline.warehouse.rules_document import Difference, differences, write_document

DEFAULT_TIMEOUT_S = 600.0
# Workers of a dropped version get so long to end before its rows go.
_LEAVE_S = 15.0


@click.group(
    epilog=examples(
        "throughline rules list",
        "THROUGHLINE_IDENTITY__CAP_OTHER_ACCOUNTS=2 throughline rules start",
        "throughline rules activate 2",
        "throughline rules drop 1",
    )
)
def rules() -> None:
    """
    Look at the versions of the rules, start new ones, switch between them, drop old ones.

    Results depend on caps, gaps, the blocklist and the thresholds of pain points. What a version depends on is
    recorded once; results of several versions stand side by side, and the views show the active one.
    """


@rules.command("list", epilog=examples("throughline rules list", "throughline rules list --json"))
@json_option
@shared
def list_(invocation: Invocation, *, as_json: bool) -> None:
    """Show every version: how far it is, what it has made, and in what it differs from the active one."""
    found = reach(invocation)
    client = connect(found.settings.clickhouse)
    state = read_state(client, found.settings)
    made = _made(client)
    if as_json:
        print_json(
            {
                "active": state.active.number,
                "versions": [_as_json(version, state, made.get(version.number, 0)) for version in state.versions],
                "settings_differ": [_difference(one) for one in state.changed],
            }
        )
        return
    rows = [
        (
            version.number,
            "yes" if version.is_active else "",
            describe_state(version.progress),
            made.get(version.number, 0),
            version.recorded_at.strftime("%Y-%m-%d %H:%M"),
            "; ".join(map(str, _against_active(version, state))) or None,
        )
        for version in state.versions
    ]
    columns = ("version", "active", "state", "identifiers", "recorded", "differs from the active one")
    console().print(table("", columns, rows, ("version", "identifiers")))
    for remark in remarks(state):
        click.echo(f"throughline: {remark}", err=True)


@rules.command(epilog=examples("THROUGHLINE_STITCHING__VISIT_GAP=20m throughline rules start"))
@json_option
@shared
def start(invocation: Invocation, *, as_json: bool) -> None:
    """
    Record the settings of this environment as a new version and let workers make its results.

    The installation of `up` starts a worker for it; elsewhere start workers with the version's number. Views go on
    showing the active version. Exit 2 if the stored facts cannot be made again with these settings.
    """
    found = reach(invocation)
    version = begin_version(found, invocation.data)
    if as_json:
        print_json({"version": version.number, "state": str(version.progress.state)})
        return
    click.echo(f"rules version {version.number}: {describe_state(version.progress)}")
    if found.run is None:
        click.echo(f"run its workers: THROUGHLINE_STITCHING__RULES_VERSION={version.number} throughline worker stitch")
    click.echo(f"`throughline rules list` shows how far it is, `throughline rules activate {version.number}` shows it")


@rules.command(epilog=examples("throughline rules activate 2", "throughline rules activate 1"))
@click.argument("version", type=click.IntRange(1))
@click.option("--force", is_flag=True, help="Also while it is being made: views then show what there is.")
@click.option("--timeout", default=DEFAULT_TIMEOUT_S, show_default=True, help="Seconds that it may take to catch up.")
@json_option
@shared
def activate(invocation: Invocation, *, version: int, force: bool, timeout: float, as_json: bool) -> None:
    """
    Let all views show the results of a version, from their next query on.

    It waits until the version holds everything landed so far. Readers of `journeys.updated` are told every journey of
    the version, and tombstones of those that it does not have. Going back is the same command.
    """
    found = reach(invocation)
    published = switch_to(found, invocation.data, version, timeout_s=timeout, force=force)
    if as_json:
        print_json({"active": version, "published": published})
    else:
        click.echo(f"rules version {version} is active; {count(published)} journeys were published")


@rules.command(epilog=examples("throughline rules drop 1", "throughline rules drop 1 --dry-run"))
@click.argument("version", type=click.IntRange(1))
@click.option("--dry-run", is_flag=True, help="Say what would be removed.")
@json_option
@shared
def drop(invocation: Invocation, *, version: int, dry_run: bool, as_json: bool) -> None:
    """
    Remove the results of a version that is not active, and end its workers.

    Its number is not used again. Dropping once more removes what a worker that was still alive has written since.
    """
    found = reach(invocation)
    client = connect(found.settings.clickhouse)
    state = read_state(client, found.settings)
    if version == state.active.number:
        raise CommandError(
            f"rules version {version} is active",
            remedy="activate another one first: `throughline rules list`",
            exit_code=WRONG_USAGE,
        )
    if version not in {one.number for one in state.versions}:
        state.get(version)
    book = RulesBook(client)
    if not dry_run:
        book.save(Progress(version, State.DROPPED))
        tell_supervisor(invocation.data, found.settings, client)
        _await_leave(invocation.data, version)
    removed = book.count(version) if dry_run else book.drop(version)
    if as_json:
        print_json({"version": version, "dropped": not dry_run, "rows": removed})
    else:
        rows = ", ".join(f"{count(number)} rows of {name}" for name, number in removed.items())
        click.echo(f"rules version {version} {'would lose' if dry_run else 'is dropped:'} {rows}")


def begin_version(found: Reach, folder: Path) -> RulesVersion:
    """
    Record the rules of the settings as a version to be made, unless one that lives has them.

    Raises:
        CommandError: If they cannot be made from the stored facts.
    """
    client = connect(found.settings.clickhouse)
    refuse_what_needs_a_replay(client, found.settings)
    state = read_state(client, found.settings)
    if state.like_settings is not None:
        return state.like_settings
    book = RulesBook(client)
    number = max(version.number for version in state.versions) + 1
    while True:
        book.record(number, found.settings)
        recorded = book.version(number)
        assert recorded is not None
        # Somebody else may have taken the number in this moment.
        if recorded.document is not None and write_document(recorded.document) == write_document(state.wanted):
            break
        number += 1
    book.save(Progress(number, State.MAKING))
    return tell_supervisor(folder, found.settings, client).get(number)


def switch_to(found: Reach, folder: Path, number: int, *, timeout_s: float, force: bool) -> int:
    """
    Let the views show a version and tell the readers of `journeys.updated`.

    Returns:
        Journeys published.

    Raises:
        CommandError: If it is not complete, or does not catch up in time.
    """
    client = connect(found.settings.clickhouse)
    state = read_state(client, found.settings)
    version = state.get(number)
    if not force:
        if not version.progress.state.is_whole:
            raise CommandError(
                f"rules version {number} is not complete: {describe_state(version.progress)}",
                remedy="`throughline restitch` waits for it and shows how far it is; --force switches all the same",
            )
        _catch_up(found, number, timeout_s)
    RulesBook(client).activate(number)
    tell_supervisor(folder, found.settings, client)
    # Until then workers may still hold the other version for the active one.
    time.sleep(ASKED_EVERY_S + 0.5)
    with translated(), progress_bar("journeys") as bar:
        task = bar.add_task("telling the readers of journeys.updated", total=None)
        switch = Switch(rules_of(version, found.settings), state.active.number, number)
        return switch.publish(lambda published: bar.update(task, completed=published))


def _catch_up(found: Reach, number: int, timeout_s: float) -> None:
    with (
        error_console().status(f"waiting until rules version {number} has everything") as status,
        Watermarks(found.settings.kafka.bootstrap) as watermarks,
    ):
        visibility = Visibility(
            found.settings, watermarks, timeout_s, lambda finding: status.update(f"waiting; {finding}"), number
        )
        if behind := visibility.await_stitched():
            raise CommandError(
                f"rules version {number} does not hold everything landed so far",
                where="; ".join(map(str, behind)),
                remedy="its workers must run (`throughline status`); wait longer with --timeout, or use --force",
            )


def _await_leave(folder: Path, version: int) -> None:
    deadline = time.monotonic() + _LEAVE_S
    while time.monotonic() < deadline:
        run = live_run(folder)
        if run is None or all(part.name != f"stitch-rules{version}-1" for part in run.processes):
            return
        time.sleep(0.2)


def _made(client: Client) -> dict[int, int]:
    with translated():
        rows = client.query("SELECT rules_version, uniqCombined(ident_key) FROM stitched GROUP BY rules_version")
        return {int(number): int(made) for number, made in rows.result_rows}


def _against_active(version: RulesVersion, state: RulesState) -> list[Difference]:
    if version.is_active or version.document is None or state.active.document is None:
        return []
    return differences(state.active.document, version.document)


def _as_json(version: RulesVersion, state: RulesState, made: int) -> dict[str, Any]:
    progress = version.progress
    return {
        "version": version.number,
        "active": version.is_active,
        "state": str(progress.state),
        "complete": progress.state.is_whole,
        "share": round(progress.share, 4),
        "identifiers": made,
        "recorded_at": version.recorded_at.isoformat(),
        "differences": [_difference(one) for one in _against_active(version, state)],
        "settings": version.document,
    }


def _difference(one: Difference) -> dict[str, Any]:
    return {"name": one.name, "recorded": one.recorded, "value": one.wanted}

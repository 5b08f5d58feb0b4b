"""`throughline restitch`: results made again from the stored facts."""

import time
from dataclasses import replace
from typing import Any

import click
import polars as pl

from pipeline.cli.customer import key_of, split_identifier
from pipeline.cli.errors import CommandError
from pipeline.cli.invocation import Invocation, examples, json_option, shared
from pipeline.cli.output import count, print_json, progress_bar
from pipeline.cli.reach import Reach, reach
from pipeline.cli.rules import DEFAULT_TIMEOUT_S, begin_version, switch_to
from pipeline.cli.rules_state import (
    RulesState,
    describe_state,
    read_state,
    refuse_what_needs_a_replay,
    rules_of,
    tell_supervisor,
)
from pipeline.cli.runfile import live_run
from pipeline.streaming.making import must_rest
from pipeline.streaming.publishing import BrokerUnavailable
from pipeline.streaming.restitching import Restitcher
from pipeline.warehouse.connection import connect
from pipeline.warehouse.facts import FactStore
from pipeline.warehouse.rules import NOWHERE, Progress, RulesBook, RulesVersion, State
from pipeline.warehouse.rules_making import MakingStore

REST_S = 1.0
_POLL_S = 0.3


@click.command(
    epilog=examples(
        "throughline restitch",
        "throughline restitch email:ada@example.org",
        "THROUGHLINE_IDENTITY__CAP_OTHER_ACCOUNTS=2 throughline restitch --dry-run",
        "THROUGHLINE_IDENTITY__CAP_OTHER_ACCOUNTS=2 throughline restitch --activate",
    )
)
@click.argument("identifier", metavar="[KIND:VALUE]", required=False)
@click.option("--dry-run", is_flag=True, help="Say what would be made, and change nothing.")
@click.option(
    "--activate", "must_activate", is_flag=True, help="Switch the views to a new version when it is complete."
)
@json_option
@shared
def restitch(
    invocation: Invocation, *, identifier: str | None, dry_run: bool, must_activate: bool, as_json: bool
) -> None:
    """
    Make results again from the stored facts, while live events keep flowing.

    Where the settings of this environment differ from the rules recorded for the active version, the results of a new
    version are made beside it; otherwise those of the active version are made again in place. Ended in the middle, it
    goes on where it was when it is called again. With KIND:VALUE just that customer's results are made again, in every
    version.
    """
    found = reach(invocation)
    state = read_state(connect(found.settings.clickhouse), found.settings)
    if identifier is not None:
        told = _one(found, state, identifier, dry_run=dry_run)
    elif dry_run:
        told = _plan(found, state)
    else:
        version = _target(invocation, found, state)
        _make(invocation, found, version)
        told = {"version": version.number, "complete": True, "active": version.is_active}
        if must_activate and not version.is_active:
            told["published"] = switch_to(
                found, invocation.data, version.number, timeout_s=DEFAULT_TIMEOUT_S, force=False
            )
            told["active"] = True
    print_json(told) if as_json else _tell(told)


def _one(found: Reach, state: RulesState, identifier: str, *, dry_run: bool) -> dict[str, Any]:
    kind, value = split_identifier(identifier)
    keys = pl.Series("ident_key", [key_of(kind, value, found.settings.identity)], pl.Binary)
    told: list[dict[str, Any]] = []
    for version in state.live:
        restitcher = Restitcher(rules_of(version, found.settings))
        extent = restitcher.extent(keys)
        if not extent.identifiers:
            raise CommandError(
                f"nobody is known by {identifier}", remedy="docs/identity.md says how values are compared"
            )
        published = 0 if dry_run else restitcher.stitch(keys).published
        one = {"version": version.number, "identifiers": extent.identifiers, "touchpoints": extent.touchpoints}
        told.append({**one, "changed_journeys": None if dry_run else published})
    return {"identifier": identifier, "dry_run": dry_run, "versions": told}


def _plan(found: Reach, state: RulesState) -> dict[str, Any]:
    client = connect(found.settings.clickhouse)
    refuse_what_needs_a_replay(client, found.settings)
    like = state.like_settings
    scale = MakingStore(client, 0, found.settings.stitching.sweep_margin).scale()
    return {
        "dry_run": True,
        "version": like.number if like else max(version.number for version in state.versions) + 1,
        "is_new": like is None,
        "settings_differ": [str(difference) for difference in state.changed],
        "identifiers": scale.identifiers,
        "touchpoints": scale.touchpoints,
    }


def _target(invocation: Invocation, found: Reach, state: RulesState) -> RulesVersion:
    """Return the version to make, with its making begun."""
    client = connect(found.settings.clickhouse)
    if state.changed:
        version = begin_version(found, invocation.data)
        if version.progress.state is not State.COMPLETE:
            return version
    else:
        refuse_what_needs_a_replay(client, found.settings)
        version = state.active
    if version.progress.state is State.COMPLETE:
        stamp = FactStore(client).landing_stamp()
        total = MakingStore(client, version.number, found.settings.stitching.sweep_margin).scale().identifiers
        begun = Progress(version.number, State.REMAKING, since=stamp, until=stamp, started_at=stamp, total=total)
        RulesBook(client).save(begun)
        return replace(version, progress=begun)
    return version


def _make(invocation: Invocation, found: Reach, version: RulesVersion) -> None:
    """Make the results here, or watch the installation's worker make them; both end when the version is complete."""
    client = connect(found.settings.clickhouse)
    tell_supervisor(invocation.data, found.settings, client)
    watches = found.run is not None and version.progress.state is State.MAKING
    store = MakingStore(client, version.number, found.settings.stitching.sweep_margin)
    making = None if watches else Restitcher(rules_of(version, found.settings)).making()
    if version.progress.position != NOWHERE:
        click.echo(f"rules version {version.number}: going on ({describe_state(version.progress)})", err=True)
    with progress_bar("identifiers") as bar:
        task = bar.add_task(f"making results of rules version {version.number}", total=version.progress.total or None)
        while True:
            try:
                progress = store.progress() if making is None else making.step()
            except BrokerUnavailable as error:
                raise CommandError(f"Kafka does not take the journeys ({error})", remedy="call it again") from error
            bar.update(task, completed=progress.passed, total=progress.total or None)
            if progress.state in (State.COMPLETE, State.DROPPED):
                break
            if making is None:
                _still_runs(invocation)
                time.sleep(_POLL_S)
            elif must_rest(progress):
                time.sleep(REST_S)
    if progress.state is State.DROPPED:
        raise CommandError(f"rules version {version.number} was dropped meanwhile")


def _still_runs(invocation: Invocation) -> None:
    if live_run(invocation.data) is None:
        raise CommandError("the installation was stopped; the worker goes on where it was after `throughline up`")


def _tell(told: dict[str, Any]) -> None:
    if "versions" in told:
        for one in told["versions"]:
            changed = (
                "" if told["dry_run"] else f"; {count(one['changed_journeys'])} journeys changed or were published"
            )
            click.echo(
                f"rules version {one['version']}: {count(one['identifiers'])} identifiers, "
                f"{count(one['touchpoints'])} touchpoints {'would be' if told['dry_run'] else 'were'} stitched{changed}"
            )
    elif told.get("dry_run"):
        for difference in told["settings_differ"]:
            click.echo(f"  {difference}")
        what = "would be made as a new version" if told["is_new"] else "would be made again, version"
        click.echo(
            f"results of {count(told['identifiers'])} identifiers (about) and {count(told['touchpoints'])} touchpoints "
            f"{what} {told['version']}"
        )
    else:
        click.echo(f"rules version {told['version']} is complete{' and active' if told['active'] else ''}")
        if not told["active"]:
            click.echo(f"`throughline rules activate {told['version']}` lets the views show it")

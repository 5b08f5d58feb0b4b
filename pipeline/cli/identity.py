"""`throughline identity`: who is who, mended by hand, and every mending can be taken back."""

from collections.abc import Callable
from dataclasses import dataclass

import click

from pipeline.cli.customer import key_of, split_identifier
from pipeline.cli.errors import WRONG_USAGE, CommandError
from pipeline.cli.explain_facts import open_active
from pipeline.cli.identity_statements import (
    ALIASED,
    UNLINKED,
    Draft,
    draft,
    find_statement,
    said_already,
    send,
    sides_of,
)
from pipeline.cli.identity_words import preview_json, preview_lines
from pipeline.cli.invocation import Invocation, examples, json_option, shared
from pipeline.cli.output import console, print_json
from pipeline.cli.reach import Reach, reach
from pipeline.cli.wait import DEFAULT_TIMEOUT_S, await_visible
from pipeline.config import Settings
from pipeline.contracts.kinds import KIND_RANK
from pipeline.identity.causes import Said
from pipeline.streaming.ledger_preview import preview
from pipeline.warehouse.results import StitchStore


@dataclass(frozen=True)
class Manner:
    """How a statement is made: only shown, waited for, told as JSON."""

    is_dry_run: bool
    must_wait: bool
    as_json: bool


def _manner(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command --dry-run, --wait and --json."""
    for option in (
        click.option("--wait", "must_wait", is_flag=True, help="Return when the results show it."),
        click.option("--dry-run", "is_dry_run", is_flag=True, help="Show what would change, and send nothing."),
        json_option,
    ):
        command = option(command)
    return command


@click.group(
    epilog=examples(
        "throughline identity merge customer_id:4711 customer_id:1989 --dry-run",
        "throughline identity split email:office@example.org phone:+49301234567",
        "throughline identity withdraw 0190a3f0-6c00-7000-8000-000000000041",
    )
)
def identity() -> None:
    """
    Say who is who where you know better than the links.

    Each command sends a touchpoint, as any system may: history is told anew both ways, and it can be taken back.
    """


@identity.command(
    epilog=examples(
        "throughline identity merge customer_id:4711 customer_id:1989 --dry-run",
        'throughline identity merge customer_id:4711 customer_id:1989 --reason "opened a second account"',
    )
)
@click.argument("one", metavar="customer_id:VALUE")
@click.argument("other", metavar="customer_id:VALUE")
@click.option("--reason", default="", help="Why, in words; kept with the statement.")
@_manner
@shared
def merge(invocation: Invocation, /, *, one: str, other: str, reason: str, **manner: bool) -> None:
    """
    Say that two accounts are one person.

    Sends identity.aliased, unless that is said already. Anything but two accounts joins by being seen together; a
    statement is not needed for it.
    """
    sides = split_identifier(one), split_identifier(other)
    for text, (kind, _) in zip((one, other), sides, strict=True):
        if KIND_RANK[kind]:
            raise CommandError(
                f"{text} is not an account: only two customer_ids can be declared one person",
                remedy="other identifiers join when a touchpoint names both, "
                "for example account.identified with the two among its identities",
                exit_code=WRONG_USAGE,
            )
    found = reach(invocation)
    drafted = _draft(ALIASED, sides, found, reason)
    _say(found, drafted, Manner(**manner), (one, other))


@identity.command(
    epilog=examples(
        "throughline identity split email:office@example.org phone:+49301234567 --dry-run",
        'throughline identity split customer_id:4711 cookie_id:c-17 --reason "a shared computer" --wait',
    )
)
@click.argument("one", metavar="KIND:VALUE")
@click.argument("other", metavar="KIND:VALUE")
@click.option("--reason", default="", help="Why, in words; kept with the statement.")
@_manner
@shared
def split(invocation: Invocation, /, *, one: str, other: str, reason: str, **manner: bool) -> None:
    """
    Say that two identifiers are not one customer.

    Sends identity.unlinked, unless that is said already. It beats every link and every alias, until it is withdrawn.
    """
    sides = split_identifier(one), split_identifier(other)
    found = reach(invocation)
    drafted = _draft(UNLINKED, sides, found, reason)
    _say(found, drafted, Manner(**manner), (one, other))


@identity.command(
    epilog=examples(
        "throughline identity withdraw 0190a3f0-6c00-7000-8000-000000000041 --dry-run",
        "throughline identity withdraw crm-merge-17 customer_id:4711 customer_id:1989",
    )
)
@click.argument("event_id", metavar="EVENT_ID")
@click.argument("pair", metavar="[KIND:VALUE KIND:VALUE]", nargs=-1)
@click.option("--source", default="", help="Source of the statement, where several have this id.")
@click.option("--reason", default="", help="Why, in words; kept with the statement.")
@_manner
@shared
def withdraw(
    invocation: Invocation,
    /,
    *,
    event_id: str,
    pair: tuple[str, ...],
    source: str,
    reason: str,
    **manner: bool,
) -> None:
    """
    Take back what was said about identity.

    EVENT_ID is the id of the statement, or its event_uid. Its two identifiers are read in Kafka; where the record is
    gone, name them again, for the warehouse keeps only their keyed hashes.
    """
    if len(pair) not in (0, 2):
        raise CommandError("name both identifiers of the statement, or none", exit_code=WRONG_USAGE)
    found = reach(invocation)
    store, settings = open_active(found.settings)
    said = find_statement(event_id, source, settings, store)
    sides = (split_identifier(pair[0]), split_identifier(pair[1])) if pair else sides_of(said, settings)
    keys = {key_of(kind, value, settings.identity) for kind, value in sides}
    if keys != {said.a, said.b}:
        raise CommandError(
            f"{event_id} is not about {' and '.join(f'{kind}:{value}' for kind, value in sides)}",
            remedy="name the two identifiers that it names",
            exit_code=WRONG_USAGE,
        )
    drafted = draft(ALIASED if said.is_alias else UNLINKED, sides, settings, said, reason)
    names = tuple(f"{kind}:{value}" for kind, value in sides)
    _say(found, drafted, Manner(**manner), (names[0], names[1]), (store, settings))


def _draft(type_name: str, sides: tuple[tuple[str, str], tuple[str, str]], found: Reach, reason: str) -> Draft:
    drafted = draft(type_name, sides, found.settings, reason=reason)
    if drafted.statement.a == drafted.statement.b:
        raise CommandError("both are the same identifier: that says nothing", exit_code=WRONG_USAGE)
    return drafted


def _say(
    found: Reach,
    drafted: Draft,
    manner: Manner,
    names: tuple[str, str],
    opened: tuple[StitchStore, Settings] | None = None,
) -> None:
    """Send a statement, unless it is said already, and tell its id; or show what it would change."""
    store, settings = opened or open_active(found.settings)
    if manner.is_dry_run:
        keys = dict(zip((drafted.statement.a, drafted.statement.b), names, strict=True))
        answer = preview_json(drafted, preview(drafted.statement, store, settings), keys)
        if manner.as_json:
            print_json(answer)
            return
        screen = console()
        for line in preview_lines(answer):
            screen.print(line)
        return
    said = None if drafted.statement.withdraws else said_already(drafted.statement, store)
    if said is None:
        send(found, drafted.touchpoint)
        _tell_sent(drafted, manner)
    else:
        _tell_said(said, manner)
    if manner.must_wait and (behind := await_visible(found, DEFAULT_TIMEOUT_S)):
        what = "not everything is visible yet" if said else "it is sent, but not everything is visible yet"
        raise CommandError(what, where="; ".join(map(str, behind)))


def _tell_said(said: Said, manner: Manner) -> None:
    """Tell that a statement holds already: saying it twice would have to be taken back twice."""
    if manner.as_json:
        print_json({"sent": False, "said_already": True, "event_id": said.event_id, "source": said.source})
        return
    click.echo(
        f"that is said already, by {said.event_id} of {said.source}: nothing was sent\n"
        f"take it back with: throughline identity withdraw {said.event_id}"
    )


def _tell_sent(drafted: Draft, manner: Manner) -> None:
    event_id, type_name = drafted.touchpoint["id"], drafted.touchpoint["type"]
    if manner.as_json:
        print_json({"sent": True, "event_id": event_id, "touchpoint": drafted.touchpoint})
    elif drafted.statement.withdraws:
        click.echo(f"sent {type_name} {event_id}: it takes back {drafted.statement.withdraws}")
    else:
        click.echo(f"sent {type_name} {event_id}\ntake it back with: throughline identity withdraw {event_id}")

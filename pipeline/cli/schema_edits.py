"""`throughline schemas new` and `release`: the two commands that write into the folder of the schemas."""

import difflib
import re
import tomllib
from pathlib import Path

import click

from pipeline.cli.errors import WRONG_USAGE, CommandError
from pipeline.cli.invocation import Invocation, examples, shared
from pipeline.contracts.differences import differences
from pipeline.contracts.kinds import ANY_STAGE, CHANNELS, DIRECTIONS, STAGES
from pipeline.contracts.releases import findings, golden_findings, read_set, releases, render_release
from pipeline.contracts.scaffold import KINDS_OF_FIELDS, NewField, with_fields, with_row
from pipeline.contracts.schemas import body_fields, schemas_folder
from pipeline.contracts.types import FAMILIES, TouchpointType, touchpoint_types

_NAME = re.compile(r"[a-z][a-z0-9]*\.[a-z][a-z0-9]*(_[a-z0-9]+)*")


@click.command(epilog=examples("throughline schemas release"))
@shared
def release(_invocation: Invocation) -> None:
    """
    Keep today's schemas for ever as the next released version. Exit 1 if they may not follow the earlier ones.

    From then on every change is checked against them, and their golden messages must stay readable.
    """
    folder = schemas_folder()
    faults = [*findings(folder)] or [*golden_findings()]
    if faults:
        where = "; ".join(str(fault) for fault in faults[:3])
        raise CommandError(f"{len(faults)} findings", where=where, remedy="`throughline schemas check` tells them all")
    known = releases()
    if known and not list(differences(known[-1], read_set(folder))):
        raise CommandError(f"nothing changed since release {known[-1].folder.name}", remedy="there is nothing to keep")
    number = int(known[-1].folder.name) + 1 if known else 1
    target = folder / "released" / str(number)
    for name, text in render_release().items():
        _write(target / name, text)
    click.echo(f"released schemas as version {number}: {target}")


@click.command(
    "new",
    epilog=examples(
        "throughline schemas new support.sms_received --family support --stage support --channel sms"
        ' --field "sender_name:string:Name that the phone shows."',
        "throughline schemas new order.gift_wrapped --family orders --stage buy --use method --dry-run",
    ),
)
@click.argument("name", metavar="TYPE")
@click.option("--family", required=True, type=click.Choice(FAMILIES), help="Whose schema and topic carry it.")
@click.option("--stage", required=True, type=click.Choice((*STAGES, ANY_STAGE)), help="Stage of the customer's life.")
@click.option("--channel", default="other", show_default=True, type=click.Choice(CHANNELS), help="Default channel.")
@click.option("--direction", default="inbound", show_default=True, type=click.Choice(DIRECTIONS), help="Default.")
@click.option("--doc", default="", help="What happened, in one sentence.")
@click.option("--use", multiple=True, help="Field that the family has already; repeat for several.")
@click.option(
    "--field",
    "fields",
    multiple=True,
    metavar="NAME:KIND:DOC",
    help=f"New field of the family; KIND is one of {', '.join(KINDS_OF_FIELDS)}. Repeat for several.",
)
@click.option("--required", multiple=True, help="Field that must be there; repeat for several.")
@click.option("--dry-run", is_flag=True, help="Show the edits and write nothing.")
@shared
def new_type(_invocation: Invocation, /, *, dry_run: bool, **chosen: object) -> None:
    """
    Add a type of touchpoint: its row in types.toml, and its new fields in the schema of its family.

    The table, the view's column, the checks and the reference pages follow from them: `throughline migrate` adds the
    columns, `throughline schemas check` says whether the edit may be released.
    """
    fields = [_field(text) for text in _texts(chosen, "fields")]
    name, family = str(chosen["name"]), str(chosen["family"])
    _refuse_what_is_no_name(name, family)
    row = TouchpointType(
        name=name,
        family=family,
        stage=str(chosen["stage"]),
        channel=str(chosen["channel"]),
        direction=str(chosen["direction"]),
        body=(*_texts(chosen, "use"), *(field.name for field in fields)),
        required=_texts(chosen, "required"),
        doc=str(chosen["doc"]) or f"{name.replace('.', ' ').replace('_', ' ').capitalize()}.",
    )
    _refuse_what_is_there(row, fields)
    folder = schemas_folder()
    table, schema = folder / "types.toml", folder / f"{family}.avsc"
    edits = {table: with_row(table.read_text(encoding="utf-8"), row)}
    if fields:
        prefix = name.title().replace(".", "").replace("_", "")
        try:
            edits[schema] = with_fields(schema.read_text(encoding="utf-8"), fields, prefix)
        except ValueError as error:
            raise CommandError(str(error), where=str(schema), exit_code=WRONG_USAGE) from error
    tomllib.loads(edits[table])
    for path, text in edits.items():
        _show_edit(path, text)
    if dry_run:
        return
    for path, text in edits.items():
        _write(path, text)
    click.echo(
        "written; next: `make render` in a checkout, `throughline schemas check`, then `throughline migrate` where a"
        " warehouse runs"
    )


def _refuse_what_is_no_name(name: str, family: str) -> None:
    if _NAME.fullmatch(name) is None:
        remedy = "as delivery.handed_over: lower case, a word, a dot, and what happened"
        raise CommandError(f"{name!r} is no name of a type", remedy=remedy, exit_code=WRONG_USAGE)
    word = name.partition(".")[0]
    families = {each.name.partition(".")[0]: each.family for each in touchpoint_types().values()}
    if families.get(word, family) != family:
        remedy = f"--family {families[word]}, or another first word"
        raise CommandError(f"types of {word} belong to {families[word]}", remedy=remedy, exit_code=WRONG_USAGE)


def _refuse_what_is_there(row: TouchpointType, fields: list[NewField]) -> None:
    if row.name in touchpoint_types():
        raise CommandError(f"{row.name} exists already", remedy="`throughline schemas list` shows all types")
    known = body_fields(row.family)
    for field in fields:
        if field.name in known:
            remedy = f"use it as it is: --use {field.name}"
            raise CommandError(f"{row.family} has a field {field.name} ({known[field.name].kind})", remedy=remedy)
    own = {field.name for field in fields}
    for name in (*row.body, *row.required):
        if name not in own and name not in known:
            raise CommandError(
                f"{row.family} has no field {name}", remedy=f"add it: --field {name}:string:…", exit_code=WRONG_USAGE
            )


def _field(text: str) -> NewField:
    name, _, rest = text.partition(":")
    kind, _, doc = rest.partition(":")
    if not name.isidentifier() or not kind:
        raise CommandError(
            f"{text!r} is not NAME:KIND:DOC",
            remedy="as `sender_name:string:Name of the sender.`",
            exit_code=WRONG_USAGE,
        )
    return NewField(name, kind, doc if doc.endswith(".") else f"{doc or name.replace('_', ' ').capitalize()}.")


def _texts(chosen: dict[str, object], name: str) -> tuple[str, ...]:
    values = chosen[name]
    return tuple(map(str, values)) if isinstance(values, tuple) else ()


def _show_edit(path: Path, text: str) -> None:
    before = path.read_text(encoding="utf-8").splitlines()
    for line in difflib.unified_diff(before, text.splitlines(), path.name, path.name, lineterm="", n=0):
        if not line.startswith("@@"):
            click.echo(line)


def _write(path: Path, text: str) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        remedy = "work in a checkout of the source: an installed package is not edited"
        raise CommandError(f"cannot be written ({error.strerror})", where=str(path), remedy=remedy) from error

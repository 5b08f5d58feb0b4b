"""`throughline schemas`: the Avro schemas, the types of touchpoints they carry, and their life over versions."""

from dataclasses import asdict

import click

from pipeline.cli.errors import NOT_SO, CommandError
from pipeline.cli.invocation import Invocation, examples, json_option, shared
from pipeline.cli.output import console, print_json, table
from pipeline.cli.schema_edits import new_type, release
from pipeline.cli.schema_registry import register
from pipeline.contracts.differences import differences
from pipeline.contracts.releases import SchemaSet, findings, golden_findings, golden_messages, read_set, releases
from pipeline.contracts.schemas import schemas_folder, writer_schema
from pipeline.contracts.topics import topic_of_family
from pipeline.contracts.types import FAMILIES, touchpoint_types


@click.group(
    epilog=examples("throughline schemas list", "throughline schemas show orders", "throughline schemas check")
)
def schemas() -> None:
    """
    Show the Avro schemas of the touchpoints, check that they may follow what was released, and add types.

    A type is one row of schemas/types.toml and, where it has fields of its own, one edit of its family's schema.
    """


@schemas.command("list", epilog=examples("throughline schemas list", "throughline schemas list --json"))
@json_option
@shared
def list_schemas(_invocation: Invocation, *, as_json: bool) -> None:
    """List the families with their topic, fingerprint, types, and the releases that have the same schema."""
    released = {version.folder.name: version for version in releases()}
    listed = [
        {
            "family": family,
            "topic": topic_of_family(family),
            "fingerprint": writer_schema(family).fingerprint.hex(),
            "types": [name for name, kind in touchpoint_types().items() if kind.family == family],
            "released": [
                number for number, version in released.items() if version.families[family] == _today().families[family]
            ],
        }
        for family in FAMILIES
    ]
    if as_json:
        print_json(listed)
        return
    rows = [
        (row["family"], row["topic"], row["fingerprint"], ", ".join(row["released"]), ", ".join(row["types"]))
        for row in listed
    ]
    console().print(table("", ("family", "topic", "fingerprint", "released in", "types"), rows))


@schemas.command(
    "show",
    epilog=examples("throughline schemas show orders > orders.avsc", "throughline schemas show orders --release 1"),
)
@click.argument("family")
@click.option("--release", "number", default="", help="As it was in this release; default: as it is today.")
@shared
def show_schema(_invocation: Invocation, *, family: str, number: str) -> None:
    """Print the Avro schema of a family as JSON."""
    row = touchpoint_types().get(family)
    if row is not None:
        remedy = f"`throughline schemas show {row.family}`; docs/reference/touchpoints.md has the fields of each type"
        raise CommandError(f"{family} is a type of the family {row.family}", remedy=remedy)
    if family not in FAMILIES:
        raise CommandError(f"there is no family {family!r}", remedy=f"one of: {', '.join(FAMILIES)}")
    print_json((_released(number) if number else _today()).families[family])


@schemas.command(epilog=examples("throughline schemas check", "throughline schemas check --json"))
@json_option
@shared
def check(_invocation: Invocation, *, as_json: bool) -> None:
    """
    Check that the schemas are safe to read and may follow every released version. Exit 1 if not.

    Compatibility is full and transitive: records of every release are readable today, and today's by every release.
    What was released is only ever added to. The golden messages of every release are read as a worker would read them.
    """
    found = findings(schemas_folder())
    if not found:
        found += golden_findings()
    numbers = [version.folder.name for version in releases()]
    if as_json:
        print_json({"releases": numbers, "findings": [asdict(finding) for finding in found]})
    else:
        for finding in found:
            click.echo(f"{finding.where}\n  {finding.rule}: {finding.detail}\n  do: {finding.remedy}", err=True)
        messages = f"{len(golden_messages())} golden messages"
        against = f"{len(numbers)} released {'version' if len(numbers) == 1 else 'versions'}"
        if not found:
            click.echo(f"{len(FAMILIES)} schemas, {len(touchpoint_types())} types: fit {against} and {messages}")
    if found:
        raise click.exceptions.Exit(NOT_SO)


@schemas.command(epilog=examples("throughline schemas diff", "throughline schemas diff --release 1 --json"))
@click.option("--release", "number", default="", help="Compare with this release; default: the last one.")
@json_option
@shared
def diff(_invocation: Invocation, *, number: str, as_json: bool) -> None:
    """Tell what changed since a release: fields, types and defaults that were added, changed or removed."""
    released = _released(number)
    told = list(differences(released, _today()))
    if as_json:
        print_json({"release": released.folder.name, "differences": [asdict(entry) for entry in told]})
        return
    if not told:
        click.echo(f"nothing changed since release {released.folder.name}")
        return
    rows = [(entry.where, entry.change, entry.was or None, entry.now or None) for entry in told]
    console().print(table(f"Since release {released.folder.name}", ("where", "change", "was", "is"), rows))


schemas.add_command(release)
schemas.add_command(new_type)
schemas.add_command(register)


def _today() -> SchemaSet:
    return read_set(schemas_folder())


def _released(number: str) -> SchemaSet:
    known = releases()
    if not known:
        raise CommandError("nothing was released yet", remedy="`throughline schemas release` keeps today's schemas")
    if not number:
        return known[-1]
    for version in known:
        if version.folder.name == number:
            return version
    names = ", ".join(version.folder.name for version in known)
    raise CommandError(f"there is no release {number!r}", remedy=f"one of: {names}")

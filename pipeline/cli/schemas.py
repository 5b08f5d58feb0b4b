"""`throughline schemas`: the Avro schemas and the types of touchpoints they carry."""

import click

from pipeline.cli.errors import CommandError
from pipeline.cli.invocation import Invocation, examples, json_option, shared
from pipeline.cli.output import console, print_json, table
from pipeline.contracts.schemas import family_schema, writer_schema
from pipeline.contracts.topics import topic_of_family
from pipeline.contracts.types import FAMILIES, touchpoint_types


@click.group(epilog=examples("throughline schemas list", "throughline schemas show orders"))
def schemas() -> None:
    """Show the Avro schemas of the touchpoints."""


@schemas.command("list", epilog=examples("throughline schemas list", "throughline schemas list --json"))
@json_option
@shared
def list_schemas(_invocation: Invocation, *, as_json: bool) -> None:
    """List the families with their topic, fingerprint and types."""
    listed = [
        {
            "family": family,
            "topic": topic_of_family(family),
            "fingerprint": writer_schema(family).fingerprint.hex(),
            "types": [name for name, kind in touchpoint_types().items() if kind.family == family],
        }
        for family in FAMILIES
    ]
    if as_json:
        print_json(listed)
        return
    rows = [(row["family"], row["topic"], row["fingerprint"], ", ".join(row["types"])) for row in listed]
    console().print(table("", ("family", "topic", "fingerprint", "types"), rows))


@schemas.command("show", epilog=examples("throughline schemas show orders > orders.avsc"))
@click.argument("family")
@shared
def show_schema(_invocation: Invocation, *, family: str) -> None:
    """Print the Avro schema of a family as JSON."""
    if family not in FAMILIES:
        raise CommandError(f"there is no family {family!r}", remedy=f"one of: {', '.join(FAMILIES)}")
    print_json(dict(family_schema(family)))

"""`throughline personas`: which sorts of customers there are, now or at a past time, and how to declare others."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import click

from pipeline.cli.clickhouse import Warehouse
from pipeline.cli.errors import WRONG_USAGE, CommandError
from pipeline.cli.invocation import Invocation, examples, json_option, shared
from pipeline.cli.journey_filters import milliseconds
from pipeline.cli.output import console, print_json, table
from pipeline.cli.past import Moment, as_of_option, refuse_the_future
from pipeline.cli.reach import reach

_NOW: Final = """
SELECT d.persona AS persona, d.title AS title, d.meaning AS meaning, d.conditions AS conditions,
    countIf(p.customer_uid != toUUID('00000000-0000-0000-0000-000000000000')) AS customers,
    sum(p.orders) AS orders, round(avg(p.pain_points), 2) AS mean_pain_points
FROM v_persona_definitions AS d
LEFT JOIN v_personas AS p ON p.persona = d.persona
GROUP BY d.position, d.persona, d.title, d.meaning, d.conditions
ORDER BY d.position
"""
_THEN: Final = """
SELECT d.persona AS persona, d.title AS title, d.meaning AS meaning, d.conditions AS conditions,
    countIf(p.customer_uid != toUUID('00000000-0000-0000-0000-000000000000')) AS customers
FROM v_persona_definitions AS d
LEFT JOIN
(
    SELECT customer_uid, persona FROM v_persona_history
    WHERE toUnixTimestamp64Milli(valid_from) <= {at:Int64}
        AND ifNull(toUnixTimestamp64Milli(valid_to) > {at:Int64}, true)
) AS p ON p.persona = d.persona
GROUP BY d.position, d.persona, d.title, d.meaning, d.conditions
ORDER BY d.position
"""


@click.group(
    invoke_without_command=True,
    epilog=examples(
        "throughline personas",
        "throughline personas --at 2026-03-31 --json",
        "throughline personas --as-of 2026-11-01",
        "throughline personas declare personas.toml",
    ),
)
@click.option("--at", type=Moment(), metavar="TIME", help="What customers were at this time, from the facts of today.")
@as_of_option
@json_option
@shared
@click.pass_context
def personas(context: click.Context, invocation: Invocation, /, *, at: datetime | None, as_json: bool) -> None:
    """
    Show the sorts of customers there are, now or at a past time.

    Who fits several is of the first. What somebody was at a time is computed from the facts up to then.
    docs/personas.md says what conditions can be about.
    """
    if context.invoked_subcommand is not None:
        return
    if at is not None:
        refuse_the_future(at)
        if invocation.as_of is not None and at > invocation.as_of:
            raise click.UsageError("--at is later than --as-of: nothing was known of it then")
    warehouse = Warehouse(reach(invocation).analyst_url)
    rows = warehouse.rows(_NOW) if at is None else warehouse.rows(_THEN, {"at": str(milliseconds(at))})
    everybody = sum(int(row["customers"]) for row in rows)
    for row in rows:
        row |= {name: int(row[name]) for name in ("customers", "orders") if name in row}
        row["share"] = round(row["customers"] / everybody, 4) if everybody else None
    if as_json:
        print_json(rows)
    else:
        console().print(_laid_out(rows))


@personas.command(epilog=examples("throughline personas declare personas.toml"))
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
@json_option
@shared
def declare(invocation: Invocation, *, file: Path, as_json: bool) -> None:
    """
    Let the personas of a TOML file hold from now on, for the past too.

    Everything that is wrong with the file is said at once, and nothing changes then.
    """
    from pipeline.warehouse.persona_rules import PersonaError, read_personas  # noqa: PLC0415 (slow to import)

    try:
        text = file.read_text(encoding="utf-8")
        found = read_personas(text)
    except (OSError, UnicodeDecodeError, PersonaError) as error:
        raise CommandError(
            f"these personas cannot hold: {error}",
            where=str(file),
            remedy="see docs/personas.md",
            exit_code=WRONG_USAGE,
        ) from error
    _write(invocation, text, found)
    names = [persona.name for persona in found]
    if as_json:
        print_json({"personas": names})
    else:
        click.echo(f"{len(names)} personas hold: {', '.join(names)}")


@personas.command(epilog=examples("throughline personas reset"))
@shared
def reset(invocation: Invocation) -> None:
    """Go back to the personas that come with Throughline."""
    _write(invocation, "", ())
    click.echo("the personas that come with Throughline hold")


def _write(invocation: Invocation, text: str, found: Sequence[Any]) -> None:
    from pipeline.warehouse.connection import connect  # noqa: PLC0415 (slow to import)
    from pipeline.warehouse.persona_store import declare_personas  # noqa: PLC0415

    client = connect(reach(invocation).settings.clickhouse)
    declare_personas(client, text, found)
    client.close()


def _laid_out(rows: Sequence[Mapping[str, Any]]) -> Any:  # noqa: ANN401 (a table of rich)
    numbers = [name for name in ("customers", "share", "orders", "mean_pain_points") if name in rows[0]]
    laid = [
        (
            row["persona"],
            *(f"{100 * (row[name] or 0):.1f} %" if name == "share" else row[name] for name in numbers),
            row["meaning"],
        )
        for row in rows
    ]
    headings = [name.replace("_", " ") for name in numbers]
    return table("", ("persona", *headings, "meaning"), laid, headings)

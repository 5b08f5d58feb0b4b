"""`throughline as-of`: databases that show everything as it was known at a past time."""

from dataclasses import replace
from datetime import datetime
from typing import Any, Final

import click
from clickhouse_connect.driver.exceptions import Error as DriverError

from pipeline.cli.errors import WRONG_USAGE, CommandError
from pipeline.cli.invocation import Invocation, examples, json_option, shared
from pipeline.cli.output import console, count, error_console, print_json, progress_bar, table
from pipeline.cli.past import Moment, refuse_the_future
from pipeline.cli.reach import Reach, reach
from pipeline.cli.rules_state import refuse_what_needs_a_replay
from pipeline.streaming.past import make_past, url_at
from pipeline.warehouse.connection import connect
from pipeline.warehouse.errors import WarehouseRefused
from pipeline.warehouse.past import Past, Pasts, name_of
from pipeline.warehouse.rules import Progress
from pipeline.warehouse.rules_document import RulesUnreadable

_MEGABYTE: Final = 1_000_000


@click.command(
    epilog=examples(
        "throughline as-of 2026-11-01T08:30:00Z",
        "throughline incidents --as-of 2026-11-01T08:30:00Z",
        "throughline as-of",
        "throughline as-of 2026-11-01T08:30:00Z --drop",
    )
)
@click.argument("time", type=Moment(), required=False)
@click.option("--drop", "must_drop", is_flag=True, help="Remove the database of this time.")
@json_option
@shared
def as_of(invocation: Invocation, *, time: datetime | None, must_drop: bool, as_json: bool) -> None:
    """
    Keep everything as it was known at a past time, or list what is kept.

    A time has a database of its own. It holds what had been received by then, stitched anew under the rules of then;
    its views are those of every database, with that time for a clock. Commands that take --as-of make it where it is
    missing. docs/as-of.md says what it answers and what it takes.
    """
    found = reach(invocation)
    pasts = Pasts(connect(found.settings.clickhouse))
    if time is None:
        if must_drop:
            raise CommandError("--drop needs the time to drop", exit_code=WRONG_USAGE)
        _tell(pasts.kept(), as_json=as_json)
        return
    if must_drop:
        past = pasts.find(time)
        if past is None:
            raise CommandError(f"nothing is kept of {time.isoformat()}", remedy="`throughline as-of` lists what is")
        pasts.drop(past)
        _tell([past], as_json=as_json, word="dropped")
        return
    _tell([ensure_past(found, time)], as_json=as_json)


def stand_at(found: Reach, at: datetime) -> Reach:
    """Return the reach whose analysts read a past time; its database is made where it is missing."""
    past = ensure_past(found, at)
    if remark := said_of_nothing(at, Pasts(connect(found.settings.clickhouse)).first_received()):
        error_console().print(remark, style="dim")
    return replace(found, analyst_url=url_at(found.analyst_url, past.database))


def said_of_nothing(at: datetime, first: datetime | None) -> str:
    """Return the remark that nothing had been received by a time, or nothing: an empty report is no quiet one."""
    if first is not None and first <= at:
        return ""
    came = f"; the first touchpoint came at {first.isoformat(timespec='milliseconds')}" if first else ""
    return f"nothing had been received by {at.isoformat()}{came}"


def ensure_past(found: Reach, at: datetime) -> Past:
    """
    Return the database of a past time, made now where it is missing or lacks what landed late.

    Raises:
        CommandError: If the time is not over, somebody is making it, or its rules cannot be read.
    """
    refuse_the_future(at)
    client = connect(found.settings.clickhouse)
    pasts = Pasts(client)
    past = pasts.find(at)
    if past is not None and not past.is_whole:
        raise CommandError(
            f"{past.database} is being made, or its making was killed",
            remedy=f"wait for it, or `throughline as-of {at.isoformat()} --drop` and ask again",
        )
    if past is not None and not pasts.is_behind(past):
        return past
    refuse_what_needs_a_replay(client, found.settings)
    if past is not None:
        pasts.drop(past)
    error_console().print(f"making {name_of(str(client.database), at)}", style="dim")
    with progress_bar("identifiers") as bar:
        task = bar.add_task("making the results of then", total=None)

        def told(progress: Progress) -> None:
            bar.update(task, completed=progress.passed, total=progress.total or None)

        try:
            return make_past(found.settings, at, told)
        except RulesUnreadable as error:
            raise CommandError(f"the rules of then were {error}") from error
        except (DriverError, WarehouseRefused) as error:
            if "ACCESS_DENIED" not in str(error):
                raise
            raise CommandError(
                f"nothing is kept of {at.isoformat()}, and this address may only read",
                remedy=f"let `throughline as-of {at.isoformat()}` make it once, with the address that workers use",
            ) from error


def _tell(pasts: list[Past], *, as_json: bool, word: str = "kept") -> None:
    rows: list[dict[str, Any]] = [
        {
            "as_of": past.at.isoformat(timespec="milliseconds"),
            "database": past.database,
            "state": word if past.is_whole else "unfinished",
            "touchpoints": past.touchpoints,
            "bytes": past.bytes,
        }
        for past in pasts
    ]
    if as_json:
        print_json(rows)
    elif rows:
        columns = ("as of", "database", "state", "touchpoints", "megabytes")
        laid = [
            (*list(row.values())[:3], count(row["touchpoints"]), f"{row['bytes'] / _MEGABYTE:,.1f}") for row in rows
        ]
        console().print(table("", columns, laid, columns[3:]))
    else:
        console().print("Nothing is kept of a past time.")

"""`throughline funnel`: how many go from step to step within a time, and where the others stop."""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

import click

from pipeline.cli.clickhouse import Warehouse
from pipeline.cli.drawing import keep, spell
from pipeline.cli.drawing_bars import Bar, draw_bars
from pipeline.cli.durations import read_duration
from pipeline.cli.invocation import Invocation, examples, json_option, shared
from pipeline.cli.journey_filters import choose, filters, milliseconds, picture_option
from pipeline.cli.output import console, print_json, table
from pipeline.cli.past import as_of_option
from pipeline.cli.reach import reach
from pipeline.contracts.kinds import ANY_STAGE, CHANNELS, STAGES
from pipeline.contracts.types import touchpoint_types

MOST_STEPS = 20

# A run is the times at which the steps were reached so far; of every length the run that began last is kept, for it has
# the most time left. One touchpoint takes a run one step on, because every run grows from the runs before it.
_QUERY: Final = """
SELECT step, count() AS reached,
    countIf(length(run) = step AND step < {steps:UInt8} AND run[1] + {within:Int64} < now_ms) AS dropped,
    countIf(length(run) = step AND step < {steps:UInt8} AND run[1] + {within:Int64} >= now_ms) AS waiting,
    quantileExactInclusiveOrNull(0.5)(seconds) AS median_seconds,
    quantileExactInclusiveOrNull(0.9)(seconds) AS p90_seconds
FROM
(
    SELECT run, step, if(step > 1, (run[step] - run[step - 1]) / 1000, NULL) AS seconds,
        {now} AS now_ms
    FROM
    (
        SELECT arrayLast(run -> notEmpty(run), arrayFold(
            (runs, e) -> arrayMap(
                (run, before, i) -> if(
                    has(e.2, i) AND if(i = 1, {starts}, notEmpty(before) AND e.1 - before[1] <= {within:Int64}
                        AND (empty(run) OR before[1] > run[1])),
                    arrayPushBack(before, e.1), run),
                runs, arrayPushFront(arrayPopBack(runs), CAST([], 'Array(Int64)')), range(1, {steps:UInt8} + 1)),
            arraySort(groupArray((toUnixTimestamp64Milli(occurred_at), fits))),
            arrayWithConstant({steps:UInt8}, CAST([], 'Array(Int64)')))) AS run
        FROM
        (
            SELECT {who} AS who, occurred_at,
                arrayFilter((i, fit) -> fit, range(1, {steps:UInt8} + 1), [{fits}]) AS fits
            FROM v_journey_steps
            WHERE {where}
        )
        WHERE notEmpty(fits)
        GROUP BY who
    )
    ARRAY JOIN arrayEnumerate(run) AS step
)
GROUP BY step
ORDER BY step
"""


@click.command(
    epilog=examples(
        "throughline funnel product.viewed cart.item_added order.placed --within 7d",
        "throughline funnel stage:discover stage:consider stage:buy --per journey",
        "throughline funnel order.placed delivery.delivered channel:phone --within 30d --out funnel.svg",
    )
)
@click.argument("steps", nargs=-1, required=True, metavar="STEP...")
@click.option("--within", default="30d", show_default=True, metavar="TIME", help="From the first step to the last.")
@click.option(
    "--per", type=click.Choice(["customer", "journey"]), default="customer", show_default=True, help="Counts."
)
@filters
@picture_option
@as_of_option
@json_option
@shared
def funnel(
    invocation: Invocation,
    /,
    *,
    steps: tuple[str, ...],
    out: Path | None,
    as_json: bool,
    **options: Any,  # noqa: ANN401 (days, names and a time, checked by click)
) -> None:
    """
    Count who goes through steps in order, and where the others stop.

    A step is a type of touchpoint (order.placed), stage:NAME or channel:NAME. Others may come between them. Who stopped
    has dropped once the time is over; until then they wait. docs/journey-maps.md says what each number means.
    """
    sql, parameters = _statement(steps, {**options, "as_of": invocation.as_of})
    found = {int(row["step"]): row for row in Warehouse(reach(invocation).analyst_url).rows(sql, parameters)}
    rows = _filled(steps, found)
    if out is not None:
        title = f"Funnel of {options['per']}s within {options['within']}"
        bars = [_bar(row) for row in rows]
        keep(out, title, draw_bars(title, bars, "how many reach each step, of the first and of the one before"))
    if as_json:
        print_json(rows)
    elif rows[0]["reached"]:
        columns = ("reached", "of first", "of previous", "dropped", "waiting", "median time", "nine of ten")
        console().print(table("", ("step", *columns), [_laid(row) for row in rows], columns))
    else:
        console().print(f"Nobody reached {steps[0]}.")


def _statement(steps: Sequence[str], options: Mapping[str, Any]) -> tuple[str, dict[str, str]]:
    """Return the query and its parameters; columns come from a fixed list, everything else is a parameter."""
    if len(steps) > MOST_STEPS:
        raise click.UsageError(f"a funnel has {MOST_STEPS} steps at most")
    chosen = choose(options, by_time=False)
    parsed = [_parsed(step) for step in steps]
    within = _within(options["within"])
    parameters = {**chosen.parameters, "steps": str(len(steps)), "within": str(within)}
    parameters |= {f"step{number}": value for number, (_, value) in enumerate(parsed)}
    starts, where = "1", [chosen.of_journeys("journey_id")]
    for name in ("since", "until"):
        if options[name] is not None:
            parameters[name] = str(milliseconds(options[name]))
    if options["since"] is not None:
        where.append("occurred_at >= fromUnixTimestamp64Milli({since:Int64}, 'UTC')")
    if options["until"] is not None:
        starts = "e.1 < {until:Int64}"
    sql = _QUERY
    for place, text in {
        "{fits}": ", ".join(f"{column} = {{step{number}:String}}" for number, (column, _) in enumerate(parsed)),
        "{who}": f"{options['per']}_{'uid' if options['per'] == 'customer' else 'id'}",
        "{where}": " AND ".join(where),
        "{now}": str(milliseconds(options["as_of"])) if options["as_of"] else "toUnixTimestamp64Milli(now64(3))",
        "{starts}": starts,
    }.items():
        sql = sql.replace(place, text)
    return sql, parameters


def _parsed(step: str) -> tuple[str, str]:
    """Return the column and the value of a step."""
    column, colon, name = step.partition(":")
    known = {"stage": (*STAGES, ANY_STAGE), "channel": CHANNELS}
    if colon and column in known and name in known[column]:
        return column, name
    if colon or step not in touchpoint_types():
        raise click.UsageError(
            f"{step} is no step: name a type such as order.placed (docs/reference/touchpoints.md lists them), "
            f"stage:NAME ({', '.join(STAGES)}) or channel:NAME ({', '.join(CHANNELS)})"
        )
    return "type", step


def _within(text: str) -> int:
    return read_duration("--within", text, timedelta(0), "30m, 12h or 7d") // timedelta(milliseconds=1)


def _filled(steps: Sequence[str], found: Mapping[int, Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return a row for every step, also for those that nobody reached."""
    rows: list[dict[str, Any]] = []
    for number, step in enumerate(steps, 1):
        row = found.get(number, {})
        reached = int(row.get("reached", 0))
        first, previous = (rows[0]["reached"], rows[-1]["reached"]) if rows else (reached, reached)
        rows.append(
            {
                "step": number,
                "name": step,
                "reached": reached,
                "share_of_first": round(reached / first, 4) if first else None,
                "share_of_previous": round(reached / previous, 4) if previous else None,
                "dropped": int(row.get("dropped", 0)),
                "waiting": int(row.get("waiting", 0)),
                "median_seconds": row.get("median_seconds"),
                "p90_seconds": row.get("p90_seconds"),
            }
        )
    return rows


def _laid(row: Mapping[str, Any]) -> tuple[object, ...]:
    times = (spell(row[name]) or None for name in ("median_seconds", "p90_seconds"))
    return (row["name"], row["reached"], *_shares(row), row["dropped"], row["waiting"], *times)


def _shares(row: Mapping[str, Any]) -> tuple[str, str]:
    first, previous = (
        "–" if row[name] is None else f"{100 * row[name]:.1f} %" for name in ("share_of_first", "share_of_previous")
    )
    return first, previous


def _bar(row: Mapping[str, Any]) -> Bar:
    first, previous = _shares(row)
    said = f"{row['reached']:,} · {first} of first · {previous} of previous"
    return Bar(f"{row['step']}. {row['name']}", row["share_of_first"] or 0.0, said)

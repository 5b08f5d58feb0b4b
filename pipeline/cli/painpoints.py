"""`throughline painpoints`: what hurts, where and whom, as a table with examples to read first."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import click
from rich.table import Table
from rich.text import Text

from pipeline.cli.clickhouse import Warehouse
from pipeline.cli.days import days
from pipeline.cli.impact import show_impacts
from pipeline.cli.invocation import Invocation, examples, json_option, shared
from pipeline.cli.journey_filters import milliseconds
from pipeline.cli.output import console, print_json, table
from pipeline.cli.past import as_of_option
from pipeline.cli.reach import reach
from pipeline.stitching.pain import RULES

Row = dict[str, Any]

_OF_PAIN: Final[Mapping[str, str]] = {
    "kind": "p.kind",
    "severity": "p.severity",
    "week": "toString(toMonday(p.occurred_at))",
    "day": "toString(toDate(p.occurred_at))",
}
_OF_STEP: Final[Mapping[str, str]] = {"step": "s.type", "stage": "s.stage", "channel": "s.channel"}
_WAYS: Final[Mapping[str, str]] = {**_OF_PAIN, **_OF_STEP}

_QUERY: Final = """
SELECT {keys},
    count() AS found, uniqExact(p.customer_uid) AS customers,
    round(customers / greatest(1, (SELECT count() FROM v_customers)), 4) AS share_of_customers,
    countIf(p.severity = 'high') AS high, countIf(p.severity = 'medium') AS medium, countIf(p.severity = 'low') AS low,
    min(p.occurred_at) AS first_at, max(p.occurred_at) AS last_at,
    arrayMap(e -> (e.2, e.3, e.4), groupArraySorted({examples:UInt8})(
        (transform(p.severity, ['high', 'medium'], [0, 1], 2), p.detail, toString(p.customer_uid),
         ifNull(p.order_id, '')))) AS told
FROM v_pain_points AS p{join}
WHERE {where}
GROUP BY {numbers}
ORDER BY {order}
LIMIT {limit:UInt32}
"""
# A pain point happened at the step of its last evidence.
_JOIN: Final = "\nLEFT ANY JOIN v_journey_steps AS s ON s.event_uid = p.evidence[-1]"


@click.command(
    epilog=examples(
        "throughline painpoints",
        "throughline painpoints --by kind --by week --since 2026-03-01",
        "throughline painpoints --impact",
        "throughline painpoints --kind late_delivery --by week --examples 3 --json",
    )
)
@click.option("--by", "ways", multiple=True, type=click.Choice(list(_WAYS)), help="What to count by (default: kind).")
@click.option(
    "--kind",
    "kinds",
    multiple=True,
    type=click.Choice([rule.kind for rule in RULES]),
    metavar="KIND",
    help="Only pain points of this kind; may be repeated.",
)
@days("Only what hurt on this day (UTC) or later.", "Only what hurt before this day (UTC).")
@click.option(
    "--impact", "is_impact", is_flag=True, help="What each kind costs, against comparable journeys without it."
)
@click.option("--examples", "told", default=1, show_default=True, type=click.IntRange(0, 50), help="Examples a row.")
@click.option("--limit", default=50, show_default=True, type=click.IntRange(1), help="Most rows.")
@as_of_option
@json_option
@shared
def painpoints(
    invocation: Invocation,
    /,
    *,
    ways: tuple[str, ...],
    is_impact: bool,
    as_json: bool,
    **options: Any,  # noqa: ANN401 (kinds, dates and numbers, checked by click)
) -> None:
    """
    Show what hurts: how often, whom, and where.

    Counts pain points by kind, severity, week, day, or by the step, stage or channel at which they happened; several
    --by go together. The share is of all customers. Absences count from when they are due. docs/pain-points.md says
    what each kind means. With --impact: the difference in score, returns, repeat purchases and churn between journeys
    with a pain point and comparable ones without, of all time; docs/what-hurts.md says how they are compared.
    """
    if is_impact:
        if ways or options["since"] or options["until"]:
            raise click.UsageError(
                "--impact compares all time and all kinds: --by, --since and --until do not go with it"
            )
        warehouse = Warehouse(reach(invocation).analyst_url)
        show_impacts(warehouse, options["kinds"], options["limit"], as_json=as_json)
        return
    chosen = tuple(dict.fromkeys(ways)) or ("kind",)
    rows = Warehouse(reach(invocation).analyst_url).rows(*_statement(chosen, options))
    for row in rows:
        row["examples"] = [
            {"detail": detail, "customer_uid": customer, "order_id": order or None}
            for detail, customer, order in row.pop("told")[: options["told"]]
        ]
    if as_json:
        print_json(rows)
    elif rows:
        console().print(_laid_out(chosen, rows))
    else:
        console().print("No pain points of that sort.")


def _statement(ways: Sequence[str], options: Mapping[str, Any]) -> tuple[str, dict[str, str]]:
    """Return the query and its parameters; ways come from a fixed list, everything else is a parameter."""
    parameters = {"examples": str(max(1, options["told"])), "limit": str(options["limit"])}
    conditions = ["1"]
    if options["kinds"]:
        conditions.append("has({kinds:Array(String)}, p.kind)")
        parameters["kinds"] = "[" + ", ".join(f"'{kind}'" for kind in options["kinds"]) + "]"
    for name, operator in (("since", ">="), ("until", "<")):
        if options[name] is not None:
            conditions.append(f"p.occurred_at {operator} fromUnixTimestamp64Milli({{{name}:Int64}}, 'UTC')")
            parameters[name] = str(milliseconds(options[name]))
    is_in_time = [way for way in ways if way in ("week", "day")]
    numbers = ", ".join(str(number) for number in range(1, len(ways) + 1))
    sql = _QUERY
    for place, text in {
        "{keys}": ", ".join(f"{_WAYS[way]} AS {way}" for way in ways),
        "{join}": _JOIN if set(ways) & set(_OF_STEP) else "",
        "{where}": " AND ".join(conditions),
        "{numbers}": numbers,
        "{order}": ", ".join([*is_in_time, "found DESC", numbers]),
    }.items():
        sql = sql.replace(place, text)
    return sql, parameters


def _laid_out(ways: Sequence[str], rows: Sequence[Row]) -> Table:
    numbers = ("found", "customers", "share", "high", "medium", "low")
    laid = [
        (
            *(str(row[way]).replace("_", " ") for way in ways),
            int(row["found"]),
            int(row["customers"]),
            f"{100 * row['share_of_customers']:.1f} %",
            int(row["high"]),
            int(row["medium"]),
            int(row["low"]),
            Text("\n".join(example["detail"] for example in row["examples"]), style="dim"),
        )
        for row in rows
    ]
    return table("", (*ways, *numbers, "for example"), laid, numbers)

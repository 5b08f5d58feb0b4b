"""`throughline paths`: the ways that journeys take, the frequent ones first, and how they end."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import click

from pipeline.cli.clickhouse import Warehouse
from pipeline.cli.drawing import keep, spell
from pipeline.cli.drawing_bars import Bar, draw_bars
from pipeline.cli.invocation import Invocation, examples, json_option, shared
from pipeline.cli.journey_filters import choose, filters, picture_option
from pipeline.cli.output import console, print_json, table
from pipeline.cli.past import as_of_option
from pipeline.cli.reach import reach
from pipeline.cli.wording import amounts, name_type

_QUERY: Final = """
SELECT {by}s AS path, count() AS journeys, journeys / sum(journeys) OVER () AS share,
    quantileExactInclusive(0.5)(seconds) AS median_seconds, countIf(is_open) AS open, sum(p.orders) AS orders,
    sumMap(p.revenue) AS revenue, countIf(p.ends_badly) AS ends_badly,
    round(ends_badly / journeys, 4) AS share_ends_badly, min(journey_id) AS example_journey_id
FROM v_journey_paths AS p
WHERE {where}
GROUP BY path
ORDER BY journeys DESC, path
LIMIT {limit:UInt32}
"""


@click.command(
    epilog=examples(
        "throughline paths",
        "throughline paths --by type --stage return",
        "throughline paths --since 2026-03-01 --limit 20 --out paths.html",
    )
)
@click.option(
    "--by",
    type=click.Choice(["type", "stage", "channel"]),
    default="stage",
    show_default=True,
    help="What paths are of.",
)
@click.option("--limit", default=15, show_default=True, type=click.IntRange(1), help="Most paths.")
@filters
@picture_option
@as_of_option
@json_option
@shared
def paths(
    invocation: Invocation,
    /,
    *,
    by: str,
    out: Path | None,
    as_json: bool,
    **options: Any,  # noqa: ANN401 (days, names and a number, checked by click)
) -> None:
    """
    List the ways that journeys take, and how they end.

    Journeys with the same path, repeats collapsed, are one variant: how many, how long, with how many orders and what
    revenue, and the share that ends badly. docs/journey-maps.md says what each number means.
    """
    chosen = choose(options)
    sql = _QUERY.replace("{by}", by).replace("{where}", chosen.condition or "1")
    rows = Warehouse(reach(invocation).analyst_url).rows(sql, {**chosen.parameters, "limit": str(options["limit"])})
    for row in rows:
        row |= {name: int(row[name]) for name in ("journeys", "open", "orders", "ends_badly")}
        row["revenue"] = {currency: int(minor) for currency, minor in row["revenue"].items()}
    if out is not None:
        title = f"Journeys by their path of {by}s"
        bars = [_bar(row, rows[0]["journeys"]) for row in rows]
        keep(out, title, draw_bars(title, bars, "journeys, their share, and the share that ends badly (red)"))
    if as_json:
        print_json(rows)
    elif rows:
        columns = ("journeys", "share", "median time", "orders", "revenue", "end badly")
        console().print(table("", ("path", *columns), _laid(rows), columns))
    else:
        console().print("No journeys of that sort.")


def _laid(rows: Sequence[Mapping[str, Any]]) -> list[tuple[object, ...]]:
    return [
        (
            _named(row["path"]),
            row["journeys"],
            f"{100 * row['share']:.1f} %",
            spell(row["median_seconds"]),
            row["orders"],
            amounts(row["revenue"]) or None,
            f"{100 * row['share_ends_badly']:.1f} %",
        )
        for row in rows
    ]


def _bar(row: Mapping[str, Any], most: int) -> Bar:
    said = f"{row['journeys']:,} · {row['share']:.1%} · {row['share_ends_badly']:.0%} end badly"
    return Bar(_named(row["path"]), row["journeys"] / most, said, row["share_ends_badly"])


def _named(path: Sequence[str]) -> str:
    return " → ".join(name_type(step) if "." in step else step for step in path) or "no stage"

"""`throughline map`: what customers do after what, how fast, and where journeys end badly."""

from pathlib import Path
from typing import Any, Final

import click

from pipeline.cli.clickhouse import Warehouse
from pipeline.cli.drawing import keep, spell
from pipeline.cli.drawing_graph import draw_graph
from pipeline.cli.invocation import Invocation, examples, json_option, shared
from pipeline.cli.journey_filters import choose, filters, picture_option
from pipeline.cli.output import console, print_json, table
from pipeline.cli.past import as_of_option
from pipeline.cli.reach import reach

# The pair of types tells for itself where a journey takes it first; pairs of stages and channels do not.
_QUERY: Final = """
SELECT from_{by} AS `from`, to_{by} AS `to`, count() AS times,
    times / sum(times) OVER (PARTITION BY from_{by}) AS share,
    {journeys} AS journeys,
    quantileExactInclusiveOrNull(0.5)(seconds) AS median_seconds,
    quantileExactInclusiveOrNull(0.9)(seconds) AS p90_seconds,
    {bad} AS ends_badly, round(ends_badly / journeys, 4) AS share_ends_badly,
    sum(times) OVER (PARTITION BY from_{by}) AS from_seen, sum(times) OVER (PARTITION BY to_{by}) AS to_seen,
    count() OVER () AS pairs
FROM v_transitions AS t
WHERE {where}
GROUP BY from_{by}, to_{by}
ORDER BY times DESC, `from`, `to`
LIMIT {limit:UInt32}
"""


@click.command(
    "map",
    epilog=examples(
        "throughline map",
        "throughline map --by stage --since 2026-03-01 --until 2026-04-01",
        "throughline map --channel phone --out calls.svg",
    ),
)
@click.option("--by", type=click.Choice(["type", "stage", "channel"]), default="type", show_default=True, help="Nodes.")
@click.option("--limit", default=30, show_default=True, type=click.IntRange(1), help="Most edges, frequent ones first.")
@filters
@picture_option
@as_of_option
@json_option
@shared
def journey_map(
    invocation: Invocation,
    /,
    *,
    by: str,
    out: Path | None,
    as_json: bool,
    **options: Any,  # noqa: ANN401 (days, names and a number, checked by click)
) -> None:
    """
    Draw what follows what in journeys, and where they end badly.

    The directly-follows graph: how often one touchpoint is the next after another, the median time between them, and
    the share of such journeys that end badly. Every journey comes from (start) and goes to (end). docs/journey-maps.md
    says what each number means.
    """
    chosen = choose(options)
    sql = _QUERY
    for place, text in {
        "{by}": by,
        "{journeys}": "countIf(is_first)" if by == "type" else "uniqExact(journey_id)",
        "{bad}": "countIf(is_first AND t.ends_badly)" if by == "type" else "uniqExactIf(journey_id, t.ends_badly)",
        "{where}": chosen.of_journeys("journey_id"),
    }.items():
        sql = sql.replace(place, text)
    edges = Warehouse(reach(invocation).analyst_url).rows(sql, {**chosen.parameters, "limit": str(options["limit"])})
    seen: dict[str, int] = {}
    pairs = len(edges)
    for edge in edges:
        edge |= {name: int(edge[name]) for name in ("times", "journeys", "ends_badly")}
        # As much flows out of every node as into it, but for the ends of all.
        seen |= {edge["from"]: int(edge.pop("from_seen")), edge["to"]: int(edge.pop("to_seen"))}
        pairs = int(edge.pop("pairs"))
    if out is not None:
        title = f"Journeys by {by}"
        left_out = f"the {len(edges)} most frequent of {pairs:,} pairs" if pairs > len(edges) else ""
        keep(out, title, draw_graph(title, edges, seen, left_out))
    if as_json:
        print_json(edges)
    elif edges:
        columns = ("times", "share", "median", "nine of ten", "journeys", "end badly")
        laid = [
            (
                edge["from"],
                edge["to"],
                edge["times"],
                f"{100 * edge['share']:.1f} %",
                spell(edge["median_seconds"]) or None,
                spell(edge["p90_seconds"]) or None,
                edge["journeys"],
                f"{100 * edge['share_ends_badly']:.1f} %",
            )
            for edge in edges
        ]
        console().print(table("", ("from", "to", *columns), laid, columns))
    else:
        console().print("No journeys of that sort.")

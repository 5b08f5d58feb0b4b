"""`throughline query`: SQL for people and scripts, with the analyst's rights."""

import sys
from http.client import HTTPResponse
from typing import Any

import click
import orjson
from rich.text import Text

from pipeline.cli.clickhouse import CHUNK_BYTES, Warehouse
from pipeline.cli.invocation import Invocation, examples, json_option, shared
from pipeline.cli.output import console, error_console, table
from pipeline.cli.past import as_of_option
from pipeline.cli.reach import reach

MOST_ROWS_ON_TERMINAL = 1_000
_TERMINAL_FORMAT = "JSONCompact"
_PIPE_FORMAT = "TabSeparatedWithNames"


@click.command(
    epilog=examples(
        'throughline query "SELECT kind, count() FROM v_pain_points GROUP BY kind"',
        'throughline query "SELECT * FROM v_journeys LIMIT 5" --json',
        'throughline query "SELECT * FROM v_touchpoints" --format Parquet > touchpoints.parquet',
        "throughline query - < report.sql",
    )
)
@click.argument("sql")
@click.option("--format", "form", help="A ClickHouse format, such as CSVWithNames, Parquet or Vertical.")
@as_of_option
@json_option
@shared
def query(invocation: Invocation, *, sql: str, form: str | None, as_json: bool) -> None:
    """
    Ask the warehouse in SQL; `-` reads the statement from stdin.

    The views (v_touchpoints, v_visits, v_journeys, v_journey_steps, v_pain_points, v_customers, v_identities,
    v_rejected) are right at once. On a terminal the answer is a table, in a pipe tab-separated with names; --json
    gives one JSON object a line.
    """
    if form and as_json:
        raise click.UsageError("--json and --format exclude each other")
    statement = click.get_text_stream("stdin").read() if sql == "-" else sql
    if not statement.strip():
        raise click.UsageError("the statement is empty")
    is_table = form is None and not as_json and sys.stdout.isatty()
    wanted = form or ("JSONEachRow" if as_json else _TERMINAL_FORMAT if is_table else _PIPE_FORMAT)
    warehouse = Warehouse(reach(invocation).analyst_url)
    with warehouse.ask(statement, wanted) as answer:
        if is_table and answer.headers.get("X-ClickHouse-Format", wanted) == _TERMINAL_FORMAT:
            _show(orjson.loads(answer.read() or b"{}"))
        else:
            _pass_on(answer)


def _pass_on(answer: HTTPResponse) -> None:
    stream = click.get_binary_stream("stdout")
    while chunk := answer.read(CHUNK_BYTES):
        stream.write(chunk)
    stream.flush()


def _show(answer: dict[str, Any]) -> None:
    columns = answer.get("meta", [])
    names = [column["name"] for column in columns]
    numbers = [column["name"] for column in columns if _is_number(column["type"])]
    rows = answer.get("data", [])
    shown = ([_cell(value) for value in row] for row in rows[:MOST_ROWS_ON_TERMINAL])
    console().print(table("", names, shown, right=numbers))
    remark = f"{len(rows):,} rows" + (f", {MOST_ROWS_ON_TERMINAL:,} shown" if len(rows) > MOST_ROWS_ON_TERMINAL else "")
    error_console().print(f"{remark}, {answer.get('statistics', {}).get('elapsed', 0):.3f} s", style="dim")


def _cell(value: object) -> object:
    if value is None:
        return None
    return Text(value if isinstance(value, str) else orjson.dumps(value).decode())


def _is_number(kind: str) -> bool:
    return kind.removeprefix("Nullable(").startswith(("UInt", "Int", "Float", "Decimal"))

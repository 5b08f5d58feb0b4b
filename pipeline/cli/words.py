"""`throughline words`: what sets comments with low scores apart, by theme and by word, with comments to read."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

import click
from rich.table import Table
from rich.text import Text

from pipeline.cli.clickhouse import Warehouse
from pipeline.cli.days import days
from pipeline.cli.errors import WRONG_USAGE, CommandError
from pipeline.cli.invocation import Invocation, examples, json_option, shared
from pipeline.cli.journey_filters import milliseconds
from pipeline.cli.output import console, print_json, table
from pipeline.cli.past import as_of_option
from pipeline.cli.reach import reach
from pipeline.contracts.types import touchpoint_types

Row = dict[str, Any]

_WORDS: Final = """
WITH chosen AS (SELECT * FROM v_comments WHERE {where}),
counted AS
(
    {words}
)
SELECT phrase, comments, low, high, round(log_odds, 3) AS log_odds, round(z, 2) AS z, goes_with,
    arrayMap(e -> (toString(e.2), e.3), groupArraySorted({examples:UInt16})((-toUnixTimestamp64Milli(c.occurred_at),
        c.event_uid, c.text))) AS told
FROM
(
    SELECT *, 'low' AS goes_with FROM counted WHERE low + high >= {least:UInt32} AND z > 0
    ORDER BY z DESC, size DESC, phrase LIMIT {limit:UInt32}
    UNION ALL
    SELECT *, 'high' AS goes_with FROM counted WHERE low + high >= {least:UInt32} AND z < 0
    ORDER BY z, size DESC, phrase LIMIT {limit:UInt32}
) AS w
INNER JOIN {source} AS p ON p.phrase = w.phrase AND p.size = w.size AND p.verdict = w.goes_with
INNER JOIN chosen AS c ON c.event_uid = p.event_uid
GROUP BY phrase, comments, low, high, log_odds, z, goes_with, w.size
ORDER BY goes_with = 'high', abs(z) DESC, w.size DESC, phrase
"""
_THEMES: Final = """
SELECT theme, any(d.title) AS title, count() AS comments, countIf(c.verdict = 'low') AS low,
    countIf(c.verdict = 'high') AS high, round(avg(c.score), 1) AS mean_score,
    arrayMap(e -> (toString(e.2), e.3), groupArraySorted({examples:UInt16})(
        (-toUnixTimestamp64Milli(c.occurred_at), c.event_uid, c.text))) AS told
FROM (SELECT *, arrayJoin(themes) AS theme FROM v_comments WHERE {where}) AS c
LEFT ANY JOIN v_theme_definitions AS d ON d.theme = c.theme
GROUP BY theme
ORDER BY low DESC, comments DESC, theme
"""
# Several customers may have written the same, and one of them is enough to read.
_READ_FOR_ONE: Final = 10
# Words of chosen comments only, so that a filter narrows the prior too.
_SOURCE: Final = "(SELECT * FROM v_comment_words WHERE {where})"


def _known(_context: click.Context, _parameter: click.Parameter, type_: str | None) -> str | None:
    if type_ is not None and type_ not in touchpoint_types():
        raise click.BadParameter(f"{type_} is no type of touchpoint; docs/reference/touchpoints.md lists them")
    return type_


def _filters(command: Callable[..., None]) -> Callable[..., None]:
    for option in (
        click.option("--sentiment", is_flag=True, help="Add the mood of each example (English; an extra library)."),
        click.option("--examples", default=1, show_default=True, type=click.IntRange(1, 50), help="Comments a row."),
        click.option(
            "--least", default=3, show_default=True, type=click.IntRange(1), help="Fewest comments of a word."
        ),
        click.option("--limit", default=12, show_default=True, type=click.IntRange(1), help="Most words of each side."),
        click.option(
            "--type", "type_", metavar="TYPE", callback=_known, help="Only comments of this type, as review.published."
        ),
        days("Only what was written since this day (UTC).", "Only what was written before this day (UTC)."),
    ):
        command = option(command)
    return command


@click.group(
    invoke_without_command=True,
    epilog=examples(
        "throughline words",
        "throughline words --type review.published --since 2026-03-01 --examples 3 --json",
        "throughline words declare themes.toml",
    ),
)
@_filters
@as_of_option
@json_option
@shared
@click.pass_context
def words(
    context: click.Context,
    invocation: Invocation,
    /,
    *,
    as_json: bool,
    sentiment: bool,
    **options: Any,  # noqa: ANN401 (days, a name and numbers, checked by click)
) -> None:
    """
    Show what customers say: themes, and the words that set low scores apart from high ones.

    Every row has comments to read; addresses and numbers in them are masked. docs/comments.md says how words are
    weighed and what a theme is.
    """
    if context.invoked_subcommand is not None:
        return
    judge = _judge() if sentiment else None
    condition, parameters = _condition(options)
    warehouse = Warehouse(reach(invocation).analyst_url)
    found = {
        "themes": warehouse.rows(_THEMES.replace("{where}", condition), _used(parameters, "limit", "least")),
        "words": warehouse.rows(_statement(condition), parameters),
    }
    for row in (row for rows in found.values() for row in rows):
        row |= {name: int(row[name]) for name in ("comments", "low", "high")}
        # Of those who wrote the same the newest.
        texts: dict[str, str] = {}
        for uid, text in row.pop("told"):
            texts.setdefault(text, uid)
        row["examples"] = [_example(uid, text, judge) for text, uid in [*texts.items()][: options["examples"]]]
    if as_json:
        print_json(found)
    elif found["words"] or found["themes"]:
        console().print(_laid_out("themes", ("theme", "comments", "low", "high", "mean score"), found["themes"]))
        console().print(_laid_out("words", ("phrase", "comments", "low", "high", "z"), found["words"]))
    else:
        console().print("No comments of that sort.")


@words.command(epilog=examples("throughline words declare themes.toml"))
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
@shared
def declare(invocation: Invocation, *, file: Path) -> None:
    """Let the themes of a TOML file hold from now on; what is wrong with it is said at once."""
    from pipeline.warehouse.theme_rules import ThemeError, read_themes  # noqa: PLC0415 (slow to import)

    try:
        text = file.read_text(encoding="utf-8")
        themes = read_themes(text)
    except (OSError, UnicodeDecodeError, ThemeError) as error:
        raise CommandError(
            f"these themes cannot hold: {error}", where=str(file), remedy="see docs/comments.md", exit_code=WRONG_USAGE
        ) from error
    _write(invocation, text, themes)
    click.echo(f"themes that hold now: {', '.join(theme.name for theme in themes)}")


@words.command(epilog=examples("throughline words reset"))
@shared
def reset(invocation: Invocation) -> None:
    """Go back to the themes that come with Throughline."""
    _write(invocation, "", ())
    click.echo("the themes that come with Throughline hold")


def _write(invocation: Invocation, text: str, themes: tuple[Any, ...]) -> None:
    from pipeline.warehouse.connection import connect  # noqa: PLC0415 (slow to import)
    from pipeline.warehouse.theme_rules import declare_themes  # noqa: PLC0415

    client = connect(reach(invocation).settings.clickhouse)
    declare_themes(client, text, themes)
    client.close()


def _statement(condition: str) -> str:
    from pipeline.warehouse.views.comments import words_of  # noqa: PLC0415 (slow to import)

    source = _SOURCE.replace("{where}", condition)
    sql = _WORDS.replace("{words}", words_of(source, "1"))
    return sql.replace("{source}", source).replace("{where}", condition)


def _condition(options: Mapping[str, Any]) -> tuple[str, dict[str, str]]:
    parameters = {name: str(options[name]) for name in ("limit", "least")}
    parameters["examples"] = str(_READ_FOR_ONE * options["examples"])
    conditions = ["1"]
    for name, operator in (("since", ">="), ("until", "<")):
        day: datetime | None = options[name]
        if day is not None:
            conditions.append(f"occurred_at {operator} fromUnixTimestamp64Milli({{{name}:Int64}}, 'UTC')")
            parameters[name] = str(milliseconds(day))
    if options["type_"]:
        conditions.append("type = {type:String}")
        parameters["type"] = options["type_"]
    return " AND ".join(conditions), parameters


def _used(parameters: Mapping[str, str], *without: str) -> dict[str, str]:
    return {name: value for name, value in parameters.items() if name not in without}


def _judge() -> Callable[[str], float]:
    """Return what tells the mood of a text from -1 to 1."""
    if find_spec("textblob") is None:
        raise CommandError(
            "--sentiment needs a library that is not installed",
            remedy="install it: pip install 'throughline[sentiment]'; words and themes need none",
            exit_code=WRONG_USAGE,
        )
    blob = import_module("textblob").TextBlob
    return lambda text: round(float(blob(text).sentiment.polarity), 2)


def _example(uid: str, text: str, judge: Callable[[str], float] | None) -> Row:
    return {"event_uid": uid, "text": text, **({"sentiment": judge(text)} if judge else {})}


def _laid_out(title: str, columns: Sequence[str], rows: Sequence[Row]) -> Table:
    laid = [
        (
            *(row[column.replace(" ", "_")] for column in columns),
            Text("\n".join(_told(example) for example in row["examples"]), style="dim"),
        )
        for row in rows
    ]
    return table(title, (*columns, "to read"), laid, columns[1:])


def _told(example: Row) -> str:
    mood = f" ({example['sentiment']:+.2f})" if "sentiment" in example else ""
    return " ".join(example["text"].split()) + mood

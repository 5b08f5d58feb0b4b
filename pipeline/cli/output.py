"""
How things look: tables, bars and colours on a terminal, plain text in a pipe, JSON for programs.

Colours and bars never reach a file or a pipe.
"""

import sys
from collections.abc import Iterable, Sequence
from datetime import timedelta

import click
import orjson
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

PIPE_WIDTH = 160


def console() -> Console:
    """Return the console for results (stdout)."""
    return Console(highlight=False, width=None if sys.stdout.isatty() else PIPE_WIDTH, soft_wrap=False)


def error_console() -> Console:
    """Return the console for progress and remarks (stderr), so that results can be piped."""
    return Console(stderr=True, highlight=False)


def print_json(value: object) -> None:
    """Print one JSON document, indented."""
    click.echo(orjson.dumps(value, option=orjson.OPT_INDENT_2 | orjson.OPT_NON_STR_KEYS, default=str).decode())


def table(title: str, columns: Sequence[str], rows: Iterable[Sequence[object]], right: Sequence[str] = ()) -> Table:
    """
    Lay rows out as a table.

    Args:
        title: What the table shows; empty for none.
        columns: Headings.
        rows: Values; None shows as a dash, `Text` keeps its style.
        right: Headings of columns that are aligned to the right (numbers).
    """
    laid = Table(title=title or None, title_justify="left", title_style="bold", box=None, pad_edge=False)
    for column in columns:
        laid.add_column(column, justify="right" if column in right else "left", header_style="dim", overflow="fold")
    for row in rows:
        laid.add_row(*(_cell(value) for value in row))
    return laid


def progress_bar(unit: str) -> Progress:
    """Return a bar for long work on stderr; it draws nothing where stderr is no terminal."""
    return Progress(
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn(unit),
        TimeElapsedColumn(),
        console=error_console(),
        transient=True,
        disable=not sys.stderr.isatty(),
    )


def count(number: int) -> str:
    """Return a number with thousands separators."""
    return f"{number:,}"


def money(minor: int, currency: str, exponent: int = 2) -> str:
    """Return an amount of minor units as people write it."""
    return f"{minor / 10**exponent:,.{exponent}f} {currency}"


def span(duration: timedelta) -> str:
    """Return a duration in its two greatest units, as `3d 4h` or `12s`."""
    seconds = int(duration.total_seconds())
    parts = [(seconds // 86400, "d"), (seconds // 3600 % 24, "h"), (seconds // 60 % 60, "m"), (seconds % 60, "s")]
    said = [f"{number}{unit}" for number, unit in parts if number]
    return " ".join(said[:2]) or "0s"


def _cell(value: object) -> str | Text:
    if isinstance(value, Text):
        return value
    if value is None:
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:,}" if isinstance(value, int) else escape(str(value))

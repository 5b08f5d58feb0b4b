"""`throughline painpoints --impact`: what each kind of pain point costs, against comparable journeys without it."""

from collections.abc import Sequence
from typing import Any, Final

import polars as pl
from rich.console import Group
from rich.text import Text

from pipeline.cli.clickhouse import Warehouse
from pipeline.cli.output import console, print_json, table
from pipeline.findings.impact import BY_CONSTRUCTION, STRATA, STRATUM, Impact, find_impacts

Row = dict[str, Any]

_TEXTS: Final = ", ".join(f"toString({name}) AS {name}" for name in ("kind", "outcome", *STRATUM))
_SUMS: Final = ", ".join(name for name in STRATA if name not in ("kind", "outcome", *STRATUM))


def read_impacts(warehouse: Warehouse) -> list[Impact]:
    """Compare journeys with pain points and without in a warehouse."""
    rows = warehouse.rows(f"SELECT {_TEXTS}, {_SUMS} FROM v_impact_strata")
    numbers = {name for name, dtype in STRATA.items() if dtype == pl.Int64}
    typed = [{name: int(value) if name in numbers else value for name, value in row.items()} for row in rows]
    return find_impacts(pl.DataFrame(typed, schema=dict(STRATA)))


def show_impacts(warehouse: Warehouse, kinds: Sequence[str], limit: int, *, as_json: bool) -> None:
    """Print the impacts of some kinds, of all where none is named; the heaviest first."""
    found = [one for one in read_impacts(warehouse) if not kinds or one.kind in kinds][:limit]
    excluded = [
        {"kind": kind, "outcome": outcome, "why": why}
        for (kind, outcome), why in BY_CONSTRUCTION.items()
        if not kinds or kind in kinds
    ]
    if as_json:
        print_json({"impacts": [_as_row(rank, one) for rank, one in enumerate(found, 1)], "not_compared": excluded})
        return
    if not found:
        console().print("Too few comparable journeys: a comparison needs ten on each side.")
        return
    numbers = ("with", "n", "without", "n ", "difference", "from", "to")
    rows = [_laid(one) for one in found]
    left_out = "; ".join(f"{each['kind']} on {each['outcome']} ({each['why']})" for each in excluded)
    laid = table("", ("pain point", "outcome", *numbers, ""), rows, numbers)
    console().print(Group(laid, Text(f"Not compared: {left_out}." if left_out else "", style="dim")))


def _as_row(rank: int, one: Impact) -> Row:
    return {
        "rank": rank,
        "kind": one.kind,
        "outcome": one.outcome,
        "with_pain": round(one.with_pain, 4),
        "n_with": one.n_with,
        "without_pain": round(one.without_pain, 4),
        "n_without": one.n_without,
        "difference": round(one.difference, 4),
        "low": None if one.low is None else round(one.low, 4),
        "high": None if one.high is None else round(one.high, 4),
        "strata": one.strata,
        "is_worse": one.is_worse,
    }


def _laid(one: Impact) -> tuple[object, ...]:
    ends = ("–" if end is None else f"{end:+.1%}" for end in (one.low, one.high))
    return (
        one.kind.replace("_", " "),
        one.outcome.replace("_", " "),
        f"{one.with_pain:.1%}",
        one.n_with,
        f"{one.without_pain:.1%}",
        one.n_without,
        f"{one.difference:+.1%}",
        *ends,
        "worse" if one.is_worse else "",
    )

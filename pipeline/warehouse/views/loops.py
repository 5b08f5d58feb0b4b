"""
`v_loops`: what comes back within a journey, and by which way.

The rule owned here: a type loops when its journey comes back to it, either at once (a repeat, nothing in between) or
after other types. The way back is what lies between, repeats collapsed; up to three types are named, a longer way is …
"""

from pipeline.warehouse.declarations import View, view_columns_of
from pipeline.warehouse.tables.types import LOW
from pipeline.warehouse.views.expressions import ANCHORS
from pipeline.warehouse.views.paths import BAD_JOURNEYS, share

LONGER = "…"
"""What stands for a way back over more than three types."""

_MOVES = (1, 2, 3, 4)
_EMPTY = "''"
_EPOCH = "toDateTime64(0, 3, 'UTC')"


def _moved(column: str, places: int, default: str) -> str:
    """Return an array in which every place holds what stood some places before."""
    return f"arrayResize(arrayConcat(arrayWithConstant({places}, {default}), {column}), length({column}))"


def _arrays() -> str:
    names = [f"{_moved('c.types', n, _EMPTY)} AS type_{n}" for n in _MOVES]
    journeys = [f"{_moved('c.journeys', n, '0')} AS journey_{n}" for n in _MOVES[1:]]
    times = [f"{_moved('c.times', n, _EPOCH)} AS at_{n}" for n in _MOVES[1:]]
    return ", ".join([*names, *journeys, *times])


def _chosen(values: list[str], otherwise: str) -> str:
    """Choose by the place of the last touchpoint of the same type and journey: 2, 3, 4 before, or further."""
    cases = [f"type_{n} = type AND journey_{n} = journey, {value}" for n, value in zip(_MOVES[1:], values, strict=True)]
    return f"multiIf({', '.join(cases)}, {otherwise})"


# Of each run of one type within a journey the first touchpoint stands for all.
_COLLAPSED = f"""SELECT s.ident_key, {BAD_JOURNEYS} AS bad,
            arrayMap((t, u, j, k) -> t != u OR j != k, s.step_type, arrayPopBack(arrayPushFront(s.step_type, '')),
                s.step_journey, arrayPopBack(arrayPushFront(s.step_journey, 0))) AS begins,
            arrayFilter((x, b) -> b, s.step_type, begins) AS types,
            arrayFilter((x, b) -> b, s.step_journey, begins) AS journeys,
            arrayFilter((x, b) -> b, s.step_occurred_at, begins) AS times
        FROM {{db}}.stitched AS s FINAL
        WHERE {ANCHORS}"""

_RETURNS = f"""SELECT type, arrayMap(x -> toString(x), {
    _chosen(["[type_1]", "[type_2, type_1]", "[type_3, type_2, type_1]"], f"['{LONGER}']")
}) AS via, (c.ident_key, journey) AS who, has(c.bad, journey) AS ends_badly,
        dateDiff('millisecond', {_chosen(["at_2", "at_3", "at_4"], "NULL")}, at) / 1000 AS seconds
    FROM
    (
        {_COLLAPSED}
    ) AS c
    ARRAY JOIN c.types AS type, c.journeys AS journey, c.times AS at, {_arrays()},
        arrayEnumerateUniq(c.types, c.journeys) AS nth
    WHERE nth > 1"""

_REPEATS = """SELECT to_type, CAST([], 'Array(String)'), (journey_id, toUInt32(0)), ends_badly, seconds
    FROM {db}.v_transitions
    WHERE from_type = to_type"""


def loops_view() -> View:
    """Declare `v_loops`."""
    journeys, bad = "uniqExact(l.who)", "uniqExactIf(l.who, l.ends_badly)"
    return View(
        name="v_loops",
        comment="Loops: types that journeys come back to, at once or by other types, and how such journeys end.",
        columns=view_columns_of(
            [
                ("type", LOW, "l.type", "What happens again."),
                (
                    "via",
                    "Array(String)",
                    "l.via",
                    f"Types in between, repeats collapsed; empty: repeated at once; {LONGER}: more than three.",
                ),
                ("times", "UInt64", "count()", "How often."),
                ("journeys", "UInt64", journeys, "Journeys in which it happens."),
                (
                    "median_seconds",
                    "Nullable(Float64)",
                    "quantileExactInclusiveOrNull(0.5)(l.seconds)",
                    f"Median time from one to the next; NULL where the way is {LONGER}",
                ),
                ("ends_badly", "UInt64", bad, "How many of these journeys end badly (v_journey_paths)."),
                ("share_ends_badly", "Float64", share(bad, journeys), "Their share of these journeys."),
            ]
        ),
        source=f"FROM\n(\n    {_RETURNS}\n    UNION ALL\n    {_REPEATS}\n) AS l\nGROUP BY l.type, l.via",
        question="Where do customers go in circles?",
        example="SELECT type, arrayStringConcat(via, ' → ') AS by_way_of, times, journeys,\n"
        "    round(median_seconds / 3600, 1) AS median_hours, share_ends_badly\n"
        "FROM v_loops\nORDER BY times DESC, type, via\nLIMIT 10",
    )

"""
`v_loops`: what comes back within a journey, and by which way.

The rule owned here: a type loops when its journey comes back to it, either at once (a repeat, nothing in between) or
after other types. The way back is what lies between, repeats collapsed; up to three types are named, a longer way is …
"""

from pipeline.warehouse.declarations import View, view_columns_of
from pipeline.warehouse.tables.types import LOW
from pipeline.warehouse.views.expressions import ANCHORS, SEEN_TYPES, moved, type_numbers
from pipeline.warehouse.views.paths import BAD_JOURNEYS, share

LONGER = "…"
"""What stands for a way back over more than three types."""

_MOVES = (1, 2, 3, 4)
_BITS = 16
_LONGER_NUMBER = 2**_BITS - 1


def _key(*numbers: str) -> str:
    """Return one number of several, the first lowest."""
    return " + ".join(f"bitShiftLeft(toUInt64({number}), {_BITS * place})" for place, number in enumerate(numbers))


def _chosen(values: list[str], otherwise: str) -> str:
    """Choose by the place of the last touchpoint of the same type and journey: 2, 3, 4 before, or further."""
    cases = [f"t{n} = t AND j{n} = j, {value}" for n, value in zip(_MOVES[1:], values, strict=True)]
    return f"multiIf({', '.join(cases)}, {otherwise})"


def _returns(value: str, before: tuple[str, ...]) -> str:
    """Return an expression of every touchpoint that comes back, which sees what stood `before`."""
    sources = {"t": "types", "j": "journeys", "m": "times"}
    names = ["t", "j", "m", *before]
    arrays = [moved(sources[name[0]], int(name[1:])) if name[1:] else sources[name] for name in names]
    return f"arrayFilter((x, n) -> n > 1, arrayMap(({', '.join(names)}) -> {value}, {', '.join(arrays)}), nth)"


# Of each run of one type within a journey the first touchpoint stands for all; the others are repeats.
_ROWS = f"""SELECT {BAD_JOURNEYS} AS bad, {type_numbers("s.step_type")} AS all_types,
            arrayMap(x -> toUnixTimestamp64Milli(x), s.step_occurred_at) AS all_times, s.step_journey AS all_journeys,
            arrayMap((t, u, j, k) -> t != u OR j != k, all_types, {moved("all_types")},
                all_journeys, {moved("all_journeys")}) AS begins,
            arrayFilter((x, b) -> b, all_types, begins) AS types,
            arrayFilter((x, b) -> b, all_journeys, begins) AS journeys,
            arrayFilter((x, b) -> b, all_times, begins) AS times,
            arrayEnumerateUniq(types, journeys) AS nth
        FROM {{db}}.stitched AS s FINAL
        WHERE {ANCHORS}"""

_WAYS = _chosen(
    [_key("t", "t1"), _key("t", "t2", "t1"), _key("t", "t3", "t2", "t1")],
    _key("t", str(_LONGER_NUMBER)),
)
_SINCE = _chosen(["m - m2", "m - m3", "m - m4"], "-1")

_LOOPS = f"""SELECT key, since, nth = 1 AS is_first, is_bad
    FROM
    (
        SELECT arrayConcat({_returns(_WAYS, ("t1", "t2", "t3", "t4", "j2", "j3", "j4"))},
                arrayFilter((x, b) -> NOT b, arrayMap(x -> toUInt64(x), all_types), begins)) AS keys,
            arrayConcat({_returns(_SINCE, ("t2", "t3", "t4", "j2", "j3", "j4", "m2", "m3", "m4"))},
                arrayFilter((x, b) -> NOT b, arrayMap((x, y) -> x - y, all_times, {moved("all_times")}), begins))
                AS sinces,
            arrayConcat(arrayFilter((x, n) -> n > 1, journeys, nth), arrayFilter((x, b) -> NOT b, all_journeys, begins))
                AS its_journeys, bad
        FROM
        (
            {_ROWS}
        )
    )
    ARRAY JOIN keys AS key, sinces AS since, arrayEnumerateUniq(keys, its_journeys) AS nth,
        arrayMap(j -> has(bad, j), its_journeys) AS is_bad"""


def _part(place: int) -> str:
    return f"bitAnd(bitShiftRight(l.key, {_BITS * place}), {_LONGER_NUMBER})"


def loops_view() -> View:
    """Declare `v_loops`."""
    journeys, bad = "countIf(l.is_first)", "countIf(l.is_first AND l.is_bad)"
    via = (
        f"arrayMap(n -> if(n = {_LONGER_NUMBER}, '{LONGER}', {SEEN_TYPES}[n]), "
        f"arrayFilter(n -> n > 0, [{', '.join(_part(place) for place in (1, 2, 3))}]))"
    )
    return View(
        name="v_loops",
        comment="Loops: types that journeys come back to, at once or by other types, and how such journeys end.",
        columns=view_columns_of(
            [
                ("type", LOW, f"{SEEN_TYPES}[{_part(0)}]", "What happens again."),
                (
                    "via",
                    "Array(String)",
                    via,
                    f"Types in between, repeats collapsed; empty: repeated at once; {LONGER}: more than three.",
                ),
                ("times", "UInt64", "count()", "How often."),
                ("journeys", "UInt64", journeys, "Journeys in which it happens."),
                (
                    "median_seconds",
                    "Nullable(Float64)",
                    "quantileExactInclusiveOrNullIf(0.5)(l.since / 1000, l.since >= 0)",
                    f"Median time from one to the next; NULL where the way is {LONGER}",
                ),
                ("ends_badly", "UInt64", bad, "How many of these journeys end badly (v_journey_paths)."),
                ("share_ends_badly", "Float64", share(bad, journeys), "Their share of these journeys."),
            ]
        ),
        source=f"FROM\n(\n    {_LOOPS}\n) AS l\nGROUP BY l.key",
        question="Where do customers go in circles?",
        example="SELECT type, arrayStringConcat(via, ' → ') AS by_way_of, times, journeys,\n"
        "    round(median_seconds / 3600, 1) AS median_hours, share_ends_badly\n"
        "FROM v_loops\nORDER BY times DESC, type, via\nLIMIT 10",
    )

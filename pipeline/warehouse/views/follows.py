"""
`v_transitions` and `v_directly_follows`: what follows what within a journey.

The rule owned here: a touchpoint directly follows another when it is the next of the same journey, in the order of
(occurred_at, event_uid). Every journey also has one edge from `(start)` and one to `(end)`, so that what flows into a
type flows out of it again. All is computed from what `stitched` nests; no facts are read.
"""

from pipeline.warehouse.declarations import View, view_columns_of
from pipeline.warehouse.tables.types import LOW, MILLIS
from pipeline.warehouse.views.expressions import ANCHORS, SEEN_TYPES, moved, stage_of, type_numbers
from pipeline.warehouse.views.paths import BAD_JOURNEYS, ENDS_BADLY, share

START = "(start)"
END = "(end)"


def _before(column: str, default: str) -> str:
    return f"arrayPopBack(arrayPushFront({column}, {default}))"


# The pair that a journey begins with has another journey before it, so it is a pair of its own for `is_first`.
_STEPS = f"""SELECT s.journey_id[a_journey] AS journey_id, s.ident_key AS customer_uid,
        if(a_journey != b_journey, '{START}', b_type) AS from_type, a_type AS to_type,
        if(a_journey != b_journey, '{START}', b_channel) AS from_channel, a_channel AS to_channel,
        if(a_journey != b_journey, NULL, b_at) AS from_at, toNullable(a_at) AS to_at,
        a_nth = 1 AS is_first, has(s.bad, a_journey) AS ends_badly
    FROM
    (
        SELECT s.ident_key, s.journey_id, s.step_type, s.step_channel, s.step_occurred_at, s.step_journey,
            {BAD_JOURNEYS} AS bad, {_before("s.step_type", "''")} AS b_types,
            {_before("s.step_journey", "0")} AS b_journeys
        FROM {{db}}.stitched AS s FINAL
        WHERE {ANCHORS}
    ) AS s
    ARRAY JOIN s.step_type AS a_type, s.step_channel AS a_channel, s.step_occurred_at AS a_at,
        s.step_journey AS a_journey, s.b_types AS b_type, s.b_journeys AS b_journey,
        {_before("s.step_channel", "''")} AS b_channel,
        {_before("s.step_occurred_at", "toDateTime64(0, 3, 'UTC')")} AS b_at,
        arrayEnumerateUniq(s.step_journey, s.b_journeys, s.b_types, s.step_type) AS a_nth"""

_ENDS = f"""SELECT a_id AS journey_id, s.ident_key AS customer_uid,
        s.step_type[a_last] AS from_type, '{END}' AS to_type, s.step_channel[a_last] AS from_channel,
        '{END}' AS to_channel, toNullable(a_ended_at) AS from_at, NULL AS to_at,
        true AS is_first, has({BAD_JOURNEYS}, a_index) AS ends_badly
    FROM {{db}}.stitched AS s FINAL
    ARRAY JOIN s.journey_id AS a_id, s.journey_ended_at AS a_ended_at, arrayEnumerate(s.journey_id) AS a_index,
        arrayMap((f, n) -> f + n - 1, s.journey_first_step, s.journey_touchpoints) AS a_last
    WHERE {ANCHORS}"""


_BITS = 16
_END_NUMBER = 2**_BITS - 1

# The same pairs as numbers, from above and to below: 0 is the start.
_PAIRS = f"""SELECT key, since, nth = 1 AS is_first, is_bad
    FROM
    (
        SELECT {BAD_JOURNEYS} AS bad, {type_numbers("s.step_type")} AS numbers, s.step_journey AS journeys,
            arrayMap(x -> toUnixTimestamp64Milli(x), s.step_occurred_at) AS times,
            arrayMap((n, j, k) -> if(j = k, n, 0), {moved("numbers")}, journeys, {moved("journeys")}) AS before,
            arrayMap((f, n) -> numbers[f + n - 1], s.journey_first_step, s.journey_touchpoints) AS last,
            arrayConcat(arrayMap((b, n) -> toUInt32(bitShiftLeft(toUInt32(b), {_BITS}) + n), before, numbers),
                arrayMap(n -> toUInt32(bitShiftLeft(toUInt32(n), {_BITS}) + {_END_NUMBER}), last)) AS keys,
            arrayConcat(arrayMap((b, t, u) -> if(b = 0, -1, t - u), before, times, {moved("times")}),
                arrayMap(n -> -1, last)) AS sinces,
            arrayConcat(journeys, arrayEnumerate(last)) AS its_journeys
        FROM {{db}}.stitched AS s FINAL
        WHERE {ANCHORS}
    )
    ARRAY JOIN keys AS key, sinces AS since, arrayEnumerateUniq(keys, its_journeys) AS nth,
        arrayMap(j -> has(bad, j), its_journeys) AS is_bad"""


def transitions_view() -> View:
    """Declare `v_transitions`."""
    seconds = "dateDiff('millisecond', t.from_at, t.to_at) / 1000"
    stages = [
        f"if(t.{end}_type IN ('{START}', '{END}'), t.{end}_type, {stage_of(f't.{end}_type')})" for end in ("from", "to")
    ]
    return View(
        name="v_transitions",
        comment="Every pair of touchpoints that directly follow each other in a journey, with its start and end.",
        columns=view_columns_of(
            [
                ("journey_id", "UUID", "t.journey_id", "The journey."),
                ("customer_uid", "UUID", "t.customer_uid", "The customer."),
                ("from_type", LOW, "t.from_type", f"What happened before; {START}: nothing."),
                ("to_type", LOW, "t.to_type", f"What happened next; {END}: nothing (yet)."),
                ("from_stage", LOW, stages[0], "Stage of from_type."),
                ("to_stage", LOW, stages[1], "Stage of to_type."),
                ("from_channel", LOW, "t.from_channel", "Channel of the one before."),
                ("to_channel", LOW, "t.to_channel", "Channel of the next."),
                ("from_at", f"Nullable({MILLIS})", "t.from_at", f"When it happened; NULL from {START}."),
                ("to_at", f"Nullable({MILLIS})", "t.to_at", f"When the next happened; NULL to {END}."),
                ("seconds", "Nullable(Float64)", seconds, f"Time between them; NULL from {START} and to {END}."),
                ("is_first", "Bool", "t.is_first", "Whether the journey takes this pair of types for the first time."),
                ("ends_badly", "Bool", "t.ends_badly", f"Of the journey. {ENDS_BADLY}"),
            ]
        ),
        source=f"FROM\n(\n    {_STEPS}\n    UNION ALL\n    {_ENDS}\n) AS t",
        question="From which channel to which do customers change after a call?",
        example="SELECT to_channel, count() AS times, countIf(ends_badly) AS of_journeys_that_end_badly\n"
        "FROM v_transitions\nWHERE from_type = 'support.call_ended'\nGROUP BY to_channel\nORDER BY times DESC",
    )


def directly_follows_view() -> View:
    """Declare `v_directly_follows`."""
    bad = "countIf(t.is_first AND t.is_bad)"
    journeys = "countIf(t.is_first)"
    before, after = f"bitShiftRight(t.key, {_BITS})", f"bitAnd(t.key, {_END_NUMBER})"
    from_type = f"if({before} = 0, '{START}', {SEEN_TYPES}[{before}])"
    to_type = f"if({after} = {_END_NUMBER}, '{END}', {SEEN_TYPES}[{after}])"
    # Both quantiles of one sorted list; of no values they are no numbers.
    times = "quantilesExactInclusiveIf(0.5, 0.9)(t.since / 1000, t.since >= 0)"
    of_from = f"count() / sum(count()) OVER (PARTITION BY {before})"
    return View(
        name="v_directly_follows",
        comment="The directly-follows graph: how often one type follows another, how fast, and how such journeys end.",
        columns=view_columns_of(
            [
                ("from_type", LOW, from_type, f"What happened before; {START}: the journey begins."),
                ("to_type", LOW, to_type, f"What happened next; {END}: the journey ends (so far)."),
                ("times", "UInt64", "count()", "How often."),
                ("share", "Float64", of_from, "Its share of all that follows from_type; they add up to 1."),
                ("journeys", "UInt64", journeys, "Journeys in which it happens."),
                (
                    "median_seconds",
                    "Nullable(Float64)",
                    f"if(countIf(t.since >= 0) = 0, NULL, {times}[1])",
                    f"Median time between them; NULL from {START} and to {END}.",
                ),
                (
                    "p90_seconds",
                    "Nullable(Float64)",
                    f"if(countIf(t.since >= 0) = 0, NULL, {times}[2])",
                    "Nine of ten take no longer.",
                ),
                ("ends_badly", "UInt64", bad, "How many of these journeys end badly (v_journey_paths)."),
                ("share_ends_badly", "Float64", share(bad, journeys), "Their share of these journeys."),
            ]
        ),
        source=f"FROM\n(\n    {_PAIRS}\n) AS t\nGROUP BY t.key",
        question="After which step do journeys end badly most often?",
        example="SELECT from_type, to_type, times, round(median_seconds / 3600, 1) AS median_hours,\n"
        "    journeys, share_ends_badly\nFROM v_directly_follows\n"
        "ORDER BY share_ends_badly DESC, times DESC, from_type, to_type\nLIMIT 10",
    )

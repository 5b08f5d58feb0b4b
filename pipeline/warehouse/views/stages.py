"""
`v_journey_stages`, `v_stage_times` and `v_stage_drop_off`: journeys by stage, how long that takes and where they end.

The rule owned here: an episode is a run of touchpoints of one stage within a journey. Touchpoints without a stage begin
and end none. The time from one stage to the next runs from the first touchpoint of the one to the first of the other,
so that the times of a journey add up. All is computed from what `stitched` nests; no facts are read.
"""

from pipeline.contracts.kinds import ANY_STAGE, STAGES
from pipeline.warehouse.ddl import quote_text
from pipeline.warehouse.declarations import View, view_columns_of
from pipeline.warehouse.tables.types import LOW, MILLIS
from pipeline.warehouse.views.expressions import ANCHORS, JOURNEY_GAP_MS, stage_of
from pipeline.warehouse.views.follows import END
from pipeline.warehouse.views.paths import BAD_JOURNEYS, ENDS_BADLY, share

_EPOCH = "toDateTime64(0, 3, 'UTC')"
_POSITION = f"indexOf([{', '.join(quote_text(stage) for stage in STAGES)}], e.stage)"


# `before` is what came before in the array of touchpoints with a stage; `after` what follows in that of episodes.
def _source() -> str:
    return f"""FROM
(
    SELECT s.ident_key, s.journey_id, s.journey_ended_at, {BAD_JOURNEYS} AS bad,
        arrayMap(x -> {stage_of("x")}, s.step_type) AS all_stages,
        arrayFilter((x, g) -> g != {quote_text(ANY_STAGE)}, s.step_journey, all_stages) AS journeys,
        arrayFilter((x, g) -> g != {quote_text(ANY_STAGE)}, s.step_occurred_at, all_stages) AS times,
        arrayFilter(g -> g != {quote_text(ANY_STAGE)}, all_stages) AS stages,
        arrayMap((g, h, j, k) -> g != h OR j != k, stages, arrayPopBack(arrayPushFront(stages, '')),
            journeys, arrayPopBack(arrayPushFront(journeys, 0))) AS begins,
        arrayFilter((i, b) -> b, arrayEnumerate(stages), begins) AS first,
        arrayPopFront(arrayPushBack(first, length(stages) + 1)) AS after,
        arrayMap(i -> journeys[i], first) AS e_journeys,
        arrayMap(i -> stages[i], first) AS e_stages,
        arrayMap(i -> times[i], first) AS e_times
    FROM {{db}}.stitched AS s FINAL
    WHERE {ANCHORS}
) AS s
ARRAY JOIN s.e_journeys AS a_journey, s.e_stages AS a_stage, s.e_times AS a_entered_at,
    arrayMap(i -> s.times[i - 1], s.after) AS a_left_at, arrayMap((i, n) -> n - i, s.first, s.after) AS a_touchpoints,
    arrayEnumerateUniq(s.e_journeys) AS a_episode, arrayEnumerateUniq(s.e_journeys, s.e_stages) AS a_nth,
    arrayPopFront(arrayPushBack(s.e_journeys, 0)) AS b_journey,
    arrayPopFront(arrayPushBack(s.e_stages, '')) AS b_stage,
    arrayPopFront(arrayPushBack(s.e_times, {_EPOCH})) AS b_entered_at"""


def journey_stages_view() -> View:
    """Declare `v_journey_stages`."""
    is_open = f"s.journey_ended_at[a_journey] + toIntervalMillisecond({JOURNEY_GAP_MS}) >= now64(3, 'UTC')"
    return View(
        name="v_journey_stages",
        comment="The stages of every journey in their order, one row an episode, with what came next.",
        columns=view_columns_of(
            [
                ("journey_id", "UUID", "s.journey_id[a_journey]", "The journey."),
                ("customer_uid", "UUID", "s.ident_key", "The customer."),
                ("episode", "UInt32", "a_episode", "Place among the episodes of the journey, from 1."),
                ("stage", LOW, "a_stage", "The stage."),
                ("is_first", "Bool", "a_nth = 1", "Whether the journey enters this stage for the first time."),
                ("entered_at", MILLIS, "a_entered_at", "First touchpoint of the episode."),
                ("left_at", MILLIS, "a_left_at", "Last touchpoint of the episode."),
                ("touchpoints", "UInt32", "a_touchpoints", "Touchpoints of this stage in the episode."),
                (
                    "next_stage",
                    LOW,
                    f"if(b_journey = a_journey, b_stage, '{END}')",
                    f"Stage of the next episode; {END}: none follows (yet).",
                ),
                (
                    "next_at",
                    f"Nullable({MILLIS})",
                    "if(b_journey = a_journey, b_entered_at, NULL)",
                    f"When that began; NULL to {END}.",
                ),
                ("ends_badly", "Bool", "has(s.bad, a_journey)", f"Of the journey. {ENDS_BADLY}"),
                ("is_open", "Bool", is_open, "Whether a touchpoint now would still belong to the journey."),
            ]
        ),
        source=_source(),
        question="How long do customers stay in each stage?",
        example="SELECT stage, count() AS episodes,\n"
        "    round(median(dateDiff('second', entered_at, left_at)) / 3600, 1) AS median_hours\n"
        "FROM v_journey_stages\nGROUP BY stage\nORDER BY episodes DESC, stage",
    )


def stage_times_view() -> View:
    """Declare `v_stage_times`."""
    seconds = "dateDiff('millisecond', e.entered_at, e.next_at) / 1000"
    silence = "dateDiff('millisecond', e.left_at, e.next_at) / 1000"
    return View(
        name="v_stage_times",
        comment="Time between stages: from every stage to the one that follows, and how often which follows.",
        columns=view_columns_of(
            [
                ("from_stage", LOW, "e.stage", "The stage."),
                ("to_stage", LOW, "e.next_stage", f"The stage that follows; {END}: none (yet)."),
                ("times", "UInt64", "count()", "How often."),
                (
                    "share",
                    "Float64",
                    "count() / sum(count()) OVER (PARTITION BY e.stage)",
                    "Its share of all that follows from_stage; they add up to 1.",
                ),
                (
                    "median_seconds",
                    "Nullable(Float64)",
                    f"quantileExactInclusiveOrNull(0.5)({seconds})",
                    f"Median time from the first touchpoint of the one to the first of the next; NULL to {END}.",
                ),
                (
                    "p90_seconds",
                    "Nullable(Float64)",
                    f"quantileExactInclusiveOrNull(0.9)({seconds})",
                    "Nine of ten take no longer.",
                ),
                (
                    "median_silence_seconds",
                    "Nullable(Float64)",
                    f"quantileExactInclusiveOrNull(0.5)({silence})",
                    "Median time from the last touchpoint of the one to the first of the next.",
                ),
            ]
        ),
        source="FROM {db}.v_journey_stages AS e\nGROUP BY e.stage, e.next_stage",
        question="How long does it take from order to receipt, and from support to what follows?",
        example="SELECT from_stage, to_stage, times, round(share, 4) AS part,\n"
        "    round(median_seconds / 3600, 1) AS median_hours\n"
        "FROM v_stage_times\nORDER BY from_stage, times DESC, to_stage",
    )


def stage_drop_off_view() -> View:
    """Declare `v_stage_drop_off`."""
    journeys = "countIf(e.is_first)"
    ended = f"countIf(e.next_stage = '{END}' AND NOT e.is_open)"
    bad = "countIf(e.is_first AND e.ends_badly)"
    return View(
        name="v_stage_drop_off",
        comment="Where journeys end: of those that reach a stage, how many go on and for how many it is the last.",
        columns=view_columns_of(
            [
                ("position", "UInt8", f"toUInt8({_POSITION})", "Place of the stage in a customer's life, from 1."),
                ("stage", LOW, "e.stage", "The stage."),
                ("journeys", "UInt64", journeys, "Journeys that reach it."),
                ("dropped", "UInt64", ended, "Journeys that are over, and in which no other stage followed."),
                (
                    "waiting",
                    "UInt64",
                    f"countIf(e.next_stage = '{END}' AND e.is_open)",
                    "Journeys in which none followed so far, but that may go on.",
                ),
                ("went_on", "UInt64", f"{journeys} - dropped - waiting", "Journeys that ended in another stage."),
                ("share_dropped", "Float64", share("dropped", journeys), "Share of dropped in journeys."),
                ("ends_badly", "UInt64", bad, "Journeys that reach it and end badly (v_journey_paths)."),
                ("share_ends_badly", "Float64", share(bad, journeys), "Their share of journeys."),
            ]
        ),
        source="FROM {db}.v_journey_stages AS e\nGROUP BY e.stage",
        question="In which stage do we lose customers?",
        example="SELECT stage, journeys, dropped, waiting, went_on, share_dropped, share_ends_badly\n"
        "FROM v_stage_drop_off\nORDER BY position",
    )

"""
`v_journey_paths` and `v_variants`: every journey as a path of types, stages and channels, and how it went.

The rule owned here is what ends badly: a journey with a pain point, due by now, that is of high severity or a low
score, a bad review or a churn of any severity. All is computed from what `stitched` nests; no facts are read.
"""

from pipeline.contracts.kinds import ANY_STAGE
from pipeline.warehouse.ddl import quote_text
from pipeline.warehouse.declarations import View, view_columns_of
from pipeline.warehouse.tables.types import MILLIS
from pipeline.warehouse.views.expressions import ANCHORS, JOURNEY_GAP_MS, money_map, stage_of

BAD_ENDS: tuple[str, ...] = ("bad_review", "churned", "low_score")
"""Kinds of pain points that make a journey end badly whatever their severity."""

_KINDS = ", ".join(quote_text(kind) for kind in BAD_ENDS)

BAD_JOURNEYS = (
    f"arrayFilter((p, k, v, d) -> (v = 'high' OR k IN ({_KINDS})) AND (isNull(d) OR d <= now64(3, 'UTC')), "
    "s.pain_journey, s.pain_kind, s.pain_severity, s.pain_due_at)"
)
"""Indexes of the journeys of a row of `stitched AS s` that end badly by now."""

ENDS_BADLY = f"Whether a pain point of it is of high severity or one of {', '.join(BAD_ENDS)}, due by now."


def share(part: str, whole: str) -> str:
    """Return a share of a count that is not 0."""
    return f"round(({part}) / ({whole}), 4)"


def paths_view() -> View:
    """Declare `v_journey_paths`."""
    types = "arraySlice(s.step_type, a_first_step, a_touchpoints)"
    staged = f"arrayFilter(x -> x != {quote_text(ANY_STAGE)}, arrayMap(x -> {stage_of('x')}, arrayCompact({types})))"
    channels = "arraySlice(s.step_channel, a_first_step, a_touchpoints)"
    fields = ["id", "started_at", "ended_at", "first_step", "touchpoints", "orders", "revenue"]
    arrays = ", ".join(f"s.journey_{name} AS a_{name}" for name in fields)
    is_open = f"a_ended_at + toIntervalMillisecond({JOURNEY_GAP_MS}) >= now64(3, 'UTC')"
    return View(
        name="v_journey_paths",
        comment="Every journey as a path of types, of stages and of channels, its length, and whether it ends badly.",
        columns=view_columns_of(
            [
                ("journey_id", "UUID", "a_id", "The journey."),
                ("customer_uid", "UUID", "s.ident_key", "The customer."),
                ("started_at", MILLIS, "a_started_at", "First touchpoint."),
                ("ended_at", MILLIS, "a_ended_at", "Last touchpoint so far."),
                (
                    "seconds",
                    "Float64",
                    "dateDiff('millisecond', a_started_at, a_ended_at) / 1000",
                    "From first to last.",
                ),
                ("touchpoints", "UInt32", "a_touchpoints", "Number of touchpoints."),
                ("types", "Array(String)", f"arrayCompact({types})", "Types in order, repeats collapsed."),
                (
                    "stages",
                    "Array(String)",
                    f"arrayCompact({staged})",
                    "Stages in order, repeats collapsed, touchpoints without a stage left out.",
                ),
                ("channels", "Array(String)", f"arrayCompact({channels})", "Channels in order, repeats collapsed."),
                ("orders", "UInt32", "a_orders", "Distinct order_id of order.placed."),
                ("revenue", "Map(String, Int64)", money_map("a_revenue"), "Their amounts in minor units by currency."),
                ("ends_badly", "Bool", f"has({BAD_JOURNEYS}, a_index)", ENDS_BADLY),
                ("is_open", "Bool", is_open, "Whether a touchpoint now would still belong to it."),
            ]
        ),
        source=(
            "FROM {db}.stitched AS s FINAL\n"
            f"ARRAY JOIN {arrays}, arrayEnumerate(s.journey_id) AS a_index\nWHERE {ANCHORS}"
        ),
        question="How do journeys that end badly differ in length and contacts from the others?",
        example="SELECT ends_badly, count() AS journeys, round(avg(touchpoints), 1) AS touchpoints,\n"
        "    round(median(seconds) / 86400, 1) AS median_days, countIf(has(stages, 'support')) AS with_support\n"
        "FROM v_journey_paths\nGROUP BY ends_badly\nORDER BY ends_badly",
    )


def variants_view() -> View:
    """Declare `v_variants`."""
    return View(
        name="v_variants",
        comment="Variants: journeys with the same path, by type, by stage and by channel, the share that ends badly.",
        columns=view_columns_of(
            [
                ("level", "String", "a_level", "What the path consists of: type, stage or channel. Filter by it."),
                ("path", "Array(String)", "a_path", "The path, repeats collapsed."),
                ("journeys", "UInt64", "count()", "Journeys that went so."),
                (
                    "share",
                    "Float64",
                    "count() / sum(count()) OVER (PARTITION BY a_level)",
                    "Their share of all journeys; those of a level add up to 1.",
                ),
                (
                    "median_seconds",
                    "Float64",
                    "quantileExactInclusive(0.5)(p.seconds)",
                    "Half of them took no longer, from first to last touchpoint.",
                ),
                ("open", "UInt64", "countIf(p.is_open)", "How many may still go on."),
                ("orders", "UInt64", "sum(p.orders)", "Orders in them."),
                ("revenue", "Map(String, Int64)", "sumMap(p.revenue)", "Their amounts in minor units by currency."),
                ("ends_badly", "UInt64", "countIf(p.ends_badly)", "How many end badly (v_journey_paths)."),
                (
                    "share_ends_badly",
                    "Float64",
                    share("countIf(p.ends_badly)", "count()"),
                    "Their share of the variant.",
                ),
                ("example_journey_id", "UUID", "min(p.journey_id)", "One of them, to read."),
            ]
        ),
        source=(
            "FROM {db}.v_journey_paths AS p\n"
            "ARRAY JOIN ['type', 'stage', 'channel'] AS a_level, [p.types, p.stages, p.channels] AS a_path\n"
            "GROUP BY a_level, a_path"
        ),
        question="Which ways through the stages are the most frequent, and which end badly?",
        example="SELECT arrayStringConcat(path, ' → ') AS way, journeys, round(share, 4) AS part, share_ends_badly,\n"
        "    orders\nFROM v_variants\nWHERE level = 'stage'\nORDER BY journeys DESC, way\nLIMIT 10",
    )

"""`v_visits`, `v_journeys` and `v_journey_steps`: the story of a customer at three distances."""

from pipeline.warehouse.declarations import View, view_columns_of
from pipeline.warehouse.tables.types import LOW, MILLIS
from pipeline.warehouse.views.expressions import (
    ANCHORS,
    JOURNEY_GAP_MS,
    due_pain_points,
    money_map,
    null_if_empty,
    stage_of,
)

_TEXT = "Nullable(String)"


def visits_view() -> View:
    """Declare `v_visits`."""
    fields = ["journey", "started_at", "ended_at", "touchpoints", "channel", "entry_url", "exit_url", "channel_group"]
    utm = ["utm_source", "utm_medium", "utm_campaign"]
    arrays = ", ".join(f"s.visit_{name} AS a_{name}" for name in ["id", *fields, *utm])
    return View(
        name="v_visits",
        comment="Visits: web, app, chat and bot touchpoints of a customer without a long silence between them.",
        columns=view_columns_of(
            [
                ("visit_id", "UUID", "a_id", "The visit; made from its first touchpoint."),
                ("customer_uid", "UUID", "s.ident_key", "The customer."),
                ("journey_id", "UUID", "s.journey_id[a_journey]", "The journey it is part of."),
                ("started_at", MILLIS, "a_started_at", "First touchpoint."),
                ("ended_at", MILLIS, "a_ended_at", "Last touchpoint."),
                ("touchpoints", "UInt32", "a_touchpoints", "Number of touchpoints."),
                ("channel", LOW, "a_channel", "Channel of the first touchpoint."),
                ("entry_url", _TEXT, null_if_empty("a_entry_url"), "First page."),
                ("exit_url", _TEXT, null_if_empty("a_exit_url"), "Last page."),
                ("channel_group", _TEXT, null_if_empty("a_channel_group"), "Marketing channel group it came by."),
                ("utm_source", _TEXT, null_if_empty("a_utm_source"), "utm_source it came with."),
                ("utm_medium", _TEXT, null_if_empty("a_utm_medium"), "utm_medium it came with."),
                ("utm_campaign", _TEXT, null_if_empty("a_utm_campaign"), "utm_campaign it came with."),
            ]
        ),
        source=f"FROM {{db}}.stitched AS s FINAL\nARRAY JOIN {arrays}\nWHERE {ANCHORS}",
        question="Where do visits come from, and how long are they?",
        example="SELECT channel_group, count() AS visits, round(avg(touchpoints), 1) AS touchpoints,\n"
        "    round(avg(dateDiff('second', started_at, ended_at))) AS seconds\n"
        "FROM v_visits\nGROUP BY channel_group\nORDER BY visits DESC",
    )


def journeys_view() -> View:
    """Declare `v_journeys`."""
    fields = ["started_at", "ended_at", "first_step", "touchpoints", "visits", "orders", "revenue"]
    arrays = ", ".join(f"s.journey_{name} AS a_{name}" for name in ["id", *fields])
    types = "arraySlice(s.step_type, a_first_step, a_touchpoints)"
    channels = "arraySort(arrayDistinct(arraySlice(s.step_channel, a_first_step, a_touchpoints)))"
    stages = f"arraySort(arrayDistinct(arrayMap(x -> {stage_of('x')}, arrayDistinct({types}))))"
    is_open = f"a_ended_at + toIntervalMillisecond({JOURNEY_GAP_MS}) >= now64(3, 'UTC')"
    return View(
        name="v_journeys",
        comment="Journeys: all touchpoints of a customer from one long silence to the next, across channels.",
        columns=view_columns_of(
            [
                ("journey_id", "UUID", "a_id", "The journey; made from its first touchpoint."),
                ("customer_uid", "UUID", "s.ident_key", "The customer."),
                ("started_at", MILLIS, "a_started_at", "First touchpoint."),
                ("ended_at", MILLIS, "a_ended_at", "Last touchpoint so far."),
                ("touchpoints", "UInt32", "a_touchpoints", "Number of touchpoints."),
                ("visits", "UInt32", "a_visits", "Number of visits."),
                ("channels", "Array(String)", channels, "Distinct channels, sorted."),
                ("stages", "Array(String)", stages, "Distinct stages, sorted; any: a type without a stage."),
                ("path", "Array(String)", f"arrayCompact({types})", "Types in order, repeats collapsed."),
                ("orders", "UInt32", "a_orders", "Distinct order_id of order.placed."),
                ("revenue", "Map(String, Int64)", money_map("a_revenue"), "Their amounts in minor units by currency."),
                ("pain_points", "UInt32", due_pain_points("a_index"), "Number of pain points."),
                ("is_open", "Bool", is_open, "Whether a touchpoint now would still belong to it."),
            ]
        ),
        source=(
            "FROM {db}.stitched AS s FINAL\n"
            f"ARRAY JOIN {arrays}, arrayEnumerate(s.journey_id) AS a_index\nWHERE {ANCHORS}"
        ),
        question="Which journeys are the most frequent, and which of them hurt?",
        example="SELECT arrayStringConcat(path, ' → ') AS journey, count() AS journeys,\n"
        "    countIf(pain_points > 0) AS with_pain, sum(orders) AS orders\n"
        "FROM v_journeys\nGROUP BY journey\nORDER BY journeys DESC\nLIMIT 10",
    )


def steps_view() -> View:
    """Declare `v_journey_steps`."""
    fields = ["event_uid", "occurred_at", "type", "channel", "journey"]
    arrays = ", ".join(f"s.step_{name} AS a_{name}" for name in fields)
    previous = "arrayPopBack(arrayPushFront(s.step_occurred_at, toDateTime64(0, 3, 'UTC'))) AS a_previous"
    step = "a_index - s.journey_first_step[a_journey] + 1"
    since = f"if({step} = 1, NULL, dateDiff('millisecond', a_previous, a_occurred_at) / 1000)"
    return View(
        name="v_journey_steps",
        comment="The touchpoints of every journey in their order, one row a step.",
        columns=view_columns_of(
            [
                ("journey_id", "UUID", "s.journey_id[a_journey]", "The journey."),
                ("customer_uid", "UUID", "s.ident_key", "The customer."),
                ("step", "UInt32", f"toUInt32({step})", "Place in the journey, from 1."),
                ("event_uid", "UUID", "a_event_uid", "The touchpoint."),
                ("occurred_at", MILLIS, "a_occurred_at", "When it happened."),
                ("type", LOW, "a_type", "What happened."),
                ("stage", LOW, stage_of("a_type"), "Stage of the customer's life it belongs to; any: to none."),
                ("channel", LOW, "a_channel", "Where it happened."),
                (
                    "seconds_since_previous",
                    "Nullable(Float64)",
                    since,
                    "Seconds since the step before; NULL at step 1.",
                ),
            ]
        ),
        source=(
            f"FROM {{db}}.stitched AS s FINAL\nARRAY JOIN {arrays}, {previous}, "
            f"arrayEnumerate(s.step_event_uid) AS a_index\nWHERE {ANCHORS}"
        ),
        question="How far into a journey do customers seek support, and how long after the step before?",
        example="SELECT type, count() AS times, round(median(step)) AS median_step,\n"
        "    round(median(seconds_since_previous) / 3600, 1) AS median_hours_since_previous\n"
        "FROM v_journey_steps\nWHERE stage = 'support'\nGROUP BY type\nORDER BY times DESC, type",
    )

"""
`v_attribution`: which touches led to the orders, by five models, over all channels.

The rule owned here: nothing is lost and nothing doubled. For each model the credits of a journey's touches add up to
exactly 1, and their money to exactly the journey's revenue in each currency: shares are cut from one running total.
All is computed from what `stitched` nests; no facts are read.
"""

from pipeline.warehouse.declarations import View, view_columns_of
from pipeline.warehouse.tables.types import LOW, MILLIS
from pipeline.warehouse.views.expressions import ANCHORS, null_if_empty, stage_of

MODELS: tuple[str, ...] = ("first", "last", "linear", "position", "time_decay")
"""Models of attribution."""

HALF_LIFE_DAYS = 7
"""Under time_decay a touch this much earlier counts half."""

_HALF_LIFE_MS = HALF_LIFE_DAYS * 86_400_000
_WHOLE = 1_000_000

# The ends of a journey get two fifths each and the touches between share a fifth: 2 (n - 2) parts to 1.
_WEIGHTS = f"""[
            arrayMap(i -> toFloat64(i = 1), number),
            arrayMap(i -> toFloat64(i = length(number)), number),
            arrayMap(i -> 1., number),
            arrayMap(i -> if(i IN (1, length(number)) AND length(number) > 2, 2. * (length(number) - 2), 1.), number),
            arrayMap(t -> exp2(-dateDiff('millisecond', t, ordered_at) / {_HALF_LIFE_MS}), touched)
        ]"""


def _journeys() -> str:
    """Return the journeys with orders, their steps up to the last order and those among them that count."""
    return f"""SELECT s.ident_key, a_id, a_revenue, s.visit_channel_group,
            arraySlice(s.step_type, a_first_step, a_touchpoints) AS types,
            arraySlice(s.step_occurred_at, a_first_step, a_touchpoints) AS times,
            arraySlice(s.step_channel, a_first_step, a_touchpoints) AS channels,
            arraySlice(s.step_visit, a_first_step, a_touchpoints) AS visits,
            arrayLastIndex(x -> x = 'order.placed', types) AS last_order,
            times[last_order] AS ordered_at,
            arrayMap(x -> {stage_of("x")} != 'buy', types) AS leads,
            arrayFilter((i, t, l) -> t <= ordered_at AND l, arrayEnumerate(types), times, leads) AS before,
            if(empty(before), [toUInt32(last_order)], before) AS counted,
            arrayMap(i -> visits[i], counted) AS visit,
            arrayMap(i -> channels[i], counted) AS channel,
            arrayFilter((i, v, n, u, c, d) -> if(v > 0, n = 1, u > 0 OR c != d), counted, visit,
                arrayEnumerateUniq(visit), arrayPopBack(arrayPushFront(visit, 1)),
                channel, arrayPopBack(arrayPushFront(channel, ''))) AS begins
        FROM {{db}}.stitched AS s FINAL
        ARRAY JOIN s.journey_id AS a_id, s.journey_first_step AS a_first_step, s.journey_touchpoints AS a_touchpoints,
            s.journey_orders AS a_orders, s.journey_revenue AS a_revenue
        WHERE {ANCHORS} AND a_orders > 0"""


def _source() -> str:
    models = ", ".join(f"'{model}'" for model in MODELS)
    return f"""FROM
(
    SELECT * EXCEPT (by_model), a_model, a_running
    FROM
    (
        SELECT *, arrayEnumerate(begins) AS number, arrayMap(i -> times[i], begins) AS touched,
            arrayMap(w -> arrayMap(x -> x / arraySum(w), arrayCumSum(w)), {_WEIGHTS}) AS by_model
        FROM
        (
            {_journeys()}
        )
    )
    ARRAY JOIN [{models}] AS a_model, by_model AS a_running
) AS j
ARRAY JOIN j.begins AS a_step, j.number AS a_number, j.touched AS a_touched_at, j.a_running AS a_upto,
    arrayPopBack(arrayPushFront(j.a_running, 0.)) AS a_from"""


def attribution_view() -> View:
    """Declare `v_attribution`."""
    credit = f"toDecimal64(toInt64(round({_WHOLE} * a_upto)) - toInt64(round({_WHOLE} * a_from)), 6) / {_WHOLE}"
    minor = "arrayMap(m -> toInt64(round(m.2 * a_upto)) - toInt64(round(m.2 * a_from)), j.a_revenue)"
    group = null_if_empty("if(j.visits[a_step] > 0, j.visit_channel_group[j.visits[a_step]], '')")
    return View(
        name="v_attribution",
        comment="The touches that led to the orders of a journey, with their share of the credit by five models.",
        columns=view_columns_of(
            [
                ("journey_id", "UUID", "j.a_id", "The journey, one with an order."),
                ("customer_uid", "UUID", "j.ident_key", "The customer."),
                ("converted_at", MILLIS, "j.ordered_at", "Its last order: what came later led to none."),
                ("model", "String", "j.a_model", f"{', '.join(MODELS)}. Filter by it: each counts every order whole."),
                ("touch", "UInt32", "a_number", "Place of the touch in the journey, from 1."),
                ("touches", "UInt32", "toUInt32(length(j.begins))", "Touches of the journey."),
                ("touched_at", MILLIS, "a_touched_at", "When the touch began."),
                ("channel", LOW, "j.channels[a_step]", "Where: of a visit the channel it began on."),
                ("channel_group", "Nullable(String)", group, "Marketing channel group that brought the visit."),
                ("type", LOW, "j.types[a_step]", "What the touch began with."),
                ("credit", "Decimal(18, 6)", credit, "Share of the journey's conversion; adds up to exactly 1."),
                (
                    "revenue",
                    "Map(String, Int64)",
                    f"mapFromArrays(tupleElement(j.a_revenue, 1), {minor})",
                    "Share of its revenue in minor units by currency; adds up exactly.",
                ),
            ]
        ),
        source=_source(),
        question="Which channels lead to orders, by which model?",
        example="SELECT model, channel, ifNull(channel_group, '') AS came_by, sum(credit) AS conversions,\n"
        "    sumMap(revenue) AS revenue_minor\n"
        "FROM v_attribution\nGROUP BY model, channel, came_by\nORDER BY model, conversions DESC, channel, came_by",
    )

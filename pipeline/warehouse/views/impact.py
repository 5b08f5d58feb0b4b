"""
`v_impact_strata`: what came of journeys with a pain point and of comparable ones without, in whole numbers.

The rule owned here: only sums of integers leave this view, so that its rows do not depend on the order in which they
are added up; differences and intervals are made from them in one place (`pipeline.findings.impact`). Of a journey that
hurt only what came after the first touchpoint that shows the pain point counts (for a late delivery the promise): a
score given before is not of its making.
"""

from typing import Final

from pipeline.warehouse.declarations import View, view_columns_of
from pipeline.warehouse.tables.types import LOW
from pipeline.warehouse.views.expressions import ANCHORS
from pipeline.warehouse.views.metrics.declaration import typed
from pipeline.warehouse.views.metrics.facts import CUSTOMER, joined_customers

FOLLOW_UP_DAYS: Final = 60
"""Days after a journey in which another order is a repeat purchase; journeys that ended later are not asked."""

_FOLLOW_UP_MS: Final = FOLLOW_UP_DAYS * 86_400_000
_EVER: Final = "toInt64(-1000000000000000)"
_LAST: Final = f"(SELECT max(s.last_seen_at) FROM {{db}}.stitched AS s FINAL WHERE {ANCHORS})"


def impact_view() -> View:
    """Declare `v_impact_strata`."""
    sums = (("n", "Journeys asked"), ("sum", "Sum of their outcomes"), ("squares", "Sum of the squares of these"))
    return View(
        name="v_impact_strata",
        comment="What came of journeys with a pain point and of comparable ones without, as sums by stratum.",
        columns=view_columns_of(
            [
                ("kind", LOW, "i.kind", "Kind of the pain point."),
                (
                    "outcome",
                    LOW,
                    "i.outcome",
                    "score (thousandths of its scale), return, repeat_purchase or churn (1 or 0).",
                ),
                ("stage", LOW, "i.stratum.1", "How far the journey went: receive, buy, consider or discover."),
                ("currency", "String", "i.stratum.2", "Currency of its orders; empty: none; several: of two or more."),
                ("value", "UInt8", "i.stratum.3", "Binary digits of their amount in hundreds of minor units; 0: none."),
                ("channel", LOW, "i.stratum.4", "Channel of its first touchpoint."),
                *(
                    (f"{name}_{side}", "Int64", f"toInt64(i.{name}_{side})", f"{comment}, {side} the pain point.")
                    for side in ("with", "without")
                    for name, comment in sums
                ),
            ]
        ),
        source=f"FROM\n(\n{_strata()}\n) AS i",
        question="Are more orders sent back after late parcels than after comparable ones?",
        example="SELECT stage, currency, value, channel, n_with, round(sum_with / n_with, 3) AS with_pain,\n"
        "    n_without, round(sum_without / nullIf(n_without, 0), 3) AS without_pain\n"
        "FROM v_impact_strata\nWHERE kind = 'late_delivery' AND outcome = 'return' AND n_with > 0\n"
        "ORDER BY n_with DESC, stage, currency, value, channel",
    )


def _strata() -> str:
    """
    Sum up by stratum, with and without.

    `side` is 1 for a journey that hurt, with what came after; 2 for the same with all that came of it; 0 for every
    journey. So journeys without are side 0 less side 2, and the many that did not hurt are not told by kind.
    """
    sides = {"with": "side = 1", "out": "side = 2", "all": "side = 0"}
    sums = {"n": "countIf({})", "sum": "sumIf(result, {})", "squares": "sumIf(result * result, {})"}
    counted = ", ".join(
        f"{expression.format(condition)} AS {name}_{side}"
        for side, condition in sides.items()
        for name, expression in sums.items()
    )
    without = ", ".join(
        f"sum({name}_all) OVER (PARTITION BY outcome, stratum) - {name}_out AS {name}_without" for name in sums
    )
    return f"""    SELECT * FROM
    (
        SELECT kind, outcome, stratum, n_with, sum_with, squares_with, {without}
        FROM
        (
            SELECT asked.1 AS kind, o.1 AS outcome, stratum, {counted}
            FROM
            (
                SELECT asked, stratum, o, asked.3 AS side, o.3 AS result
                FROM ({_outcomes()}
                )
                ARRAY JOIN outcomes AS o
            )
            GROUP BY kind, outcome, stratum
        )
    )
    WHERE kind != ''"""


def _outcomes() -> str:
    """Return what came of every journey, and of those that hurt once more for each kind, by side."""
    return f"""
                    SELECT asked, stratum, asked.2 AS since, stratum.1 IN ('receive', 'buy') AS bought,
                        arrayMap(x -> x.2, arrayFilter(x -> x.1 > since, scores)) AS its,
                        arrayFilter(x -> x.2, [
                            ('score', notEmpty(its), toInt64(if(empty(its), 0, round(arraySum(its) / length(its))))),
                            ('return', bought, toInt64(arrayExists(x -> x > since, returned))),
                            ('repeat_purchase', bought AND is_followed, toInt64(comes_back)),
                            ('churn', subscribed, toInt64(arrayExists(x -> x > since, cancelled)))]) AS outcomes
                    FROM ({_journeys()}
                    )
                    ARRAY JOIN arrayConcat([('', {_EVER}, 0)],
                        arrayFlatten(arrayMap(p -> [(p.1, p.2, 1), (p.1, {_EVER}, 2)], pains))) AS asked"""


def _journeys() -> str:
    """Return every journey: stratum, pain points, and what came of it with its times in milliseconds."""
    ms = "toUnixTimestamp64Milli({})"
    until = f"{ms.format('ended')} + {_FOLLOW_UP_MS}"
    amount = "arraySum(arrayMap(x -> x.2, money))"
    return f"""
                SELECT
                    (multiIf(has(all_delivered, j), 'receive', has(all_ordered, j), 'buy',
                        has(all_considered, j), 'consider', 'discover'),
                     multiIf(empty(money), '', length(money) > 1, 'several', money[1].1),
                     if({amount} < 100, 0, toUInt8(1 + floor(log2(intDiv({amount}, 100))))),
                     toString(channel)) AS stratum,
                    arrayFilter(x -> x.1 BETWEEN {ms.format("started")} AND {ms.format("ended")}, r.scores) AS scores,
                    arrayMap(x -> x.1, arrayFilter(x -> x.2 = j, all_returned)) AS returned,
                    arrayMap(x -> x.1, arrayFilter(x -> x.2 = j, all_cancelled)) AS cancelled,
                    has(all_subscribed, j) AS subscribed,
                    {until} <= {ms.format(_LAST)} AS is_followed,
                    arrayExists((n, orders, begun) -> n > j AND orders > 0 AND {ms.format("begun")} <= {until},
                        arrayEnumerate(journey_orders), journey_orders, journey_started_at) AS comes_back,
                    arrayMap(k -> (k, arrayMin(arrayMap(x -> x.2, arrayFilter(x -> x.1 = k, its_pains)))),
                        arrayDistinct(arrayMap(x -> x.1, its_pains))) AS pains,
                    arrayFilter(x -> x.3 = j, all_pains) AS its_pains
                FROM
                ({_customers()}
                ) AS s
                ARRAY JOIN arrayEnumerate(s.journey_orders) AS j, s.first_channel AS channel,
                    s.journey_revenue AS money, s.journey_started_at AS started, s.journey_ended_at AS ended
                LEFT ANY JOIN
                ({_ratings()}
                ) AS r ON r.customer = s.ident_key"""


def _customers() -> str:
    """Return every customer, with the numbers of the journeys in which something happened, or its times and these."""

    def journeys(condition: str) -> str:
        return f"arrayFilter((j, x) -> {condition}, s.step_journey, s.step_type)"

    considered = "x IN ('product.viewed', 'cart.item_added', 'checkout.step_reached')"

    def times(type_: str) -> str:
        held = f"arrayFilter((i, x) -> x = '{type_}', arrayEnumerate(s.step_type), s.step_type)"
        return f"arrayMap(i -> (toUnixTimestamp64Milli(s.step_occurred_at[i]), s.step_journey[i]), {held})"

    shown = "toUnixTimestamp64Milli(s.step_occurred_at[indexOf(s.step_event_uid, x.2[1])])"
    return f"""
                    SELECT s.ident_key, s.journey_orders, s.journey_revenue, s.journey_started_at, s.journey_ended_at,
                        arrayMap(f -> s.step_channel[f], s.journey_first_step) AS first_channel,
                        {journeys("x = 'delivery.delivered'")} AS all_delivered,
                        {journeys("x = 'order.placed'")} AS all_ordered,
                        {journeys(considered)} AS all_considered,
                        {journeys("startsWith(x, 'subscription.')")} AS all_subscribed,
                        {times("return.requested")} AS all_returned,
                        {times("subscription.cancelled")} AS all_cancelled,
                        arrayMap(x -> (toString(x.1), {shown}, x.3), arrayFilter(x -> isNull(x.4) OR x.4 <= {_LAST},
                            arrayZip(s.pain_kind, s.pain_evidence, s.pain_journey, s.pain_due_at))) AS all_pains
                    FROM {{db}}.stitched AS s FINAL
                    WHERE {ANCHORS}"""


def _ratings() -> str:
    """Return what every customer answered and rated, in thousandths of the scale: (at, score)."""
    return f"""
                    SELECT {CUSTOMER} AS customer,
                        groupArray((toUnixTimestamp64Milli(t.occurred_at), assumeNotNull(t.body_score))) AS scores
                    FROM {{db}}.touchpoints AS t FINAL
                    {joined_customers()}
                    WHERE {typed("survey.answered", "review.published")} AND isNotNull(t.body_score)
                    GROUP BY customer"""

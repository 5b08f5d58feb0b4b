"""What customers do over time: conversion, buying again, recommending and leaving."""

from collections.abc import Sequence
from typing import Final

from pipeline.contracts.types import touchpoint_types
from pipeline.warehouse.ddl import quote_text
from pipeline.warehouse.tables.numbers import id_number
from pipeline.warehouse.views.expressions import ANCHORS, JOURNEY_GAP_MS
from pipeline.warehouse.views.metrics.declaration import (
    Metric,
    campaign,
    day,
    dims,
    field,
    of_customers,
    typed,
    within,
)
from pipeline.warehouse.views.metrics.facts import CUSTOMER, FIRST, PRODUCTS, first_of_each, joined_customers
from pipeline.warehouse.views.metrics.recovery import WINDOW, recovery_metrics
from pipeline.warehouse.views.metrics.statistics import STUDENT_SOURCE, WILSON_SOURCE, mean, share
from pipeline.warehouse.views.trade import TRADERS, money

_DESCRIBED: Final = ("channel", "campaign", "products")
_FUNNEL: Final = ("discover", "consider", "buy", "receive")


def loyalty_metrics() -> tuple[Metric, ...]:
    """Return the metrics of journeys and customers."""
    return (*_journey_metrics(), *_customer_metrics(), *recovery_metrics(), _churn())


def _journey_metrics() -> tuple[Metric, ...]:
    came = f"ARRAY JOIN [{', '.join(map(quote_text, _FUNNEL[:-1]))}] AS stage, [1, 2, 3] AS number"
    reached, ended = "furthest >= number", "toInt64(furthest = number)"
    # A journey stays one case, whichever stages it came to.
    stages = ", ".join(f"('stage', {quote_text(stage)}, {number})" for number, stage in enumerate(_FUNNEL[:-1], 1))
    by_stage = f"arrayFilter(s -> furthest >= s.3, [{stages}])"
    return (
        Metric(
            name="conversion",
            title="Conversion",
            unit="share",
            statistic=share(),
            definition="Share of the journeys that are over in which an order was placed, by the day they began.",
            source=WILSON_SOURCE,
            dimensions=("channel", "campaign"),
            rows=_journeys(dims(channel="channel", campaign="campaign"), "toInt64(orders > 0)"),
            customers=of_customers("at", "toInt64(orders > 0)", _over_journeys()),
        ),
        Metric(
            name="drop_off",
            title="Drop-off by stage",
            unit="share",
            statistic=share(),
            definition="Of the journeys that are over and came to a stage (discover, consider, buy, receive) or beyond "
            "it, the share that ended there.",
            source=WILSON_SOURCE,
            dimensions=("stage", "stage, channel", "stage, campaign"),
            rows=_journeys(
                within("stage", "stage", channel="channel", campaign="campaign"), ended, f"\n{came}\nWHERE {reached}"
            ),
            customers=of_customers("at", "toInt64(furthest = a.3)", _over_journeys(), "furthest > 0", by_stage),
            apart=("stage",),
            is_whole=False,
        ),
    )


def _customer_metrics() -> tuple[Metric, ...]:
    judged = f"first.1 <= now64(3, 'UTC') - {WINDOW}"
    said = dims("first.5", channel="first.3", campaign="first.4")
    bought_again = f"toInt64(notEmpty(later) AND later[1] <= first.1 + {WINDOW})"
    by_currency = within("currency", "currency", "said.7", channel="said.5", campaign="said.6")
    recommended = f"toInt64(arrayExists(r -> r >= first.1 AND r <= first.1 + {WINDOW}, referrals))"
    return (
        Metric(
            name="repeat_purchase",
            title="Repeat purchase",
            unit="share",
            statistic=share(),
            definition="Share of customers who placed a second order within 90 days of their first, by the day of the "
            "first; those of the last 90 days are not judged yet.",
            source=WILSON_SOURCE,
            dimensions=("channel", "campaign", "product"),
            rows=_buyers(said, bought_again, judged),
            customers=of_customers("first.1", bought_again, _first_orders(), judged),
        ),
        Metric(
            name="referral_rate",
            title="Referral rate",
            unit="share",
            statistic=share(),
            definition="Share of customers who recommended us within 90 days of their first order, by the day of that "
            "order; those of the last 90 days are not judged yet.",
            source=WILSON_SOURCE,
            dimensions=("channel", "campaign", "product"),
            rows=_buyers(said, recommended, judged),
            customers=of_customers("first.1", recommended, _first_orders(), judged),
        ),
        Metric(
            name="lifetime_value",
            title="Customer lifetime value, historic",
            unit="minor units of the currency",
            statistic=mean(1),
            definition="Mean of what customers paid so far less what they got back, in one currency, by the day of "
            "their first order in it.",
            source="Gupta and others, Modeling Customer Lifetime Value, Journal of Service Research 9(2), 2006; "
            f"{STUDENT_SOURCE}",
            dimensions=("currency", "currency, channel", "currency, campaign", "currency, product"),
            rows=f"SELECT {day('first_order_at')},\n    {by_currency} AS dims,\n"
            f"    net_minor AS hit, 1 AS base\nFROM\n({customer_values(_DESCRIBED)}\n)",
            # A value so far is one of today, and so is what the customer is.
            customers=of_customers(
                "now64(3, 'UTC')", "net_minor", customer_values(), "1", "[('currency', currency)]", "first_order_at"
            ),
            apart=("currency",),
            is_whole=False,
        ),
    )


def _journeys(said: str, hit: str, more: str = "") -> str:
    said_by = f"{day('at')}, {said} AS dims"
    return f"SELECT {said_by}, {hit} AS hit, 1 AS base\nFROM\n({_over_journeys()}\n){more}"


def _over_journeys() -> str:
    """Return every journey that is over: customer, at, orders, channel, campaign, furthest."""
    stages = [[name for name, row in touchpoint_types().items() if row.stage == stage] for stage in _FUNNEL]
    types = ", ".join(quote_text(name) for names in stages for name in names)
    numbers = ", ".join(str(number) for number, names in enumerate(stages, 1) for _ in names)
    arrays = ", ".join(
        f"s.journey_{name} AS a_{name}" for name in ("started_at", "ended_at", "first_step", "touchpoints", "orders")
    )
    return f"""
    SELECT s.ident_key AS customer, a_started_at AS at, a_orders AS orders, s.step_channel[a_first_step] AS channel,
        arrayFirst((c, j) -> c != '' AND j = a_index, s.visit_utm_campaign, s.visit_journey) AS campaign,
        toUInt8(arrayMax(arrayMap(x -> transform(x, [{types}], [{numbers}], 0),
            arrayDistinct(arrayMap(x -> toString(x), arraySlice(s.step_type, a_first_step, a_touchpoints)))
            ))) AS furthest
    FROM {{db}}.stitched AS s FINAL
    ARRAY JOIN {arrays}, arrayEnumerate(s.journey_id) AS a_index
    WHERE {ANCHORS} AND a_ended_at + toIntervalMillisecond({JOURNEY_GAP_MS}) < now64(3, 'UTC')"""


def _buyers(said: str, hit: str, condition: str) -> str:
    described = _first_orders(f"t.channel, {campaign()}, if(t.type = 'order.placed', {PRODUCTS}, [])")
    return f"SELECT {day('first.1')}, {said} AS dims, {hit} AS hit, 1 AS base\nFROM\n({described}\n)\nWHERE {condition}"


def _first_orders(said: str = "") -> str:
    """
    Return who ordered: customer, first (at, uid), later (times of other orders), referrals (times).

    Args:
        said: Further values of `first`, expressions of a touchpoint `t`.
    """
    placed = "t.type = 'order.placed' AND t.order_id != ''"
    return f"""
    SELECT customer, first, arrayMap(x -> x.1, {first_of_each("ordered")}) AS times, arrayPopFront(times) AS later,
        referrals
    FROM
    (
        SELECT {CUSTOMER} AS customer,
            minIf(tuple(t.occurred_at, UUIDToNum(t.event_uid){said and f", {said}"}), {placed}) AS first,
            arraySort(groupArrayIf((t.occurred_at, UUIDToNum(t.event_uid), {id_number("t.order_id")}), {placed}))
                AS ordered,
            groupArrayIf(t.occurred_at, t.type = 'referral.sent') AS referrals
        FROM {{db}}.touchpoints AS t FINAL
        {joined_customers()}
        WHERE ({placed}) OR t.type = 'referral.sent'
        GROUP BY customer
        HAVING notEmpty(ordered)
    )"""


def customer_values(said: Sequence[str] = ()) -> str:
    """
    Return what every customer paid and got back, by currency; of an order the first amount counts.

    Args:
        said: Columns of trade; `said` has them from the fifth on, of the first order in the currency.
    """
    own = "these[1] AS said," if said else ""
    time = "fromUnixTimestamp64Milli({}, 'UTC')"
    return f"""
    SELECT customer, currency, arrayFilter(x -> x.2 = currency AND x.4 = 1, money) AS these, {own}
        length(these) AS orders, arraySum(x -> x.3, these) AS gross_minor,
        arraySum(x -> if(x.2 = currency AND x.4 = 0, -x.3, 0), money) AS refunded_minor,
        toInt64(gross_minor - refunded_minor) AS net_minor,
        {time.format("these[1].1")} AS first_order_at, {time.format("these[-1].1")} AS last_order_at
    FROM
    (
        SELECT s.ident_key AS customer, {money(said)} AS money
        FROM {{db}}.stitched AS s FINAL
        WHERE {TRADERS} AND notEmpty(s.trade_counts)
    )
    ARRAY JOIN arrayDistinct(arrayMap(x -> x.2, arrayFilter(x -> x.4 = 1, money))) AS currency"""


def _churn() -> Metric:
    lost = "toInt64(is_over AND toStartOfMonth(ends) = month)"
    said = dims("first.4", plan="plan", channel="first.2", campaign="first.3")
    return Metric(
        name="churn",
        title="Churn",
        unit="share a month",
        statistic=share(),
        definition="Of the subscriptions alive when a month began, the share whose end took effect in it; whole months "
        "only.",
        source=f"Customer churn rate, lost of those at the start; {WILSON_SOURCE}",
        dimensions=("plan", "channel", "campaign", "product"),
        rows=f"SELECT {day('month')}, {said} AS dims, {lost} AS hit, 1 AS base\nFROM\n({_months()}\n)",
        customers="SELECT toDateTime64(month, 3, 'UTC') AS dated, dated AS at, first.1 AS customer,\n"
        f"    {lost} AS hit, 1 AS base\nFROM\n({_months(CUSTOMER)}\n)",
        longest="month",
    )


def _months(customer: str = "") -> str:
    """Select every subscription in every whole month at whose beginning it was alive."""
    started = "t.type IN ('subscription.started', 'subscription.renewed')"
    ended = "t.type = 'subscription.cancelled'"
    effective_at = field("effective_at", "Int64", "subscription.cancelled")
    effective = f"fromUnixTimestamp64Milli(ifNull({effective_at}, toUnixTimestamp64Milli(t.occurred_at)), 'UTC')"
    join = joined_customers() if customer else ""
    return f"""
    SELECT first, began, plan, is_over, ends,
        now64(3, 'UTC') AS now,
        toUInt32(greatest(0, dateDiff('month', began, if(is_over, least(ends, now), now)))) AS months,
        arrayJoin(arrayMap(m -> addMonths(toStartOfMonth(began), m), range(1, 1 + months))) AS month
    FROM
    (
        SELECT minIf(t.occurred_at, {started}) AS began,
            argMinIf(({customer or 0}, t.channel, {campaign()}, arrayDistinct(t.product_ids)), {FIRST}, {started})
                AS first,
            maxIf({FIRST}, {started}) AS last_started,
            argMaxIf(JSONExtractString(t.body, 'plan'), {FIRST}, {started}) AS plan,
            arraySort(groupArrayIf(tuple(t.occurred_at, UUIDToNum(t.event_uid), {effective}), {ended})) AS cancelled,
            arrayFirst(c -> (c.1, c.2) > last_started, cancelled) AS cancellation,
            notEmpty(cancellation.2) AS is_over, cancellation.3 AS ends
        FROM {{db}}.touchpoints AS t FINAL
        {join}
        WHERE {typed("subscription.started", "subscription.renewed", "subscription.cancelled")}
            AND t.subscription_id != ''
        GROUP BY t.subscription_id
        HAVING countIf({started}) > 0
    )
    WHERE addMonths(month, 1) <= toDate(now64(3, 'UTC'))"""

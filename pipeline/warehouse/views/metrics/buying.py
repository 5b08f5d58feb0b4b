"""What was promised, delivered, sent back and refunded: one row an order, a parcel or a return."""

from typing import Final

from pipeline.contracts.schemas import body_fields
from pipeline.warehouse.ddl import quote_text
from pipeline.warehouse.views.metrics.declaration import (
    Metric,
    Rows,
    campaign,
    dims,
    of_customers,
    periods,
    typed,
)
from pipeline.warehouse.views.metrics.facts import (
    CUSTOMER,
    FIRST,
    LINES,
    PRODUCTS,
    joined_customers,
    products_of,
)
from pipeline.warehouse.views.metrics.statistics import STUDENT_SOURCE, WILSON_SOURCE, mean, quantiles, share

_DIMENSIONS: Final = ("channel", "campaign", "product", "carrier")


_REFUND_TOOK: Final = "greatest(0, toInt64(dateDiff('millisecond', word.1, refund.1)))"

# One look at each body for all of its fields.
_PARCELS_BODY: Final = (
    "JSONExtract(t.body, 'Tuple(promised_until Nullable(Int64), promised_delivery_at Nullable(Int64), "
    f"delivered_at Nullable(Int64), carrier String, lines {LINES})')"
)


def buying_metrics() -> tuple[Metric, ...]:
    """Return the metrics of deliveries and returns."""
    return (*_delivery_metrics(), *_return_metrics())


def _delivery_metrics() -> tuple[Metric, ...]:
    return (
        Metric(
            name="on_time",
            title="On-time rate",
            unit="share",
            statistic=share(),
            definition="Share of the delivered parcels with a promise that came by the promised time.",
            source=f"On time in the SCOR model, RL.2.2; {WILSON_SOURCE}",
            dimensions=_DIMENSIONS,
            **_of_parcels("toInt64(came <= promise)", "isNotNull(came)", "assumeNotNull(came)"),
        ),
        Metric(
            name="days_late",
            title="Days late",
            unit="days",
            statistic=mean(86_400_000),
            definition="Mean lateness of the parcels that came late, in days of 24 hours.",
            source=STUDENT_SOURCE,
            dimensions=_DIMENSIONS,
            **_of_parcels(
                "toInt64(dateDiff('millisecond', promise, assumeNotNull(came)))",
                "came > promise",
                "assumeNotNull(came)",
            ),
        ),
        Metric(
            name="promise_kept",
            title="Promise kept",
            unit="share",
            statistic=share(),
            definition="Share of the delivery promises that have fallen due, by the day they fell due, that were kept; "
            "what never came was not, and cancelled orders do not count.",
            source=f"Perfect order fulfilment in the SCOR model, RL.1.1, its delivery part; {WILSON_SOURCE}",
            dimensions=_DIMENSIONS,
            **_of_parcels(
                "toInt64(ifNull(came <= promise, false))",
                "promise <= now64(3, 'UTC') AND (isNotNull(came) OR NOT cancelled)",
                "promise",
            ),
        ),
    )


def _return_metrics() -> tuple[Metric, ...]:
    return (
        Metric(
            name="return_rate",
            title="Return rate",
            unit="share",
            statistic=share(),
            definition="Share of orders of which something was sent back; by reason: for that reason, of all orders.",
            source=WILSON_SOURCE,
            dimensions=("channel", "campaign", "product", "reason"),
            rows=_returned(),
            customers=_returned_by_customers(),
            apart=("", "reason"),
        ),
        Metric(
            name="time_to_refund",
            title="Time to refund",
            unit="days",
            statistic=quantiles(86_400_000, 500, 900, 990),
            definition="Days from the first word of a return to its first refund; a refund in advance took none.",
            source="Directive 2011/83/EU, article 13, limits it to 14 days; interval: Conover, Practical Nonparametric "
            "Statistics, 3.2",
            dimensions=("channel", "campaign", "product", "reason"),
            rows=f"SELECT {periods('word.1')} AS periods,\n"
            f"    {dims('word.7', channel='word.4', campaign='word.5', reason='word.6')} AS dims,\n"
            f"    {_REFUND_TOOK} AS hit, 1 AS base\nFROM\n({_refunds()}\n)",
            customers=of_customers("word.1", _REFUND_TOOK, _refunds(CUSTOMER)),
        ),
    )


def parcels(customer: str = "") -> str:
    """
    Return every parcel with a promise: promise, came (NULL: not yet), channel, campaign, products, carrier, cancelled.

    Where an expression of the customer is given, `customer` too: who placed the order; without an order it is nobody.

    A parcel is a shipment where the deliveries name shipments, else the order. The promise is that of its own
    shipment, else of a shipment of the order without a name, else of the order, as for the pain point late_delivery.
    """
    own, who = (", customer", "placed.6 AS customer,") if customer else ("", "")
    return f"""
    SELECT assumeNotNull(promise_made) AS promise, came, channel, campaign, products, carrier, cancelled{own}
    FROM
    (
        SELECT {who} cancelled, placed.3 AS channel, placed.4 AS campaign, placed.5 AS products,
            arrayJoin(multiIf(notEmpty(named), arrayDistinct(arrayConcat(named, sent)), notEmpty(d), [''],
                notEmpty(sent), sent, [''])) AS parcel,
            arrayFirst(x -> x.3 = parcel, d) AS delivery, notEmpty(delivery.2) AS is_delivered,
            if(is_delivered, toNullable(delivery.4), NULL) AS came, delivery.5 AS carrier,
            arrayFirst(x -> x.3 = parcel OR parcel = '', s) AS its, arrayFirst(x -> x.3 = '', s) AS unnamed,
            multiIf(notEmpty(its.2), toNullable(its.4), notEmpty(unnamed.2), toNullable(unnamed.4),
                notEmpty(o), toNullable(o[1].3), NULL) AS promise_made
        FROM
        (
            SELECT arraySort(groupArrayIf(tuple(at, uid, shipment, came, carrier), type = 'delivery.delivered')) AS d,
                arraySort(groupArrayIf(tuple(at, uid, shipment, until), type = 'delivery.shipped' AND has_until)) AS s,
                arraySort(groupArrayIf(tuple(at, uid, until), type = 'order.placed' AND has_until)) AS o,
                minIf(tuple(at, uid, channel, campaign, products{own}), type = 'order.placed') AS placed,
                countIf(type = 'order.cancelled') > 0 AS cancelled,
                arrayFilter(x -> x != '', arrayMap(x -> x.3, d)) AS named,
                arrayDistinct(arrayFilter(x -> x != '', arrayMap(x -> x.3, s))) AS sent
            FROM
            ({_said_of_parcels(customer)}
            )
            GROUP BY key
        )
    )
    WHERE isNotNull(promise_made)"""


def _said_of_parcels(customer: str) -> str:
    """Select what was said of parcels, one row a touchpoint, each with the key of its order or lone shipment."""
    types = ("order.placed", "order.cancelled", "delivery.shipped", "delivery.delivered")
    time = "fromUnixTimestamp64Milli(assumeNotNull({}), 'UTC')"
    until, placed_until, handed, carrier, lines = (f"said.{number}" for number in range(1, 6))
    order = (
        "multiIf(order_id != '' OR shipment = '', order_id, "
        "minIf(tuple(at, uid, order_id), order_id != '') OVER (PARTITION BY shipment).3)"
    )
    named, join = (f"{customer} AS customer,", joined_customers()) if customer else ("", "")
    return f"""
    SELECT *, {order} AS own_order,
        if(own_order = '', concat('shipment:', shipment), concat('order:', own_order)) AS key
    FROM
    (
        SELECT {named} {_PARCELS_BODY} AS said, t.occurred_at AS at, UUIDToNum(t.event_uid) AS uid,
            toString(t.type) AS type, t.order_id AS order_id, t.shipment_id AS shipment,
            t.channel AS channel, {campaign()} AS campaign, {carrier} AS carrier,
            if(t.type = 'order.placed', {products_of(lines)}, []) AS products,
            if(isNull({handed}), t.occurred_at, {time.format(handed)}) AS came,
            if(t.type = 'order.placed', {placed_until}, {until}) AS until_ms,
            isNotNull(until_ms) AS has_until,
            fromUnixTimestamp64Milli(ifNull(until_ms, 0), 'UTC') AS until
        FROM {{db}}.touchpoints AS t FINAL
        {join}
        WHERE {typed(*types)} AND (t.order_id != '' OR t.shipment_id != '')
    )"""


def _of_parcels(hit: str, condition: str, at: str) -> Rows:
    said = dims("products", channel="channel", campaign="campaign", carrier="carrier")
    return {
        "rows": f"SELECT {periods(at)} AS periods, {said} AS dims, {hit} AS hit, 1 AS base\n"
        f"FROM\n({parcels()}\n)\nWHERE {condition}",
        "customers": of_customers(at, hit, parcels(CUSTOMER), condition),
    }


def _returned() -> str:
    usual = dims("products", channel="placed.3", campaign="placed.4")
    return f"""SELECT {periods("placed.1")} AS periods, row.1 AS dims, toInt64(row.2) AS hit, 1 AS base
FROM
({_orders_and_returns()}
)
ARRAY JOIN arrayConcat([({usual}, returned)],
    arrayMap(r -> ([('reason', r)], has(reasons, r)), [{_reasons()}])) AS row"""


def _returned_by_customers() -> str:
    return (
        "SELECT placed.1 AS dated, placed.1 AS at, placed.5 AS customer, toInt64(row.3) AS hit,\n"
        f"    1 AS base, [(row.1, row.2)] AS apart\nFROM\n({_orders_and_returns(CUSTOMER)}\n)\n"
        f"ARRAY JOIN arrayConcat([('', '', returned)],\n"
        f"    arrayMap(r -> ('reason', r, has(reasons, r)), [{_reasons()}])) AS row"
    )


def _reasons() -> str:
    return ", ".join(quote_text(symbol) for symbol in body_fields("returns")["reason"].symbols)


def _orders_and_returns(customer: str = "") -> str:
    """Select every order: placed (at, '', channel, campaign, who where asked for), products, what came back."""
    who, join = (f", {customer}", joined_customers()) if customer else ("", "")
    return f"""
    SELECT argMinIf(tuple(t.occurred_at, '', t.channel, {campaign()}{who}), {FIRST}, t.type = 'order.placed') AS placed,
        argMinIf({PRODUCTS}, {FIRST}, t.type = 'order.placed') AS products,
        countIf(t.type = 'return.requested') > 0 AS returned,
        groupUniqArrayIf(JSONExtractString(t.body, 'reason'), t.type = 'return.requested') AS reasons
    FROM {{db}}.touchpoints AS t FINAL
    {join}
    WHERE {typed("order.placed", "return.requested")} AND t.order_id != ''
    GROUP BY t.order_id
    HAVING countIf(t.type = 'order.placed') > 0"""


def _refunds(customer: str = "") -> str:
    """Select every refunded return: word (at, uid, return, channel, campaign, reason, products, who), refund."""
    own, who, join, named = (
        (", customer", f"{customer} AS customer,", joined_customers(), "word.8 AS customer,")
        if customer
        else ("", "", "", "")
    )
    order = (
        "multiIf(t.order_id != '' OR t.return_id = '', t.order_id, "
        "minIf(tuple(t.occurred_at, UUIDToNum(t.event_uid), t.order_id), t.order_id != '') "
        "OVER (PARTITION BY t.return_id).3)"
    )
    return f"""
    SELECT arrayJoin(arrayDistinct(arrayMap(x -> x.3, words))) AS back,
        arrayFirst(x -> x.3 = back, words) AS word, {named}
        arrayFirst(x -> x.3 = back OR (x.3 = '' AND x.1 >= word.1), refunds) AS refund
    FROM
    (
        SELECT arraySort(groupArrayIf(tuple(at, uid, back_id, channel, campaign, reason, products{own}),
                NOT is_refund)) AS words,
            arraySort(groupArrayIf(tuple(at, uid, back_id), is_refund)) AS refunds
        FROM
        (
            SELECT {who} t.occurred_at AS at, UUIDToNum(t.event_uid) AS uid, t.return_id AS back_id,
                t.channel AS channel, {campaign()} AS campaign, {PRODUCTS} AS products,
                JSONExtractString(t.body, 'reason') AS reason,
                t.type = 'refund.issued' AS is_refund, {order} AS own_order,
                if(own_order = '', concat('return:', t.return_id), concat('order:', own_order)) AS key
            FROM {{db}}.touchpoints AS t FINAL
            {join}
            WHERE {typed("return.requested", "return.received", "refund.issued")}
                AND (t.order_id != '' OR t.return_id != '')
        )
        GROUP BY key
    )
    WHERE notEmpty(words) AND notEmpty(refunds) AND notEmpty(refund.2)"""

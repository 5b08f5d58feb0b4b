"""What was promised, delivered, sent back and refunded: one row an order, a parcel or a return."""

from typing import Final

from pipeline.contracts.schemas import body_fields
from pipeline.warehouse.ddl import quote_text
from pipeline.warehouse.tables.bodies import body_of
from pipeline.warehouse.tables.numbers import id_number
from pipeline.warehouse.views.metrics.declaration import (
    Metric,
    Rows,
    campaign,
    day,
    dims,
    of_customers,
    typed,
)
from pipeline.warehouse.views.metrics.facts import PRODUCTS, SUBJECT, with_customers
from pipeline.warehouse.views.metrics.parcels import parcels
from pipeline.warehouse.views.metrics.statistics import STUDENT_SOURCE, WILSON_SOURCE, mean, quantiles, share

_DIMENSIONS: Final = ("channel", "campaign", "product", "carrier")


_REASON: Final = f"JSONExtractString({body_of(['return.requested'])}, 'reason')"
_REFUND_TOOK: Final = "greatest(0, toInt64(dateDiff('millisecond', word.1, refund.1)))"


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
            marks=(("", ""), *(("reason", reason) for reason in _reasons_of_returns())),
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
            rows=f"SELECT {day('word.1')},\n"
            f"    {dims('word.7', channel='word.4', campaign='word.5', reason='word.6')} AS dims,\n"
            f"    {_REFUND_TOOK} AS hit, 1 AS base\nFROM\n({_refunds()}\n)",
            customers=with_customers(of_customers("word.1", _REFUND_TOOK, _refunds(SUBJECT))),
        ),
    )


def _of_parcels(hit: str, condition: str, at: str) -> Rows:
    said = dims("products", channel="channel", campaign="campaign", carrier="carrier")
    return {
        "rows": f"SELECT {day(at)}, {said} AS dims, {hit} AS hit, 1 AS base\n"
        f"FROM\n({parcels(is_described=True)}\n)\nWHERE {condition}",
        "customers": of_customers(at, hit, parcels(is_described=False), condition),
    }


def _returned() -> str:
    usual = dims("placed.5", channel="placed.3", campaign="placed.4")
    return f"""SELECT {day("placed.1")}, row.1 AS dims, toInt64(row.2) AS hit, 1 AS base
FROM
({_orders_and_returns(f"t.channel, {campaign()}, {PRODUCTS}")}
)
ARRAY JOIN arrayConcat([({usual}, returned)],
    arrayMap(r -> ([('reason', r)], has(reasons, r)), [{_reasons()}])) AS row"""


def _returned_by_customers() -> str:
    """Return one row an order, whatever came back of it: what somebody was is dear to tell."""
    places = f"range(1, {1 + len(_reasons_of_returns())})"
    bits = f"arraySum(arrayMap((r, k) -> bitShiftLeft(toInt64(has(reasons, r)), k), [{_reasons()}], {places}))"
    hit = f"toInt64(returned) + toInt64({bits})"
    source = f"SELECT *, placed.3 AS customer FROM ({_orders_and_returns(SUBJECT)}\n)"
    return with_customers(of_customers("placed.1", hit, source))


def _reasons_of_returns() -> tuple[str, ...]:
    return tuple(body_fields("returns")["reason"].symbols)


def _reasons() -> str:
    return ", ".join(map(quote_text, _reasons_of_returns()))


def _orders_and_returns(said: str) -> str:
    """Select every order: placed (at, uid, and what is said of a touchpoint `t`), returned, and for which reasons."""
    return f"""
    SELECT minIf(tuple(t.occurred_at, UUIDToNum(t.event_uid), {said}), t.type = 'order.placed') AS placed,
        countIf(t.type = 'return.requested') > 0 AS returned,
        groupUniqArrayIf(if(t.type = 'return.requested', {_REASON}, ''),
            t.type = 'return.requested') AS reasons
    FROM {{db}}.touchpoints AS t FINAL
    WHERE {typed("order.placed", "return.requested")} AND t.order_id != ''
    GROUP BY {id_number("t.order_id")}
    HAVING countIf(t.type = 'order.placed') > 0"""


def _refunds(who: str = "") -> str:
    """
    Select every refunded return: word (at, uid, return, channel, campaign, reason, products), refund.

    Where an expression of `touchpoints AS t` says who sent back, `customer` is that, and word only (at, uid, return).

    Returns are grouped twice, by themselves and by their orders, as parcels are.
    """
    items = (
        "at",
        "uid",
        "back_id",
        "is_refund",
        "order_id",
        *(("who",) if who else ("channel", "campaign", "reason", "products")),
    )
    said = ", ".join(items[5:])
    unpacked = ", ".join(f"i.{number} AS {name}" for number, name in enumerate(items, 1))
    described = (
        f"{who} AS who"
        if who
        else f"""t.channel AS channel, {campaign()} AS campaign, {PRODUCTS} AS products,
                        {_REASON} AS reason"""
    )
    return f"""
    SELECT arrayJoin(arrayDistinct(arrayMap(x -> x.3, words))) AS back,
        arrayFirst(x -> x.3 = back, words) AS word, {"word.4 AS customer," if who else ""}
        arrayFirst(x -> x.3 = back OR (x.3 = 0 AND x.1 >= word.1), refunds) AS refund
    FROM
    (
        SELECT arraySort(groupArrayIf(tuple(at, uid, back_id, {said}), NOT is_refund)) AS words,
            arraySort(groupArrayIf(tuple(at, uid, back_id), is_refund)) AS refunds
        FROM
        (
            SELECT {unpacked}, if(order_id != 0 OR back_id = 0, order_id, its_order) AS own_order
            FROM
            (
                SELECT groupArray(tuple({", ".join(items)})) AS items,
                    argMinIf(order_id, tuple(at, uid), order_id != 0 AND back_id != 0) AS its_order
                FROM
                (
                    SELECT t.occurred_at AS at, UUIDToNum(t.event_uid) AS uid, {id_number("t.return_id")} AS back_id,
                        {id_number("t.order_id")} AS order_id, t.type = 'refund.issued' AS is_refund,
                        {described}
                    FROM {{db}}.touchpoints AS t FINAL
                    WHERE {typed("return.requested", "return.received", "refund.issued")}
                        AND (t.order_id != '' OR t.return_id != '')
                )
                GROUP BY if(back_id = 0, order_id, back_id)
            )
            ARRAY JOIN items AS i
        )
        GROUP BY if(own_order = 0, bitNot(back_id), own_order)
    )
    WHERE notEmpty(words) AND notEmpty(refunds) AND notEmpty(refund.2)"""

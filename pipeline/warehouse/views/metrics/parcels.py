"""
Parcels with what was promised of them and when they came, one row a parcel.

The rule owned here: a parcel is a shipment where the deliveries name shipments, else the order. The promise is that of
its own shipment, else of a shipment of the order without a name, else of the order, as for the pain point
late_delivery. Orders and shipments are told apart by hashes of 128 bits, 0 for none, for numbers group quicker than
texts. What is said of an order may lie with several customers, so orders are grouped over all of them.
"""

from typing import Final

from pipeline.warehouse.tables.numbers import id_number
from pipeline.warehouse.views.trade import touchpoints_of_trade

_PLACED, _CANCELLED, _SHIPPED, _DELIVERED = 1, 2, 3, 4
_TYPES: Final = {
    "order.placed": _PLACED,
    "order.cancelled": _CANCELLED,
    "delivery.shipped": _SHIPPED,
    "delivery.delivered": _DELIVERED,
}
_OF_PARCELS: Final = f"t_type IN ({', '.join(map(repr, _TYPES))})"
_DESCRIBED: Final = ("channel", "campaign", "products", "carrier")


def parcels(*, is_described: bool) -> str:
    """
    Return every parcel with a promise: promise, came (NULL: not yet), cancelled, channel, campaign, products, carrier.

    Args:
        is_described: Else `customer`, who placed the order, is there in the place of channel, campaign, products and
            carrier. A parcel without an order has nobody.
    """
    named = (
        "placed.3 AS channel, placed.4 AS campaign, placed.5 AS products" if is_described else "placed.6 AS customer"
    )
    columns, carrier = (", ".join(_DESCRIBED), "delivery.6 AS carrier,") if is_described else ("customer", "")
    return f"""
    SELECT fromUnixTimestamp64Milli(assumeNotNull(promise_ms), 'UTC') AS promise,
        fromUnixTimestamp64Milli(came_ms, 'UTC') AS came, cancelled, {columns}
    FROM
    (
        SELECT cancelled, {named},
            arrayJoin(multiIf(notEmpty(named), arrayDistinct(arrayConcat(named, sent)), notEmpty(d), [toUInt128(0)],
                notEmpty(sent), sent, [toUInt128(0)])) AS parcel,
            arrayFirst(x -> x.3 = parcel, d) AS delivery, {carrier}
            if(notEmpty(delivery.2), delivery.4, NULL) AS came_ms,
            arrayFirst(x -> x.3 = parcel OR parcel = 0, s) AS its, arrayFirst(x -> x.3 = 0, s) AS unnamed,
            multiIf(notEmpty(its.2), its.4, notEmpty(unnamed.2), unnamed.4, promised_ms) AS promise_ms
        FROM ({_orders(is_described)}
        )
    )
    WHERE isNotNull(promise_ms)"""


def _orders(is_described: bool) -> str:
    """Select every order or lone shipment: placed, promised_ms (of the order), cancelled; d(eliveries), s(hipments)."""
    placed = f"minIf(tuple(at, uid, channel, campaign, products), what = {_PLACED}) AS placed,"
    return f"""
            SELECT {"" if is_described else f"arrayFirst(x -> x.5 = {_PLACED}, items) AS"} placed,
                arrayFilter(x -> x.5 = {_DELIVERED}, items) AS d,
                arrayFilter(x -> x.5 = {_SHIPPED} AND isNotNull(x.4), items) AS s,
                arrayFirst(x -> x.5 = {_PLACED} AND isNotNull(x.4), items).4 AS promised_ms,
                arrayExists(x -> x.5 = {_CANCELLED}, items) AS cancelled,
                arrayFilter(x -> x != 0, arrayMap(x -> x.3, d)) AS named,
                arrayDistinct(arrayFilter(x -> x != 0, arrayMap(x -> x.3, s))) AS sent
            FROM
            (
                SELECT {placed if is_described else ""}
                    arraySort(groupArray(tuple(at, uid, shipment, said_ms, what,
                        {"carrier" if is_described else "who"}))) AS items
                FROM
                (
                    SELECT i.*, if(i.order_id != 0, i.order_id, n.its_order) AS own_order
                    FROM ({_said(is_described)}
                    ) AS i
                    LEFT ANY JOIN ({_orders_of_shipments()}
                    ) AS n ON n.shipment = i.shipment
                )
                GROUP BY if(own_order = 0, bitNot(shipment), own_order)
            )"""


def _orders_of_shipments() -> str:
    """Select the order of every shipment of which something is said without naming the order."""
    asked = f"""
                        SELECT t_shipment_id {touchpoints_of_trade(("type", "order_id", "shipment_id"))}
                            AND {_OF_PARCELS} AND has(s.trade_order_id, '')
                            AND t_order_id = '' AND t_shipment_id != ''"""
    return f"""
                    SELECT {id_number("t_shipment_id")} AS shipment,
                        argMin({id_number("t_order_id")}, tuple(t_occurred_at, UUIDToNum(t_event_uid))) AS its_order
                    {touchpoints_of_trade(("type", "order_id", "shipment_id", "occurred_at", "event_uid"))}
                        AND {_OF_PARCELS} AND t_order_id != '' AND t_shipment_id IN ({asked})
                    GROUP BY shipment"""


def _said(is_described: bool) -> str:
    """Select what was said of parcels, one row a touchpoint; `said_ms` is the time promised, or of the delivery."""
    described = "t_channel AS channel, t_campaign AS campaign, t_products AS products, t_carrier AS carrier"
    numbers = ", ".join(f"t_type = '{name}', {number}" for name, number in _TYPES.items())
    columns = ("type", "occurred_at", "event_uid", "order_id", "shipment_id", "said_at")
    return f"""
                    SELECT t_occurred_at AS at, UUIDToNum(t_event_uid) AS uid, toUInt8(multiIf({numbers}, 0)) AS what,
                        {id_number("t_order_id")} AS order_id, {id_number("t_shipment_id")} AS shipment,
                        toUnixTimestamp64Milli(t_said_at) AS said_ms,
                        {described if is_described else "s.ident_key AS who"}
                    {touchpoints_of_trade((*columns, *_DESCRIBED) if is_described else columns)}
                        AND {_OF_PARCELS} AND (t_order_id != '' OR t_shipment_id != '')"""

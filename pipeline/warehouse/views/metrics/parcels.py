"""
Parcels with what was promised of them and when they came, one row a parcel.

The rule owned here: a parcel is a shipment where the deliveries name shipments, else the order. The promise is that of
its own shipment, else of a shipment of the order without a name, else of the order, as for the pain point
late_delivery. Orders and shipments are told apart by hashes of 128 bits, 0 for none, for numbers group quicker than
texts; and what belongs together is grouped twice, because a window would take all of it through one core.
"""

from typing import Final

from pipeline.warehouse.tables.bodies import LINES
from pipeline.warehouse.views.metrics.declaration import campaign, typed
from pipeline.warehouse.views.metrics.facts import id_number, products_of

_PLACED, _CANCELLED, _SHIPPED, _DELIVERED = 1, 2, 3, 4
_TYPES: Final = {
    "order.placed": _PLACED,
    "order.cancelled": _CANCELLED,
    "delivery.shipped": _SHIPPED,
    "delivery.delivered": _DELIVERED,
}
# One look at each body for all of its fields.
_TIMES: Final = "promised_delivery_at Nullable(Int64), promised_until Nullable(Int64), delivered_at Nullable(Int64)"
_ITEM: Final = ("at", "uid", "what", "order_id", "shipment", "said_ms")
_DESCRIBED: Final = ("channel", "campaign", "products", "carrier")


def parcels(who: str = "") -> str:
    """
    Return every parcel with a promise: promise, came (NULL: not yet), cancelled, channel, campaign, products, carrier.

    Args:
        who: Expression of `touchpoints AS t` that names who placed the order; then `customer` is that in the place of
            channel, campaign, products and carrier. A parcel without an order has nobody.
    """
    named = "placed.3 AS customer" if who else "placed.3 AS channel, placed.4 AS campaign, placed.5 AS products"
    columns, carrier = ("customer", "") if who else (", ".join(_DESCRIBED), "delivery.5 AS carrier,")
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
            multiIf(notEmpty(its.2), its.4, notEmpty(unnamed.2), unnamed.4, notEmpty(o), o[1].3, NULL) AS promise_ms
        FROM ({_orders(who)}
        )
    )
    WHERE isNotNull(promise_ms)"""


def _orders(who: str) -> str:
    """Select every order or lone shipment: placed, cancelled; d(eliveries), s(hipments), o(rders) with a promise."""
    own, carrier = (", who", "") if who else (", channel, campaign, products", ", carrier")
    items = [*_ITEM, *(["who"] if who else _DESCRIBED)]
    unpacked = ", ".join(f"i.{number} AS {name}" for number, name in enumerate(items, 1))
    return f"""
            SELECT arraySort(groupArrayIf(tuple(at, uid, shipment, said_ms{carrier}), what = {_DELIVERED})) AS d,
                arraySort(groupArrayIf(tuple(at, uid, shipment, said_ms),
                    what = {_SHIPPED} AND isNotNull(said_ms))) AS s,
                arraySort(groupArrayIf(tuple(at, uid, said_ms), what = {_PLACED} AND isNotNull(said_ms))) AS o,
                minIf(tuple(at, uid{own}), what = {_PLACED}) AS placed,
                countIf(what = {_CANCELLED}) > 0 AS cancelled,
                arrayFilter(x -> x != 0, arrayMap(x -> x.3, d)) AS named,
                arrayDistinct(arrayFilter(x -> x != 0, arrayMap(x -> x.3, s))) AS sent
            FROM
            (
                SELECT {unpacked}, if(order_id != 0 OR shipment = 0, order_id, its_order) AS own_order
                FROM
                (
                    SELECT groupArray(tuple({", ".join(items)})) AS items,
                        argMinIf(order_id, tuple(at, uid), order_id != 0 AND shipment != 0) AS its_order
                    FROM ({_said(who)}
                    )
                    GROUP BY if(shipment = 0, order_id, shipment)
                )
                ARRAY JOIN items AS i
            )
            GROUP BY if(own_order = 0, bitNot(shipment), own_order)"""


def _said(who: str) -> str:
    """Select what was said of parcels, one row a touchpoint; `said_ms` is the time promised, or of the delivery."""
    fields = _TIMES if who else f"{_TIMES}, carrier String, lines {LINES}"
    described = (
        f"{who} AS who"
        if who
        else f"""if(is_placed, toString(t.channel), '') AS channel, if(is_placed, {campaign()}, '') AS campaign,
                            if(is_placed, {products_of("said.5")}, []) AS products,
                            if(what = {_DELIVERED}, said.4, '') AS carrier"""
    )
    numbers = ", ".join(f"t.type = '{name}', {number}" for name, number in _TYPES.items())
    return f"""
                        SELECT t.occurred_at AS at, UUIDToNum(t.event_uid) AS uid,
                            toUInt8(multiIf({numbers}, 0)) AS what,
                            {id_number("t.order_id")} AS order_id, {id_number("t.shipment_id")} AS shipment,
                            JSONExtract(t.body, 'Tuple({fields})') AS said, what = {_PLACED} AS is_placed,
                            multiIf(is_placed, said.1, what = {_SHIPPED}, said.2, what = {_DELIVERED},
                                ifNull(said.3, toUnixTimestamp64Milli(t.occurred_at)), NULL) AS said_ms,
                            {described}
                        FROM {{db}}.touchpoints AS t FINAL
                        WHERE {typed(*_TYPES)} AND (t.order_id != '' OR t.shipment_id != '')"""

"""
The parcel's way: packed, carried, handed over, sometimes late, sometimes sent back.

The shop's warehouse knows order and shipment; a carrier knows the shipment and, with some, the order; the returns desk
knows the return alone once it was announced.
"""

from dataclasses import dataclass

from pipeline.producers.simulator.browsing import arrive
from pipeline.producers.simulator.buying import Order, order_lines
from pipeline.producers.simulator.journal import Identity, rfc3339
from pipeline.producers.simulator.rhythm import DAY, HOUR, MINUTE, office_moment
from pipeline.producers.simulator.scene import Scene
from pipeline.producers.simulator.stories import BAD_WEEK, FLAW, STALLED


@dataclass(frozen=True, slots=True)
class Delivery:
    """A parcel that arrived."""

    shipment_id: str
    delivered_at: int
    is_late: bool
    is_damaged: bool


def deliver(scene: Scene, order: Order) -> Delivery:
    """Pack, ship and hand over; whether it is late follows from the moment and the promise alone."""
    rng, carrier = scene.rng, order.carrier
    shipment_id = f"SH-{order.order_id[3:]}"
    shipped_at = office_moment(rng, order.at + scene.minutes(240, 1200))
    delayed = scene.stories.delays(carrier, shipped_at) and not scene.is_lucky
    natural = scene.mishap(0.03)
    transit = max(0.6, rng.gauss(carrier.days, 0.3)) * DAY
    if delayed or natural:
        transit += (4 + 3 * rng.random()) * DAY
    arrived_at = shipped_at + int(transit)
    delivered_at = arrived_at // DAY * DAY + 9 * HOUR + rng.randrange(9 * HOUR)
    if delivered_at < shipped_at:
        delivered_at += DAY
    tracking = f"{carrier.name[:2].upper()}{rng.getrandbits(36):011d}"
    named = {"carrier": carrier.name, "tracking_no": tracking}
    both = {"order_id": order.order_id, "shipment_id": shipment_id}
    shipped = {**named, "promised_until": rfc3339(order.promised_at)}
    scene.journal.write("delivery.shipped", "warehouse", shipped_at, [], body=shipped, refs=both)
    is_late = delivered_at > order.promised_at
    is_damaged = scene.mishap(0.015)
    source = f"carrier/{carrier.name.lower().replace(' ', '-')}"
    refs = both if carrier.knows_order else {"shipment_id": shipment_id}
    states = [("in_transit", shipped_at + scene.minutes(60, 300))]
    if is_late:
        states.append(("delayed", shipped_at + scene.minutes(1500, 2600)))
    states.append(("out_for_delivery", delivered_at - scene.minutes(60, 240)))
    for status, at in states:
        moved = {**named, "status": status, "eta": rfc3339(max(order.promised_at, delivered_at))}
        scene.journal.write("delivery.status_changed", source, at, [], body=moved, refs=refs)
    handed = {
        **named,
        "delivered_at": rfc3339(delivered_at),
        "proof": rng.choice(("signature", "photo", "neighbour")),
        "condition": "damaged" if is_damaged else "intact",
    }
    event_id = scene.journal.write("delivery.delivered", source, delivered_at, [], body=handed, refs=refs)
    if is_late and delayed:
        scene.stories.strike(BAD_WEEK, shipped_at)
        scene.stories.note(BAD_WEEK, scene.person, "late_deliveries", event_id, order.order_id)
    if is_late:
        scene.stories.count("late_delivery", order.order_id, event_id)
    return Delivery(shipment_id, delivered_at, is_late, is_damaged)


def send_back(scene: Scene, order: Order, delivery: Delivery, *, is_flawed: bool = False) -> int:
    """Announce a return on the site, send the parcel, wait for the money; returns when the money came."""
    rng, person = scene.rng, scene.person
    return_id = f"RT-{order.order_id[3:]}"
    asked_at = delivery.delivered_at + scene.minutes(300, 4000)
    visit = arrive(scene, asked_at)
    identities: list[Identity] = [("email", person.email), visit.device.identity]
    refs = {"order_id": order.order_id, "return_id": return_id}
    why = "damaged" if delivery.is_damaged else "too_late" if delivery.is_late else rng.choice(("fit", "changed_mind"))
    why = "not_as_described" if is_flawed else why
    body = {"lines": order_lines(order.products[:1]), "reason": why}
    requested = scene.journal.write(
        "return.requested",
        "webshop",
        visit.at,
        identities,
        body=body,
        refs={**refs, "product_ids": [order.products[0].product_id]},
        session_id=visit.session_id,
    )
    if is_flawed:
        scene.stories.note(FLAW, scene.person, "returns", requested, order.order_id)
    received_at = office_moment(rng, visit.at + int((3 + 2 * rng.random()) * DAY))
    checked = {"condition": "damaged" if why == "damaged" else "as new", "restockable": why != "damaged"}
    received = scene.journal.write(
        "return.received", "warehouse", received_at, [], body=checked, refs={"return_id": return_id}
    )
    slow = scene.mishap(0.15)
    pause = (10 if slow else 1) * DAY
    if scene.stories.is_on(STALLED, received_at) and not scene.is_lucky:
        pause = int((17 + 6 * rng.random()) * DAY)
        scene.stories.strike(STALLED, received_at)
        scene.stories.note(STALLED, scene.person, "stalled_returns", received, order.order_id)
        scene.stories.count("stalled_return", return_id, received)
    refunded_at = office_moment(rng, received_at + pause + 30 * MINUTE)
    scene.journal.write(
        "refund.issued",
        "payments",
        refunded_at,
        [],
        body={"method": "original"},
        refs=refs,
        amount_minor=order.products[0].price_minor,
    )
    return refunded_at

"""Orders, parcels, payments, returns and checkouts: the oracle's rules."""

from tests.oracle.pain_kinds import DAY, HOUR, Found, Rule, Thresholds, first, graded, of_type
from tests.oracle.stories import Touchpoint

_PARCELS = ("delivery.delivered", "delivery.shipped", "delivery.status_changed", "order.placed")


def order_of(step: Touchpoint, steps: list[Touchpoint]) -> str:
    """Return the order of a touchpoint, else the first order that a touchpoint of its shipment names."""
    if step["order_id"] or not step["shipment_id"]:
        return str(step["order_id"])
    named = [
        other
        for other in of_type(steps, *_PARCELS)
        if other["shipment_id"] == step["shipment_id"] and other["order_id"]
    ]
    return str(named[0]["order_id"]) if named else ""


def per_parcel(candidates: list[Touchpoint], steps: list[Touchpoint]) -> list[Touchpoint]:
    """Return the first candidate of every shipment, and of every order of which no candidate names a shipment."""
    kept: list[Touchpoint] = []
    shipments, orders = set(), set()
    with_shipment = {order_of(step, steps) for step in _shipment_firsts(candidates)}
    for step in candidates:
        order = order_of(step, steps)
        if step["shipment_id"]:
            if step["shipment_id"] not in shipments:
                kept.append(step)
            shipments.add(step["shipment_id"])
        elif order and order not in with_shipment and order not in orders:
            kept.append(step)
            orders.add(order)
    return kept


def _shipment_firsts(candidates: list[Touchpoint]) -> list[Touchpoint]:
    firsts: dict[str, Touchpoint] = {}
    for step in candidates:
        if step["shipment_id"]:
            firsts.setdefault(step["shipment_id"], step)
    return list(firsts.values())


def promise_of(shipment: str, order: str, steps: list[Touchpoint]) -> tuple[Touchpoint, int] | None:
    """Return the touchpoint that made the promise for a parcel, and the promised moment."""
    shipped = [step for step in of_type(steps, "delivery.shipped") if step["promised_until"] is not None]
    for step in shipped:
        if shipment and step["shipment_id"] == shipment:
            return step, step["promised_until"]
    for step in shipped:
        if order and order_of(step, steps) == order and (not shipment or not step["shipment_id"]):
            return step, step["promised_until"]
    for step in of_type(steps, "order.placed"):
        if order and step["order_id"] == order and step["promised_delivery_at"] is not None:
            return step, step["promised_delivery_at"]
    return None


def late_delivery(steps: list[Touchpoint], _: Thresholds) -> list[Found]:
    """Return parcels that came after their promise."""
    found = []
    for step in per_parcel(of_type(steps, "delivery.delivered"), steps):
        order = order_of(step, steps)
        promise = promise_of(step["shipment_id"], order, steps)
        at = step["occurred_at"] if step["delivered_at"] is None else step["delivered_at"]
        if promise is not None and at > promise[1]:
            severity = graded(at - promise[1], DAY, 7 * DAY)
            found.append(Found("late_delivery", severity, step, at, promise[0], order=order))
    return found


def missed_promise(steps: list[Touchpoint], _: Thresholds) -> list[Found]:
    """Return promises of parcels that nobody saw arrive."""
    found: dict[bytes, Found] = {}
    sent = [dict(step, shipment_id="") if step["type"] == "order.placed" else step for step in steps]
    candidates = of_type(sent, "order.placed", "delivery.shipped")
    shipments = {step["shipment_id"] for step in candidates if step["shipment_id"]}
    for step in per_parcel(candidates, steps):
        order = order_of(step, steps)
        promise = promise_of(step["shipment_id"], order, steps)
        if promise is None or _has_arrived(step["shipment_id"], order, shipments, steps):
            continue
        off = [
            other
            for other in of_type(steps, "order.cancelled", "refund.issued")
            if order and other["order_id"] == order and other["occurred_at"] <= promise[1]
        ]
        if not off:
            pain = Found("missed_promise", "medium", promise[0], promise[1], None, promise[1], order, step["ticket_id"])
            found.setdefault(promise[0]["event_uid"], pain)
    return list(found.values())


def _has_arrived(shipment: str, order: str, shipments: set[str], steps: list[Touchpoint]) -> bool:
    for other in of_type(steps, "delivery.delivered"):
        if shipment and other["shipment_id"] == shipment:
            return True
        same_order = bool(order) and order_of(other, steps) == order
        if same_order and (not shipment or other["shipment_id"] not in shipments):
            return True
    return any(order and other["order_id"] == order for other in of_type(steps, "return.requested", "return.received"))


def damaged_or_lost(steps: list[Touchpoint], thresholds: Thresholds) -> list[Found]:
    """Return parcels that broke or vanished."""
    signs = [step for step in steps if _is_damage(step, thresholds) or _is_lost_for_good(step, steps)]
    found = []
    for step in per_parcel(signs, steps):
        severity = "medium" if _is_damage(step, thresholds) else "high"
        found.append(Found("damaged_or_lost", severity, step, step["occurred_at"], order=order_of(step, steps)))
    return found


def _is_damage(step: Touchpoint, thresholds: Thresholds) -> bool:
    return (
        (step["type"] == "delivery.status_changed" and step["status"] == "damaged")
        or (step["type"] == "delivery.delivered" and (step["condition"] or "").lower() in thresholds.damaged_conditions)
        or (step["type"] == "return.requested" and step["reason"] == "damaged")
    )


def _is_lost_for_good(step: Touchpoint, steps: list[Touchpoint]) -> bool:
    if step["type"] != "delivery.status_changed" or step["status"] != "lost":
        return False
    order = order_of(step, steps)
    for later in steps[steps.index(step) + 1 :]:
        moves = later["type"] == "delivery.delivered" or (
            later["type"] == "delivery.status_changed"
            and later["status"] in ("in_transit", "out_for_delivery", "attempted")
        )
        if not moves:
            continue
        if step["shipment_id"] and later["shipment_id"] == step["shipment_id"]:
            return False
        unclear = not step["shipment_id"] or not later["shipment_id"]
        if order and unclear and order_of(later, steps) == order:
            return False
    return True


def failed_payment(steps: list[Touchpoint], _: Thresholds) -> list[Found]:
    """Return declined payments, by what followed."""
    found = []
    for step in of_type(steps, "payment.failed"):
        order, at = step["order_id"], step["occurred_at"]
        paid = first(
            [
                other
                for other in of_type(steps, "payment.made")
                if order and other["order_id"] == order and other["occurred_at"] >= at
            ]
        )
        soon = paid is not None and paid["occurred_at"] - at <= HOUR
        severity = "low" if soon else "medium" if paid or not order else "high"
        found.append(Found("failed_payment", severity, step, at, paid if soon else None))
    return found


def abandoned_checkout(steps: list[Touchpoint], thresholds: Thresholds) -> list[Found]:
    """Return attempts at the checkout that no order followed."""
    attempts: list[list[Touchpoint]] = []
    for step in of_type(steps, "checkout.step_reached"):
        if attempts and step["occurred_at"] - attempts[-1][-1]["occurred_at"] <= thresholds.abandoned_checkout:
            attempts[-1].append(step)
        else:
            attempts.append([step])
    found = []
    for attempt in attempts:
        began, ended = attempt[0]["occurred_at"], attempt[-1]["occurred_at"]
        due = ended + thresholds.abandoned_checkout
        within = [step for step in steps if began <= step["occurred_at"] <= due]
        if of_type(within, "order.placed", "payment.made", "subscription.started"):
            continue
        failed = bool(of_type(within, "payment.failed"))
        severity = "high" if failed else "medium" if len(attempt) > 1 else "low"
        found.append(Found("abandoned_checkout", severity, attempt[0], ended, attempt[-1], due))
    return found


def stalled_return(steps: list[Touchpoint], thresholds: Thresholds) -> list[Found]:
    """Return returns that were received and not refunded in time."""
    found = []
    seen = set()
    for receipt in of_type(steps, "return.received"):
        key = (receipt["return_id"], "" if receipt["return_id"] else receipt["order_id"])
        if key in seen or key == ("", ""):
            continue
        seen.add(key)
        of_return = [
            step
            for step in of_type(steps, "return.requested", "return.received")
            if receipt["return_id"] and step["return_id"] == receipt["return_id"]
        ]
        named = [step["order_id"] for step in of_return if step["order_id"]]
        order = receipt["order_id"] or (named[0] if named else "")
        due = receipt["occurred_at"] + thresholds.stalled_return
        refund = _refund(receipt["return_id"], order, of_return, steps)
        if refund is not None and refund["occurred_at"] <= due:
            continue
        severity = "medium" if refund is None else graded(refund["occurred_at"] - due, 7 * DAY, 21 * DAY)
        found.append(Found("stalled_return", severity, receipt, due, refund, due, order))
    return found


def _refund(return_id: str, order: str, of_return: list[Touchpoint], steps: list[Touchpoint]) -> Touchpoint | None:
    for refund in of_type(steps, "refund.issued"):
        if return_id and refund["return_id"] == return_id:
            return refund
        if not order or refund["order_id"] != order:
            continue
        if not return_id:
            return refund
        if not refund["return_id"] and refund["occurred_at"] >= of_return[0]["occurred_at"]:
            return refund
    return None


ORDER_RULES: tuple[Rule, ...] = (
    late_delivery,
    missed_promise,
    damaged_or_lost,
    failed_payment,
    abandoned_checkout,
    stalled_return,
)

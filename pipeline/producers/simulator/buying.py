"""
From the basket to the order: what is taken, how it is paid, and what happens when paying fails.

An order is placed only after its payment went through; one that could not be paid leaves failed payments behind and
nothing else.
"""

from dataclasses import dataclass
from typing import Any

from pipeline.producers.simulator.browsing import Visit, arrive, look_around, say_who
from pipeline.producers.simulator.journal import Identity, rfc3339
from pipeline.producers.simulator.rhythm import DAY, HOUR, MINUTE, evening_of, next_working_day
from pipeline.producers.simulator.scene import Scene
from pipeline.producers.simulator.stories import GOOD_CARRIER, OUTAGE, OUTAGE_CODE
from pipeline.producers.simulator.world import CARRIERS, PRODUCTS, Carrier, Product

_STEPS = ("address", "delivery", "payment")


@dataclass(frozen=True, slots=True)
class Order:
    """An order that was paid."""

    order_id: str
    at: int
    products: tuple[Product, ...]
    amount_minor: int
    carrier: Carrier
    promised_at: int
    event_id: str | None


def buy(visit: Visit, *, carrier: Carrier | None = None) -> Order | None:
    """
    Fill the basket and check out.

    Returns:
        The order, or None where paying failed for good.
    """
    scene, rng = visit.scene, visit.scene.rng
    wanted = visit.seen or [rng.choice(PRODUCTS)]
    basket = rng.sample(wanted, min(len(wanted), rng.choices((1, 2, 3), (60, 30, 10))[0]))
    for product in basket:
        _put(visit, "cart.item_added", product)
    if scene.chance(0.1):
        second = rng.choice(PRODUCTS)
        _put(visit, "cart.item_added", second)
        _put(visit, "cart.item_removed", second)
    if scene.person.is_registered or scene.person.habit not in {"passer-by", "buyer"} or scene.chance(0.5):
        say_who(visit)
    for number, name in enumerate(_STEPS, start=1):
        visit.step("checkout.step_reached", "/checkout", {"step": number, "name": name, "outcome": "ok"})
    amount = sum(product.price_minor for product in basket)
    method = rng.choices(("card", "wallet", "invoice"), (60, 28, 12))[0]
    if not _pay(visit, method, amount):
        return None
    return _place(visit, tuple(basket), amount, carrier or _pick_carrier(scene))


def buy_again(scene: Scene, at: int) -> Order | None:
    """Come back the next evening for what could not be paid."""
    visit = arrive(scene, evening_of(scene.rng, at + DAY))
    look_around(visit, 1)
    return buy(visit)


def known_identities(visit: Visit) -> list[Identity]:
    """Return what an order tells: account or guest's address, the telephone if there is one, the machine."""
    person = visit.scene.person
    account = person.account if visit.is_signed_in else [("email", person.email)]
    phone = [("phone", person.phone)] if person.phone else []
    return [*account, *phone, visit.device.identity]


def _put(visit: Visit, kind: str, product: Product) -> None:
    body = {"product": product.product_id, "quantity": 1}
    visit.step(kind, "/cart", body, amount_minor=product.price_minor, refs={"product_ids": [product.product_id]})


def _pay(visit: Visit, method: str, amount: int) -> bool:
    scene = visit.scene
    for _ in range(3):
        if scene.stories.is_on(OUTAGE, visit.at):
            failed = _fail(visit, method, OUTAGE_CODE, amount)
            scene.stories.note(OUTAGE, scene.person, "failed_payments", failed)
            body = {"code": OUTAGE_CODE, "message": "We could not reach the payment service."}
            visit.step("ui.error_shown", "/checkout", body)
        elif scene.mishap(0.03):
            _fail(visit, method, "card_declined", amount)
        else:
            return True
        visit.at += scene.minutes(1, 6)
    return False


def _fail(visit: Visit, method: str, code: str, amount: int) -> str | None:
    return visit.step("payment.failed", "/checkout", {"code": code, "method": method}, amount_minor=amount)


def _place(visit: Visit, basket: tuple[Product, ...], amount: int, carrier: Carrier) -> Order:
    scene, person = visit.scene, visit.scene.person
    number = person.number("order")
    order_id = f"AO-{person.customer_id[2:]}-{number}"
    # The promise: packed on the next working day, the carrier's usual days, and two days in hand, until eight.
    packed = next_working_day(visit.at + DAY)
    promised = (packed + int(carrier.days * DAY) + 2 * DAY) // DAY * DAY + 20 * HOUR
    method = scene.rng.choice(("card", "wallet"))
    identities = known_identities(visit)
    refs = {"order_id": order_id, "product_ids": [product.product_id for product in basket]}
    body: dict[str, Any] = {"lines": order_lines(basket), "promised_delivery_at": rfc3339(promised)}
    if scene.chance(0.06):
        body["coupon"] = "WELCOME5"
    event_id = scene.journal.write(
        "order.placed",
        "webshop",
        visit.at,
        identities,
        body=body,
        refs=refs,
        amount_minor=amount,
        session_id=visit.session_id,
    )
    paid = {"method": method, "instalments": 1}
    scene.journal.write(
        "payment.made", "payments", visit.at + 900, [], body=paid, refs={"order_id": order_id}, amount_minor=amount
    )
    person.orders += 1
    thanks = {"content_group": "thank-you", "dwell_ms": 20_000}
    visit.at += MINUTE // 2
    visit.step("web.page_viewed", "/thank-you", thanks, title="Thank you", refs={"order_id": order_id})
    return Order(order_id, visit.at, basket, amount, carrier, promised, event_id)


def order_lines(products: tuple[Product, ...]) -> list[dict[str, Any]]:
    """Return products as lines of an order or a return."""
    return [
        {
            "product_id": product.product_id,
            "name": product.name,
            "category": product.category,
            "quantity": 1,
            "price_minor": product.price_minor,
        }
        for product in products
    ]


def _pick_carrier(scene: Scene) -> Carrier:
    if scene.is_lucky:
        return GOOD_CARRIER
    return scene.rng.choices(CARRIERS, [carrier.share for carrier in CARRIERS])[0]

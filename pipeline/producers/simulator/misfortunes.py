"""
What planted stories do to those whom they strike for certain: the bad batch, the returns desk, the call centre.

Each takes a scene, does what such a person does, and leaves the rest of their months as they are. Whoever lives through
the same days by chance is struck by the same windows, in the modules where it happens.
"""

from pipeline.producers.simulator.browsing import arrive
from pipeline.producers.simulator.buying import Order, buy
from pipeline.producers.simulator.delivering import deliver, send_back
from pipeline.producers.simulator.keeping import review
from pipeline.producers.simulator.rhythm import DAY, evening_of
from pipeline.producers.simulator.scene import Scene
from pipeline.producers.simulator.stories import FLAW, FLAWED_PRODUCT, GOOD_CARRIER, OVERLOAD, STALLED
from pipeline.producers.simulator.supporting import call
from pipeline.producers.simulator.world import Product


def suffer_flaw(scene: Scene) -> None:
    """Buy from the bad batch; most send it back as not as described, others say so in a review, some both."""
    window = scene.stories.window(FLAW)
    if window is None:
        return
    order = _buy(scene, window.start + scene.rng.randrange(9) * DAY, FLAWED_PRODUCT)
    if order is None:
        return
    delivery = deliver(scene, order)
    sends_back = scene.chance(0.65)
    # A low review of a parcel that came late or broken says nothing of the product: nobody could see the flaw in it.
    if sends_back or not (delivery.is_late or delivery.is_damaged):
        scene.stories.strike(FLAW, order.at)
    if sends_back:
        send_back(scene, order, delivery, is_flawed=True)
    if not sends_back or scene.chance(0.3):
        event_id = review(scene, delivery.delivered_at + scene.minutes(600, 4000), scene.rng.uniform(0, 0.3), order)
        scene.stories.note(FLAW, scene.person, "reviews", event_id, order.order_id)


def suffer_stalled_return(scene: Scene) -> None:
    """Send something back so that it arrives in the week in which nobody pays refunds."""
    window = scene.stories.window(STALLED)
    if window is None:
        return
    order = _buy(scene, window.start - scene.rng.randrange(9, 12) * DAY, None)
    if order is not None:
        send_back(scene, order, deliver(scene, order))


def suffer_overload(scene: Scene) -> None:
    """Ring up in the week in which half of the call centre is ill."""
    window = scene.stories.window(OVERLOAD)
    if window is not None:
        call(scene, window.start + scene.minutes(8 * 60, 4 * 24 * 60 + 12 * 60), "question about the guarantee", {})


def _buy(scene: Scene, day: int, product: Product | None) -> Order | None:
    visit = arrive(scene, evening_of(scene.rng, day))
    if product is not None:
        path = f"/{product.category}/{product.product_id}"
        visit.step("product.viewed", path, {"product": product.product_id}, title=product.name)
        visit.seen.append(product)
    return buy(visit, carrier=GOOD_CARRIER)

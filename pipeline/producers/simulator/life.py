"""
How a person's months go: which episodes happen when, and what follows from what.

An episode is one errand with everything it drags along: looking, buying, waiting, asking, judging.
"""

from collections.abc import Iterator
from typing import Final

from pipeline.producers.simulator.browsing import arrive, look_around, say_who
from pipeline.producers.simulator.buying import Order, buy, buy_again
from pipeline.producers.simulator.delivering import Delivery, deliver, send_back
from pipeline.producers.simulator.journal import Identity
from pipeline.producers.simulator.keeping import (
    cheer,
    earn_points,
    mention,
    read_newsletter,
    recommend,
    review,
    subscribe,
    survey,
    use_app,
    visit_store,
)
from pipeline.producers.simulator.rhythm import DAY, HOUR, MINUTE, evening_of, visiting_moment
from pipeline.producers.simulator.scene import Scene
from pipeline.producers.simulator.stories import BAD_CARRIER, BAD_WEEK, BOT_LOOP, FAN, GOOD_CARRIER, OUTAGE
from pipeline.producers.simulator.supporting import ask_for_help, call, complain, loop_with_bot
from pipeline.producers.simulator.world import Carrier

# A fan comes back after more than a month of silence, so that every return is a journey of its own.
_FAN_PAUSE_DAYS: Final = 37


def live(scene: Scene, first_day: int, days: int, kiosk: Identity) -> None:
    """Live through the period by habit."""
    rng, habit = scene.rng, scene.person.habit
    if habit == "passer-by":
        for _ in range(rng.choices((1, 2, 3), (60, 30, 10))[0]):
            look_around(arrive(scene, visiting_moment(rng, first_day, days)), rng.randrange(1, 4))
        return
    errands = rng.choices((2, 3), (60, 40))[0] if habit == "regular" else 1
    for _ in range(errands):
        shop(scene, visiting_moment(rng, first_day, days))
    if habit == "subscriber":
        visit = arrive(scene, visiting_moment(rng, first_day, days))
        say_who(visit)
        subscribe(scene, visit.at, first_day + days * DAY)
    for _ in range(rng.randrange(0, 4)):
        use_app(scene, visiting_moment(rng, first_day, days))
    if scene.person.has_loyalty_card and habit == "neighbour":
        for _ in range(rng.randrange(1, 4)):
            visit_store(scene, visiting_moment(rng, first_day, days), kiosk)
    if scene.chance(0.15):
        read_newsletter(scene, visiting_moment(rng, first_day, days))


def shop(scene: Scene, at: int, carrier: Carrier | None = None) -> Order | None:
    """Look around on some evenings, buy, and live with what comes of it."""
    rng = scene.rng
    for _ in range(rng.choices((0, 1, 2, 3), (50, 30, 15, 5))[0]):
        look_around(arrive(scene, at), rng.randrange(1, 5))
        at = evening_of(rng, at + rng.randrange(1, 4) * DAY)
    visit = arrive(scene, at, rng.choice(scene.person.browsers))
    look_around(visit, rng.randrange(1, 4))
    order = buy(visit, carrier=carrier)
    if order is None:
        return None
    receive(scene, order)
    return order


def receive(scene: Scene, order: Order) -> None:
    """Wait for the parcel, and do what people do when it came or did not."""
    if scene.mishap(0.02):
        body = {"reason": "changed mind", "by": "customer"}
        who = [scene.person.known_as]
        refs = {"order_id": order.order_id}
        scene.journal.write("order.cancelled", "webshop", order.at + scene.minutes(20, 200), who, body=body, refs=refs)
        return
    if scene.chance(0.03):
        refs, body = {"order_id": order.order_id}, {"reason": "other address", "by": "customer"}
        scene.journal.write(
            "order.changed", "webshop", order.at + 40 * MINUTE, [scene.person.known_as], body=body, refs=refs
        )
    delivery = deliver(scene, order)
    refs = {"order_id": order.order_id}
    if delivery.is_late and scene.chance(0.6):
        asked_at = order.promised_at + scene.minutes(600, 1200)
        done_at = ask_for_help(scene, asked_at, "where is my order", refs)
        if scene.chance(0.25):
            complain(scene, done_at + 5 * HOUR, "late delivery", refs)
    elif scene.mishap(0.08):
        ask_for_help(scene, delivery.delivered_at + scene.minutes(200, 3000), "how does it work", refs)
    earn_points(scene, delivery.delivered_at + HOUR, order.amount_minor)
    _judge(scene, order, delivery)


def _judge(scene: Scene, order: Order, delivery: Delivery) -> None:
    unhappy = delivery.is_late or delivery.is_damaged
    mood = 0.22 if unhappy else 1.0 if scene.is_lucky else 0.85
    at = delivery.delivered_at
    if scene.chance(0.5):
        survey(scene, at + DAY + 2 * HOUR, mood, order)
    if scene.chance(0.09):
        review(scene, at + scene.minutes(1500, 6000), mood, order)
    if scene.chance(0.04):
        mention(scene, at + scene.minutes(100, 6000), mood)
    if not unhappy and scene.chance(0.04):
        recommend(scene, at + scene.minutes(2000, 8000), converts=scene.chance(0.3))
    if scene.mishap(0.3 if unhappy else 0.06):
        send_back(scene, order, delivery)


def live_as_fan(scene: Scene, first_day: int, days: int) -> None:
    """Come back after each long silence, buy, be delighted and say so."""
    for number, day in enumerate(_fan_days(days)):
        visit = arrive(scene, evening_of(scene.rng, first_day + day * DAY))
        look_around(visit, 2)
        if number == 0:
            scene.person.has_loyalty_card = True
            say_who(visit)
        order = buy(visit, carrier=GOOD_CARRIER)
        if order is None:
            continue
        delivery = deliver(scene, order)
        earn_points(scene, delivery.delivered_at + HOUR, order.amount_minor)
        cheer(scene, delivery.delivered_at, order)
        scene.stories.note(FAN, scene.person, "journeys", order.event_id)


def _fan_days(days: int) -> Iterator[int]:
    return iter(range(1, max(2, days - 6), _FAN_PAUSE_DAYS))


def suffer_outage(scene: Scene) -> None:
    """Want to pay on the evening of the outage: some come back the next day, some call, some are lost."""
    window = scene.stories.window(OUTAGE)
    if window is None:
        return
    visit = arrive(scene, window.start + scene.minutes(5, (window.end - window.start) // MINUTE - 60))
    look_around(visit, 2)
    if buy(visit) is not None:
        return
    draw = scene.rng.random()
    if draw < 0.4:
        if (order := buy_again(scene, visit.at)) is not None:
            receive(scene, order)
    elif draw < 0.65:
        call(scene, visit.at, "cannot pay", {})


def suffer_bad_week(scene: Scene) -> None:
    """Order just before the carrier's bad week, so that the parcel falls into it."""
    window = scene.stories.window(BAD_WEEK)
    if window is None:
        return
    visit = arrive(scene, window.start + scene.minutes(9 * 60, 3 * 24 * 60))
    look_around(visit, 2)
    if (order := buy(visit, carrier=BAD_CARRIER)) is not None:
        receive(scene, order)


def suffer_bot(scene: Scene) -> None:
    """Order, wonder where it is, ask the bot in its bad days; most call afterwards."""
    window = scene.stories.window(BOT_LOOP)
    if window is None:
        return
    asked_at = window.start + scene.minutes(7 * 60, 3 * 24 * 60 - 120)
    visit = arrive(scene, evening_of(scene.rng, asked_at - 2 * DAY))
    look_around(visit, 1)
    order = buy(visit, carrier=GOOD_CARRIER)
    if order is None:
        return
    done_at = loop_with_bot(scene, asked_at, {"order_id": order.order_id})
    if scene.chance(0.7):
        call(scene, done_at + 10 * MINUTE, "where is my order", {"order_id": order.order_id})
    receive(scene, order)

"""What comes after the parcel: surveys, reviews, points, friends, subscriptions, the app, the store."""

from typing import Any, Final

from pipeline.producers.simulator.browsing import arrive, look_around
from pipeline.producers.simulator.buying import Order, order_lines
from pipeline.producers.simulator.journal import Identity
from pipeline.producers.simulator.rhythm import DAY, HOUR, MINUTE, evening_of, office_moment
from pipeline.producers.simulator.scene import Scene
from pipeline.producers.simulator.stories import FAN
from pipeline.producers.simulator.world import GRUMBLES, PRAISE, PRODUCTS

_MONTH: Final = 30 * DAY
_PLAN_MINOR: Final = 2190


def survey(scene: Scene, at: int, mood: float, order: Order) -> int:
    """Ask how it was; the answer follows the mood, which is 0 for furious and 1 for delighted."""
    rng, person = scene.rng, scene.person
    survey_id = f"SV-{person.customer_id[2:]}-{person.number('survey')}"
    refs = {"survey_id": survey_id, "order_id": order.order_id}
    instrument, low, high = rng.choice((("nps", 0, 10), ("csat", 1, 5), ("star", 1, 5), ("ces", 1, 7)))
    mailbox: list[Identity] = [("email", person.email)]
    asked: dict[str, Any] = {"instrument": instrument}
    if order.event_id:
        asked["trigger_event_id"] = order.event_id
    scene.journal.write("survey.sent", "surveys", at, mailbox, body=asked, refs=refs)
    answered_at = evening_of(rng, at + DAY)
    draw = rng.random()
    if draw > 0.6:
        return at
    if draw > 0.55:
        declined = {"instrument": instrument}
        scene.journal.write("survey.declined", "surveys", answered_at, mailbox, body=declined, refs=refs)
        return answered_at
    score = round(low + (high - low) * min(1.0, max(0.0, rng.gauss(mood, 0.13))))
    answer: dict[str, Any] = {"instrument": instrument, "score": score, "scale_min": low, "scale_max": high}
    if scene.chance(0.4):
        answer["comment"] = rng.choice(PRAISE if mood > 0.5 else GRUMBLES)
    event_id = scene.journal.write("survey.answered", "surveys", answered_at, mailbox, body=answer, refs=refs)
    if event_id and score <= low + (high - low) * 0.25:
        scene.stories.count("low_score", survey_id, event_id)
        return _follow_up(scene, answered_at, event_id)
    return answered_at


def _follow_up(scene: Scene, at: int, cause: str) -> int:
    mailbox: list[Identity] = [("email", scene.person.email)]
    case: dict[str, Any] = {"case_id": f"FC-{cause[-12:]}", "owner": "service", "cause_event_id": cause}
    steps = (("opened", None), ("action_taken", "voucher"), ("closed", "reconciled"))
    for step, outcome in steps:
        at = office_moment(scene.rng, at + 5 * HOUR)
        kind = f"feedback.{step}" if step == "action_taken" else f"feedback.case_{step}"
        body = {**case, "outcome": outcome} if outcome else case
        scene.journal.write(kind, "surveys", at, mailbox, body=body)
    return at


def review(scene: Scene, at: int, mood: float, order: Order) -> str | None:
    """Publish a review of the first product; signed in, so the account is known."""
    rating = 1 + round(4 * min(1.0, max(0.0, mood)))
    text = scene.rng.choice(PRAISE if mood > 0.5 else GRUMBLES)
    body = {"rating": rating, "scale": 5, "text": text, "site": "shop.alderandoak.example", "verified": True}
    refs = {"order_id": order.order_id, "product_ids": [order.products[0].product_id]}
    return scene.journal.write("review.published", "reviews", at, [scene.person.known_as], body=body, refs=refs)


def recommend(scene: Scene, at: int, *, converts: bool) -> list[str | None]:
    """Send a friend a code; a friend who buys with it is told by another touchpoint."""
    person = scene.person
    code = f"FRIEND-{person.customer_id[2:]}"
    friend = f"friend-{person.number('friend')}"
    body = {"code": code, "referee": friend}
    written = [scene.journal.write("referral.sent", "referrals", at, [person.known_as], body=body)]
    if converts:
        later = at + scene.minutes(400, 1300)
        written.append(scene.journal.write("referral.converted", "referrals", later, [person.known_as], body=body))
    return written


def mention(scene: Scene, at: int, mood: float) -> str | None:
    """Say something in public, under a handle that the account knows."""
    person, rng = scene.person, scene.rng
    if person.is_registered and person.number("linked handle") == 1:
        linked = [*person.account, ("social_handle", person.handle)]
        scene.journal.write("account.identified", "webshop", at - MINUTE, linked, body={"method": "social"})
    body = {"network": "instagram", "sentiment": "positive" if mood > 0.5 else "negative", "reach": rng.randrange(900)}
    kind, action = rng.choice((("social.mentioned", "post"), ("social.interacted", "comment")))
    return scene.journal.write(kind, "social", at, [("social_handle", person.handle)], body={**body, "action": action})


def earn_points(scene: Scene, at: int, amount_minor: int, channel: str = "other") -> None:
    """Give points for money spent, and a better card at the first thousand."""
    person = scene.person
    if not person.has_loyalty_card:
        return
    won = amount_minor // 100
    before, person.points = person.points, person.points + won
    card: list[Identity] = [("loyalty_id", person.loyalty_id)]
    body = {"delta": won, "balance": person.points}
    scene.journal.write("loyalty.points_changed", "loyalty", at, card, body=body, channel=channel)
    for tier, least in (("silver", 150), ("gold", 400)):
        if before < least <= person.points:
            scene.journal.write("loyalty.tier_changed", "loyalty", at + MINUTE, card, body={"tier": tier})


def subscribe(scene: Scene, at: int, end: int) -> None:
    """Take beans every month; billing knows the subscription alone, and one in four leaves again."""
    person, rng = scene.person, scene.rng
    refs = {"subscription_id": f"SU-{person.customer_id[2:]}"}
    plan: dict[str, Any] = {"plan": "beans-1kg", "period": "month"}
    started = {**plan, "trial": True}
    scene.journal.write(
        "subscription.started", "billing", at, person.account, body=started, refs=refs, amount_minor=_PLAN_MINOR
    )
    renewal = at + _MONTH
    while renewal < end:
        draw = rng.random()
        if draw < 0.12:
            body = {"reason": rng.choice(("price", "too much coffee", "late deliveries")), "voluntary": True}
            scene.journal.write("subscription.cancelled", "billing", renewal, [], body=body, refs=refs)
            return
        kind = (
            "subscription.paused" if draw < 0.2 else "subscription.changed" if draw < 0.26 else "subscription.renewed"
        )
        scene.journal.write(kind, "billing", renewal, [], body=plan, refs=refs, amount_minor=_PLAN_MINOR)
        renewal += _MONTH


def use_app(scene: Scene, at: int) -> None:
    """Open the app, look something up and brew along."""
    if (device := scene.person.app) is None:
        return
    visit = arrive(scene, at, device)
    if scene.person.is_registered and not visit.is_signed_in and scene.chance(0.7):
        visit.is_signed_in = True
        visit.step("account.signed_in", "", {"method": "biometry"})
    feature = scene.rng.choice(("brew timer", "recipe", "order status"))
    visit.step("usage.used", "", {"feature": feature, "quantity": 1}, channel="app")
    visit.step("app.screen_viewed", "", {"screen": feature, "previous": "shelf"})


def visit_store(scene: Scene, at: int, kiosk: Identity) -> None:
    """Walk into the shop round the corner, use the kiosk everybody uses, buy something with the loyalty card."""
    person, rng = scene.person, scene.rng
    at = office_moment(rng, at)
    card: list[Identity] = [("loyalty_id", person.loyalty_id)]
    entered = {"name": "store_entered"}
    scene.journal.write(
        "custom.tracked", "store", at, card, body=entered, channel="store", attributes={"store": "no. 1"}
    )
    screen = {"screen": "kiosk"}
    scene.journal.write("app.screen_viewed", "kiosk", at + 4 * MINUTE, [*card, kiosk], body=screen, channel="store")
    product = rng.choice(PRODUCTS)
    order_id = f"ST-{person.customer_id[2:]}-{person.number('till')}"
    refs = {"order_id": order_id, "product_ids": [product.product_id]}
    paid_at = at + scene.minutes(6, 30)
    scene.journal.write(
        "order.placed",
        "till",
        paid_at,
        card,
        body={"lines": order_lines((product,))},
        refs=refs,
        amount_minor=product.price_minor,
        channel="store",
    )
    earn_points(scene, paid_at + MINUTE, product.price_minor, "store")


def read_newsletter(scene: Scene, at: int) -> None:
    """Get the monthly letter; some click, a few have had enough."""
    person, rng = scene.person, scene.rng
    mailbox: list[Identity] = [("email", person.email)]
    letter = {"campaign": "monthly-letter", "creative": f"letter-{at // _MONTH % 12}", "placement": "inbox"}
    refs = {"campaign": "monthly-letter"}
    scene.journal.write("marketing.impression", "mailer", at, mailbox, body=letter, refs=refs, channel="email")
    draw = rng.random()
    if draw < 0.25:
        clicked_at = evening_of(rng, at + DAY)
        device = rng.choice(person.browsers)
        both = [*mailbox, device.identity]
        scene.journal.write("marketing.clicked", "mailer", clicked_at, both, body=letter, refs=refs, channel="email")
        look_around(arrive(scene, clicked_at + MINUTE, device), rng.randrange(1, 3))
    elif draw < 0.29:
        left = {"list": "monthly-letter"}
        scene.journal.write("marketing.unsubscribed", "mailer", at + HOUR, mailbox, body=left, channel="email")
        refused = {"email_marketing": False}
        body = {"purposes": ["email_marketing"]}
        scene.journal.write("consent.changed", "mailer", at + HOUR + 1, mailbox, body=body, consent=refused)


def cheer(scene: Scene, at: int, order: Order) -> None:
    """Do what only a fan does after every parcel: review, recommend, tell the world."""
    person = scene.person
    scene.stories.note(FAN, person, "orders", order.event_id, order.order_id)
    scene.stories.note(FAN, person, "reviews", review(scene, at + 3 * HOUR, 1.0, order))
    for event_id in recommend(scene, at + 5 * HOUR, converts=person.number("cheer") % 2 == 0):
        scene.stories.note(FAN, person, "referrals", event_id)
    scene.stories.note(FAN, person, "mentions", mention(scene, at + 8 * HOUR, 1.0))

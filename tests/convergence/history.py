"""
Histories made to hurt: few people who share much, and say much about who they are.

Every history is a list of distinct contents in order of occurrence, made from a seed alone. Shared are kiosks' cookies,
households' mailboxes and computers, a call centre's phones, walk-in accounts, some exactly at a cap and some one
beyond. Times are drawn so that gaps of visits and journeys are met to the millisecond, and ties in time are common.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random
from typing import Any

from tests.oracle.origins import DESKTOP, PHONE

Event = dict[str, Any]

START_MS = 1_735_689_600_000  # 2025-01-01T00:00:00Z: long past, so that all deadlines of absences are too
MINUTE_MS, DAY_MS = 60_000, 86_400_000
SPAN_DAYS = 150
VISIT_GAP_MS, JOURNEY_GAP_MS = 30 * MINUTE_MS, 30 * DAY_MS
PHONE_REGION = "DE"

PAGES = (
    {"url": "https://shop.example/", "referrer": "https://www.google.com/search?q=shop", "user_agent": DESKTOP},
    {"url": "https://shop.example/sale?utm_source=google&utm_medium=cpc&utm_campaign=brand+1", "user_agent": PHONE},
    {"url": "https://shop.example/news?utm_source=newsletter&utm_medium=email", "title": "News", "locale": "de-DE"},
    {"url": "https://shop.example/p/7", "referrer": "https://shop.example/", "user_agent": DESKTOP},
    {"url": "https://shop.example/p/8", "referrer": "https://instagram.com/", "user_agent": PHONE},
    {"url": "https://shop.example/p/9", "referrer": "https://partner.example/list", "user_agent": DESKTOP},
    {"url": "https://shop.example/account"},
)
NOBODY = ("null", "guest", "N/A", "000", "unknown", " ")


@dataclass
class Person:
    """Somebody and all they are known by."""

    number: int
    customer_id: str
    emails: list[str]
    phones: list[str]
    cookies: list[str]
    devices: list[str]
    loyalty_id: str | None
    orders: list[str] = field(default_factory=list)
    now_ms: int = START_MS


class History:
    """
    Makes one history.

    Args:
        seed: Another number is another history.
        people: How many people.
        events: How many distinct contents, at least.
    """

    def __init__(self, seed: int, people: int, events: int) -> None:
        self._random = Random(seed)
        self._wanted = events
        self.events: list[Event] = []
        self._people = [self._person(number) for number in range(people)]
        self._kiosks = [f"kiosk-{number}" for number in range(max(2, people // 100))]
        self._call_centre = [f"+4930555{number:04}" for number in range(max(2, people // 200))]
        self._walk_ins = [f"walk-in-{number}" for number in range(max(1, people // 400))]
        self._acts: tuple[Callable[[Person], None], ...] = (
            *[self._browse] * 8,
            *[self._order] * 4,
            *[self._call] * 3,
            *[self._chat] * 2,
            self._pay,
            self._answer,
            self._return,
            self._use_kiosk,
            self._walk_in,
            self._sign_in,
            self._odd_name,
        )

    def make(self) -> list[Event]:
        """Return the history in order of occurrence."""
        self._reach_caps()
        while len(self.events) < self._wanted:
            person = self._random.choice(self._people)
            self._pass_time(person)
            self._random.choice(self._acts)(person)
            if self._random.random() < 0.04:
                self._correct()
            if self._random.random() < 0.02:
                self._state()
        return sorted(self.events, key=lambda event: (event["occurred_at"], event["id"], event.get("revision", 0)))

    def _person(self, number: int) -> Person:
        household = number // 4
        lives_together = household % 3 == 0
        return Person(
            number=number,
            customer_id=f"u{number}",
            emails=[f"p{number}@example.org"] + ([f"home{household}@example.org"] if lives_together else []),
            phones=[f"+49301{number:06}"] + ([f"+49302{household:06}"] if lives_together else []),
            cookies=[f"c{number}-{place}" for place in range(1 + number % 4)]
            + ([f"family-{household}"] if lives_together else []),
            devices=[f"d{number}"] + ([f"tablet-{household}"] if household % 5 == 0 else []),
            loyalty_id=f"L{number // 2 if number % 7 == 0 else number}" if number % 3 == 0 else None,
        )

    def _pass_time(self, person: Person) -> None:
        """Let time pass: mostly minutes, sometimes to the millisecond at, below or beyond a gap."""
        drawn = self._random.random()
        if drawn < 0.55:
            step = self._random.randrange(0, 20 * MINUTE_MS, 1000)
        elif drawn < 0.7:
            step = VISIT_GAP_MS + self._random.choice((-1, 0, 1))
        elif drawn < 0.8:
            step = JOURNEY_GAP_MS + self._random.choice((-1, 0, 1))
        elif drawn < 0.85:
            step = 0
        else:
            step = self._random.randrange(DAY_MS, 12 * DAY_MS)
        person.now_ms = START_MS + (person.now_ms - START_MS + step) % (SPAN_DAYS * DAY_MS)

    def _add(self, person: Person, type_name: str, identities: list[tuple[str, str]], **more: Any) -> Event:
        event = {
            "id": f"e{len(self.events)}",
            "type": type_name,
            "source": more.pop("source", type_name.partition(".")[0]),
            "occurred_at": more.pop("occurred_at", person.now_ms),
            "identities": [{"kind": kind, "value": self._spelt(kind, value)} for kind, value in identities],
            **more,
        }
        self.events.append(event)
        return event

    def _spelt(self, kind: str, value: str) -> str:
        """Spell a value as another system would."""
        if kind == "email" and self._random.random() < 0.2:
            return f" {value.upper()} "
        if kind == "phone" and value.startswith("+4930") and self._random.random() < 0.4:
            return self._random.choice((f"0049 {value[3:]}", f"0{value[3:]}", f"+49 (0){value[3:5]} {value[5:]}"))
        return value

    def _browse(self, person: Person) -> None:
        cookie = self._random.choice(person.cookies)
        who = [("cookie_id", cookie)]
        if self._random.random() < 0.15:
            who.append(("customer_id", person.customer_id))
        if self._random.random() < 0.05:
            who.append(("email", self._random.choice(NOBODY)))
        page = dict(self._random.choice(PAGES))
        if self._random.random() < 0.2:
            device = self._random.choice(person.devices)
            self._add(person, "app.screen_viewed", [("device_id", device), *who[1:]], body={"screen": "home"})
        else:
            self._add(person, "web.page_viewed", who, context=page, body={"dwell_ms": self._random.randrange(9000)})

    def _order(self, person: Person) -> None:
        order = f"o{person.number}-{len(person.orders)}"
        person.orders.append(order)
        who = [("customer_id", person.customer_id), ("email", self._random.choice(person.emails))]
        if person.loyalty_id and self._random.random() < 0.5:
            who.append(("loyalty_id", person.loyalty_id))
        at, promised = person.now_ms, person.now_ms + 3 * DAY_MS
        amount = {"minor": self._random.randrange(100, 90_000), "currency": self._random.choice(("EUR", "USD"))}
        lines = [{"product_id": "p1", "quantity": 2.0, "price_minor": 50}]
        refs = {"order_id": order, "product_ids": ["p1", "p2"], "campaign": "spring"}
        body = {"lines": lines, "promised_delivery_at": promised, "coupon": "X"}
        self._add(person, "order.placed", who, refs=refs, amount=amount, body=body)
        shipment = f"s-{order}"
        sent = {"carrier": "post", "promised_until": promised + self._random.choice((-1, 0, 1)) * DAY_MS}
        refs = {"order_id": order, "shipment_id": shipment}
        self._add(person, "delivery.shipped", [], refs=refs, body=sent, occurred_at=at + DAY_MS)
        if self._random.random() < 0.8:
            came_at = promised + self._random.choice((-DAY_MS, 0, 1, 2 * DAY_MS, 9 * DAY_MS))
            body = {"delivered_at": came_at, "condition": "good"}
            self._add(person, "delivery.delivered", [], refs={"shipment_id": shipment}, body=body, occurred_at=came_at)

    def _call(self, person: Person) -> None:
        phone = self._random.choice(person.phones)
        if self._random.random() < 0.25:
            phone = self._random.choice(self._call_centre)
        who = [("phone", phone)]
        if self._random.random() < 0.4:
            who.append(("email", self._random.choice(person.emails)))
        body = {
            "wait_s": float(self._random.choice((20, 180, 181, 400, 1000))),
            "resolved": self._random.random() < 0.6,
        }
        refs = {"ticket_id": f"t{person.number % 50}-{self._random.randrange(3)}"} if person.number % 5 == 0 else {}
        self._add(person, "support.call_ended", who, body=body, refs=refs)

    def _chat(self, person: Person) -> None:
        conversation = {"conversation_id": f"v{person.number}-{self._random.randrange(4)}"}
        kind = self._random.choice(("started", "message", "ended"))
        body = {"party": "customer", "wait_s": float(self._random.choice((0, 200, 950))), "resolved": False}
        who = [("cookie_id", self._random.choice(person.cookies))]
        self._add(person, f"support.chat_{kind}", who, refs=conversation, body=body)

    def _pay(self, person: Person) -> None:
        order = self._random.choice(person.orders) if person.orders else f"o{person.number}-0"
        kind = self._random.choice(("failed", "failed", "made"))
        body = {"method": "card", **({"code": "declined"} if kind == "failed" else {"instalments": 2})}
        self._add(person, f"payment.{kind}", [], refs={"order_id": order}, body=body)

    def _answer(self, person: Person) -> None:
        body = {
            "instrument": self._random.choice(("nps", "csat", "ces", "star")),
            "score": float(self._random.randrange(8)),
            "comment": f"Answer of person {person.number}: came late, nobody answers p{person.number}@example.org.",
        }
        refs = {"survey_id": "sv-1"}
        self._add(person, "survey.answered", [("email", self._random.choice(person.emails))], refs=refs, body=body)

    def _return(self, person: Person) -> None:
        refs = {"order_id": f"o{person.number}-0", "return_id": f"r{person.number}"}
        who = [("social_handle", f"@{person.number // 3}")] if person.number % 2 else [("ticket_requester", "desk")]
        self._add(person, "return.requested", who, refs=refs, body={"reason": "damaged"})
        if self._random.random() < 0.5:
            amount = {"minor": 100, "currency": "EUR"}
            self._add(person, "refund.issued", [], refs={"return_id": f"r{person.number}"}, amount=amount)

    def _use_kiosk(self, person: Person) -> None:
        who = [("cookie_id", self._random.choice(self._kiosks))]
        if self._random.random() < 0.7:
            who.append(("email", person.emails[0]) if person.number % 2 else ("customer_id", person.customer_id))
        self._add(person, "product.viewed", who, body={"product": "p1"}, context={"url": "https://shop.example/kiosk"})

    def _walk_in(self, person: Person) -> None:
        account = self._random.choice(self._walk_ins)
        who = [("customer_id", account), ("email", person.emails[0]), ("phone", person.phones[0])]
        self._add(person, "order.changed", who[: self._random.randrange(1, 4)], channel="store", body={"by": "shop"})

    def _sign_in(self, person: Person) -> None:
        who = [("customer_id", person.customer_id), ("device_id", self._random.choice(person.devices))]
        who.append(("other", f"badge-{person.number // 2}"))
        attributes = [{"key": "floor", "value": str(person.number % 3)}]
        consent = [{"purpose": "marketing", "granted": person.number % 2 == 0}]
        self._add(person, "account.signed_in", who, attributes=attributes, consent=consent, session_id="s1")

    def _odd_name(self, person: Person) -> None:
        """Somebody who is nobody to this system, so that only what is left of the event names them."""
        who = [("customer_id", self._random.choice(NOBODY)), ("phone", f"０{person.phones[0][3:]}")]
        self._add(person, "custom.tracked", who, body={"name": "thing"}, source="Ünï code")

    def _correct(self) -> None:
        """Send an event again with another content: a correction, a conflict of equal revision, or another type."""
        before = self._random.choice(self.events)
        if before["type"].startswith("identity."):
            return
        after = {**before, "attributes": [{"key": "note", "value": str(self._random.randrange(1000))}]}
        drawn = self._random.random()
        if drawn < 0.7:
            after["revision"] = before.get("revision", 0) + self._random.choice((0, 1, 1, 2))
        if drawn < 0.3:
            after["identities"] = [*before["identities"], {"kind": "other", "value": f"late-{len(self.events) % 40}"}]
        if drawn > 0.9 and before["type"] == "web.page_viewed":
            after |= {"type": "custom.tracked", "body": {"name": "page"}, "channel": "web"}
        self.events.append(after)

    def _state(self) -> None:
        """Say something about who is who: alias, unlink, correction of either, withdrawal, also before its time."""
        random = self._random
        one, other = random.sample(self._people[: max(6, len(self._people) // 4)], 2)
        at = START_MS + random.randrange(SPAN_DAYS) * DAY_MS
        is_alias = random.random() < 0.6
        kind = "aliased" if is_alias else "unlinked"
        a = ("customer_id", one.customer_id)
        b = ("customer_id", other.customer_id)
        if not is_alias:
            a = random.choice((a, ("email", one.emails[-1])))
            b = random.choice(
                (b, ("cookie_id", one.cookies[-1]), ("phone", one.phones[-1]), ("email", other.emails[-1]))
            )
        subject = random.choice((a, ("other", "crm")))
        body = {side: {"kind": kind_, "value": value} for side, (kind_, value) in zip("ab", (a, b), strict=True)}
        said = self._add(one, f"identity.{kind}", [subject], source="crm", occurred_at=at, body=body)
        drawn = random.random()
        if drawn < 0.3:
            later = {"occurred_at": at + random.choice((-DAY_MS, 0, DAY_MS)), "withdraws": said["id"]}
            turned = {"a": body["b"], "b": body["a"]}
            self._add(one, said["type"], [subject], source="crm", body=turned, **later)
        elif drawn < 0.4:
            third = random.choice(self._people)
            if third.customer_id not in (a[1], b[1]):
                body = {**body, "b": {"kind": "customer_id", "value": third.customer_id}}
                self.events.append({**said, "revision": 1, "body": body})
        elif drawn < 0.45:
            self.events.append({**said, "revision": 1, "withdraws": said["id"]})

    def _reach_caps(self) -> None:
        """Put identifiers at a cap, below and beyond: accounts and contacts of a cookie, cookies of an account."""
        most = 1000 if self._wanted >= 20_000 else 0
        for place, (account, cookies) in enumerate((("bot-at", most), ("bot-beyond", most + 1))):
            for number in range(cookies if most else 0):
                person = self._people[place]
                who = [("customer_id", account), ("cookie_id", f"{account}-{number}")]
                self._add(person, "site.searched", who, body={"query": "x"}, occurred_at=START_MS + number)
        for emails in (2, 3, 4):
            for number in range(emails):
                who = [("email", f"cap{emails}-{number}@example.org"), ("cookie_id", f"cap-{emails}")]
                self._add(self._people[number], "content.read", who, occurred_at=START_MS + DAY_MS)
        for accounts in (1, 2, 3):
            for number in range(accounts):
                who = [("customer_id", f"acc{accounts}-{number}"), ("email", f"acc{accounts}@example.org")]
                self._add(self._people[number], "account.registered", who, occurred_at=START_MS)
        for others in (10, 11):
            for number in range(others):
                who = [("other", f"own-{others}"), ("other", f"own-{others}-{number}")]
                self._add(self._people[number], "usage.used", who, body={"feature": "f"}, occurred_at=START_MS)

"""
What is sent in a schedule: a few touchpoints about a few people, made to be awkward.

The rule owned here: a world is a function of its number. Identifiers come from tiny pools, times from a few moments and
caps are small, so that hubs cross caps, statements contradict each other and ties are common. A world serves many
schedules: what differs between them is everything that happens to its records.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from random import Random
from typing import Any, Final

from pipeline.config import IdentitySettings, StitchingSettings
from pipeline.config_pain import PainPointSettings
from pipeline.contracts.topics import STITCH_DIRTY
from pipeline.contracts.touchpoint import encode_touchpoint, parse_touchpoint
from pipeline.streaming.stitcher import StitchRulesOf
from tests.model.broker import Place, Stored

START_MS: Final = 1_767_225_600_000
RECEIVED_MS: Final = START_MS + 200 * 86_400_000
DIRTY_PARTITIONS: Final = 3
_MINUTE: Final = 60_000
_MOMENTS: Final = (0, 10, 10, 25, 70, 1_500, 30 * 1_440, 45 * 1_440, 80 * 1_440)
_WEB_PARTITIONS: Final = 2

Event = dict[str, Any]


EVERYTHING: Final = 20_000


@dataclass(frozen=True, slots=True)
class World:
    """
    What is sent, and the rules by which it is judged.

    Attributes:
        number: Which world this is.
        shape: Name of its shape.
        events: Touchpoints as JSON, without repetitions of the same bytes.
        logs: The records by topic and partition, `stitch.dirty` included (empty).
        rules: Rules by rules_version: 1, and 2 with other caps and gaps.
        group: How many identifiers are written together: in most worlds all.
        load: How many are read together: all, or in every other world no more than are written together.
        slice: Around how many dirty identifiers blocks are found at a time: in every third world all.
    """

    number: int
    shape: str
    events: Sequence[Event]
    logs: Mapping[Place, Sequence[Stored]]
    rules: Mapping[int, StitchRulesOf]
    group: int
    load: int
    slice: int


@dataclass(frozen=True, slots=True)
class Shape:
    """
    What a world is like.

    Attributes:
        name: Of the shape.
        weights: How often each kind of happening comes, by name; those left out never come.
        fewest: Touchpoints at least.
        most: Touchpoints at most.
        tight: Whether caps are as small as they can be.
    """

    name: str
    weights: Mapping[str, int]
    fewest: int = 2
    most: int = 7
    tight: bool = False


MIXED: Final = Shape(
    "mixed",
    {
        "browse": 4,
        "log_in": 4,
        "order": 3,
        "deliver": 2,
        "pay": 1,
        "call": 2,
        "kiosk": 4,
        "alias": 2,
        "unlink": 2,
        "withdraw": 2,
        "revise": 3,
        "repeat": 3,
        "garbage": 1,
    },
)
HUBS: Final = Shape("hubs", {"kiosk": 6, "log_in": 3, "browse": 2, "call": 2, "repeat": 1}, 2, 7, tight=True)
PEOPLE: Final = Shape(
    "people", {"alias": 3, "unlink": 3, "withdraw": 2, "log_in": 4, "order": 2, "kiosk": 2, "repeat": 1}
)
HOMES: Final = Shape("homes", {"sign": 6, "log_in": 2, "order": 2, "unlink": 1, "repeat": 1}, most=5)
MOVE: Final = Shape("move", {"move": 1}, 1, 1)
MEETING: Final = Shape("meeting", {"meet": 1}, 1, 1, tight=True)
CROWD: Final = Shape("crowd", {"gather": 1}, 1, 1)
SHAPES: Final = {shape.name: shape for shape in (MIXED, HUBS, PEOPLE, HOMES, MOVE, MEETING)}
_ALL_SHAPES: Final = {**SHAPES, CROWD.name: CROWD}


@cache
def world(number: int, shape: str = MIXED.name) -> World:
    """Make a world."""
    random = Random(f"{shape} {number}")
    maker = _Maker(random)
    chosen = _ALL_SHAPES[shape]
    names, weights = list(chosen.weights), list(chosen.weights.values())
    for _ in range(random.randint(chosen.fewest, chosen.most)):
        maker.happen(random.choices(names, weights)[0])
    rules = {version: _rules(version, random, tight=chosen.tight) for version in (1, 2)}
    logs, group = _logs(maker.records, random), random.choice([20_000, 20_000, 1])
    load = group if number % 2 else EVERYTHING
    return World(number, shape, maker.events, logs, rules, group, load, (EVERYTHING, 1, 2)[number % 3])


def _rules(version: int, random: Random, *, tight: bool) -> StitchRulesOf:
    caps = {
        "cap_loyalty_accounts": 1,
        "cap_contact_accounts": random.choice([1, 2]),
        "cap_phone_emails": random.choice([1, 2]),
        "cap_other_accounts": 1 if tight else random.choice([1, 1, 2]),
        "cap_other_contacts": random.choice([1, 2]),
        "cap_weaker_devices": random.choice([1, 2, 3]),
        "cap_weaker_contacts": random.choice([1, 2, 50]),
        "cap_same_kind": random.choice([1, 2, 10]),
    }
    gaps = {"visit_gap": random.choice(["15m", "30m"]), "journey_gap": random.choice(["10d", "30d"])}
    large = random.choice([{}, {}, {"large_customer": 1}])
    return StitchRulesOf(
        IdentitySettings.model_validate({"hash_key": "model", **caps}),
        StitchingSettings.model_validate({"rules_version": version, "sweep_margin": "120s", **gaps, **large}),
        PainPointSettings(),
    )


def _logs(records: Sequence[tuple[str, bytes]], random: Random) -> dict[Place, list[Stored]]:
    logs: dict[Place, list[Stored]] = {(STITCH_DIRTY, number): [] for number in range(DIRTY_PARTITIONS)}
    shuffled = list(records)
    random.shuffle(shuffled)
    for topic, value in shuffled:
        log = logs.setdefault((topic, random.randrange(_WEB_PARTITIONS)), [])
        log.append(Stored(len(log), RECEIVED_MS, None, value))
    return logs


class _Maker:
    """Makes one happening after the other; each is a touchpoint or a record that repeats one."""

    def __init__(self, random: Random) -> None:
        self.events: list[Event] = []
        self.records: list[tuple[str, bytes]] = []
        self._random = random
        self._do: dict[str, Callable[[], None]] = {
            name.removeprefix("_do_"): getattr(self, name) for name in dir(self) if name.startswith("_do_")
        }

    def happen(self, name: str) -> None:
        """Let something happen; what needs something before it may make nothing."""
        self._do[name]()

    def _send(self, type_name: str, identities: Sequence[tuple[str, str]], **more: Any) -> None:
        self._record(
            {
                "id": f"e{len(self.events)}",
                "type": type_name,
                "source": "model",
                "occurred_at": START_MS + self._random.choice(_MOMENTS) * _MINUTE,
                "identities": [{"kind": kind, "value": value} for kind, value in identities],
                **more,
            }
        )

    def _record(self, event: Event) -> None:
        parsed = parse_touchpoint(event)
        assert isinstance(parsed, dict), parsed
        encoded = encode_touchpoint(parsed)
        self.events.append(event)
        self.records.append((encoded.topic, encoded.value))

    def _any(self, kind: str, most: int) -> tuple[str, str]:
        spelling = {"email": "{}@example.com", "phone": "+4930123456{}"}.get(kind, kind[0] + "{}")
        return kind, spelling.format(self._random.randint(1, most))

    def _account(self) -> tuple[str, str]:
        return self._any("customer_id", 3)

    def _device(self) -> tuple[str, str]:
        return self._any(self._random.choice(["cookie_id", "cookie_id", "device_id"]), 3)

    def _page(self) -> dict[str, Any]:
        query = self._random.choice(
            ["", "?utm_source=google&utm_medium=cpc", "?utm_source=newsletter&utm_medium=email&utm_campaign=may"]
        )
        return {"context": {"url": f"https://shop.example/{self._random.randint(1, 3)}{query}"}}

    def _do_browse(self) -> None:
        others = self._random.sample([self._device(), self._any("email", 2), self._any("other", 2)], 2)
        self._send(
            "web.page_viewed",
            list(dict.fromkeys([self._device(), *others[: self._random.randint(0, 2)]])),
            **self._page(),
        )

    def _do_log_in(self) -> None:
        self._send("account.signed_in", [self._account(), self._device()])

    def _do_sign(self) -> None:
        self._send("account.registered", [self._account(), self._any("email", 2)])

    def _do_move(self) -> None:
        """An address belongs to one account, until an earlier touchpoint turns up that gives it to another."""
        for account, minutes in (("c1", 70), ("c2", 0)):
            moment = START_MS + minutes * _MINUTE
            named = [("customer_id", account), ("email", "1@example.com")]
            self._send("account.registered", named, occurred_at=moment)

    def _do_meet(self) -> None:
        """A device is one account's for some touchpoints, then another account's as well."""
        for account in ("c1", "c1", "c2"):
            self._send("account.signed_in", [("customer_id", account), ("cookie_id", "kiosk")])

    def _do_gather(self) -> None:
        """A device is used by one person after the other, each of them another subject, until it is too many."""
        for number in (1, 2, 3):
            self._send("web.page_viewed", [("email", f"{number}@example.com"), ("cookie_id", "kiosk")], **self._page())

    def _do_kiosk(self) -> None:
        who = self._random.choice([self._account(), self._account(), self._any("email", 3), self._any("loyalty_id", 2)])
        self._send("web.page_viewed", [who, ("cookie_id", "kiosk")], **self._page())

    def _do_order(self) -> None:
        who = self._random.choice([self._account(), self._any("email", 2)])
        amount = {"minor": self._random.choice([500, 1999]), "currency": self._random.choice(["EUR", "USD"])}
        body = {"promised_delivery_at": START_MS + 1_000 * _MINUTE}
        self._send("order.placed", [who], refs={"order_id": f"o{self._random.randint(1, 2)}"}, amount=amount, body=body)

    def _do_deliver(self) -> None:
        self._send("delivery.delivered", [], refs={"order_id": f"o{self._random.randint(1, 2)}"})

    def _do_pay(self) -> None:
        self._send("payment.failed", [self._any("email", 2)], refs={"order_id": f"o{self._random.randint(1, 2)}"})

    def _do_call(self) -> None:
        who = [self._any("phone", 2), *([self._any("email", 3)] if self._random.random() < 0.6 else [])]
        self._send("support.call_ended", who, body={"wait_s": self._random.choice([20, 700]), "resolved": False})

    def _do_alias(self) -> None:
        one, other = self._random.sample([("customer_id", f"c{number}") for number in (1, 2, 3)], 2)
        self._state("identity.aliased", one, other)

    def _do_unlink(self) -> None:
        known = [self._account(), self._device(), ("cookie_id", "kiosk"), self._any("email", 2)]
        one, other = self._random.sample(list(dict.fromkeys(known)), 2)
        self._state("identity.unlinked", one, other)

    def _state(self, type_name: str, one: tuple[str, str], other: tuple[str, str], **more: Any) -> None:
        sides = {side: {"kind": kind, "value": value} for side, (kind, value) in (("a", one), ("b", other))}
        self._send(type_name, [one], body=sides, **more)

    def _do_withdraw(self) -> None:
        said = [event for event in self.events if event["type"].startswith("identity.") and "withdraws" not in event]
        if said:
            taken = self._random.choice(said)
            again = {**taken, "id": f"e{len(self.events)}", "withdraws": taken["id"]}
            self._record(json.loads(json.dumps(again)))

    def _do_revise(self) -> None:
        revised = [event for event in self.events if event["type"] == "web.page_viewed"]
        if revised:
            event = json.loads(json.dumps(self._random.choice(revised)))
            event["revision"] = event.get("revision", 0) + self._random.choice([0, 1, 1])
            event |= self._page()
            if self._random.random() < 0.5 and event["identities"][0]["kind"] != "cookie_id":
                event["identities"] = [
                    *event["identities"][:1],
                    {"kind": "cookie_id", "value": f"c{self._random.randint(1, 3)}"},
                ]
            self._record(event)

    def _do_repeat(self) -> None:
        if self.records:
            self.records.append(self._random.choice(self.records))

    def _do_garbage(self) -> None:
        self.records.append(("touchpoints.web", b"\xc3\x01 nobody can read this"))

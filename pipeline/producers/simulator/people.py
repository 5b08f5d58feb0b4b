"""
Who the shop's customers are: names, addresses, telephones, machines and how much they care for the shop.

Nobody shares an identifier with anybody else, so that a pipeline which joins two people has made a mistake.
"""

from dataclasses import dataclass, field
from random import Random
from typing import Final

from pipeline.producers.simulator.journal import Identity
from pipeline.producers.simulator.world import APP_AGENT, CITIES, FIRST_NAMES, LAST_NAMES, MACHINES, PHONE_RANGES

# What kinds of people there are, and their shares: most look around or buy once.
HABITS: Final = {"passer-by": 0.42, "buyer": 0.36, "regular": 0.12, "subscriber": 0.05, "neighbour": 0.05}

_PHONES: Final = len(PHONE_RANGES) * 1000


@dataclass(frozen=True, slots=True)
class Device:
    """A machine that somebody visits with; an app knows its device, a browser its cookie."""

    kind: str
    user_agent: str
    identity: Identity

    @property
    def is_app(self) -> bool:
        """Tell whether this is the shop's app rather than a browser."""
        return self.kind == "app"


@dataclass(slots=True)
class Person:
    """Somebody, with all identifiers that the shop's systems could come to know."""

    index: int
    habit: str
    name: str
    city: str
    locale: str
    email: str
    phone: str | None
    customer_id: str
    loyalty_id: str
    handle: str
    requester: str
    devices: list[Device]
    ip: str
    is_registered: bool = False
    has_loyalty_card: bool = False
    points: int = 0
    orders: int = 0
    counters: dict[str, int] = field(default_factory=dict)

    @property
    def account(self) -> list[Identity]:
        """Return what a system knows of somebody who is signed in."""
        return [("customer_id", self.customer_id), ("email", self.email)]

    @property
    def known_as(self) -> Identity:
        """Return the strongest identifier that the shop has for this person."""
        return ("customer_id", self.customer_id) if self.is_registered else ("email", self.email)

    @property
    def app(self) -> Device | None:
        """Return the device with the shop's app, if there is one."""
        return next((device for device in self.devices if device.is_app), None)

    @property
    def browsers(self) -> list[Device]:
        """Return the machines with a browser; there is always one."""
        return [device for device in self.devices if not device.is_app]

    def number(self, what: str) -> int:
        """Return the next running number of something of this person's: 1 for the first order, 2 for the second."""
        self.counters[what] = self.counters.get(what, 0) + 1
        return self.counters[what]


def make_person(seed: int, index: int, rng: Random) -> Person:
    """Make the person of that number; the same seed and number give the same one."""
    first, last = rng.choice(FIRST_NAMES.split()), rng.choice(LAST_NAMES.split())
    tag = f"{seed}-{index:05d}"
    mailbox = f"{first}.{last}.{tag}".lower()
    digits = (seed * 7919 + index) % _PHONES
    habit = rng.choices(list(HABITS), list(HABITS.values()))[0]
    return Person(
        index=index,
        habit=habit,
        name=f"{first} {last}",
        city=rng.choice(CITIES),
        locale=rng.choice(("de-DE", "de-DE", "de-DE", "de-AT", "en-GB")),
        email=f"{mailbox}@mail.example",
        # Beyond the telephone numbers kept free for fiction, people simply never tell theirs.
        phone=f"{PHONE_RANGES[digits % len(PHONE_RANGES)]}{digits // len(PHONE_RANGES):03d}"
        if index < _PHONES
        else None,
        customer_id=f"C-{tag}",
        loyalty_id=f"L-{tag}",
        handle=f"@{first}_{last}_{tag}".lower().replace("-", "_"),
        requester=f"zr-{tag}",
        devices=_devices(tag, habit, rng),
        ip=f"{rng.choice(('192.0.2', '198.51.100', '203.0.113'))}.{rng.randrange(1, 255)}",
        has_loyalty_card=habit in {"regular", "neighbour"} and rng.random() < 0.8,
    )


def _devices(tag: str, habit: str, rng: Random) -> list[Device]:
    browsers = 1 if habit == "passer-by" else rng.choices((1, 2, 3), (45, 45, 10))[0]
    machines = rng.choices(MACHINES, [machine.share for machine in MACHINES], k=browsers)
    devices = [
        Device(machine.kind, machine.user_agent, ("cookie_id", f"ck-{tag}-{number}-{rng.getrandbits(32):08x}"))
        for number, machine in enumerate(machines)
    ]
    if habit in {"regular", "subscriber", "neighbour"} and rng.random() < 0.6:
        devices.append(Device("app", APP_AGENT, ("device_id", f"dv-{tag}-{rng.getrandbits(32):08x}")))
    return devices

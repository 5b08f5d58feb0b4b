"""Ugly shapes of identity graphs: stars, chains, cliques, hubs that share their neighbours, caps to the unit."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from random import Random

from tests.identity.graphs import Graph
from tests.oracle.identity import RANKS, Caps, Link, limit

# The contract's figures, written down here once more.
CONTRACT = Caps(
    cap_loyalty_accounts=1,
    cap_contact_accounts=2,
    cap_phone_emails=5,
    cap_other_accounts=1,
    cap_other_contacts=3,
    cap_weaker_devices=1000,
    cap_weaker_contacts=50,
    cap_same_kind=10,
)


@dataclass
class Shape:
    """
    A graph that grows.

    Attributes:
        random: Where keys and times come from.
        kinds: Identifiers.
        links: What links them.
        aliases: Accounts that are one person.
        unlinks: Who is not.
    """

    random: Random
    kinds: dict[bytes, str] = field(default_factory=dict)
    links: list[Link] = field(default_factory=list)
    aliases: list[Link] = field(default_factory=list)
    unlinks: list[tuple[bytes, bytes]] = field(default_factory=list)

    def graph(self, caps: Caps = CONTRACT) -> Graph:
        """Return it as it is judged."""
        return Graph(self.kinds, self.links, self.aliases, self.unlinks, caps)

    def add(self, kind: str) -> bytes:
        """Add an identifier."""
        key = self.random.getrandbits(128).to_bytes(16, "big")
        self.kinds[key] = kind
        return key

    def several(self, kinds: Iterable[str]) -> list[bytes]:
        """Add identifiers."""
        return [self.add(kind) for kind in kinds]

    def link(self, a: bytes, b: bytes, moments: int = 4) -> None:
        """Link two at one of few moments, so that ties are common."""
        self.links.append(Link(a, b, self.random.randrange(moments)))

    def star(self, centre: str, around: str, rays: int) -> bytes:
        """Link one identifier to many of a kind, and to one of each harmless kind; return it."""
        hub = self.add(centre)
        for end in self.several([around] * rays):
            self.link(hub, end)
        for kind in ("order_id", "ticket_id"):
            self.link(hub, self.add(kind))
        return hub

    def chain(self, kinds: Sequence[str]) -> list[bytes]:
        """Link each identifier to the next one."""
        keys = self.several(kinds)
        for one, other in pairwise(keys):
            self.link(one, other, moments=1000)
        return keys

    def clique(self, kinds: Sequence[str]) -> list[bytes]:
        """Link everybody to everybody."""
        keys = self.several(kinds)
        for place, one in enumerate(keys):
            for other in keys[place + 1 :]:
                self.link(one, other)
        return keys

    def two_hubs(self, hub: str, around: Sequence[str]) -> None:
        """Let two identifiers share all their neighbours, and be linked to each other."""
        one, other = self.several([hub, hub])
        self.link(one, other)
        for end in self.several(around):
            self.link(one, end)
            self.link(other, end)

    def aliased_chain(self, accounts: int, unlinks: int) -> None:
        """Alias each account with the next one, with a cookie each, and unlink some across the chain."""
        keys = self.several(["customer_id"] * accounts)
        for one, other in pairwise(keys):
            self.aliases.append(Link(one, other, self.random.randrange(accounts)))
            self.link(one, self.add("cookie_id"))
        for _ in range(unlinks):
            one, other = self.random.sample([*self.kinds], 2)
            self.unlinks.append((one, other))

    def glue(self, times: int) -> None:
        """Link identifiers of different shapes."""
        for _ in range(times):
            one, other = self.random.sample([*self.kinds], 2)
            self.link(one, other)


def every_cap(most: int, least: int = 0) -> Graph:
    """Return stars of every pair of kinds that has a cap in this range: one ray below it, at it, and one beyond."""
    shape = Shape(Random(5))
    for centre in RANKS:
        for around in RANKS:
            cap = limit(centre, around, CONTRACT)
            if cap is not None and least < cap <= most:
                for rays in (cap - 1, cap, cap + 1):
                    shape.star(centre, around, rays)
    return shape.graph()

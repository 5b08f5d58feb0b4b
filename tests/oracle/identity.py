"""
Who is who, read from the contract line by line.

An identifier is its key (bytes); kinds are names. Everything is recomputed from scratch for every question.
"""

from collections.abc import Iterable
from dataclasses import dataclass

RANKS = [
    "customer_id",
    "loyalty_id",
    "email",
    "phone",
    "ticket_requester",
    "social_handle",
    "order_id",
    "shipment_id",
    "return_id",
    "ticket_id",
    "conversation_id",
    "subscription_id",
    "device_id",
    "cookie_id",
    "other",
]
LATER_THAN_ALL = 10**30


@dataclass(frozen=True)
class Link:
    """Two identifiers that one touchpoint named, at a time."""

    a: bytes
    b: bytes
    at: int


@dataclass(frozen=True)
class Caps:
    """The limits under their settings' names."""

    cap_loyalty_accounts: int
    cap_contact_accounts: int
    cap_phone_emails: int
    cap_other_accounts: int
    cap_other_contacts: int
    cap_weaker_devices: int
    cap_weaker_contacts: int
    cap_same_kind: int


def limit(kind: str, neighbour: str, caps: Caps) -> int | None:
    """Return how many neighbours of that kind are allowed; None: any number."""
    orders = ["order_id", "shipment_id", "return_id", "ticket_id", "conversation_id", "subscription_id"]
    if neighbour in orders:
        return None
    if kind == neighbour:
        return caps.cap_same_kind
    if RANKS.index(neighbour) > RANKS.index(kind):
        return caps.cap_weaker_devices if neighbour in ("device_id", "cookie_id", "other") else caps.cap_weaker_contacts
    if neighbour in ("customer_id", "loyalty_id"):
        if kind == "loyalty_id":
            return caps.cap_loyalty_accounts
        return caps.cap_contact_accounts if kind in ("email", "phone") else caps.cap_other_accounts
    if neighbour in ("email", "phone"):
        return caps.cap_phone_emails if kind == "phone" else caps.cap_other_contacts
    return None


def who_is_who(
    kinds: dict[bytes, str],
    links: Iterable[Link],
    aliases: Iterable[Link],
    unlinks: Iterable[tuple[bytes, bytes]],
    caps: Caps,
) -> tuple[dict[bytes, bytes], set[bytes]]:
    """Return the customer of every identifier, and which identifiers are shared."""
    links, aliases = list(links), list(aliases)
    neighbours: dict[bytes, dict[str, set[bytes]]] = {key: {} for key in kinds}
    for link in links:
        for one, other in ((link.a, link.b), (link.b, link.a)):
            neighbours[one].setdefault(kinds[other], set()).add(other)
    shared: set[bytes] = set()
    dead: set[tuple[bytes, str]] = set()
    for key, by_kind in neighbours.items():
        for neighbour_kind, found in by_kind.items():
            most = limit(kinds[key], neighbour_kind, caps)
            if most is not None and len(found) > most:
                if RANKS.index(neighbour_kind) < RANKS.index(kinds[key]):
                    shared.add(key)
                else:
                    dead.add((key, neighbour_kind))
    live = [
        link
        for link in links
        if link.a not in shared
        and link.b not in shared
        and (link.a, kinds[link.b]) not in dead
        and (link.b, kinds[link.a]) not in dead
    ]
    clusters = _join(kinds, live, aliases, list(unlinks))
    return _anchored(kinds, clusters, links, aliases), shared


@dataclass
class Cluster:
    """Identifiers that are one customer, and the persons (sets of aliased accounts) among them."""

    members: set[bytes]
    persons: set[bytes]
    apart: set[bytes]


def _join(
    kinds: dict[bytes, str], links: list[Link], aliases: list[Link], unlinks: list[tuple[bytes, bytes]]
) -> list[set[bytes]]:
    clusters = {key: Cluster({key}, {key} if kind == "customer_id" else set(), set()) for key, kind in kinds.items()}
    for a, b in unlinks:
        if a in clusters and b in clusters:
            clusters[a].apart.add(b)
            clusters[b].apart.add(a)

    def kept_apart(one: Cluster, other: Cluster) -> bool:
        return not one.apart.isdisjoint(other.members)

    def merge(one: Cluster, other: Cluster) -> Cluster:
        larger, smaller = (one, other) if len(one.members) >= len(other.members) else (other, one)
        larger.members |= smaller.members
        larger.persons |= smaller.persons
        larger.apart |= smaller.apart
        for key in smaller.members:
            clusters[key] = larger
        return larger

    for low, high, _ in sorted(_earliest(aliases, kinds), key=lambda e: (e[2], e[0], e[1])):
        one, other = clusters[low], clusters[high]
        if one is not other and not kept_apart(one, other):
            person = min(one.persons | other.persons)
            merge(one, other).persons = {person}
    for strong, weak, _ in sorted(_earliest(links, kinds), key=lambda e: (RANKS.index(kinds[e[1]]), e[2], e[0], e[1])):
        one, other = clusters[strong], clusters[weak]
        if one is not other and not kept_apart(one, other) and len(one.persons | other.persons) < 2:
            merge(one, other)
    return list({id(cluster): cluster.members for cluster in clusters.values()}.values())


def _earliest(links: Iterable[Link], kinds: dict[bytes, str]) -> list[tuple[bytes, bytes, int]]:
    """Return (stronger, weaker, first seen) of every distinct pair; of two of one kind the lower key is stronger."""
    seen: dict[tuple[bytes, bytes], int] = {}
    for link in links:
        if link.a == link.b:
            continue
        strong, weak = sorted((link.a, link.b), key=lambda key: (RANKS.index(kinds[key]), key))
        seen[strong, weak] = min(seen.get((strong, weak), link.at), link.at)
    return [(strong, weak, at) for (strong, weak), at in seen.items()]


def _anchored(
    kinds: dict[bytes, str], clusters: list[set[bytes]], links: list[Link], aliases: list[Link]
) -> dict[bytes, bytes]:
    first_seen = dict.fromkeys(kinds, LATER_THAN_ALL)
    for link in [*links, *aliases]:
        for key in (link.a, link.b):
            first_seen[key] = min(first_seen[key], link.at)
    customers = {}
    for members in clusters:
        anchor = min(members, key=lambda key: (RANKS.index(kinds[key]), first_seen[key], key))
        for key in members:
            customers[key] = anchor
    return customers

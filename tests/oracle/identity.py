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
    customers = _join(kinds, live, aliases, list(unlinks))
    return _anchored(kinds, customers, links, aliases), shared


def _join(
    kinds: dict[bytes, str], links: list[Link], aliases: list[Link], unlinks: list[tuple[bytes, bytes]]
) -> list[set[bytes]]:
    clusters = {key: {key} for key in kinds}
    persons = {key: {key} for key in kinds}  # accounts that aliases made one person

    def allowed(one: set[bytes], other: set[bytes]) -> bool:
        for a, b in unlinks:
            if (a in one and b in other) or (b in one and a in other):
                return False
        accounts = {key for key in one | other if kinds[key] == "customer_id"}
        return all(accounts <= persons[account] for account in accounts)

    def merge(a: bytes, b: bytes) -> None:
        merged = clusters[a] | clusters[b]
        for key in merged:
            clusters[key] = merged

    for alias in sorted(_earliest(aliases, kinds), key=lambda e: (e[2], e[0], e[1])):
        low, high, _ = alias
        if not any(
            (a in clusters[low] and b in clusters[high]) or (b in clusters[low] and a in clusters[high])
            for a, b in unlinks
        ):
            together = persons[low] | persons[high]
            for key in together:
                persons[key] = together
            merge(low, high)
    for strong, weak, _ in sorted(_earliest(links, kinds), key=lambda e: (RANKS.index(kinds[e[1]]), e[2], e[0], e[1])):
        if clusters[strong] is not clusters[weak] and allowed(clusters[strong], clusters[weak]):
            merge(strong, weak)
    return list({id(members): members for members in clusters.values()}.values())


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
    first_seen = {
        key: min([link.at for link in [*links, *aliases] if key in (link.a, link.b)], default=LATER_THAN_ALL)
        for key in kinds
    }
    customers = {}
    for members in clusters:
        anchor = min(members, key=lambda key: (RANKS.index(kinds[key]), first_seen[key], key))
        for key in members:
            customers[key] = anchor
    return customers

"""
Why a link or an alias does not join its two ends, and what every change of a customer is put down to.

The rule owned here: the closed list of causes, and for each obstacle the one fact that made it: of a cap the link that
was one too many (by first_seen, then key), of a statement its touchpoint. All of it is a function of the facts, so
whoever asks, and when, gets the same answer. Plain Python on purpose: it runs for the few identifiers that somebody
asks about or that a change parted.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final

import polars as pl

from pipeline.config import IdentitySettings
from pipeline.identity.blocklist import blocked_keys
from pipeline.identity.links import judge
from pipeline.identity.rules import ACCOUNT_RANK
from pipeline.identity.statements import ALIAS


class Rule(StrEnum):
    """What a change is put down to, in a word that the ledger and `explain` share."""

    FIRST_SEEN = "first_seen"
    LINKED = "linked"
    ALIASED = "aliased"
    SEEN_EARLIER = "seen_earlier"
    SHARED = "shared"
    TOO_MANY = "too_many"
    TWO_ACCOUNTS = "two_accounts"
    UNLINKED = "unlinked"
    WITHDRAWN = "withdrawn"
    BLOCKLISTED = "blocklisted"
    UNEXPLAINED = "unexplained"


MEANINGS: Final[Mapping[Rule, str]] = {
    Rule.FIRST_SEEN: "the identifier appeared, and is a customer of its own",
    Rule.LINKED: "a touchpoint names identifiers of both",
    Rule.ALIASED: "a statement says that two accounts are one person",
    Rule.SEEN_EARLIER: "the customer is named after another of its identifiers, which turned out to be the earlier one",
    Rule.SHARED: "an identifier was seen with too many of a stronger kind, and joins nobody",
    Rule.TOO_MANY: "an identifier has too many links to one kind, and those join nobody",
    Rule.TWO_ACCOUNTS: "both have an account, and a customer has at most one",
    Rule.UNLINKED: "a statement says that two identifiers are not one customer",
    Rule.WITHDRAWN: "a statement was taken back",
    Rule.BLOCKLISTED: "a value was put on the blocklist, and identifies nobody",
    Rule.UNEXPLAINED: "not recorded: results of before the ledger, or other rules",
}
"""What each rule means, for readers."""


@dataclass(frozen=True, slots=True)
class Edge:
    """Two identifiers that a link or an alias connects; of a link `a` is the stronger, of an alias the lower key."""

    a: bytes
    b: bytes
    at: datetime
    is_alias: bool = False

    def other(self, end: bytes) -> bytes:
        """Return the end that is not this one."""
        return self.b if end == self.a else self.a


@dataclass(frozen=True, slots=True)
class Said:
    """One statement about identity, and the one that took it back."""

    a: bytes
    b: bytes
    is_alias: bool
    at: datetime
    source: str
    event_id: str
    event_uid: bytes
    withdrawn_by: "Said | None" = None


@dataclass(frozen=True, slots=True)
class Crossing:
    """A cap that an identifier crossed: how many neighbours of a kind it has, how many it may, the one too many."""

    key: bytes
    kind: int
    neighbour_kind: int
    neighbours: int
    cap: int
    link: Edge


@dataclass(frozen=True, slots=True)
class Obstacle:
    """
    One reason why two identifiers are not joined.

    Attributes:
        rule: Which.
        crossing: The cap, where a cap is the reason.
        said: The statement (of a withdrawn alias: the withdrawal), where one is the reason.
        accounts: The two accounts, where they are the reason.
        blocked: The identifier whose value is on the blocklist, where that is the reason.
    """

    rule: Rule
    crossing: Crossing | None = None
    said: Said | None = None
    accounts: tuple[bytes, bytes] | None = None
    blocked: bytes | None = None


class Evidence:
    """
    What is known of some identifiers and of what connects them.

    Args:
        hoods: All links of the identifiers: ident_key, kind, neighbour_kind, neighbours, links (list of {neighbour,
            seen}), one row per identifier and kind of neighbour.
        statements: All statements about them, withdrawals and copies too, in one direction or in both.
        customers: The customer of each identifier.
        kinds: The kind of each identifier.
        settings: The caps and the blocklist.

    Attributes:
        links: All links among the identifiers of `customers`, dead ones too, once each.
        said: All statements among them that are no withdrawals.
        blocked: Those among them whose value is on the blocklist.
    """

    def __init__(
        self,
        hoods: pl.DataFrame,
        statements: pl.DataFrame,
        customers: Mapping[bytes, bytes],
        kinds: Mapping[bytes, int],
        settings: IdentitySettings,
    ) -> None:
        self.customers = customers
        self.kinds = kinds
        self._hoods = hoods
        members = pl.Series("ident_key", list(customers), dtype=pl.Binary).to_frame()
        blocked = members.join(blocked_keys(settings).to_frame(), on="ident_key", how="semi")
        self.blocked = frozenset(blocked["ident_key"])
        judgement = judge(hoods.select("ident_key", "kind", "neighbour_kind", "neighbours"), settings)
        self._caps: dict[bytes, list[tuple[int, int, bool]]] = {}
        for key, neighbour_kind, cap, all_kinds in judgement.crossed.iter_rows():
            self._caps.setdefault(key, []).append((neighbour_kind, cap, all_kinds))
        self.links = list(_links_among(hoods, customers, kinds))
        self.said = [said for said in statements_said(statements) if said.a in customers and said.b in customers]
        self._crossed: dict[tuple[bytes, int], Crossing] = {}
        self._unlinks: dict[frozenset[bytes], Said] = {}
        self._aliases: dict[tuple[bytes, bytes], Said] = {}
        for said in self.said:
            if said.is_alias:
                known = self._aliases.get((said.a, said.b))
                if known is None or (known.withdrawn_by is not None and said.withdrawn_by is None):
                    self._aliases[said.a, said.b] = said
            elif said.withdrawn_by is None:
                self._unlinks.setdefault(frozenset((customers[said.a], customers[said.b])), said)

    def edges(self) -> Iterator[Edge]:
        """Yield everything that connects two of the identifiers, or did: links, and aliases that were ever stated."""
        yield from self.links
        yield from (Edge(said.a, said.b, said.at, is_alias=True) for said in self._aliases.values())

    def crossings(self, key: bytes) -> list[Crossing]:
        """Return the caps that an identifier crossed so that it is shared, the earliest first."""
        return self._crossings(key, None)

    def obstacles(self, edge: Edge) -> list[Obstacle]:
        """Return what keeps a link or an alias from joining its ends; nothing if they are one customer by it."""
        found = [Obstacle(Rule.BLOCKLISTED, blocked=end) for end in (edge.b, edge.a) if end in self.blocked]
        if edge.is_alias:
            found += self._withdrawn(edge)
        else:
            found += [
                Obstacle(Rule.SHARED if crossing.neighbour_kind < crossing.kind else Rule.TOO_MANY, crossing=crossing)
                for end in (edge.b, edge.a)
                for crossing in self._crossings(end, self.kinds[edge.other(end)])
            ]
        one, other = self.customers[edge.a], self.customers[edge.b]
        return found or ([] if one == other else self.apart(one, other, is_alias=edge.is_alias))

    def apart(self, one: bytes, other: bytes, *, is_alias: bool = False) -> list[Obstacle]:
        """Return what forbids two customers to be one."""
        said = self._unlinks.get(frozenset((one, other)))
        found = [Obstacle(Rule.UNLINKED, said=said)] if said else []
        if not is_alias and self.kinds.get(one) == ACCOUNT_RANK == self.kinds.get(other):
            found.append(Obstacle(Rule.TWO_ACCOUNTS, accounts=(min(one, other), max(one, other))))
        return found or [Obstacle(Rule.UNEXPLAINED)]

    def unlink_between(self, one: bytes, other: bytes) -> Said | None:
        """Return the unlink in force between two customers."""
        return self._unlinks.get(frozenset((one, other)))

    def statement_of(self, edge: Edge) -> Said | None:
        """Return the earliest statement of an alias that still holds, else the earliest."""
        return self._aliases.get((edge.a, edge.b))

    def _withdrawn(self, edge: Edge) -> list[Obstacle]:
        said = self.statement_of(edge)
        if said is None or said.withdrawn_by is None:
            return []
        return [Obstacle(Rule.WITHDRAWN, said=said.withdrawn_by)]

    def _crossings(self, key: bytes, towards: int | None) -> list[Crossing]:
        """Return the crossed caps of an identifier that make it shared, or kill its links towards a kind."""
        found = [
            self._crossing(key, neighbour_kind, cap)
            for neighbour_kind, cap, all_kinds in self._caps.get(key, ())
            if all_kinds or neighbour_kind == towards
        ]
        return sorted(found, key=lambda crossing: (crossing.link.at, crossing.neighbour_kind))

    def _crossing(self, key: bytes, neighbour_kind: int, cap: int) -> Crossing:
        if (known := self._crossed.get((key, neighbour_kind))) is not None:
            return known
        row = self._hoods.filter((pl.col("ident_key") == key) & (pl.col("neighbour_kind") == neighbour_kind))
        links = row.select("links").explode("links").unnest("links").sort("seen", "neighbour")
        neighbour, seen = links.row(cap)
        kind = self.kinds[key]
        a, b = (key, neighbour) if (kind, key) < (neighbour_kind, neighbour) else (neighbour, key)
        found = Crossing(key, kind, neighbour_kind, links.height, cap, Edge(a, b, seen))
        self._crossed[key, neighbour_kind] = found
        return found


def statements_said(statements: pl.DataFrame) -> list[Said]:
    """
    Resolve copies, contents and withdrawals of statements.

    Args:
        statements: Rows of `identity_statements`, in one direction or in both.

    Returns:
        Every statement that is no withdrawal, once, in order of (time, event_uid); the lower key is `a`.
    """
    if statements.is_empty():
        return []
    ordered = statements.sort("content_version", descending=True).unique("event_uid", keep="first", maintain_order=True)
    stated: list[Said] = []
    withdrawals: dict[tuple[object, ...], Said] = {}
    for row in ordered.iter_rows(named=True):
        a, b = sorted((row["a"], row["b"]))
        is_alias = row["statement"] == ALIAS
        said = Said(a, b, is_alias, row["occurred_at"], row["source"], row["event_id"], row["event_uid"])
        if row["withdraws"]:
            name = (a, b, is_alias, row["source"], row["withdraws"])
            known = withdrawals.get(name)
            withdrawals[name] = said if known is None else min(said, known, key=_order)
        else:
            stated.append(said)
    resolved = [
        Said(
            said.a,
            said.b,
            said.is_alias,
            said.at,
            said.source,
            said.event_id,
            said.event_uid,
            withdrawals.get((said.a, said.b, said.is_alias, said.source, said.event_id)),
        )
        for said in stated
    ]
    return sorted(resolved, key=_order)


def withdrawals_of(statements: Iterable[Said]) -> Iterator[tuple[Said, Said]]:
    """Yield (statement, withdrawal) of everything that was taken back and that no other statement still says."""
    statements = list(statements)
    standing = {(said.a, said.b, said.is_alias) for said in statements if said.withdrawn_by is None}
    for said in statements:
        if said.withdrawn_by is not None and (said.a, said.b, said.is_alias) not in standing:
            yield said, said.withdrawn_by


def _order(said: Said) -> tuple[datetime, bytes]:
    return said.at, said.event_uid


def _links_among(hoods: pl.DataFrame, among: Mapping[bytes, bytes], kinds: Mapping[bytes, int]) -> Iterator[Edge]:
    """Yield the links of which both ends are among the identifiers, once each, the stronger end first."""
    members = pl.DataFrame({"ident_key": list(among)}, schema={"ident_key": pl.Binary})
    pairs = (
        hoods.join(members, on="ident_key", how="semi")
        .select("ident_key", "links")
        .explode("links")
        .unnest("links")
        .join(members, left_on="neighbour", right_on="ident_key", how="semi")
        .sort("ident_key", "neighbour")
    )
    for key, neighbour, seen in pairs.select("ident_key", "neighbour", "seen").iter_rows():
        if (kinds[key], key) < (kinds[neighbour], neighbour):
            yield Edge(key, neighbour, seen)

"""
What has to be read to explain two identifiers: their blocks, and where these do not meet, what lies between them.

The live links of a block never lead out of it, so two customers that something keeps apart are looked for over all
links, dead ones too, from both sides at once, the smaller side first. That ends where both sides meet, where there is
nothing more, or at a bound: behind a call centre's phone half of the warehouse may lie.
"""

from dataclasses import dataclass
from typing import Final

import polars as pl

from pipeline.config import IdentitySettings
from pipeline.identity.causes import Evidence
from pipeline.identity.cluster import cluster
from pipeline.identity.explain import towards_source
from pipeline.identity.links import neighbourhoods
from pipeline.streaming.closure import close_blocks
from pipeline.streaming.stitch_port import StitchStore

MOST_IDENTIFIERS: Final = 50_000
"""Identifiers that are looked at before the search for a connection ends."""


@dataclass(frozen=True, slots=True)
class Gathered:
    """
    What is known about two identifiers.

    Attributes:
        evidence: For `pipeline.identity.explain`.
        unknown: Those of the two that no touchpoint and no statement names.
        is_whole: Whether everything that could connect them was looked at.
        looked_at: How many identifiers were.
    """

    evidence: Evidence
    unknown: frozenset[bytes]
    is_whole: bool
    looked_at: int


def gather(
    one: bytes, other: bytes, store: StitchStore, settings: IdentitySettings, most: int = MOST_IDENTIFIERS
) -> Gathered:
    """
    Read what connects two identifiers, or would if nothing stood in its way.

    Args:
        one: The first identifier.
        other: The second.
        store: Read only.
        settings: The caps.
        most: Bound of the search outside of their blocks.

    Returns:
        The evidence, with the customers of all identifiers in it.
    """
    evidence = read_evidence({one, other}, store, settings)
    unknown = frozenset({one, other} - evidence.customers.keys())
    if unknown or one == other:
        return Gathered(evidence, unknown, is_whole=True, looked_at=len(evidence.customers))
    mine, theirs = {one, *towards_source(one, evidence)}, {other, *towards_source(other, evidence)}
    if other in mine:
        return Gathered(evidence, unknown, is_whole=True, looked_at=len(evidence.customers))
    search = _Search(mine, theirs, store)
    between = search.run(most)
    if between:
        evidence = read_evidence({one, other, *between}, store, settings)
    return Gathered(evidence, unknown, is_whole=bool(between) or search.is_done, looked_at=search.looked_at)


def read_evidence(keys: set[bytes], store: StitchStore, settings: IdentitySettings) -> Evidence:
    """Read the whole blocks of identifiers, who is who in them, and all links and statements among them."""
    blocks = close_blocks(pl.Series("ident_key", sorted(keys), dtype=pl.Binary), store, settings)
    who = cluster(blocks.identifiers, blocks.links, blocks.statements.aliases, blocks.statements.unlinks)
    hoods = neighbourhoods(store.links(who["ident_key"]))
    customers = dict(who.select("ident_key", "customer_uid").iter_rows())
    kinds = dict(who.select("ident_key", "kind").iter_rows())
    return Evidence(hoods, blocks.said, customers, kinds, settings)


class _Search:
    """Breadth first from two sets of identifiers over all links and all aliases that were ever stated."""

    def __init__(self, mine: set[bytes], theirs: set[bytes], store: StitchStore) -> None:
        self._store = store
        self._came_from: tuple[dict[bytes, bytes], dict[bytes, bytes]] = ({}, {})
        self._met = (set(mine), set(theirs))
        self._fronts = [set(mine), set(theirs)]
        self._is_cut = False
        self.is_done = False

    @property
    def looked_at(self) -> int:
        """How many identifiers were met."""
        return sum(map(len, self._met))

    def run(self, most: int) -> set[bytes]:
        """Return identifiers on a way between the two sets; none where there is no way, or none was found in time."""
        while all(self._fronts) and self.looked_at < most:
            side = min((0, 1), key=lambda side: len(self._fronts[side]))
            for here, neighbour in self._connections(self._fronts[side], most):
                if neighbour not in self._met[side]:
                    self._met[side].add(neighbour)
                    self._came_from[side][neighbour] = here
            self._fronts[side] = {key for key, came in self._came_from[side].items() if came in self._fronts[side]}
            if meeting := self._met[0] & self._met[1]:
                return self._way(min(meeting))
        self.is_done = not all(self._fronts) and not self._is_cut
        return set()

    def _connections(self, front: set[bytes], most: int) -> list[tuple[bytes, bytes]]:
        keys = pl.Series("ident_key", sorted(front), dtype=pl.Binary)
        hoods = neighbourhoods(self._store.links(keys))
        small = hoods.filter(pl.col("neighbours") <= most)
        self._is_cut |= small.height < hoods.height
        links = small.select("ident_key", "links").explode("links").unnest("links")
        stated = self._store.statements(keys).filter((pl.col("statement") == 1) & pl.col("a").is_in(keys.implode()))
        pairs = [*links.select("ident_key", "neighbour").iter_rows(), *stated.select("a", "b").iter_rows()]
        return sorted(pairs)

    def _way(self, meeting: bytes) -> set[bytes]:
        way = {meeting}
        for came_from in self._came_from:
            here = meeting
            while here in came_from:
                here = came_from[here]
                way.add(here)
        return way

"""
From dirty identifiers to whole blocks: everything that live links and aliases connect to them.

A link is live when *both* its ends offer it: an identifier over a cap offers none of its links, or none towards one
kind (`pipeline.identity.links`). Shared identifiers are therefore never crossed; one that is merely met stays out of
the block, because rewriting its row would hide from the sweep that its neighbours still wait. Nothing is written here.
"""

from dataclasses import dataclass

import polars as pl

from pipeline.config import IdentitySettings
from pipeline.identity.blocklist import blocked_keys
from pipeline.identity.links import judge
from pipeline.identity.statements import Statements, statements_that_hold
from pipeline.streaming.stitch_port import StitchStore

_MS = pl.Datetime("ms", "UTC")
_KNOWN: dict[str, pl.DataType] = {
    "ident_key": pl.Binary(),
    "kind": pl.Int8(),
    "first_seen": _MS,
    "shared": pl.Boolean(),
}
SAID_SCHEMA: dict[str, pl.DataType] = {
    "a": pl.Binary(),
    "a_kind": pl.Int8(),
    "b": pl.Binary(),
    "b_kind": pl.Int8(),
    "statement": pl.Int8(),
    "withdraws": pl.String(),
    "source": pl.String(),
    "event_id": pl.String(),
    "occurred_at": _MS,
    "event_uid": pl.Binary(),
    "content_version": pl.Binary(),
}
"""A content of a statement about identity, as the store reads it."""
# Whom statements name is read once a batch, unless it is more than so many: then each round asks for those it met.
_FEW_NAMED = 5_000
_OFFERS: dict[str, pl.DataType] = {
    "a": pl.Binary(),
    "a_kind": pl.Int8(),
    "b": pl.Binary(),
    "b_kind": pl.Int8(),
    "first_seen": _MS,
    "alias": pl.Boolean(),
}


@dataclass(frozen=True)
class Closure:
    """
    Whole blocks around dirty identifiers.

    Attributes:
        identifiers: ident_key, kind, first_seen (null where it has no link), shared; one row an identifier.
        links: Live links inside the blocks, once each, the stronger end first: a, a_kind, b, b_kind, first_seen.
        statements: The aliases and unlinks that hold among the identifiers.
        said: All statements about the identifiers as they were read, withdrawals too.
        hubs: ident_key of the dirty identifiers, and of neighbours that had to learn of them, that crossed a cap.
        crossed: ident_key of everybody met that crossed a cap, dirty or not; may repeat.
    """

    identifiers: pl.DataFrame
    links: pl.DataFrame
    statements: Statements
    said: pl.DataFrame
    hubs: pl.DataFrame
    crossed: pl.DataFrame


def close_blocks(dirty: pl.Series, store: StitchStore, settings: IdentitySettings) -> Closure:
    """
    Find the whole blocks of dirty identifiers.

    Breadth first; each round is one read of the identifiers met for the first time.

    Args:
        dirty: 16-byte keys; may repeat.
        store: Read only.
        settings: The caps.

    Returns:
        The blocks. Dirty identifiers that nothing is known of are left out.
    """
    explored = _Explored(store, settings)
    front = explored.explore_dirty(dirty.rename("ident_key").unique().to_frame())
    reached = front
    while not front.is_empty():
        offers = explored.offers.join(front, left_on="a", right_on="ident_key", how="semi")
        explored.explore(offers.select(ident_key="b"))
        live = offers.join(explored.offers, left_on=["a", "b"], right_on=["b", "a"], how="semi")
        front = live.select(ident_key="b").unique().join(reached, on="ident_key", how="anti")
        reached = pl.concat([reached, front])
    identifiers = explored.known.join(reached, on="ident_key", how="semi")
    said = explored.said_about(identifiers)
    links = _links_among(explored.offers, reached)
    return Closure(identifiers, links, statements_that_hold(said), said, explored.hubs, explored.crossed)


class _Explored:
    """What is known of the identifiers met so far: whether they are shared, and which links they offer."""

    def __init__(self, store: StitchStore, settings: IdentitySettings) -> None:
        self._store = store
        self._settings = settings
        self.known = pl.DataFrame(schema=_KNOWN)
        self.offers = pl.DataFrame(schema=_OFFERS)
        self.hubs = pl.DataFrame(schema={"ident_key": pl.Binary})
        self.crossed = pl.DataFrame(schema={"ident_key": pl.Binary})
        named = store.named(_FEW_NAMED + 1)
        self._named = None if len(named) > _FEW_NAMED else named.rename("ident_key").to_frame()
        self._said = [pl.DataFrame(schema=SAID_SCHEMA)]

    def explore_dirty(self, dirty: pl.DataFrame) -> pl.DataFrame:
        """Explore dirty identifiers and the neighbours that have to learn that one of them crossed a cap."""
        everything = dirty
        while not dirty.is_empty():
            hubs = self.explore(dirty)
            if hubs.is_empty():
                break
            self.hubs = pl.concat([self.hubs, hubs.select("ident_key").unique()])
            waiting = self._store.overlooked_neighbours(hubs).to_frame("ident_key")
            dirty = waiting.join(everything, on="ident_key", how="anti")
            everything = pl.concat([everything, dirty])
        return everything

    def explore(self, keys: pl.DataFrame) -> pl.DataFrame:
        """Read and judge identifiers not met before; return the caps they crossed."""
        fresh = keys.unique().join(self.known, on="ident_key", how="anti")
        if fresh.is_empty():
            return pl.DataFrame(schema={"ident_key": pl.Binary})
        links = self._store.links(fresh["ident_key"])
        hoods = links.group_by("ident_key", "kind", "neighbour_kind").agg(
            neighbours=pl.len(), first_seen=pl.col("seen").min()
        )
        judgement = judge(hoods, self._settings)
        # What joined the blocklist after it had landed is shared, whatever its neighbours are.
        blocked = fresh.join(blocked_keys(self._settings).to_frame(), on="ident_key", how="semi")
        shared = pl.concat([judgement.shared, blocked])
        statements = self._statements(fresh)
        # Few are over a cap: a join with nobody would pass all links.
        if not shared.is_empty():
            links = links.join(shared, on="ident_key", how="anti")
        if not judgement.dead.is_empty():
            links = links.join(judgement.dead, on=["ident_key", "neighbour_kind"], how="anti")
        offered = links.select(
            a="ident_key", a_kind="kind", b="neighbour", b_kind="neighbour_kind", first_seen="seen", alias=False
        )
        open_ends = fresh.join(shared, on="ident_key", how="anti")
        self.offers = pl.concat([self.offers, offered, _stated(statements, open_ends)], how="vertical_relaxed")
        own = statements.join(fresh, left_on="a", right_on="ident_key", how="semi")
        self.known = pl.concat([self.known, self._describe(fresh, hoods, own, shared)])
        self.crossed = pl.concat([self.crossed, judgement.crossed.select("ident_key")])
        return judgement.crossed

    def said_about(self, identifiers: pl.DataFrame) -> pl.DataFrame:
        """Return every content of the statements that name these identifiers, as it was read of each."""
        if len(self._said) == 1:
            return self._said[0]
        said = pl.concat(self._said)
        named = said.join(identifiers, left_on="a", right_on="ident_key", how="semi")
        return said.join(named, on="event_uid", how="semi")

    def _statements(self, fresh: pl.DataFrame) -> pl.DataFrame:
        """Read the statements about identifiers, but for those whom none named when this batch began to read."""
        asked = fresh if self._named is None else fresh.join(self._named, on="ident_key", how="semi")
        if not asked.is_empty():
            self._said.append(self._store.statements(asked["ident_key"]).select(*SAID_SCHEMA))
            return self._said[-1]
        return self._said[0]

    def _describe(
        self, fresh: pl.DataFrame, hoods: pl.DataFrame, statements: pl.DataFrame, shared: pl.DataFrame
    ) -> pl.DataFrame:
        seen = [
            hoods.select("ident_key", "kind", "first_seen"),
            statements.select(ident_key="a", kind="a_kind", first_seen=pl.lit(None, _MS)),
        ]
        linked = pl.concat(seen).group_by("ident_key").agg(pl.col("kind").first(), pl.col("first_seen").min())
        lone = fresh.join(linked, on="ident_key", how="anti")
        if not lone.is_empty():
            kinds = self._store.kinds(lone["ident_key"])
            linked = pl.concat([linked, kinds.with_columns(first_seen=pl.lit(None, _MS))])
        is_shared = pl.col("ident_key").is_in(shared["ident_key"].implode())
        return linked.with_columns(shared=is_shared).select(*_KNOWN)


def _stated(statements: pl.DataFrame, ends: pl.DataFrame) -> pl.DataFrame:
    """
    Return the connections that statements make, from these ends: a block may be larger than what holds, never smaller.

    Every alias ever stated, also a withdrawn one; and where several contents of one statement name other pairs, each
    identifier of one with each of another: whose content is true decides about all of them.
    """
    if statements.is_empty():
        return pl.DataFrame(schema=_OFFERS)
    aliases = statements.filter((pl.col("statement") == 1) & (pl.col("withdraws") == "")).select(
        "a", "a_kind", "b", "b_kind", first_seen="occurred_at"
    )
    corrected = statements.filter(pl.col("a").n_unique().over("event_uid") > 2).select("event_uid", "a", "a_kind")
    others = corrected.select("event_uid", b="a", b_kind="a_kind")
    together = corrected.join(others, on="event_uid").filter(pl.col("a") != pl.col("b"))
    apart = together.select("a", "a_kind", "b", "b_kind", first_seen=pl.lit(None, _MS))
    return (
        pl.concat([aliases, apart], how="vertical_relaxed")
        .join(ends, left_on="a", right_on="ident_key", how="semi")
        .with_columns(alias=pl.lit(value=True))
    )


def _links_among(offers: pl.DataFrame, reached: pl.DataFrame) -> pl.DataFrame:
    """Keep the links that both ends offer, once each, the stronger end first."""
    links = offers.filter(~pl.col("alias")).join(reached, left_on="a", right_on="ident_key", how="semi")
    mutual = links.join(links, left_on=["a", "b"], right_on=["b", "a"], how="semi")
    stronger = (pl.col("a_kind") < pl.col("b_kind")) | (
        (pl.col("a_kind") == pl.col("b_kind")) & (pl.col("a") < pl.col("b"))
    )
    return mutual.filter(stronger).drop("alias")

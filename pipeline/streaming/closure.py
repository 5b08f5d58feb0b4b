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
from pipeline.streaming.numbered import NUMBER, Numbered
from pipeline.streaming.stitch_port import StitchStore
from pipeline.warehouse.external import table_order

_MS = pl.Datetime("ms", "UTC")
_KNOWN: dict[str, pl.DataType] = {
    "number": NUMBER,
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
# The links of so many identifiers are read at once.
_PIECE_IDENTIFIERS = 30_000
_OFFERS: dict[str, pl.DataType] = {
    "a": NUMBER,
    "a_kind": pl.Int8(),
    "b": NUMBER,
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
    front = explored.explore_dirty(dirty)
    reached, links = front, [explored.offers.clear()]
    while len(front):
        offers = explored.offers_of(front)
        explored.explore(offers["b"])
        live = explored.answered(offers)
        links.append(explored.links_among(live))
        front = explored.met.without(live["b"], reached)
        reached = pl.concat([reached, front])
    identifiers = explored.described(reached)
    said = explored.said_about(identifiers)
    return Closure(
        identifiers,
        explored.stronger_first(pl.concat(links)),
        statements_that_hold(said),
        said,
        explored.hubs,
        explored.crossed,
    )


class _Explored:
    """What is known of the identifiers met so far: whether they are shared, and which links they offer; by number."""

    def __init__(self, store: StitchStore, settings: IdentitySettings) -> None:
        self._store = store
        self._settings = settings
        self.met = Numbered()
        self.known = pl.DataFrame(schema=_KNOWN)
        self.offers = pl.DataFrame(schema=_OFFERS)
        self.hubs = pl.DataFrame(schema={"ident_key": pl.Binary})
        self.crossed = pl.DataFrame(schema={"ident_key": pl.Binary})
        named = store.named(_FEW_NAMED + 1)
        self._named = None if len(named) > _FEW_NAMED else named.rename("ident_key").to_frame()
        self._said = [pl.DataFrame(schema=SAID_SCHEMA)]

    def explore_dirty(self, dirty: pl.Series) -> pl.Series:
        """Explore dirty identifiers and the neighbours that have to learn that one of them crossed a cap."""
        fresh = everything = self.met.numbers_of(dirty.unique())
        while len(fresh):
            hubs = self.explore(fresh)
            if hubs.is_empty():
                break
            self.hubs = pl.concat([self.hubs, hubs.select("ident_key").unique()])
            fresh = self.met.without(self.met.numbers_of(self._store.overlooked_neighbours(hubs)), everything)
            everything = pl.concat([everything, fresh])
        return everything

    def explore(self, numbers: pl.Series) -> pl.DataFrame:
        """Read and judge identifiers not met before; return the caps they crossed."""
        fresh = self.met.without(numbers, self.known["number"])
        if len(fresh) > _PIECE_IDENTIFIERS:
            # So each piece reads a part of the table of its own.
            fresh = fresh.gather(table_order(self.met.keys_of(fresh)))
        starts = range(0, len(fresh), _PIECE_IDENTIFIERS)
        crossed = [self._explore(fresh.slice(start, _PIECE_IDENTIFIERS)) for start in starts]
        return pl.concat(crossed) if crossed else pl.DataFrame(schema={"ident_key": pl.Binary})

    def offers_of(self, numbers: pl.Series) -> pl.DataFrame:
        """Return the links that these identifiers offer."""
        return self.offers.join(numbers.to_frame("a"), on="a", how="semi")

    def answered(self, offers: pl.DataFrame) -> pl.DataFrame:
        """Keep the offers that the other end, which is explored, makes as well."""
        return _answered(offers, self.offers)

    def links_among(self, live: pl.DataFrame) -> pl.DataFrame:
        """Keep of live offers those that are a link at both ends, and not at one an alias."""
        if not live["alias"].any():
            return live
        return _answered(live.filter(~pl.col("alias")), self.offers.filter(~pl.col("alias")))

    def stronger_first(self, links: pl.DataFrame) -> pl.DataFrame:
        """Return each link, which both ends have, once and with its keys: from the stronger end."""
        no_weaker = links.filter(pl.col("a_kind") <= pl.col("b_kind"))
        keyed = no_weaker.select(
            self.met.keys_of(no_weaker["a"]).alias("a"),
            "a_kind",
            self.met.keys_of(no_weaker["b"]).alias("b"),
            "b_kind",
            "first_seen",
        )
        return keyed.filter((pl.col("a_kind") < pl.col("b_kind")) | (pl.col("a") < pl.col("b")))

    def described(self, numbers: pl.Series) -> pl.DataFrame:
        """Return ident_key, kind, first_seen, shared of those of whom anything is known."""
        known = self.known.join(numbers.to_frame("number"), on="number", how="semi")
        return known.select(self.met.keys_of(known["number"]), pl.exclude("number"))

    def _explore(self, numbers: pl.Series) -> pl.DataFrame:
        """Read and judge some of those that were not met before."""
        fresh = pl.DataFrame({"number": numbers, "ident_key": self.met.keys_of(numbers)})
        links = self._store.links(fresh["ident_key"])
        ends = self.met.numbers_of(pl.concat([links["ident_key"], links["neighbour"].rename("ident_key")]))
        links = links.with_columns(a=ends.head(links.height), b=ends.slice(links.height))
        hoods = links.group_by("a", "kind", "neighbour_kind").agg(neighbours=pl.len(), first_seen=pl.col("seen").min())
        hoods = hoods.with_columns(self.met.keys_of(hoods["a"]))
        judgement = judge(hoods, self._settings)
        # What joined the blocklist after it had landed is shared, whatever its neighbours are.
        blocked = fresh.join(blocked_keys(self._settings).to_frame(), on="ident_key", how="semi")
        shared = pl.concat([judgement.shared, blocked.select("ident_key")])
        statements = self._statements(fresh)
        # Few are over a cap: a join with nobody would pass all links.
        if not shared.is_empty():
            links = links.join(shared, on="ident_key", how="anti")
        if not judgement.dead.is_empty():
            links = links.join(judgement.dead, on=["ident_key", "neighbour_kind"], how="anti")
        offered = links.select("a", "b", a_kind="kind", b_kind="neighbour_kind", first_seen="seen", alias=False)
        open_ends = fresh.join(shared, on="ident_key", how="anti")
        self.offers = pl.concat([self.offers, offered.select(*_OFFERS)], how="vertical_relaxed")
        if not statements.is_empty():
            stated = self._numbered(_stated(statements, open_ends))
            self.offers = pl.concat([self.offers, stated], how="vertical_relaxed")
        own = statements.join(fresh, left_on="a", right_on="ident_key")
        self.known = pl.concat([self.known, self._describe(fresh, hoods, own, shared)])
        self.crossed = pl.concat([self.crossed, judgement.crossed.select("ident_key")])
        return judgement.crossed

    def _numbered(self, offers: pl.DataFrame) -> pl.DataFrame:
        """Return offers that name keys with their numbers instead."""
        ends = (self.met.numbers_of(offers[end]).alias(end) for end in ("a", "b"))
        return offers.with_columns(*ends).select(*_OFFERS)

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
            hoods.select("kind", "first_seen", number="a"),
            statements.select(pl.lit(None, _MS).alias("first_seen"), "number", kind="a_kind"),
        ]
        linked = (
            pl.concat(seen, how="diagonal").group_by("number").agg(pl.col("kind").first(), pl.col("first_seen").min())
        )
        lone = fresh.join(linked, on="number", how="anti")
        if not lone.is_empty():
            kinds = self._store.kinds(lone["ident_key"]).join(lone, on="ident_key")
            linked = pl.concat([linked, kinds.select("number", "kind", first_seen=pl.lit(None, _MS))])
        is_shared = pl.col("number").is_in(fresh.join(shared, on="ident_key", how="semi")["number"].implode())
        return linked.with_columns(shared=is_shared).select(*_KNOWN)


def _stated(statements: pl.DataFrame, ends: pl.DataFrame) -> pl.DataFrame:
    """
    Return the connections that statements make, from these ends: a block may be larger than what holds, never smaller.

    Every alias ever stated, also a withdrawn one; and where several contents of one statement name other pairs, each
    identifier of one with each of another: whose content is true decides about all of them.
    """
    if statements.is_empty():
        return pl.DataFrame(schema={**_OFFERS, "a": pl.Binary(), "b": pl.Binary()})
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


def _answered(offers: pl.DataFrame, answers: pl.DataFrame) -> pl.DataFrame:
    """Keep the offers that the other end makes as well."""
    there = answers.select(_pair("b", "a")).to_series()
    return offers.filter(_pair("a", "b").is_in(there.implode()))


def _pair(one: str, other: str) -> pl.Expr:
    return pl.col(one).cast(pl.UInt64) * 2**32 + pl.col(other)

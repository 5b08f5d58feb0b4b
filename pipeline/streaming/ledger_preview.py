"""
What a statement about identity would change, computed before it is said.

The same closure, clusters and stitching run once over the facts as they are, and once as if the statement were among
them. Nothing is written.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import cast

import polars as pl

from pipeline.config import Settings
from pipeline.identity.cluster import cluster
from pipeline.stitching.rules import StitchRules
from pipeline.stitching.stitch import stitch
from pipeline.streaming.closure import Closure, close_blocks
from pipeline.streaming.stitch_port import StitchStore


@dataclass(frozen=True, slots=True)
class Statement:
    """
    A statement that somebody may make.

    Attributes:
        a: Key of the one identifier; `a_kind` its rank.
        b: Key of the other.
        code: 1 alias, 2 unlink.
        withdraws: event_id of the statement that it takes back; empty: it states.
        source: Who says it.
        event_id: Its id there.
        occurred_at: When.
    """

    a: bytes
    a_kind: int
    b: bytes
    b_kind: int
    code: int
    withdraws: str
    source: str
    event_id: str
    occurred_at: datetime


@dataclass(frozen=True, slots=True)
class Portrait:
    """A customer in numbers; pain points that are not due yet do not count."""

    customer_uid: bytes
    identifiers: frozenset[bytes]
    kinds: tuple[int, ...]
    touchpoints: int
    visits: int
    journeys: int
    orders: int
    pain_points: int


@dataclass(frozen=True, slots=True)
class Preview:
    """
    The customers that a statement would change.

    Attributes:
        before: As they are.
        after: As they would be; empty like `before` where nothing would change.
    """

    before: tuple[Portrait, ...]
    after: tuple[Portrait, ...]


def preview(statement: Statement, store: StitchStore, settings: Settings) -> Preview:
    """
    Compute what a statement would change.

    Args:
        statement: What would be said.
        store: Read only.
        settings: The rules.

    Returns:
        The customers that are other than before, by customer_uid.
    """
    supposing = cast(StitchStore, _Supposing(store, _rows(statement)))
    pair = pl.Series("ident_key", [statement.a, statement.b], dtype=pl.Binary)
    # Whoever is concerned before or after, so that both answers speak of the same identifiers.
    concerned = pl.concat(
        [close_blocks(pair, reads, settings.identity).identifiers["ident_key"] for reads in (store, supposing)]
    ).unique()
    now = datetime.now(UTC)
    before, after = (set(_portraits(concerned, reads, settings, now)) for reads in (store, supposing))
    return Preview(_sorted(before - after), _sorted(after - before))


def _sorted(portraits: set[Portrait]) -> tuple[Portrait, ...]:
    return tuple(sorted(portraits, key=lambda portrait: portrait.customer_uid))


def _portraits(keys: pl.Series, store: StitchStore, settings: Settings, now: datetime) -> Iterator[Portrait]:
    blocks: Closure = close_blocks(keys, store, settings.identity)
    who = cluster(blocks.identifiers, blocks.links, blocks.statements.aliases, blocks.statements.unlinks)
    rules = StitchRules.from_settings(settings.stitching, settings.pain_points)
    rows = stitch(store.facts(who["ident_key"]), who, rules).filter("is_anchor")
    is_due = pl.element().is_null() | (pl.element() <= now)
    counted = rows.select(
        "customer_uid",
        "identifiers",
        "touchpoints",
        pl.col("visit_id").list.len().alias("visits"),
        pl.col("journey_id").list.len().alias("journeys"),
        "orders",
        pl.col("pain_due_at").list.eval(is_due).list.sum().alias("pain_points"),
    )
    for customer, members, *numbers in counted.iter_rows():
        touchpoints, visits, journeys, orders, pain_points = (number or 0 for number in numbers)
        yield Portrait(
            customer_uid=customer,
            identifiers=frozenset(member["ident_key"] for member in members),
            kinds=tuple(sorted(member["kind"] for member in members)),
            touchpoints=touchpoints,
            visits=visits,
            journeys=journeys,
            orders=orders,
            pain_points=pain_points,
        )


def _rows(statement: Statement) -> pl.DataFrame:
    """Return a statement as the warehouse would, in both directions."""
    said = {
        "statement": statement.code,
        "withdraws": statement.withdraws,
        "source": statement.source,
        "event_id": statement.event_id,
        "occurred_at": statement.occurred_at,
        "event_uid": b"\xff" * 16,
        "content_version": bytes(16),
    }
    one = {"a": statement.a, "a_kind": statement.a_kind, "b": statement.b, "b_kind": statement.b_kind}
    other = {"a": statement.b, "a_kind": statement.b_kind, "b": statement.a, "b_kind": statement.a_kind}
    return pl.DataFrame([{**one, **said}, {**other, **said}])


class _Supposing:
    """The warehouse as if it held one statement more."""

    def __init__(self, store: StitchStore, rows: pl.DataFrame) -> None:
        self._store = store
        self._rows = rows

    def __getattr__(self, name: str) -> object:
        return getattr(self._store, name)

    def named(self, limit: int) -> pl.Series:
        """Return whom statements name, the two of the supposed one first."""
        return pl.concat([self._rows["a"], self._store.named(limit)]).head(limit)

    def statements(self, keys: pl.Series) -> pl.DataFrame:
        """Return the statements about identifiers, the supposed one among them."""
        known = self._store.statements(keys)
        added = self._rows if self._rows["a"].is_in(keys.implode()).any() else self._rows.clear()
        return pl.concat([known, added.select(pl.col(name).cast(dtype) for name, dtype in known.schema.items())])

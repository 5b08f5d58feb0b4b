"""
Tables of the simulated warehouse: parts of rows that merge when somebody says so, as MergeTree does.

The rule owned here is ClickHouse's: an INSERT is one part, seen whole by every read that starts later; a merge makes
one part of neighbouring ones and keeps of equal keys what the engine says; a read without FINAL sees what is left.
"""

from collections.abc import Callable, Hashable, Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any, Generic, TypeVar

Row = TypeVar("Row")


class Table(Generic[Row]):
    """
    Parts in order of their INSERTs.

    Args:
        key: The key by which rows are equal.
        collapse: Makes one row of equal ones, given in order of their INSERTs; None: plain MergeTree, all stay.
    """

    def __init__(self, key: Callable[[Row], Hashable], collapse: Callable[[list[Row]], Row] | None) -> None:
        self._key = key
        self._collapse = collapse
        self.parts: list[list[Row]] = []

    def insert(self, rows: Iterable[Row]) -> None:
        """Add one part; no rows, no part."""
        part = list(rows)
        if part:
            self.parts.append(part)

    def __iter__(self) -> Iterator[Row]:
        for part in self.parts:
            yield from part

    def final(self) -> list[Row]:
        """Return the rows as FINAL shows them."""
        return self._collapsed(list(self))

    def merge(self, first: int, last: int) -> None:
        """Merge the parts from the first to the last, both included."""
        rows = [row for part in self.parts[first : last + 1] for row in part]
        self.parts[first : last + 1] = [self._collapsed(rows)]

    def _collapsed(self, rows: list[Row]) -> list[Row]:
        if self._collapse is None:
            return rows
        by_key: dict[Hashable, list[Row]] = {}
        for row in rows:
            by_key.setdefault(self._key(row), []).append(row)
        return [self._collapse(equal) for equal in by_key.values()]


def greatest(version: Callable[[Row], Any]) -> Callable[[list[Row]], Row]:
    """Keep the row of the greatest version, of equal ones the last inserted: ReplacingMergeTree."""

    def kept(rows: list[Row]) -> Row:
        best = rows[0]
        for row in rows[1:]:
            if version(row) >= version(best):
                best = row
        return best

    return kept


@dataclass(frozen=True, slots=True)
class TouchpointRow:
    """A row of `touchpoints`; `facts` is what the read of facts returns of it, `told` event_id, source and type."""

    ident_key: bytes
    kind: int
    occurred_at: int
    event_uid: bytes
    content_version: bytes
    landed_at: int
    facts: tuple[Any, ...]
    named: tuple[bytes, ...]
    told: tuple[str, str, str]


@dataclass(frozen=True, slots=True)
class LinkRow:
    """A row of `identity_links`."""

    ident_key: bytes
    kind: int
    neighbour: bytes
    neighbour_kind: int
    first_seen: int
    first_landed_at: int
    landed_at: int


@dataclass(frozen=True, slots=True)
class StatementRow:
    """A row of `identity_statements`; `said` is what the read of statements returns of it."""

    a: bytes
    b: bytes
    event_uid: bytes
    content_version: bytes
    landed_at: int
    said: tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class LandedRow:
    """A row of `landed`."""

    place: tuple[str, str, int, int, int]
    records: int
    rejected: int
    lost: int
    landed_at: int
    completed_at: int


@dataclass(frozen=True, slots=True)
class RejectedRow:
    """A row of `rejected`."""

    place: tuple[str, str, int, int]
    reason: str
    landed_at: int


@dataclass(frozen=True, slots=True)
class StitchedRow:
    """A row of `stitched`; `content` has all other columns, times as epoch milliseconds."""

    rules_version: int
    ident_key: bytes
    kind: int
    version: int
    customer_uid: bytes
    shared: bool
    is_anchor: bool
    content: dict[str, Any]


@dataclass(frozen=True, slots=True)
class LedgerRow:
    """A row of `identity_ledger`."""

    rules_version: int
    ident_key: bytes
    version: int
    customer_uid: bytes
    cause_event_uid: bytes
    rule: str


def _aggregated(rows: list[LinkRow]) -> LinkRow:
    return replace(
        rows[0],
        first_seen=min(row.first_seen for row in rows),
        first_landed_at=min(row.first_landed_at for row in rows),
        landed_at=max(row.landed_at for row in rows),
    )


class Tables:
    """The tables that the protocol reads and writes, with the engines that `pipeline.warehouse.tables` declares."""

    def __init__(self) -> None:
        self.touchpoints: Table[TouchpointRow] = Table(
            lambda row: (row.ident_key, row.occurred_at, row.event_uid), greatest(lambda row: row.content_version)
        )
        self.identity_links: Table[LinkRow] = Table(lambda row: (row.ident_key, row.neighbour), _aggregated)
        self.identity_statements: Table[StatementRow] = Table(
            lambda row: (row.a, row.b, row.event_uid), greatest(lambda row: row.content_version)
        )
        self.landed: Table[LandedRow] = Table(lambda row: row.place, greatest(lambda row: row.completed_at))
        self.rejected: Table[RejectedRow] = Table(lambda row: row.place, greatest(lambda row: row.landed_at))
        self.stitched: Table[StitchedRow] = Table(
            lambda row: (row.rules_version, row.ident_key), greatest(lambda row: row.version)
        )
        self.identity_ledger: Table[LedgerRow] = Table(lambda row: row, None)
        self.stitch_versions: Table[int] = Table(lambda version: version, None)

    def by_name(self) -> dict[str, Table[Any]]:
        """Return the tables that merge."""
        names = ("touchpoints", "identity_links", "identity_statements", "landed", "rejected", "stitched")
        return {name: getattr(self, name) for name in names}

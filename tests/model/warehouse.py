"""
The warehouse that LAND and STITCH see, as loops over tables: what each statement in `pipeline.warehouse` means.

The rule owned here: for the same rows every read gives what the real SQL gives, and the conformance tests hold it to
that. Times of the business are epoch milliseconds, stamps epoch microseconds, answers sorted tuples: no frame appears.
"""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Any

from tests.model.tables import LinkRow, StitchedRow, Tables
from tests.oracle.body_columns import uuid_text

Answer = tuple[Any, ...]
JOURNEY = (
    "ident_key",
    "customer_uid",
    "journey_id",
    "started_at",
    "ended_at",
    "touchpoints",
    "visits",
    "orders",
    "pain_points",
)


@dataclass(frozen=True, slots=True)
class Reader:
    """
    Who asks: results of one rules_version, and how long an INSERT may take.

    Attributes:
        rules_version: Of the results that are read.
        margin_us: Of the sweep.
    """

    rules_version: int
    margin_us: int


class Warehouse:
    """Statements over the tables; whoever calls says what time its server's clock shows."""

    def __init__(self) -> None:
        self.tables = Tables()

    def landing_stamp(self, now_us: int) -> int:
        """Return max(now, greatest registered version)."""
        stamp: int = max([now_us, *self.tables.stitch_versions])
        return stamp

    def next_version(self, now_us: int) -> int:
        """Return what a registration would write; it is not written yet."""
        greatest: int = max(self.tables.stitch_versions, default=0)
        return max(now_us, 1 + greatest)

    def register(self, version: int) -> None:
        """Write a version down."""
        self.tables.stitch_versions.insert([version])

    def links(self, keys: Collection[bytes]) -> Answer:
        """Return ident_key, kind, neighbour, neighbour_kind, seen."""
        seen: dict[tuple[bytes, int, bytes, int], int] = {}
        for row in self.tables.identity_links:
            if row.ident_key in keys:
                link = (row.ident_key, row.kind, row.neighbour, row.neighbour_kind)
                seen[link] = min(row.first_seen, seen.get(link, row.first_seen))
        return tuple(sorted((*link, first) for link, first in seen.items()))

    def named(self, limit: int) -> Answer:
        """Return whom statements name."""
        return tuple(sorted({row.a for row in self.tables.identity_statements})[:limit])

    def kinds(self, keys: Collection[bytes]) -> Answer:
        """Return ident_key, kind of subjects."""
        return tuple(sorted({(row.ident_key, row.kind) for row in self.tables.touchpoints if row.ident_key in keys}))

    def naming(self, keys: Collection[bytes]) -> set[bytes]:
        """Return event_uid of the statements that name a key in one of their contents."""
        return {row.event_uid for row in self.tables.identity_statements if row.a in keys}

    def statements(self, event_uids: Collection[bytes]) -> Answer:
        """Return every content of statements, in both directions."""
        return tuple(sorted({row.said for row in self.tables.identity_statements if row.event_uid in event_uids}))

    def facts(self, keys: Collection[bytes]) -> Answer:
        """Return the touchpoints of the keys, all contents; exact copies are shown once."""
        return tuple(sorted({row.facts for row in self.tables.touchpoints if row.ident_key in keys}, key=repr))

    def journeys(self, keys: Collection[bytes], who: Reader) -> Answer:
        """Return the customer of every key and the journeys that it anchors now; without one a row of None."""
        found: list[tuple[Any, ...]] = []
        for row in self.winners(who.rules_version).values():
            if row.ident_key in keys:
                column = row.content
                pains = [_due(row, place + 1) for place in range(len(column["journey_id"]))]
                parts = [column[f"journey_{name}"] for name in ("id", *JOURNEY[3:8])]
                journeys = list(zip(*parts, pains, strict=True)) or [(None,) * 7]
                found += [(row.ident_key, row.customer_uid, *journey) for journey in journeys]
        return tuple(sorted(found, key=repr))

    def former_members(self, customers: Collection[bytes], who: Reader) -> Answer:
        """Return customer_uid, ident_key of everybody whom the anchors' rows name."""
        anchors = [row for row in self.winners(who.rules_version).values() if row.ident_key in customers]
        return tuple(
            sorted(
                (row.customer_uid, named["ident_key"])
                for row in anchors
                if row.is_anchor
                for named in row.content["identifiers"]
            )
        )

    def link_touchpoints(self, pairs: Collection[tuple[bytes, bytes, int]]) -> Answer:
        """Return subject, other, event_uid, event_id, source, type, occurred_at of the touchpoint of every link."""
        found = []
        for subject, other, seen in set(pairs):
            those = [
                (other not in row.named, uuid_text(row.event_uid), row)
                for row in self.tables.touchpoints
                if row.ident_key == subject and row.occurred_at == seen and not row.told[2].startswith("identity.")
            ]
            if those:
                row = min(those, key=lambda one: one[:2])[2]
                found.append((subject, other, row.event_uid, *row.told, seen))
        return tuple(sorted(found))

    def overlooked_neighbours(self, hubs: Iterable[tuple[bytes, int, int, bool]], who: Reader) -> Answer:
        """Return neighbours that may not know yet; a hub is ident_key, neighbour_kind, cap, all_kinds."""
        hubs = set(hubs)
        links = self._links_of({hub[0] for hub in hubs})
        known: list[tuple[bytes, int, bool, int]] = []
        for key, neighbour_kind, cap, all_kinds in hubs:
            landed = [at for (one, kind, _), at in links.items() if (one, kind) == (key, neighbour_kind)]
            if landed:
                known.append((key, neighbour_kind, all_kinds, self._crossed_at(landed, cap, who.margin_us)))
        versions = self._versions(who.rules_version)
        waiting: dict[bytes, int] = {}
        for one, kind, neighbour in links:
            for key, neighbour_kind, all_kinds, at in known:
                if one == key and (all_kinds or neighbour_kind == kind):
                    waiting[neighbour] = max(at, waiting.get(neighbour, 0))
        return tuple(sorted(key for key, at in waiting.items() if versions.get(key, 0) <= at))

    def stale_identifiers(self, limit: int, since_us: int, who: Reader) -> Answer:
        """Return identifiers whose facts may be newer than their row."""
        tables, latest = self.tables, dict[bytes, int]()
        landings = [
            *((row.ident_key, row.landed_at) for row in tables.touchpoints),
            *((row.ident_key, row.landed_at) for row in tables.identity_links),
            *((row.a, row.landed_at) for row in tables.identity_statements),
        ]
        for key, landed_at in landings:
            if landed_at > since_us:
                latest[key] = max(self._known_at(landed_at, who.margin_us), latest.get(key, 0))
        versions = self._versions(who.rules_version)
        return tuple(sorted(key for key, at in latest.items() if versions.get(key, 0) <= at)[:limit])

    def winners(self, rules_version: int) -> dict[bytes, StitchedRow]:
        """Return the rows of `stitched` that FINAL shows."""
        return {row.ident_key: row for row in self.tables.stitched.final() if row.rules_version == rules_version}

    def _links_of(self, keys: Collection[bytes]) -> dict[tuple[bytes, int, bytes], int]:
        links: dict[tuple[bytes, int, bytes], int] = {}
        rows: Iterable[LinkRow] = (row for row in self.tables.identity_links if row.ident_key in keys)
        for row in rows:
            place = (row.ident_key, row.neighbour_kind, row.neighbour)
            links[place] = min(row.first_landed_at, links.get(place, row.first_landed_at))
        return links

    def _crossed_at(self, landed: Collection[int], cap: int, margin_us: int) -> int:
        """Return from when on a later version has read more links than the cap allows."""
        times = sorted(self._known_at(at, margin_us) for at in landed)
        return times[cap] if cap < len(times) else 0

    def _known_at(self, landed_at: int, margin_us: int) -> int:
        """Return from when on a later version has read what landed then."""
        completed = [row.completed_at for row in self.tables.landed if row.landed_at == landed_at]
        return max(completed) if completed else landed_at + margin_us

    def _versions(self, rules_version: int) -> dict[bytes, int]:
        versions: dict[bytes, int] = {}
        for row in self.tables.stitched:
            if row.rules_version == rules_version:
                versions[row.ident_key] = max(row.version, versions.get(row.ident_key, 0))
        return versions


def _due(row: StitchedRow, journey: int) -> int:
    """Count the pain points of a journey that were due when the row was made."""
    pairs = zip(row.content["pain_journey"], row.content["pain_due_at"], strict=True)
    return sum(number == journey and (due is None or due * 1000 <= row.version) for number, due in pairs)

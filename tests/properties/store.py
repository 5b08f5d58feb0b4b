"""
The warehouse in memory, as LAND and STITCH see it: rows as they were inserted, reads as the statements make them.

It answers what `pipeline.warehouse` answers, copies and losing contents included. The ledger is taken and not judged,
so what only the ledger asks is answered with nothing.
"""

import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import polars as pl

from pipeline.stitching.frames import EVIDENCE_FIELDS, FACTS_SCHEMA, ORDERED_PRODUCTS, TIME, conform_facts
from pipeline.streaming.closure import SAID_SCHEMA
from pipeline.warehouse.apart import FactsApart
from tests.oracle.stories import ordered_products

Row = dict[str, Any]
START = datetime(2026, 1, 1, tzinfo=UTC)
TICK = timedelta(microseconds=1)
MARGIN = timedelta(seconds=120)
LINKS = {
    "ident_key": pl.Binary(),
    "kind": pl.Int8(),
    "neighbour": pl.Binary(),
    "neighbour_kind": pl.Int8(),
    "seen": TIME,
}
JOURNEYS: dict[str, Any] = {
    "ident_key": pl.Binary(),
    "customer_uid": pl.Binary(),
    "journey_id": pl.Binary(),
    "started_at": TIME,
    "ended_at": TIME,
    "touchpoints": pl.UInt32(),
    "visits": pl.UInt32(),
    "orders": pl.UInt32(),
    "pain_points": pl.UInt32(),
}
MEMBERS = {"customer_uid": pl.Binary(), "ident_key": pl.Binary()}
FOUND_LINKS: dict[str, Any] = {
    "subject": pl.Binary(),
    "other": pl.Binary(),
    "event_uid": pl.Binary(),
    "event_id": pl.String(),
    "source": pl.String(),
    "type": pl.String(),
    "occurred_at": TIME,
}
_MADE = ("product_id", "calendar", ORDERED_PRODUCTS)
ENVELOPE = [name for name in FACTS_SCHEMA if name not in {*dict(EVIDENCE_FIELDS), *_MADE}]


class MemoryWarehouse:
    """Tables as lists of rows; one for all workers."""

    def __init__(self) -> None:
        self.versions = [START]
        self.touchpoints: list[Row] = []
        self.links_by_ends: dict[tuple[bytes, bytes], Row] = {}
        self.statement_rows: list[Row] = []
        self.landed: list[Row] = []
        self.rejected: list[Row] = []
        self.winners: dict[bytes, Row] = {}
        self._now = START

    def landing_stamp(self) -> datetime:
        """Return a stamp not before any version."""
        self._now += TICK
        return max(self._now, *self.versions)

    def insert_touchpoints(self, frame: pl.DataFrame) -> None:
        """Append."""
        self.touchpoints += frame.to_dicts()

    def insert_links(self, frame: pl.DataFrame) -> None:
        """Append; the earliest and the latest of each link stay."""
        for row in frame.to_dicts():
            known = self.links_by_ends.setdefault((row["ident_key"], row["neighbour"]), row)
            known["first_seen"] = min(known["first_seen"], row["first_seen"])
            known["first_landed_at"] = min(known["first_landed_at"], row["first_landed_at"])
            known["landed_at"] = max(known["landed_at"], row["landed_at"])

    def insert_statements(self, frame: pl.DataFrame) -> None:
        """Append."""
        self.statement_rows += frame.to_dicts()

    def insert_rejected(self, frame: pl.DataFrame) -> None:
        """Append: who is named by values of the blocklist only is nobody."""
        self.rejected += frame.to_dicts()

    def insert_landed(self, frame: pl.DataFrame) -> None:
        """Append."""
        self.landed += frame.to_dicts()

    def register_version(self, worker: str) -> datetime:  # noqa: ARG002 - of the protocol
        """Register a version beyond all others."""
        self.versions.append(max(self._now, max(self.versions) + TICK))
        return self.versions[-1]

    def links(self, keys: pl.Series) -> pl.DataFrame:
        """Tell the links of identifiers."""
        asked = set(keys.to_list())
        return _frame(
            (
                {
                    "ident_key": end,
                    "kind": row["kind"],
                    "neighbour": row["neighbour"],
                    "neighbour_kind": row["neighbour_kind"],
                    "seen": row["first_seen"],
                }
                for (end, _), row in self.links_by_ends.items()
                if end in asked
            ),
            LINKS,
        )

    def named(self, limit: int) -> pl.Series:
        """Return whom statements name."""
        return pl.Series("ident_key", sorted({row["a"] for row in self.statement_rows})[:limit], pl.Binary)

    def kinds(self, keys: pl.Series) -> pl.DataFrame:
        """Tell the kind of subjects."""
        asked = set(keys.to_list())
        kinds = {row["ident_key"]: row["kind"] for row in self.touchpoints if row["ident_key"] in asked}
        rows = [{"ident_key": key, "kind": kind} for key, kind in kinds.items()]
        return _frame(rows, {"ident_key": pl.Binary(), "kind": pl.Int8()})

    def statements(self, keys: pl.Series) -> pl.DataFrame:
        """Return every content of the statements that name the identifiers."""
        asked = set(keys.to_list())
        events = {row["event_uid"] for row in self.statement_rows if row["a"] in asked}
        return _frame([row for row in self.statement_rows if row["event_uid"] in events], SAID_SCHEMA)

    def facts(self, keys: pl.Series) -> pl.DataFrame:
        """Return the touchpoints of subjects, evidence read from the body."""
        asked = set(keys.to_list())
        schema = {name: FACTS_SCHEMA[name] for name in [*ENVELOPE, *_MADE]} | dict(EVIDENCE_FIELDS)
        rows = [_fact(row) for row in self.touchpoints if row["ident_key"] in asked]
        return conform_facts(_frame(rows, schema))

    def facts_apart(self, groups: pl.DataFrame) -> FactsApart:
        """Return the touchpoints of subjects apart by group."""
        apart = FactsApart(groups)
        apart.put(self.facts(groups["ident_key"]).to_arrow(compat_level=pl.CompatLevel.oldest()))
        return apart

    def journeys(self, keys: pl.Series) -> pl.DataFrame:
        """Return the customers of identifiers; what is published is not judged, so no journeys."""
        known = [self.winners[key] for key in keys.to_list() if key in self.winners]
        return _frame([{name: row[name] for name in ("ident_key", "customer_uid")} for row in known], JOURNEYS)

    def overlooked_neighbours(self, hubs: pl.DataFrame) -> pl.Series:
        """Return the neighbours whose row may be older than the crossing."""
        waiting: dict[bytes, datetime] = {}
        for hub in hubs.to_dicts():
            own = [row for (end, _), row in self.links_by_ends.items() if end == hub["ident_key"]]
            towards = sorted(row["first_landed_at"] for row in own if row["neighbour_kind"] == hub["neighbour_kind"])
            at = self._complete(towards[hub["cap"]])
            for row in own:
                if hub["all_kinds"] or row["neighbour_kind"] == hub["neighbour_kind"]:
                    waiting[row["neighbour"]] = max(at, waiting.get(row["neighbour"], at))
        return pl.Series("ident_key", [key for key, at in waiting.items() if self._version(key) <= at], pl.Binary)

    def insert_stitched(self, frame: pl.DataFrame) -> None:
        """Let the greatest version of each row win."""
        for row in frame.to_dicts():
            if row["version"] >= self._version(row["ident_key"]):
                self.winners[row["ident_key"]] = row

    def stale_identifiers(self, limit: int, since: datetime | None = None) -> pl.Series:  # noqa: ARG002 - of the protocol
        """Return identifiers whose facts may be newer than their row."""
        stamped = [(row["ident_key"], row["landed_at"]) for row in [*self.touchpoints, *self.links_by_ends.values()]]
        stamped += [(row["a"], row["landed_at"]) for row in self.statement_rows]
        stale = {key for key, at in stamped if self._version(key) <= self._complete(at)}
        return pl.Series("ident_key", sorted(stale)[:limit], pl.Binary)

    def former_members(self, customers: pl.Series) -> pl.DataFrame:  # noqa: ARG002 - of the protocol
        """Only the ledger asks."""
        return _frame([], MEMBERS)

    def link_touchpoints(self, pairs: pl.DataFrame) -> pl.DataFrame:  # noqa: ARG002 - of the protocol
        """Only the ledger asks."""
        return _frame([], FOUND_LINKS)

    def insert_ledger(self, frame: pl.DataFrame) -> None:
        """The ledger is not judged here."""

    def _version(self, key: bytes) -> datetime:
        row = self.winners.get(key)
        return row["version"] if row else datetime.fromtimestamp(0, UTC)

    def _complete(self, landed_at: datetime) -> datetime:
        completed = [row["completed_at"] for row in self.landed if row["landed_at"] == landed_at]
        return max(completed, default=landed_at + MARGIN)


def _frame(rows: Any, schema: Mapping[str, Any]) -> pl.DataFrame:
    lines = [{name: row.get(name) for name in schema} for row in rows]
    return pl.DataFrame(lines, schema=dict(schema))


def _fact(row: Row) -> Row:
    body = json.loads(row["body"])
    evidence = {name: body.get(name) for name, _ in EVIDENCE_FIELDS}
    for name, dtype in EVIDENCE_FIELDS:
        if dtype == TIME and evidence[name] is not None:
            evidence[name] = datetime.fromtimestamp(0, UTC) + timedelta(milliseconds=evidence[name])
        elif dtype == pl.Float64 and evidence[name] is not None:
            evidence[name] = float(evidence[name])
    calendars = [attribute["value"] for attribute in row["attributes"] if attribute["key"] == "calendar"]
    return {
        **{name: row[name] for name in ENVELOPE},
        **evidence,
        "product_id": next(iter(row["product_ids"]), ""),
        "calendar": next(iter(calendars), ""),
        ORDERED_PRODUCTS: ordered_products(row["type"], row["product_ids"], body),
    }

"""
What STITCH reads and writes: versions, links of identifiers, their facts, the rows of `stitched`.

Every read takes its keys as an external table, so batches of tens of thousands of identifiers are one round trip.
Reads see what was inserted before they start (one server, or quorum reads): the protocol rests on that.
"""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import polars as pl
import pyarrow as pa
from clickhouse_connect.driver.client import Client

from pipeline.stitching.frames import EVIDENCE_FIELDS, FACTS_SCHEMA, ORDERED_PRODUCTS, TIME, conform_facts
from pipeline.stitching.pain import EVIDENCE_TYPES
from pipeline.warehouse.apart import FactsApart
from pipeline.warehouse.ddl import quote_text
from pipeline.warehouse.errors import translated
from pipeline.warehouse.external import external_keys, external_table, in_table_order, key_array
from pipeline.warehouse.inserts import insert_frame
from pipeline.warehouse.ledger import LedgerStore
from pipeline.warehouse.tables import STITCH_VERSIONS, STITCHED

_EXTRACTS: Mapping[pl.DataType, str] = {
    TIME: "Nullable(Int64)",
    pl.Float64(): "Nullable(Float64)",
    pl.Int64(): "Nullable(Int64)",
    pl.Boolean(): "Nullable(Bool)",
    pl.String(): "Nullable(String)",
}

# Facts of many identifiers are read in stretches of about so many, which bounds what is in memory as it came.
_STRETCH_FACTS = 60_000
_FIRST_STRETCH = 20_000

# FINAL merges what is sorted already: a quarter of the time of a GROUP BY of the same rows. PREWHERE asks for the key
# alone, which all rows that FINAL makes one have in common; by itself the engine would read every column first.
_LINKS = """
SELECT ident_key, kind, neighbour, neighbour_kind, first_seen AS seen
FROM identity_links FINAL PREWHERE ident_key IN (SELECT ident_key FROM keys)
"""

_KINDS = """
SELECT ident_key, any(kind) AS kind FROM touchpoints
WHERE ident_key IN (SELECT ident_key FROM keys) GROUP BY ident_key
"""

_STATEMENTS = """
SELECT a, a_kind, b, b_kind, toInt8(statement) AS statement, withdraws, source, event_id, occurred_at, event_uid,
       reverse(reinterpretAsFixedString(content_version)) AS content_version
FROM identity_statements WHERE {of} IN (SELECT ident_key FROM keys)
"""

# A version later than `completed_at` of the batch that landed a link was read after that link was there. Where the
# batch never completed, no INSERT outlives the margin. A cap is crossed for certain once one more link than it allows
# is there: landings overlap, so the one that took its stamp first may be the last to complete.
_OVERLOOKED = """
WITH
    links AS (
        SELECT ident_key, neighbour_kind, neighbour, min(first_landed_at) AS linked_at
        FROM identity_links WHERE ident_key IN (SELECT ident_key FROM hubs)
        GROUP BY ident_key, neighbour_kind, neighbour
    ),
    seen AS (
        SELECT l.ident_key AS ident_key, l.neighbour_kind AS neighbour_kind,
               if(d.landed_at = l.linked_at, d.completed_at,
                  l.linked_at + toIntervalMicrosecond({margin:UInt64})) AS at
        FROM links AS l
        LEFT JOIN (SELECT landed_at, max(completed_at) AS completed_at FROM landed GROUP BY landed_at) AS d
            ON d.landed_at = l.linked_at
    ),
    known AS (
        SELECT s.ident_key AS ident_key, s.neighbour_kind AS neighbour_kind,
               any(h.all_kinds) AS all_kinds, arraySort(groupArray(s.at))[any(h.cap) + 1] AS at
        FROM seen AS s JOIN hubs AS h ON h.ident_key = s.ident_key AND h.neighbour_kind = toInt8(s.neighbour_kind)
        GROUP BY s.ident_key, s.neighbour_kind
    ),
    waiting AS (
        SELECT l.neighbour AS ident_key, max(k.at) AS at
        FROM links AS l JOIN known AS k ON k.ident_key = l.ident_key
        WHERE k.all_kinds OR k.neighbour_kind = l.neighbour_kind
        GROUP BY l.neighbour
    )
SELECT w.ident_key AS ident_key
FROM waiting AS w
LEFT JOIN (
    SELECT ident_key, max(version) AS version FROM stitched
    WHERE rules_version = {rules:UInt32} AND ident_key IN (SELECT ident_key FROM waiting)
    GROUP BY ident_key
) AS s ON s.ident_key = w.ident_key
WHERE s.version <= w.at
"""

_STALE = """
SELECT f.ident_key AS ident_key
FROM (
    SELECT e.ident_key AS ident_key,
           max(if(d.landed_at = e.landed_at, d.completed_at,
                  e.landed_at + toIntervalMicrosecond({margin:UInt64}))) AS at
    FROM (
        SELECT ident_key, landed_at FROM touchpoints WHERE landed_at > {since:DateTime64(6, 'UTC')}
        UNION ALL
        SELECT ident_key, landed_at FROM identity_links WHERE landed_at > {since:DateTime64(6, 'UTC')}
        UNION ALL
        SELECT a AS ident_key, landed_at FROM identity_statements WHERE landed_at > {since:DateTime64(6, 'UTC')}
    ) AS e
    LEFT JOIN (SELECT landed_at, max(completed_at) AS completed_at FROM landed GROUP BY landed_at) AS d
        ON d.landed_at = e.landed_at
    GROUP BY e.ident_key
) AS f
LEFT JOIN (
    SELECT ident_key, max(version) AS version FROM stitched WHERE rules_version = {rules:UInt32} GROUP BY ident_key
) AS s ON s.ident_key = f.ident_key
WHERE s.version <= f.at
LIMIT {limit:UInt64}
"""

_JOURNEYS = """
SELECT ident_key, customer_uid, journey_id, journey_started_at AS started_at, journey_ended_at AS ended_at,
       journey_touchpoints AS touchpoints, journey_visits AS visits, journey_orders AS orders,
       arrayMap(i -> toUInt32(arrayCount((j, due) -> j = i AND (isNull(due) OR due <= version),
                                         pain_journey, pain_due_at)), arrayEnumerate(journey_id)) AS pain_points
FROM stitched FINAL
PREWHERE rules_version = {rules:UInt32} AND ident_key IN (SELECT ident_key FROM keys)
"""


class StitchStore(LedgerStore):
    """
    The warehouse as STITCH sees it.

    Every worker has its own; one call at a time, but for a read beside another call (there is no session to disturb).
    Every method may raise `WarehouseUnavailable` (try again later; all of them may be repeated) or `WarehouseRefused`.
    """

    def __init__(self, client: Client, rules_version: int, sweep_margin: timedelta) -> None:
        super().__init__(client, rules_version)
        self._margin_us = sweep_margin // timedelta(microseconds=1)

    def register_version(self, worker: str) -> datetime:
        """
        Register a version greater than every registered one, and not before the server's clock.

        Called once a batch, before anything is read: so a snapshot that is read later never has a lesser version,
        whatever clocks do.
        """
        with translated():
            rows = self._client.query(
                "SELECT greatest(now64(6, 'UTC'), addMicroseconds(max(version), 1)) FROM stitch_versions"
            ).result_rows
            version: datetime = rows[0][0].replace(tzinfo=UTC)
        insert_frame(self._client, STITCH_VERSIONS, pl.DataFrame({"version": [version], "worker": [worker]}))
        return version

    def links(self, keys: pl.Series) -> pl.DataFrame:
        """
        Read the links of identifiers, each once.

        Returns:
            ident_key, kind, neighbour, neighbour_kind, seen.
        """
        return self._read(_LINKS, keys)

    def kinds(self, keys: pl.Series) -> pl.DataFrame:
        """Read the kind of identifiers that are subjects of touchpoints: ident_key, kind."""
        return self._read(_KINDS, keys)

    def statements(self, keys: pl.Series) -> pl.DataFrame:
        """
        Read every content of the statements that name identifiers in one of their contents.

        Which content is true can only be told from all of them, and a correction may name other identifiers.

        Returns:
            a, a_kind, b, b_kind, statement (1 alias, 2 unlink), withdraws, source, event_id, occurred_at, event_uid,
            content_version; both directions of each pair, copies are possible.
        """
        named = self._read(_STATEMENTS.replace("{of}", "a"), keys)
        if named.is_empty():
            return named
        return self._read(_STATEMENTS.replace("{of}", "event_uid"), named["event_uid"].unique())

    def named(self, limit: int) -> pl.Series:
        """Read whom statements name, at most so many: nearly nobody, where nobody is told apart or joined by hand."""
        query = "SELECT DISTINCT a AS ident_key FROM identity_statements LIMIT {limit:UInt64}"
        with translated():
            return _frame(self._client.query_arrow(query, parameters={"limit": limit}))["ident_key"]

    def facts(self, keys: pl.Series) -> pl.DataFrame:
        """Read the touchpoints whose subject is among the keys, as `FACTS_SCHEMA`; contents may repeat."""
        return conform_facts(self._read(_facts_query(), keys))

    def facts_apart(self, groups: pl.DataFrame) -> FactsApart:
        """
        Read the touchpoints whose subject is among many identifiers, apart by the group that each belongs to.

        Args:
            groups: ident_key, group (from 0); each identifier once.
        """
        apart = FactsApart(groups)
        left, limit = in_table_order(groups["ident_key"]), _FIRST_STRETCH
        while len(left):
            stretch, left = left.head(limit), left.slice(limit)
            before = apart.height
            apart.put(self._read_table(_facts_query(), stretch))
            limit = max(1, int(len(stretch) * _STRETCH_FACTS / max(apart.height - before, 1)))
        return apart

    def journeys(self, keys: pl.Series) -> pl.DataFrame:
        """
        Read the customer of identifiers and the journeys that they anchor, as they are now.

        Returns:
            ident_key, customer_uid and the journey's columns; one row a journey, without one a row with nulls.
        """
        rows = self._read(_JOURNEYS, keys)
        nested = [name for name in rows.columns if name not in ("ident_key", "customer_uid")]
        return rows.explode(nested, empty_as_null=True)

    def insert_stitched(self, frame: pl.DataFrame) -> None:
        """Write rows of `stitched`, in one INSERT."""
        insert_frame(self._client, STITCHED, frame)

    def overlooked_neighbours(self, hubs: pl.DataFrame) -> pl.Series:
        """
        Return the neighbours of hubs whose rows may not know yet that the hub crossed a cap.

        Args:
            hubs: ident_key, neighbour_kind, cap (that was crossed towards this kind), all_kinds (whether the crossing
                kills the links towards every kind).
        """
        table = pa.table(
            {
                "ident_key": key_array(hubs["ident_key"]),
                "neighbour_kind": hubs["neighbour_kind"].cast(pl.Int8).to_arrow(),
                "cap": hubs["cap"].cast(pl.UInt32).to_arrow(),
                "all_kinds": hubs["all_kinds"].cast(pl.UInt8).to_arrow(),
            }
        )
        structure = "ident_key UUID, neighbour_kind Int8, cap UInt32, all_kinds UInt8"
        parameters = {"rules": self._rules_version, "margin": self._margin_us}
        with translated():
            found = self._client.query_arrow(
                _OVERLOOKED, parameters=parameters, external_data=external_table(table, "hubs", structure)
            )
        return _frame(found)["ident_key"]

    def stale_identifiers(self, limit: int, since: datetime | None = None) -> pl.Series:
        """
        Find identifiers whose facts may be newer than their row: the sweep.

        Args:
            limit: Most identifiers to return.
            since: Look only at facts landed later than this; everything when None.
        """
        parameters: dict[str, Any] = {
            "rules": self._rules_version,
            "margin": self._margin_us,
            "since": since or datetime.fromtimestamp(0, UTC),
            "limit": limit,
        }
        with translated():
            return _frame(self._client.query_arrow(_STALE, parameters=parameters))["ident_key"]

    def _read(self, query: str, keys: pl.Series) -> pl.DataFrame:
        return _frame(self._read_table(query, keys))

    def _read_table(self, query: str, keys: pl.Series) -> pa.Table:
        parameters = {"rules": self._rules_version} if "{rules:" in query else {}
        with translated():
            return self._client.query_arrow(query, parameters=parameters, external_data=external_keys(keys))


def _frame(table: pa.Table) -> pl.DataFrame:
    frame = pl.from_arrow(table)
    assert isinstance(frame, pl.DataFrame)
    return frame


def _facts_query() -> str:
    """
    Render the read of facts: the columns that stitching needs, and the evidence.

    Each body is parsed once, for all of its fields, and only where a pain-point rule looks at its type.
    """
    evidence = {name for name, _ in EVIDENCE_FIELDS}
    expressed = {
        "content_version": "reverse(reinterpretAsFixedString(content_version))",
        "product_id": "product_ids[1]",
        "calendar": "attributes.value[indexOf(attributes.key, 'calendar')]",
        ORDERED_PRODUCTS: "body_products",
    }
    columns = [
        f"{expressed[name]} AS {name}" if name in expressed else name for name in FACTS_SCHEMA if name not in evidence
    ]
    types = ", ".join(quote_text(name) for name in EVIDENCE_TYPES)
    fields = ", ".join(f"`{name}` {_EXTRACTS[dtype]}" for name, dtype in EVIDENCE_FIELDS)
    extracts = [f"tupleElement(evidence, '{name}') AS `{name}`" for name, _ in EVIDENCE_FIELDS]
    return (
        f"WITH JSONExtract(if(type IN ({types}), body, ''), 'Tuple({fields})') AS evidence\n"
        f"SELECT {', '.join([*columns, *extracts])} "
        "FROM touchpoints WHERE ident_key IN (SELECT ident_key FROM keys)"
    )

"""
What the ledger of identities reads and writes: who was with whom before, which touchpoint made a link, the entries.

One rule: nothing is read where nothing changed. The reads are for the few identifiers that a change parted, or whose
touchpoint is not among the facts at hand.
"""

import polars as pl
import pyarrow as pa
from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.external import ExternalData

from pipeline.warehouse.errors import translated
from pipeline.warehouse.external import external_keys, external_table, key_array
from pipeline.warehouse.inserts import insert_frame
from pipeline.warehouse.tables import IDENTITY_LEDGER

_FORMER_MEMBERS = """
SELECT customer_uid, identifiers.ident_key AS members
FROM stitched FINAL
WHERE rules_version = {rules:UInt32} AND ident_key IN (SELECT ident_key FROM keys) AND is_anchor
"""

# A link's touchpoint has the link's time and stronger end, and names the weaker end. Where another content of the same
# touchpoint replaced the one that named it, nothing does: the touchpoint is then found by time and subject alone.
_LINK_TOUCHPOINTS = """
SELECT subject, other, first.1 AS event_uid, first.2 AS event_id, first.3 AS source, first.4 AS type,
       seen AS occurred_at
FROM (
    SELECT p.subject AS subject, p.other AS other, p.seen AS seen,
           argMin(tuple(t.event_uid, t.event_id, toString(t.source), toString(t.type)),
                  tuple(NOT has(t.identities.ident_key, p.other), toString(t.event_uid))) AS first
    FROM (
        SELECT ident_key, occurred_at, event_uid, event_id, source, type, identities FROM touchpoints
        WHERE (ident_key, occurred_at) IN (SELECT subject, seen FROM pairs) AND NOT startsWith(type, 'identity.')
    ) AS t
    JOIN pairs AS p ON p.subject = t.ident_key AND p.seen = t.occurred_at
    GROUP BY p.subject, p.other, p.seen
)
"""


class LedgerStore:
    """The reads and the INSERT of the ledger, through one client; what `StitchStore` says of calls holds here too."""

    def __init__(self, client: Client, rules_version: int) -> None:
        self._client = client
        self._rules_version = rules_version

    def former_members(self, customers: pl.Series) -> pl.DataFrame:
        """Read who belongs to customers now, as their anchors' rows have it: customer_uid, ident_key."""
        rows = self._ask(_FORMER_MEMBERS, external_keys(customers)).rename({"members": "ident_key"})
        return rows.explode("ident_key").drop_nulls("ident_key")

    def link_touchpoints(self, pairs: pl.DataFrame) -> pl.DataFrame:
        """
        Find the touchpoint of links.

        Args:
            pairs: subject (the stronger end), other, seen (first_seen of the link).

        Returns:
            subject, other, event_uid, event_id, source, type, occurred_at; nothing for a pair without a touchpoint.
        """
        table = pa.table(
            {
                "subject": key_array(pairs["subject"]),
                "other": key_array(pairs["other"]),
                "seen": pairs["seen"].cast(pl.Datetime("ms", "UTC")).to_arrow(),
            }
        )
        structure = "subject UUID, other UUID, seen DateTime64(3, 'UTC')"
        return self._ask(_LINK_TOUCHPOINTS, external_table(table, "pairs", structure))

    def insert_ledger(self, frame: pl.DataFrame) -> None:
        """Append rows of `identity_ledger`, in one INSERT; none costs nothing."""
        insert_frame(self._client, IDENTITY_LEDGER, frame)

    def _ask(self, query: str, external: ExternalData) -> pl.DataFrame:
        parameters = {"rules": self._rules_version} if "{rules:" in query else {}
        with translated():
            table = self._client.query_arrow(query, parameters=parameters, external_data=external)
        frame = pl.from_arrow(table)
        assert isinstance(frame, pl.DataFrame)
        return frame

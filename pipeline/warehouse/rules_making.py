"""
What the making of a version's results reads and records: ranges of identifiers, which of them are to be made, progress.

One rule: every read is bounded. Identifiers are taken in the order of their keys, which is the order of the tables, a
range at a time; what is asked about a range is asked about its keys only. So the memory does not grow with the facts.
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import polars as pl
import pyarrow as pa
from clickhouse_connect.driver.client import Client

from pipeline.warehouse.errors import translated
from pipeline.warehouse.external import external_keys
from pipeline.warehouse.facts import FactStore
from pipeline.warehouse.rules import EPOCH, Progress, RulesBook, State

# Each table is read in the order of its key and only as far as the range goes.
_RANGE = """
SELECT ident_key FROM (
    SELECT DISTINCT ident_key FROM touchpoints WHERE ident_key > {after:UUID} ORDER BY ident_key LIMIT {limit:UInt64}
    UNION DISTINCT
    SELECT DISTINCT ident_key FROM identity_links WHERE ident_key > {after:UUID} ORDER BY ident_key LIMIT {limit:UInt64}
    UNION DISTINCT
    SELECT DISTINCT a AS ident_key FROM identity_statements WHERE a > {after:UUID} ORDER BY a LIMIT {limit:UInt64}
) ORDER BY ident_key LIMIT {limit:UInt64}
"""

# As the sweep judges: a row later than `completed_at` of the batch that landed a fact was read after that fact was in.
_DUE = """
SELECT f.ident_key AS ident_key
FROM (
    SELECT e.ident_key AS ident_key,
           max(if(d.landed_at = e.landed_at, d.completed_at,
                  e.landed_at + toIntervalMicrosecond({margin:UInt64}))) AS at
    FROM (
        SELECT ident_key, landed_at FROM touchpoints
        WHERE ident_key IN (SELECT ident_key FROM keys) AND landed_at <= {until:DateTime64(6, 'UTC')}
        UNION ALL
        SELECT ident_key, landed_at FROM identity_links
        WHERE ident_key IN (SELECT ident_key FROM keys) AND landed_at <= {until:DateTime64(6, 'UTC')}
        UNION ALL
        SELECT a AS ident_key, landed_at FROM identity_statements
        WHERE a IN (SELECT ident_key FROM keys) AND landed_at <= {until:DateTime64(6, 'UTC')}
    ) AS e
    LEFT JOIN (SELECT landed_at, max(completed_at) AS completed_at FROM landed GROUP BY landed_at) AS d
        ON d.landed_at = e.landed_at
    GROUP BY e.ident_key
) AS f
LEFT JOIN (
    SELECT ident_key, max(version) AS version FROM stitched
    WHERE rules_version = {rules:UInt32} AND ident_key IN (SELECT ident_key FROM keys)
    GROUP BY ident_key
) AS s ON s.ident_key = f.ident_key
WHERE s.version <= f.at OR s.version < {since:DateTime64(6, 'UTC')}
"""

_TOTAL = """
SELECT uniqCombined(ident_key) FROM (
    SELECT ident_key FROM touchpoints UNION ALL SELECT ident_key FROM identity_links
)
"""


@dataclass(frozen=True)
class Scale:
    """How much there is to make results of: identifiers (about) and touchpoints (copies included)."""

    identifiers: int
    touchpoints: int


class MakingStore:
    """
    The warehouse as the making of one version sees it.

    Not safe for concurrent use. Every method may raise `WarehouseUnavailable` (all may be repeated).

    Args:
        client: Connection of this thread.
        rules_version: The version that is made.
        sweep_margin: Longer than any INSERT may take.
    """

    def __init__(self, client: Client, rules_version: int, sweep_margin: timedelta) -> None:
        self._client = client
        self._book = RulesBook(client)
        self._rules_version = rules_version
        self._margin_us = sweep_margin // timedelta(microseconds=1)

    def progress(self) -> Progress:
        """Return how far the version is; a making that nobody began yet begins here."""
        version = self._book.version(self._rules_version)
        progress = version.progress if version is not None else Progress(self._rules_version, State.MAKING)
        if progress.state is not State.MAKING or progress.until > EPOCH:
            return progress
        stamp = FactStore(self._client).landing_stamp()
        return replace(progress, until=stamp, started_at=stamp, total=self.scale().identifiers)

    def save(self, progress: Progress) -> None:
        """Record how far it is now."""
        self._book.save(progress)

    def range_after(self, position: UUID, limit: int) -> pl.Series:
        """Return the next identifiers that facts name, in the order of their keys; empty at the end."""
        parameters = {"after": str(position), "limit": limit}
        with translated():
            return _keys(self._client.query_arrow(_RANGE, parameters=parameters))

    def due(self, keys: pl.Series, since: datetime, until: datetime) -> pl.Series:
        """
        Return which identifiers have no row of this version that knows their facts.

        Args:
            keys: Identifiers to ask about.
            since: A row of an older version does not count.
            until: Facts landed later do not matter.
        """
        parameters: dict[str, Any] = {"rules": self._rules_version, "margin": self._margin_us}
        parameters |= {"since": since, "until": until}
        with translated():
            return _keys(self._client.query_arrow(_DUE, parameters=parameters, external_data=external_keys(keys)))

    def scale(self) -> Scale:
        """Return how much there is; read in bounded memory, in one scan of the keys."""
        with translated():
            identifiers = int(self._client.query(_TOTAL).result_rows[0][0])
            touchpoints = int(self._client.query("SELECT count() FROM touchpoints").result_rows[0][0])
        return Scale(identifiers, touchpoints)


def _keys(table: pa.Table) -> pl.Series:
    frame = pl.from_arrow(table)
    assert isinstance(frame, pl.DataFrame)
    return frame["ident_key"].cast(pl.Binary)

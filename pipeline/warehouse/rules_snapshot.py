"""
The journeys of one rules version as they stand, a range of customers at a time: what a switch of versions publishes.

One rule: every read is bounded by its range, and a range is taken in the order of the table's key.
"""

from datetime import datetime
from uuid import UUID

import polars as pl
from clickhouse_connect.driver.client import Client

from pipeline.warehouse.errors import translated
from pipeline.warehouse.external import external_keys

_ANCHORS = """
    SELECT DISTINCT ident_key FROM stitched
    WHERE rules_version = {rules:UInt32} AND ident_key > {after:UUID} AND is_anchor
    ORDER BY ident_key LIMIT {limit:UInt64}
"""
_ROWS = """
    SELECT customer_uid, journey_id, journey_started_at, journey_ended_at, journey_touchpoints, journey_visits,
        journey_orders, pain_journey, pain_due_at, step_journey, step_type, step_channel
    FROM stitched FINAL
    WHERE rules_version = {rules:UInt32} AND ident_key IN (SELECT ident_key FROM keys) AND is_anchor
"""


class Snapshot:
    """The results of one version; not safe for concurrent use, every method may raise `WarehouseUnavailable`."""

    def __init__(self, client: Client, rules_version: int) -> None:
        self._client = client
        self._rules_version = rules_version

    def anchors_after(self, position: UUID, limit: int) -> pl.Series:
        """Return the next identifiers that customers are anchored at; empty at the end."""
        parameters = {"rules": self._rules_version, "after": str(position), "limit": limit}
        with translated():
            frame = pl.from_arrow(self._client.query_arrow(_ANCHORS, parameters=parameters))
        assert isinstance(frame, pl.DataFrame)
        return frame["ident_key"].cast(pl.Binary)

    def rows(self, keys: pl.Series, version: datetime) -> pl.DataFrame:
        """Return what `journey_changes` needs of the rows of these anchors, under a version of results."""
        parameters = {"rules": self._rules_version}
        with translated():
            answer = self._client.query_arrow(
                _ROWS, parameters=parameters, external_data=external_keys(keys), use_strings=True
            )
        frame = pl.from_arrow(answer)
        assert isinstance(frame, pl.DataFrame)
        return frame.with_columns(
            version=pl.lit(version, pl.Datetime("us", "UTC")), rules_version=pl.lit(self._rules_version, pl.UInt32)
        )

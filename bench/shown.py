"""
How long events took until `v_journeys` showed them, each counted once, by what the warehouse itself says.

An event is shown from the first INSERT of its identifier's row under a version that was registered after the event had
landed: such a row was read later, so it holds the event for certain. Now and then an earlier one holds it too; then
these numbers are too large, never too small.
"""

from dataclasses import dataclass
from datetime import datetime

from clickhouse_connect.driver.client import Client

# Rows of `stitched` are replaced by newer ones: this keeps when each was written.
_TABLE = """
CREATE TABLE shown (ident_key UUID, version DateTime64(6, 'UTC'), at DateTime64(6, 'UTC'))
ENGINE = MergeTree ORDER BY (ident_key, version)
"""
_VIEW = "CREATE MATERIALIZED VIEW show TO shown AS SELECT ident_key, version, now64(6, 'UTC') AS at FROM stitched"
_WAITS = """
WITH events AS (
    SELECT t.ident_key AS ident_key, t.received_at AS received_at, l.completed_at AS completed_at
    FROM touchpoints AS t
    JOIN (SELECT landed_at, max(completed_at) AS completed_at FROM landed GROUP BY landed_at) AS l
        ON l.landed_at = t.landed_at
    WHERE t.received_at >= {since:DateTime64(3, 'UTC')} AND t.received_at < {until:DateTime64(3, 'UTC')}
)
SELECT count(), countIf(s.version > e.completed_at),
    quantilesExactIf(0.5, 0.99)(dateDiff('microsecond', e.received_at, s.at) / 1e6, s.version > e.completed_at),
    quantilesExact(0.5, 0.99)(dateDiff('microsecond', e.received_at, e.completed_at) / 1e6)
FROM events AS e ASOF LEFT JOIN shown AS s ON s.ident_key = e.ident_key AND s.version > e.completed_at
"""


@dataclass(frozen=True)
class Waits:
    """
    How long events took, in seconds.

    Attributes:
        events: How many landed.
        shown: How many of them are shown.
        p50: Until half of those were shown.
        p99: Until nearly all were.
        landed_p50: Until half of all were landed, which is part of the above.
        landed_p99: Until nearly all were.
    """

    events: int
    shown: int
    p50: float
    p99: float
    landed_p50: float
    landed_p99: float


def watch(client: Client) -> None:
    """Keep from now on when rows of `stitched` are written."""
    client.command(_TABLE)
    client.command(_VIEW)


def waits(client: Client, since: datetime, until: datetime) -> Waits:
    """
    Tell how long the events took that were received from one moment to before another.

    Args:
        client: Of the database that is watched.
        since: The first moment that counts, aware.
        until: The first that does not.

    Raises:
        ValueError: If none of them is shown.
    """
    parameters = {"since": since, "until": until}
    events, shown, until_shown, until_landed = client.query(_WAITS, parameters=parameters).result_rows[0]
    if not shown:
        raise ValueError(f"none of the {events} events that landed is shown")
    return Waits(int(events), int(shown), *map(float, until_shown), *map(float, until_landed))

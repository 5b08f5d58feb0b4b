"""
One customer's whole story, read by any of the customer's identifiers.

One rule: it shows what the views show, through them. A customer of very many touchpoints is cut to the newest ones,
and says so.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from clickhouse_connect.driver.client import Client

from pipeline.warehouse.errors import translated

DEFAULT_LIMIT = 10_000

_IDENTITY = "SELECT kind, customer_uid, shared FROM v_identities WHERE ident_key = {key:UUID} AND kind = {kind:String}"
_CUSTOMER = "SELECT * FROM v_customers WHERE customer_uid = {customer:UUID}"
_IDENTIFIERS = "SELECT kind, ident_key FROM v_identities WHERE customer_uid = {customer:UUID} ORDER BY kind, ident_key"
_JOURNEYS = "SELECT * FROM v_journeys WHERE customer_uid = {customer:UUID} ORDER BY started_at"
_VISITS = "SELECT * FROM v_visits WHERE customer_uid = {customer:UUID} ORDER BY started_at"
_PAIN_POINTS = (
    "SELECT * FROM v_pain_points WHERE customer_uid = {customer:UUID} ORDER BY occurred_at, toString(pain_point_id)"
)
_TOUCHPOINTS = """
    SELECT event_uid, event_id, source, type, stage, channel, direction, occurred_at, journey_id, visit_id, order_id,
        ticket_id, url, title, amount_minor, currency, attributes, body
    FROM v_touchpoints WHERE ident_key IN {keys:Array(UUID)}
    ORDER BY occurred_at DESC, toString(event_uid) DESC LIMIT {limit:UInt32}
"""


@dataclass(frozen=True)
class TouchpointEntry:
    """One touchpoint of the story."""

    event_uid: UUID
    event_id: str
    source: str
    type: str
    stage: str
    channel: str
    direction: str
    occurred_at: datetime
    journey_id: UUID | None
    visit_id: UUID | None
    order_id: str | None
    ticket_id: str | None
    url: str | None
    title: str | None
    amount_minor: int | None
    currency: str | None
    attributes: Mapping[str, str]
    body: str


@dataclass(frozen=True)
class VisitEntry:
    """One visit of the story."""

    visit_id: UUID
    customer_uid: UUID
    journey_id: UUID
    started_at: datetime
    ended_at: datetime
    touchpoints: int
    channel: str
    entry_url: str | None
    exit_url: str | None
    channel_group: str | None
    utm_source: str | None
    utm_medium: str | None
    utm_campaign: str | None


@dataclass(frozen=True)
class PainPointEntry:
    """One pain point of the story."""

    pain_point_id: UUID
    kind: str
    severity: str
    customer_uid: UUID
    journey_id: UUID
    occurred_at: datetime
    order_id: str | None
    ticket_id: str | None
    evidence: tuple[UUID, ...]
    detail: str
    rule_version: int


@dataclass(frozen=True)
class JourneyEntry:
    """One journey of the story; its touchpoints, visits and pain points carry its id."""

    journey_id: UUID
    customer_uid: UUID
    started_at: datetime
    ended_at: datetime
    touchpoints: int
    visits: int
    channels: tuple[str, ...]
    stages: tuple[str, ...]
    path: tuple[str, ...]
    orders: int
    revenue: Mapping[str, int]
    pain_points: int
    is_open: bool


@dataclass(frozen=True)
class Timeline:
    """
    The story of one customer, oldest first.

    Attributes:
        customer_uid: The customer.
        is_shared: Whether the identifier that was asked for is shared by too many to join anybody.
        identifiers: All identifiers as (kind, ident_key), strongest first.
        touchpoint_count: Touchpoints that count, also those beyond the limit.
        orders: Distinct orders.
        revenue: Their amounts in minor units, by currency.
        journeys: Journeys.
        visits: Visits.
        touchpoints: Touchpoints, the newest up to the limit; identity statements are among them.
        pain_points: Pain points.
    """

    customer_uid: UUID
    is_shared: bool
    identifiers: tuple[tuple[str, UUID], ...]
    touchpoint_count: int
    orders: int
    revenue: Mapping[str, int]
    journeys: tuple[JourneyEntry, ...]
    visits: tuple[VisitEntry, ...]
    touchpoints: tuple[TouchpointEntry, ...]
    pain_points: tuple[PainPointEntry, ...]


def read_timeline(client: Client, kind: str, ident_key: bytes, limit: int = DEFAULT_LIMIT) -> Timeline | None:
    """
    Read the story of the customer that an identifier belongs to.

    Args:
        client: Connection to the warehouse.
        kind: Kind of the identifier.
        ident_key: Its key, 16 bytes.
        limit: Most touchpoints to read, newest first.

    Returns:
        The story; None where the identifier was never seen.

    Raises:
        WarehouseUnavailable: If the warehouse does not answer.
    """
    identity = _rows(client, _IDENTITY, key=str(UUID(bytes=ident_key)), kind=kind)
    if not identity:
        return None
    customer = str(identity[0]["customer_uid"])
    known = {"customer": customer}
    identifiers = tuple((row["kind"], row["ident_key"]) for row in _rows(client, _IDENTIFIERS, **known))
    summary = next(iter(_rows(client, _CUSTOMER, **known)), {})
    keys = [str(key) for _, key in identifiers]
    touchpoints = [TouchpointEntry(**row) for row in _rows(client, _TOUCHPOINTS, keys=keys, limit=limit)]
    return Timeline(
        customer_uid=UUID(customer),
        is_shared=bool(identity[0]["shared"]),
        identifiers=identifiers,
        touchpoint_count=summary.get("touchpoints", 0),
        orders=summary.get("orders", 0),
        revenue=summary.get("revenue", {}),
        journeys=tuple(JourneyEntry(**row) for row in _rows(client, _JOURNEYS, **known)),
        visits=tuple(VisitEntry(**row) for row in _rows(client, _VISITS, **known)),
        touchpoints=tuple(reversed(touchpoints)),
        pain_points=tuple(PainPointEntry(**row) for row in _rows(client, _PAIN_POINTS, **known)),
    )


def _rows(client: Client, sql: str, **parameters: object) -> list[dict[str, Any]]:
    """Run a query; lists become tuples, so that entries are values."""
    with translated():
        rows = client.query(sql, parameters=parameters).named_results()
        return [
            {name: tuple(value) if isinstance(value, list) else value for name, value in row.items()} for row in rows
        ]

"""One customer's whole story, read from the views: journeys, their visits, touchpoints and pain points."""

from dataclasses import asdict, dataclass, field
from typing import Any

from pipeline.cli.clickhouse import Warehouse

Row = dict[str, Any]

_BY_CUSTOMER = "WHERE customer_uid = toUUID({customer:String})"


@dataclass
class Journey:
    """One journey with everything in it, each list in the order of time."""

    summary: Row
    visits: list[Row] = field(default_factory=list)
    touchpoints: list[Row] = field(default_factory=list)
    pain_points: list[Row] = field(default_factory=list)


@dataclass
class Story:
    """A customer: the row of v_customers, the kinds of identifiers, the journeys, and statements about identity."""

    customer_uid: str
    is_shared: bool
    summary: Row
    journeys: list[Journey]
    statements: list[Row]

    def as_json(self) -> Row:
        """Return the story as one JSON object."""
        return asdict(self)


def find_customer(warehouse: Warehouse, kind: str, key_hex: str) -> Row | None:
    """Return customer_uid and shared of an identifier (32 hex digits of its ident_key); None if it is unknown."""
    found = warehouse.rows(
        "SELECT toString(customer_uid) AS customer_uid, shared FROM v_identities "
        "WHERE kind = {kind:String} AND ident_key = toUUID({key:String})",
        {"kind": kind, "key": as_uuid(key_hex)},
    )
    return found[0] if found else None


def read_story(warehouse: Warehouse, customer_uid: str, is_shared: bool = False) -> Story:
    """Read everything that the views hold about a customer."""
    chosen = {"customer": customer_uid}

    def read(view: str, order: str) -> list[Row]:
        return warehouse.rows(f"SELECT * FROM {view} {_BY_CUSTOMER} ORDER BY {order}", chosen)

    journeys = {row["journey_id"]: Journey(row) for row in read("v_journeys", "started_at, journey_id")}
    for row in read("v_visits", "started_at, visit_id"):
        journeys[row["journey_id"]].visits.append(row)
    statements: list[Row] = []
    for row in read("v_touchpoints", "occurred_at, toString(event_uid)"):
        journey = journeys.get(row["journey_id"] or "")
        (statements if journey is None else journey.touchpoints).append(row)
    for row in read("v_pain_points", "occurred_at, pain_point_id"):
        journeys[row["journey_id"]].pain_points.append(row)
    summary = read("v_customers", "customer_uid")
    return Story(customer_uid, is_shared, summary[0] if summary else {}, list(journeys.values()), statements)


def as_uuid(key_hex: str) -> str:
    """Return 32 hex digits in the text form of a UUID."""
    return "-".join((key_hex[:8], key_hex[8:12], key_hex[12:16], key_hex[16:20], key_hex[20:]))

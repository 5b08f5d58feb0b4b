"""
The views over the simulated tables: the same joins and array joins as `pipeline.warehouse.views`, in loops.

Only rows of the asked rules_version, only winners, and customers only from rows that say they are an anchor: what is
stale shows here as it would show to an analyst.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from pipeline.contracts.kinds import INTERACTIVE_CHANNELS, KINDS
from pipeline.contracts.types import touchpoint_types
from pipeline.stitching.frames import FACTS_SCHEMA
from tests.model.expected import Views, comparable, shown
from tests.model.tables import StitchedRow
from tests.model.warehouse import Warehouse
from tests.oracle.body_columns import time_text, uuid_text

Row = dict[str, Any]
Content = dict[str, Any]
_VISIT = ["channel", "entry_url", "exit_url", "channel_group", "utm_source", "utm_medium", "utm_campaign"]
_FACT = {name: place for place, name in enumerate(FACTS_SCHEMA)}


def seen_views(warehouse: Warehouse, rules_version: int) -> Views:
    """Return what the views of one rules_version show, ready to be compared."""
    rows = rows_of_views(warehouse, rules_version)
    return {name: frozenset(comparable(shown(name, row)) for row in found) for name, found in rows.items()}


def rows_of_views(warehouse: Warehouse, rules_version: int) -> dict[str, list[Row]]:
    """Return the rows of the views of one rules_version, in no particular order."""
    winners = warehouse.winners(rules_version)
    anchors = [row for row in winners.values() if row.is_anchor]
    rows: dict[str, list[Row]] = {
        "v_touchpoints": list(_touchpoints(warehouse, winners)),
        "v_identities": [_identity(row) for row in winners.values()],
        "v_customers": [_customer(row) for row in anchors if row.content["touchpoints"]],
    }
    parts: dict[str, Callable[[str, Content], Iterator[Row]]] = {
        "v_journeys": _journeys,
        "v_journey_steps": _steps,
        "v_visits": _visits,
        "v_pain_points": _pain_points,
    }
    for name, of_anchor in parts.items():
        rows[name] = [found for row in anchors for found in of_anchor(uuid_text(row.ident_key), row.content)]
    return rows


def _identity(row: StitchedRow) -> Row:
    return {
        "kind": KINDS[row.kind],
        "ident_key": uuid_text(row.ident_key),
        "customer_uid": uuid_text(row.customer_uid),
        "shared": row.shared,
    }


def _customer(row: StitchedRow) -> Row:
    column = row.content
    return {
        "customer_uid": uuid_text(row.ident_key),
        "first_seen_at": time_text(column["first_seen_at"]),
        "last_seen_at": time_text(column["last_seen_at"]),
        "identifiers": [
            {"kind": KINDS[named["kind"]], "ident_key": uuid_text(named["ident_key"])}
            for named in column["identifiers"]
        ],
        "touchpoints": column["touchpoints"],
        "visits": len(column["visit_id"]),
        "journeys": len(column["journey_id"]),
        "orders": column["orders"],
        "revenue": _money(column["revenue"]),
        "pain_points": len(column["pain_point_id"]),
    }


def _money(amounts: list[Row]) -> Row:
    return {amount["currency"]: amount["minor"] for amount in amounts}


def _stage(type_name: str) -> str:
    return touchpoint_types()[type_name].stage


def _journeys(customer: str, column: Content) -> Iterator[Row]:
    for place, journey_id in enumerate(column["journey_id"]):
        first = column["journey_first_step"][place] - 1
        last = first + column["journey_touchpoints"][place]
        types = column["step_type"][first:last]
        yield {
            "journey_id": uuid_text(journey_id),
            "customer_uid": customer,
            "started_at": time_text(column["journey_started_at"][place]),
            "ended_at": time_text(column["journey_ended_at"][place]),
            "touchpoints": column["journey_touchpoints"][place],
            "visits": column["journey_visits"][place],
            "channels": sorted(set(column["step_channel"][first:last])),
            "stages": sorted({_stage(name) for name in types}),
            "path": [name for before, name in zip([None, *types], types, strict=False) if name != before],
            "orders": column["journey_orders"][place],
            "revenue": _money(column["journey_revenue"][place]),
            "pain_points": column["pain_journey"].count(place + 1),
            "is_open": False,
        }


def _steps(customer: str, column: Content) -> Iterator[Row]:
    times = column["step_occurred_at"]
    for place, uid in enumerate(column["step_event_uid"]):
        journey = column["step_journey"][place] - 1
        number = place + 2 - column["journey_first_step"][journey]
        yield {
            "journey_id": uuid_text(column["journey_id"][journey]),
            "customer_uid": customer,
            "step": number,
            "event_uid": uuid_text(uid),
            "occurred_at": time_text(times[place]),
            "type": column["step_type"][place],
            "stage": _stage(column["step_type"][place]),
            "channel": column["step_channel"][place],
            "seconds_since_previous": None if number == 1 else (times[place] - times[place - 1]) / 1000,
        }


def _visits(customer: str, column: Content) -> Iterator[Row]:
    for place, visit_id in enumerate(column["visit_id"]):
        yield {
            "visit_id": uuid_text(visit_id),
            "customer_uid": customer,
            "journey_id": uuid_text(column["journey_id"][column["visit_journey"][place] - 1]),
            "started_at": time_text(column["visit_started_at"][place]),
            "ended_at": time_text(column["visit_ended_at"][place]),
            "touchpoints": column["visit_touchpoints"][place],
            **{name: column[f"visit_{name}"][place] or None for name in _VISIT},
        }


def _pain_points(customer: str, column: Content) -> Iterator[Row]:
    for place, pain_id in enumerate(column["pain_point_id"]):
        yield {
            "pain_point_id": uuid_text(pain_id),
            "customer_uid": customer,
            "journey_id": uuid_text(column["journey_id"][column["pain_journey"][place] - 1]),
            "occurred_at": time_text(column["pain_occurred_at"][place]),
            "order_id": column["pain_order_id"][place] or None,
            "ticket_id": column["pain_ticket_id"][place] or None,
            "evidence": [uuid_text(uid) for uid in column["pain_evidence"][place]],
            "kind": column["pain_kind"][place],
            "severity": column["pain_severity"][place],
        }


def _touchpoints(warehouse: Warehouse, winners: Mapping[bytes, StitchedRow]) -> Iterator[Row]:
    for row in warehouse.tables.touchpoints.final():
        owner = winners.get(row.ident_key)
        customer = owner.customer_uid if owner else row.ident_key
        anchor = winners.get(customer)
        column = anchor.content if anchor and anchor.is_anchor else None
        fact = {name: row.facts[place] for name, place in _FACT.items()}
        counts = column is not None and not fact["type"].startswith("identity.")
        visits = counts and fact["channel"] in INTERACTIVE_CHANNELS
        yield {
            "event_uid": uuid_text(row.event_uid),
            "customer_uid": uuid_text(customer),
            "journey_id": _holding(column, "journey", row.occurred_at) if column and counts else None,
            "visit_id": _holding(column, "visit", row.occurred_at) if column and visits else None,
            "url": fact["url"] or None,
            "type": fact["type"],
        }


def _holding(column: Content, what: str, at: int) -> str | None:
    """Return the last one begun by then, if it has not ended before: the ASOF join."""
    begun = [place for place, started_at in enumerate(column[f"{what}_started_at"]) if started_at <= at]
    if not begun:
        return None
    last = max(begun, key=lambda place: column[f"{what}_started_at"][place])
    return uuid_text(column[f"{what}_id"][last]) if column[f"{what}_ended_at"][last] >= at else None

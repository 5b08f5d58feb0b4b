"""
The order-free views, made from touchpoints alone: every row that analysts would see, as ClickHouse writes it in JSON.

Left out are the columns that depend on receipt (received_at, sent_at, clock_skew_ms), and what the caller says it does
not judge. `identity.*` touchpoints show in v_touchpoints with their customer and count nowhere else.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from pipeline.contracts.types import touchpoint_types
from pipeline.warehouse.persona_rules import default_personas
from tests.oracle.body_columns import body_columns, shown, stored_body, time_text, uuid_text
from tests.oracle.facts import NO_BODY, Facts, facts_of
from tests.oracle.identity import RANKS, Caps, who_is_who
from tests.oracle.naming import Naming
from tests.oracle.pains import Thresholds, pains
from tests.oracle.personas import history_rows, rfm_rows
from tests.oracle.statements import holding
from tests.oracle.stories import Touchpoint, ordered, ordered_products, story

Row = dict[str, Any]

TEXTS = (
    "order_id",
    "shipment_id",
    "return_id",
    "ticket_id",
    "conversation_id",
    "subscription_id",
    "survey_id",
    "url",
    "referrer",
    "currency",
    "title",
    "session_id",
    "locale",
    "utm_source",
    "utm_medium",
    "utm_campaign",
    "utm_term",
    "utm_content",
    "channel_group",
    "referrer_domain",
    "user_agent_family",
    "device_class",
)
AS_THEY_ARE = (
    "event_id",
    "source",
    "type",
    "channel",
    "direction",
    "amount_minor",
    "attributes",
    "product_ids",
    "is_bot",
    "revision",
    "consent",
)
MADE = (
    "event_uid",
    "stage",
    "occurred_at",
    "received_at",
    "customer_uid",
    "journey_id",
    "visit_id",
    "campaign",
    "sent_at",
    "clock_skew_ms",
    "ident_key",
    "identifiers",
    "body",
)
VISIT = ("touchpoints", "channel", "entry_url", "exit_url", "channel_group", "utm_source", "utm_medium", "utm_campaign")
PAIN = ["kind", "severity", "detail", "rule_version"]


@dataclass(frozen=True)
class OracleRules:
    """
    All that views depend on beside the touchpoints.

    Attributes:
        naming: How identifiers are spelled and hashed.
        caps: From when on they are shared.
        visit_gap_ms: Longest silence within a visit.
        journey_gap_ms: Longest silence within a journey.
        thresholds: Of pain points.
        now_ms: When the views are read: absences show from when they are due, journeys are open for one gap.
    """

    naming: Naming
    caps: Caps
    visit_gap_ms: int
    journey_gap_ms: int
    thresholds: Thresholds
    now_ms: int


@dataclass(frozen=True)
class Person:
    """A customer: its name, its touchpoints in order, its columns, its pain points that count by now."""

    uid: bytes
    steps: list[Touchpoint]
    columns: dict[str, Any]
    pains: list[Row]


@dataclass(frozen=True)
class Answer:
    """
    Everything that follows from touchpoints.

    Attributes:
        facts: What was sent.
        customers: The customer of every identifier.
        shared: The identifiers that are.
        people: The customers by name.
    """

    facts: Facts
    customers: dict[bytes, bytes]
    shared: set[bytes]
    people: dict[bytes, Person]


def answer(events: Iterable[Mapping[str, Any]], rules: OracleRules) -> Answer:
    """Return who is who and what each did."""
    facts = facts_of(events, rules.naming)
    aliases, unlinks = holding(facts.statements)
    customers, shared = who_is_who(facts.kinds, facts.seen_together(), aliases, unlinks, rules.caps)
    return Answer(facts, customers, shared, _people(facts, customers, rules))


def order_free_views(events: Iterable[Mapping[str, Any]], rules: OracleRules) -> dict[str, Iterable[Row]]:
    """Return the rows of every order-free view by its name, in no particular order; they can be read once."""
    found = answer(events, rules)
    facts, customers, shared, people = found.facts, found.customers, found.shared, found.people
    members: dict[bytes, list[tuple[int, bytes]]] = {}
    for key, customer in customers.items():
        members.setdefault(customer, []).append((RANKS.index(facts.kinds[key]), key))
    return {
        "v_touchpoints": _touchpoints(facts, customers, people),
        "v_identities": [
            {
                "kind": facts.kinds[key],
                "ident_key": uuid_text(key),
                "customer_uid": uuid_text(customer),
                "shared": key in shared,
            }
            for key, customer in customers.items()
        ],
        "v_customers": [_customer(person, members[person.uid]) for person in people.values() if person.steps],
        "v_journeys": [row for person in people.values() for row in _journeys(person, rules)],
        "v_journey_steps": [row for person in people.values() for row in _steps(person)],
        "v_visits": [row for person in people.values() for row in _visits(person)],
        "v_pain_points": [row for person in people.values() for row in _pain_points(person)],
        "v_persona_history": (
            {
                "customer_uid": uuid_text(uid),
                "persona": persona,
                "valid_from": time_text(begins),
                "valid_to": None if ends is None else time_text(ends),
            }
            for uid, persona, begins, ends in history_rows(people.values(), default_personas())
        ),
        "v_rfm": [_rfm(row) for row in rfm_rows(people.values())],
    }


def _rfm(row: Row) -> Row:
    named = {name: row[name] for name in row if name not in ("uid", "last")}
    return {**named, "customer_uid": uuid_text(row["uid"]), "last_order_at": time_text(row["last"])}


def _people(facts: Facts, customers: Mapping[bytes, bytes], rules: OracleRules) -> dict[bytes, Person]:
    own: dict[bytes, list[Touchpoint]] = {customer: [] for customer in customers.values()}
    for touchpoint in facts.touchpoints.values():
        own[customers[touchpoint["ident_key"]]].append(touchpoint)
    people = {}
    for customer, contents in own.items():
        steps = ordered(contents)
        columns = story([_whole(touchpoint) for touchpoint in contents], rules.visit_gap_ms, rules.journey_gap_ms)
        journey_of = dict(zip(columns["step_event_uid"], columns["step_journey"], strict=True))
        found = [
            pain
            for pain in pains([{**NO_BODY, **step} for step in steps], journey_of, rules.thresholds)
            if pain["pain_due_at"] is None or pain["pain_due_at"] <= rules.now_ms
        ]
        people[customer] = Person(customer, steps, columns, found)
    return people


def _whole(touchpoint: Touchpoint) -> Touchpoint:
    """Return a touchpoint with every field that a body may have."""
    named, body = touchpoint["product_ids"], touchpoint["body"]
    return {**NO_BODY, **touchpoint, "ordered_products": ordered_products(touchpoint["type"], named, body)}


def _touchpoints(facts: Facts, customers: Mapping[bytes, bytes], people: Mapping[bytes, Person]) -> Iterator[Row]:
    true: dict[bytes, Touchpoint] = {}
    for touchpoint in facts.touchpoints.values():
        known = true.get(touchpoint["event_uid"])
        if known is None or touchpoint["content_version"] > known["content_version"]:
            true[touchpoint["event_uid"]] = touchpoint
    journey_of: dict[bytes, bytes] = {}
    visit_of: dict[bytes, bytes] = {}
    for person in people.values():
        for uid, journey, visit in zip(
            *(person.columns[name] for name in ("step_event_uid", "step_journey", "step_visit")), strict=True
        ):
            journey_of[uid] = person.columns["journey_id"][journey - 1]
            if visit:
                visit_of[uid] = person.columns["visit_id"][visit - 1]
    bodies = body_columns({*TEXTS, *AS_THEY_ARE, *MADE})
    for uid, touchpoint in true.items():
        row: Row = {name: touchpoint[name] or None for name in TEXTS}
        row |= {name: touchpoint[name] for name in AS_THEY_ARE}
        row |= {column.name: shown(column, touchpoint["type"], touchpoint["body"]) for column in bodies}
        yield {
            **row,
            "event_uid": uuid_text(uid),
            "stage": touchpoint_types()[touchpoint["type"]].stage,
            "occurred_at": time_text(touchpoint["occurred_at"]),
            "customer_uid": uuid_text(customers[touchpoint["ident_key"]]),
            "journey_id": uuid_text(journey_of[uid]) if uid in journey_of else None,
            "visit_id": uuid_text(visit_of[uid]) if uid in visit_of else None,
            "campaign": touchpoint["campaign"] or touchpoint["body"].get("campaign"),
            "ident_key": uuid_text(touchpoint["ident_key"]),
            "identifiers": [_identifier(rank, key) for rank, key in touchpoint["named"]],
            "body": stored_body(touchpoint),
        }


def _identifier(rank: int, key: bytes) -> Row:
    return {"kind": RANKS[rank], "ident_key": uuid_text(key)}


def _money(amounts: list[Row]) -> Row:
    return {amount["currency"]: amount["minor"] for amount in amounts}


def _customer(person: Person, members: list[tuple[int, bytes]]) -> Row:
    columns = person.columns
    return {
        "customer_uid": uuid_text(person.uid),
        "first_seen_at": time_text(columns["first_seen_at"]),
        "last_seen_at": time_text(columns["last_seen_at"]),
        "identifiers": [_identifier(rank, key) for rank, key in sorted(members)],
        "touchpoints": columns["touchpoints"],
        "visits": len(columns["visit_id"]),
        "journeys": len(columns["journey_id"]),
        "orders": columns["orders"],
        "revenue": _money(columns["revenue"]),
        "pain_points": len(person.pains),
    }


def _journeys(person: Person, rules: OracleRules) -> list[Row]:
    columns, rows = person.columns, []
    for place, journey_id in enumerate(columns["journey_id"]):
        steps = [
            step for step, number in zip(person.steps, columns["step_journey"], strict=True) if number == place + 1
        ]
        types = [step["type"] for step in steps]
        ended_at = columns["journey_ended_at"][place]
        rows.append(
            {
                "journey_id": uuid_text(journey_id),
                "customer_uid": uuid_text(person.uid),
                "started_at": time_text(columns["journey_started_at"][place]),
                "ended_at": time_text(ended_at),
                "touchpoints": len(steps),
                "visits": columns["journey_visits"][place],
                "channels": sorted({step["channel"] for step in steps}),
                "stages": sorted({touchpoint_types()[name].stage for name in types}),
                "path": [name for before, name in zip([None, *types], types, strict=False) if name != before],
                "orders": columns["journey_orders"][place],
                "revenue": _money(columns["journey_revenue"][place]),
                "pain_points": sum(pain["pain_journey"] == place + 1 for pain in person.pains),
                "is_open": ended_at + rules.journey_gap_ms >= rules.now_ms,
            }
        )
    return rows


def _steps(person: Person) -> list[Row]:
    rows: list[Row] = []
    before: tuple[int, int] | None = None
    step_number = 0
    for step, journey in zip(person.steps, person.columns["step_journey"], strict=True):
        is_first = before is None or journey != before[0]
        step_number = 1 if is_first else step_number + 1
        since = None if before is None or is_first else (step["occurred_at"] - before[1]) / 1000
        rows.append(
            {
                "journey_id": uuid_text(person.columns["journey_id"][journey - 1]),
                "customer_uid": uuid_text(person.uid),
                "step": step_number,
                "event_uid": uuid_text(step["event_uid"]),
                "occurred_at": time_text(step["occurred_at"]),
                "type": step["type"],
                "stage": touchpoint_types()[step["type"]].stage,
                "channel": step["channel"],
                "seconds_since_previous": since,
            }
        )
        before = journey, step["occurred_at"]
    return rows


def _visits(person: Person) -> list[Row]:
    columns, rows = person.columns, []
    for place, visit_id in enumerate(columns["visit_id"]):
        rows.append(
            {
                "visit_id": uuid_text(visit_id),
                "customer_uid": uuid_text(person.uid),
                "journey_id": uuid_text(columns["journey_id"][columns["visit_journey"][place] - 1]),
                "started_at": time_text(columns["visit_started_at"][place]),
                "ended_at": time_text(columns["visit_ended_at"][place]),
                **{name: columns[f"visit_{name}"][place] or None for name in VISIT},
            }
        )
    return rows


def _pain_points(person: Person) -> list[Row]:
    return [
        {
            "pain_point_id": uuid_text(pain["pain_point_id"]),
            "customer_uid": uuid_text(person.uid),
            "journey_id": uuid_text(person.columns["journey_id"][pain["pain_journey"] - 1]),
            "occurred_at": time_text(pain["pain_occurred_at"]),
            "order_id": pain["pain_order_id"] or None,
            "ticket_id": pain["pain_ticket_id"] or None,
            "evidence": [uuid_text(uid) for uid in pain["pain_evidence"]],
            **{name: pain[f"pain_{name}"] for name in PAIN if f"pain_{name}" in pain},
        }
        for pain in person.pains
    ]

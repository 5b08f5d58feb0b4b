"""`v_customers`, `v_identities` and `v_identity_ledger`: who is who, and how that came about."""

from pipeline.warehouse.declarations import View, view_columns_of
from pipeline.warehouse.tables.types import IDENTIFIERS, KIND, LOW, MILLIS
from pipeline.warehouse.views.expressions import (
    ABSENT_UUID,
    ACTIVE_RULES,
    ANCHORS,
    due_pain_points,
    money_map,
    number_of,
    rank_of,
)


def customers_view() -> View:
    """Declare `v_customers`."""
    return View(
        name="v_customers",
        comment="Customers with at least one touchpoint that counts, one row each.",
        columns=view_columns_of(
            [
                (
                    "customer_uid",
                    "UUID",
                    "s.ident_key",
                    "The customer: ident_key of its strongest, earliest identifier.",
                ),
                ("first_seen_at", MILLIS, "s.first_seen_at", "First touchpoint."),
                ("last_seen_at", MILLIS, "s.last_seen_at", "Last touchpoint so far."),
                ("identifiers", IDENTIFIERS, "s.identifiers", "All identifiers as (kind, ident_key), strongest first."),
                ("touchpoints", "UInt32", "s.touchpoints", "Number of touchpoints; identity statements do not count."),
                ("visits", "UInt32", "toUInt32(length(s.visit_id))", "Number of visits."),
                ("journeys", "UInt32", "toUInt32(length(s.journey_id))", "Number of journeys."),
                ("orders", "UInt32", "s.orders", "Distinct order_id of order.placed."),
                ("revenue", "Map(String, Int64)", money_map("s.revenue"), "Their amounts in minor units by currency."),
                ("pain_points", "UInt32", due_pain_points(), "Number of pain points."),
            ]
        ),
        source=f"FROM {{db}}.stitched AS s FINAL\nWHERE {ANCHORS} AND s.touchpoints > 0",
        question="Who are the most valuable customers who had trouble?",
        example="SELECT customer_uid, orders, revenue, pain_points, last_seen_at\n"
        "FROM v_customers\nWHERE pain_points > 0\nORDER BY orders DESC, pain_points DESC\nLIMIT 10",
    )


def identities_view() -> View:
    """Declare `v_identities`."""
    return View(
        name="v_identities",
        comment="Every identifier and the customer it belongs to.",
        columns=view_columns_of(
            [
                ("kind", KIND, "s.kind", "Kind of the identifier; sorts by strength."),
                ("ident_key", "UUID", "s.ident_key", "The identifier as keyed hash."),
                ("customer_uid", "UUID", "s.customer_uid", "The customer."),
                ("shared", "Bool", "s.shared", "Whether it is shared by too many and so joins nobody."),
            ]
        ),
        source=f"FROM {{db}}.stitched AS s FINAL\nWHERE s.rules_version = {ACTIVE_RULES}",
        question="How many identifiers of each kind does a customer have?",
        example="SELECT kind, count() AS identifiers, uniqExact(customer_uid) AS customers, countIf(shared) AS shared\n"
        "FROM v_identities\nGROUP BY kind\nORDER BY kind",
    )


def ledger_view() -> View:
    """
    Declare `v_identity_ledger`; the customer before is that of the identifier's entry before.

    The winning rows close every identifier's account: a change that no entry tells (results of before the ledger, two
    workers that overtook each other) is shown as `unexplained`, so the last word is always that of `v_identities`. Only
    rows that say something else than the last entry, or are older than it, can matter, and only they are sorted.
    """
    before = (
        "SELECT *, lagInFrame(toNullable(customer_uid)) OVER (PARTITION BY ident_key ORDER BY version, is_present, "
        "UUIDToNum(customer_uid) ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING) AS before\n"
        f"    FROM\n    (\n        {_entries()}\n    )"
    )
    return View(
        name="v_identity_ledger",
        comment="Every change of the customer that an identifier belongs to, with the touchpoint that caused it.",
        columns=view_columns_of(
            [
                ("changed_at", MILLIS, "l.version", "When the change became known: version of the results with it."),
                ("kind", KIND, "l.kind", "Kind of the identifier."),
                ("ident_key", "UUID", "l.ident_key", "The identifier."),
                ("from_customer_uid", "Nullable(UUID)", "l.before", "Customer before; NULL: seen for the first time."),
                ("to_customer_uid", "UUID", "l.customer_uid", "Customer since."),
                (
                    "cause_event_uid",
                    "UUID",
                    "l.cause_event_uid",
                    "Touchpoint that caused it, a statement about identity or any other; all zeros: not known.",
                ),
                (
                    "rule",
                    LOW,
                    "l.rule",
                    "Rule that applied: first_seen, linked, aliased, seen_earlier, shared, too_many, two_accounts, "
                    "unlinked, withdrawn, blocklisted or unexplained.",
                ),
            ]
        ),
        source=f"FROM\n(\n    {before}\n) AS l\nWHERE isNull(l.before) OR l.before != l.customer_uid",
        question="Why did identifiers change their customer lately?",
        example="SELECT l.changed_at, l.kind, l.rule, t.type AS cause, t.source, t.event_id\n"
        "FROM v_touchpoints AS t\nRIGHT JOIN\n(\n"
        "    SELECT * FROM v_identity_ledger WHERE from_customer_uid IS NOT NULL ORDER BY changed_at DESC LIMIT 10\n"
        ") AS l ON t.event_uid = l.cause_event_uid\nORDER BY l.changed_at DESC",
    )


def _entries() -> str:
    """Return the entries of the ledger, and the winning rows that say something else than the last of them."""
    # Of numbers the greatest is found in a third of the time that tuples take; the time in it is of microseconds here.
    said = rank_of("toUnixTimestamp64Micro(version)", number_of("reinterpretAsUInt128(customer_uid)"))
    at_most = rank_of("toUnixTimestamp64Micro(s.version)", "bitNot(toUInt128(0))")
    return (
        "SELECT version, kind, ident_key, customer_uid, cause_event_uid, rule, 0 AS is_present\n"
        f"        FROM {{db}}.identity_ledger WHERE rules_version = {ACTIVE_RULES}\n"
        "        UNION ALL\n"
        f"        SELECT s.version, s.kind, s.ident_key, s.customer_uid, {ABSENT_UUID}, 'unexplained', 1\n"
        "        FROM {db}.stitched AS s FINAL\n"
        "        LEFT ANY JOIN\n        (\n"
        f"            SELECT ident_key, max({said}) AS entry\n"
        f"            FROM {{db}}.identity_ledger WHERE rules_version = {ACTIVE_RULES}\n"
        "            GROUP BY ident_key\n"
        "        ) AS l ON l.ident_key = s.ident_key\n"
        f"        WHERE s.rules_version = {ACTIVE_RULES}\n"
        f"            AND (ifNull({number_of('toUInt128(l.entry)')} != reinterpretAsUInt128(s.customer_uid), true)\n"
        f"                OR ifNull(l.entry > {at_most}, true))"
    )

"""
The results: one row per identifier, and on the row of a customer's anchor the whole story of that customer.

One rule: a result is a pure function of the facts, written whole; of several rows of an identifier the one of the
newest version wins. Parallel arrays share a prefix and a length; indexes into them count from 1, as ClickHouse does.
"""

from pipeline.warehouse.declarations import Table, columns_of
from pipeline.warehouse.tables.facts import QUIET_SECONDS
from pipeline.warehouse.tables.types import IDENTIFIERS, KIND, LOW, MICROS, MILLIS, MONEY

STITCHED = Table(
    name="stitched",
    comment="Who every identifier is, and on the anchor's row his steps, visits, journeys, pain points and trade.",
    engine="ReplacingMergeTree(version)",
    # Dropping the results of old rules is then dropping files.
    partition_by="rules_version",
    order_by=("rules_version", "ident_key"),
    granularity=256,
    wide_part_bytes=64_000_000,
    quiet_seconds=QUIET_SECONDS,
    columns=columns_of(
        [
            ("rules_version", "UInt32", "Version of the rules that made the row."),
            ("ident_key", "UUID", "The identifier."),
            ("kind", KIND, "Its kind."),
            ("version", MICROS, "Registered before the facts were read; the greatest wins."),
            ("customer_uid", "UUID", "The customer: ident_key of the anchor."),
            ("shared", "Bool", "Whether the identifier is over a cap and joins nobody."),
            ("is_anchor", "Bool", "Whether this row carries the customer; the columns below are filled only then."),
            ("identifiers", IDENTIFIERS, "All identifiers of the customer, by rank and key."),
            ("first_seen_at", MILLIS, "Earliest touchpoint that counts."),
            ("last_seen_at", MILLIS, "Latest touchpoint that counts."),
            ("touchpoints", "UInt32", "Touchpoints that count (identity statements do not)."),
            ("orders", "UInt32", "Distinct order_id of order.placed."),
            ("revenue", MONEY, "Their amounts by currency before refunds, sorted by currency."),
            ("step_event_uid", "Array(UUID)", "Touchpoints by (occurred_at, event_uid): which."),
            ("step_occurred_at", f"Array({MILLIS})", "… when."),
            ("step_type", f"Array({LOW})", "… what."),
            ("step_channel", f"Array({LOW})", "… where."),
            ("step_journey", "Array(UInt32)", "… index of the journey."),
            ("step_visit", "Array(UInt32)", "… index of the visit; 0: in none."),
            ("visit_id", "Array(UUID)", "Visits by start: which."),
            ("visit_journey", "Array(UInt32)", "… index of the journey."),
            ("visit_started_at", f"Array({MILLIS})", "… first touchpoint."),
            ("visit_ended_at", f"Array({MILLIS})", "… last touchpoint."),
            ("visit_touchpoints", "Array(UInt32)", "… number of touchpoints."),
            ("visit_channel", f"Array({LOW})", "… channel of the first touchpoint."),
            ("visit_entry_url", "Array(String)", "… first url."),
            ("visit_exit_url", "Array(String)", "… last url."),
            ("visit_channel_group", f"Array({LOW})", "… marketing channel group at entry."),
            ("visit_utm_source", f"Array({LOW})", "… utm_source at entry."),
            ("visit_utm_medium", f"Array({LOW})", "… utm_medium at entry."),
            ("visit_utm_campaign", f"Array({LOW})", "… utm_campaign at entry."),
            ("journey_id", "Array(UUID)", "Journeys by start: which."),
            ("journey_started_at", f"Array({MILLIS})", "… first touchpoint."),
            ("journey_ended_at", f"Array({MILLIS})", "… last touchpoint."),
            ("journey_first_step", "Array(UInt32)", "… index of the first step."),
            ("journey_touchpoints", "Array(UInt32)", "… number of steps, which follow each other."),
            ("journey_visits", "Array(UInt32)", "… number of visits."),
            ("journey_orders", "Array(UInt32)", "… distinct order_id of order.placed."),
            ("journey_revenue", f"Array({MONEY})", "… their amounts by currency, sorted by currency."),
            ("pain_point_id", "Array(UUID)", "Pain points: which."),
            ("pain_kind", f"Array({LOW})", "… kind."),
            ("pain_severity", f"Array({LOW})", "… low, medium or high."),
            ("pain_journey", "Array(UInt32)", "… index of the journey."),
            ("pain_occurred_at", f"Array({MILLIS})", "… when it hurt."),
            ("pain_due_at", f"Array(Nullable({MILLIS}))", "… from when it counts, where it is an absence."),
            ("pain_order_id", "Array(String)", "… order; empty: none."),
            ("pain_ticket_id", "Array(String)", "… ticket; empty: none."),
            ("pain_evidence", "Array(Array(UUID))", "… event_uid of the touchpoints that show it."),
            ("pain_detail", "Array(String)", "… in words."),
            ("pain_rule_version", "Array(UInt32)", "… version of the rule that found it."),
            (
                "trade_event_uid",
                "Array(UUID)",
                "Trade (orders, parcels, returns) by (occurred_at, event_uid): which.",
            ),
            ("trade_occurred_at", f"Array({MILLIS})", "… when."),
            ("trade_type", f"Array({LOW})", "… what."),
            ("trade_channel", f"Array({LOW})", "… where."),
            ("trade_order_id", "Array(String)", "… order; empty: none."),
            ("trade_shipment_id", "Array(String)", "… shipment; empty: none."),
            ("trade_said_at", f"Array(Nullable({MILLIS}))", "… for when it was promised, or when it was delivered."),
            ("trade_amount_minor", "Array(Nullable(Int64))", "… money in minor units of its currency."),
            ("trade_currency", f"Array({LOW})", "… currency, ISO 4217; empty: none."),
            ("trade_campaign", f"Array({LOW})", "… campaign, the one it refers to, else utm_campaign."),
            ("trade_carrier", f"Array({LOW})", "… carrier of a delivery."),
            ("trade_products", "Array(Array(String))", "… products of an order that was placed."),
            ("trade_counts", "Array(UInt8)", "… counts as: 1 the first of its order, 2 its first amount, 4 a refund."),
            ("trade_sent_back_at", f"Array(Nullable({MILLIS}))", "… on the first of an order: when it was sent back."),
        ]
    ),
)

IDENTITY_LEDGER = Table(
    name="identity_ledger",
    comment="Every change of who an identifier is, with its cause; rows are only added.",
    engine="MergeTree",
    order_by=("rules_version", "ident_key", "version"),
    granularity=256,
    columns=columns_of(
        [
            ("version", MICROS, "Version of the results that brought the change."),
            ("rules_version", "UInt32", "Version of the rules."),
            ("kind", KIND, "Kind of the identifier."),
            ("ident_key", "UUID", "The identifier."),
            ("customer_uid", "UUID", "The customer it belongs to since."),
            ("cause_event_uid", "UUID", "Touchpoint that caused the change."),
            ("rule", LOW, "Rule that applied."),
        ]
    ),
)

"""
The facts: touchpoints, links between identifiers, and statements about identity.

One rule: a fact is landed once and never changes. Their keys are made from their content, so the same fact landed
twice is one row; no table is partitioned, so an INSERT is one atomic block whatever times it spans.
"""

from dataclasses import replace

from pipeline.warehouse.declarations import Table, columns_of
from pipeline.warehouse.tables.bodies import body_columns
from pipeline.warehouse.tables.numbers import number_columns
from pipeline.warehouse.tables.types import IDENTIFIERS, KIND, LOW, MICROS, MILLIS

LOOKUP_GRANULARITY = 256
QUIET_SECONDS = 600

# Each LowCardinality column makes merges dearer (26 % of their time here in all) and reads of these no quicker, so only
# the three that nearly every query groups or filters by are so.
TOUCHPOINTS = Table(
    name="touchpoints",
    comment="Every touchpoint that landed, once; of several contents of one event_uid the greatest content_version.",
    engine="ReplacingMergeTree(content_version)",
    order_by=("ident_key", "occurred_at", "event_uid"),
    granularity=LOOKUP_GRANULARITY,
    wide_part_bytes=64_000_000,
    # Batches of a backlog, five at a time, as engines merge them.
    whole_merge_rows=400_000,
    quiet_seconds=QUIET_SECONDS,
    columns=columns_of(
        [
            ("ident_key", "UUID", "Subject: the strongest identifier of the touchpoint, as keyed hash."),
            ("kind", KIND, "Kind of the subject."),
            ("occurred_at", MILLIS, "When it happened, in the producer's word; never altered."),
            ("event_uid", "UUID", "Hash of source, event_id, occurred_at and subject."),
            ("content_version", "UInt128", "Revision, content hash and earliest receipt as one number: greatest wins."),
            ("event_id", "String", "The producer's id of the event."),
            ("source", LOW, "System that produced the event."),
            ("type", LOW, "What happened, `<domain>.<verb>`."),
            ("channel", LOW, "Where it happened: web, app, email, phone, …"),
            ("direction", "String", "Who began it: inbound (customer), outbound (business) or system."),
            ("received_at", MILLIS, "When the pipeline first took it."),
            ("sent_at", f"Nullable({MILLIS})", "When the producer says it sent it."),
            ("clock_skew_ms", "Nullable(Int64)", "received_at − sent_at in milliseconds; shown, never applied."),
            ("revision", "UInt32", "Correction number given by the producer; 0 is the first."),
            ("identities", IDENTIFIERS, "All identifiers, distinct, strongest first; the subject is the first."),
            ("order_id", "String", "Order it refers to, as sent; empty: none."),
            ("shipment_id", "String", "Shipment it refers to; empty: none."),
            ("return_id", "String", "Return it refers to; empty: none."),
            ("ticket_id", "String", "Support ticket it refers to; empty: none."),
            ("conversation_id", "String", "Conversation it refers to; empty: none."),
            ("subscription_id", "String", "Subscription it refers to; empty: none."),
            ("survey_id", "String", "Survey it refers to; empty: none."),
            ("campaign", "String", "Campaign it refers to; empty: none."),
            ("product_ids", "Array(String)", "Products it refers to."),
            ("session_id", "String", "The producer's session; visits do not rely on it. Empty: none."),
            ("url", "String", "Address of the page; empty: none."),
            ("referrer", "String", "Address of the page before; empty: none."),
            ("title", "String", "Title of the page; empty: none."),
            ("locale", "String", "Language and region of the customer's program; empty: none."),
            ("utm_source", "String", "Campaign parameter utm_source, from the context or the url."),
            ("utm_medium", "String", "Campaign parameter utm_medium."),
            ("utm_campaign", "String", "Campaign parameter utm_campaign."),
            ("utm_term", "String", "Campaign parameter utm_term."),
            ("utm_content", "String", "Campaign parameter utm_content."),
            ("user_agent_family", "String", "Family of the browser or app; the user agent itself is not stored."),
            ("device_class", "String", "Class of the device: desktop, phone, tablet, …"),
            ("is_bot", "Bool", "Whether the user agent is a known robot."),
            ("referrer_domain", "String", "Registered name of the page before; empty: none."),
            ("channel_group", "String", "Marketing channel group told from referrer and campaign parameters."),
            ("consent", "Array(Tuple(purpose String, granted Bool))", "Consent that travelled with the event."),
            ("amount_minor", "Nullable(Int64)", "Money of the touchpoint in minor units of its currency."),
            ("currency", "String", "Currency of amount_minor, ISO 4217; empty: none."),
            ("attributes", "Array(Tuple(key String, value String))", "What has no field of its own."),
            ("body", "String", "Non-null fields of the type's own body as compact JSON; times in milliseconds."),
            ("log_id", "String", "Incarnation of the Kafka log it was read from."),
            ("topic", "String", "Topic it was read from."),
            ("partition", "UInt16", "Partition it was read from."),
            ("offset", "Int64", "Offset it was read from."),
            ("landed_at", MICROS, "Stamp taken before the INSERT: not before any version registered by then."),
        ]
    ),
    derived=(*body_columns(), *number_columns()),
)

TOUCHPOINT_CONTENTS = replace(
    TOUCHPOINTS,
    name="touchpoint_contents",
    comment="Every content of the touchpoints that were corrected, also those that a merge of touchpoints drops.",
    engine="ReplacingMergeTree",
    order_by=(*TOUCHPOINTS.order_by, "content_version"),
    quiet_seconds=0,
    derived=(),
)

IDENTITY_LINKS = Table(
    name="identity_links",
    comment="Identifiers seen together on a touchpoint, stored in both directions so that either end finds the other.",
    engine="AggregatingMergeTree",
    order_by=("ident_key", "neighbour"),
    granularity=LOOKUP_GRANULARITY,
    columns=columns_of(
        [
            ("ident_key", "UUID", "One end of the link."),
            ("kind", f"SimpleAggregateFunction(any, {KIND})", "Kind of that end; the key decides it."),
            ("neighbour", "UUID", "The other end."),
            ("neighbour_kind", f"SimpleAggregateFunction(any, {KIND})", "Kind of the other end; its key decides it."),
            ("first_seen", f"SimpleAggregateFunction(min, {MILLIS})", "Earliest occurred_at of their touchpoints."),
            ("first_landed_at", f"SimpleAggregateFunction(min, {MICROS})", "Earliest landing of the link."),
            ("landed_at", f"SimpleAggregateFunction(max, {MICROS})", "Latest landing of the link."),
        ]
    ),
)

IDENTITY_STATEMENTS = Table(
    name="identity_statements",
    comment="What was said about identity: aliases, unlinks and their withdrawals, in both directions.",
    engine="ReplacingMergeTree(content_version)",
    order_by=("a", "b", "event_uid"),
    granularity=LOOKUP_GRANULARITY,
    columns=columns_of(
        [
            ("a", "UUID", "One identifier of the pair."),
            ("a_kind", KIND, "Kind of a."),
            ("b", "UUID", "The other identifier of the pair."),
            ("b_kind", KIND, "Kind of b."),
            ("statement", "Enum8('alias' = 1, 'unlink' = 2)", "alias: one person; unlink: not one person."),
            ("withdraws", "String", "event_id of the statement that this one takes back; empty: it states."),
            ("source", LOW, "System that said it."),
            ("event_id", "String", "The producer's id of the statement."),
            ("occurred_at", MILLIS, "When it was said."),
            ("event_uid", "UUID", "The touchpoint that carried it."),
            ("content_version", "UInt128", "As in touchpoints: greatest wins."),
            ("landed_at", MICROS, "As in touchpoints."),
        ]
    ),
)

"""
What the pipeline writes down about its own work: landed ranges, rejected records, versions, rules, migrations.

One rule: the accounting is computed from these rows, never from counters in memory.
"""

from pipeline.warehouse.declarations import Table, columns_of
from pipeline.warehouse.tables.types import LOW, MICROS, MILLIS

SCHEMA_MIGRATIONS = Table(
    name="schema_migrations",
    comment="What was created or changed in this database, and when.",
    engine="MergeTree",
    order_by=("applied_at", "name"),
    columns=columns_of(
        [
            ("name", "String", "Table or view."),
            ("fingerprint", "String", "Hash of its declaration; the newest row of a name says what it is now."),
            ("action", LOW, "created, altered or replaced."),
            ("applied_at", MICROS, "When the change was done."),
        ]
    ),
)

LANDED = Table(
    name="landed",
    comment="Ranges of Kafka offsets whose records are landed or rejected; the accounting is their union.",
    engine="ReplacingMergeTree(completed_at)",
    order_by=("log_id", "topic", "partition", "first_offset", "last_offset"),
    columns=columns_of(
        [
            ("log_id", LOW, "Incarnation of the Kafka log: offsets count within one."),
            ("topic", LOW, "Topic."),
            ("partition", "UInt16", "Partition."),
            ("first_offset", "Int64", "First offset of the range."),
            ("last_offset", "Int64", "Last offset of the range, included."),
            ("records", "UInt32", "Records read in the range."),
            ("rejected", "UInt32", "Of these, rejected."),
            ("lost", "UInt64", "Offsets in the range that the broker dropped before they were read."),
            ("landed_at", MICROS, "Stamp that the facts of the batch carry."),
            ("completed_at", MICROS, "Stamp taken after all facts of the batch were in."),
        ]
    ),
)

REJECTED = Table(
    name="rejected",
    comment="Records that cannot become touchpoints, with reason and original bytes.",
    engine="ReplacingMergeTree(landed_at)",
    order_by=("log_id", "topic", "partition", "offset"),
    columns=columns_of(
        [
            ("log_id", LOW, "Incarnation of the Kafka log."),
            ("topic", LOW, "Topic."),
            ("partition", "UInt16", "Partition."),
            ("offset", "Int64", "Offset."),
            ("rejected_at", MILLIS, "When it was rejected."),
            ("reason", LOW, "Why, from a closed list."),
            ("detail", "String", "What exactly, and where in the record."),
            ("schema", LOW, "Fingerprint or family of the writer's schema, as far as known."),
            ("key", "String", "The record's Kafka key."),
            ("payload", "Nullable(String)", "The record's original bytes; a tombstone has none."),
            ("landed_at", MICROS, "Stamp taken before the INSERT."),
            ("replay_of", "String", "Dead letter that this record was a replay of (log/topic:partition:offset)."),
        ]
    ),
)

REPAIRS = Table(
    name="repairs",
    comment="What was done about dead letters; of several rows of one record the newest holds.",
    engine="ReplacingMergeTree(repaired_at)",
    order_by=("log_id", "topic", "partition", "offset"),
    columns=columns_of(
        [
            ("log_id", LOW, "Incarnation of the Kafka log of the dead letter."),
            ("topic", LOW, "Its topic."),
            ("partition", "UInt16", "Its partition."),
            ("offset", "Int64", "Its offset."),
            ("repaired_at", MICROS, "Stamp taken before the repaired record was sent."),
            ("action", LOW, "fixed, replayed or dropped."),
            ("repaired_by", "String", "Who did it."),
            ("patch", "String", "What a fix changed; empty for the others."),
            ("event_id", "String", "Id of the event that was sent; empty for a dropped one."),
        ]
    ),
)

PARKED = Table(
    name="parked",
    comment="Records whose schema id the registry could not resolve yet; they are tried again until it can.",
    engine="ReplacingMergeTree(changed_at)",
    order_by=("log_id", "topic", "partition", "offset"),
    columns=columns_of(
        [
            ("log_id", LOW, "Incarnation of the Kafka log."),
            ("topic", LOW, "Topic."),
            ("partition", "UInt16", "Partition."),
            ("offset", "Int64", "Offset."),
            ("timestamp", "Int64", "Kafka's own time of the record in milliseconds; negative: none."),
            ("key", "Nullable(String)", "The record's Kafka key."),
            ("payload", "String", "The record's original bytes."),
            ("why", "String", "Why it could not be resolved."),
            ("is_waiting", "Bool", "Whether it still waits; else it was landed or rejected."),
            ("changed_at", MICROS, "Stamp of this row."),
        ]
    ),
)

KAFKA_OFFSETS = Table(
    name="kafka_offsets",
    comment="Where Kafka stood in each partition when its landing worker last balanced the books.",
    engine="ReplacingMergeTree(seen_at)",
    order_by=("log_id", "topic", "partition"),
    columns=columns_of(
        [
            ("log_id", LOW, "Incarnation of the Kafka log."),
            ("topic", LOW, "Topic."),
            ("partition", "UInt16", "Partition."),
            ("low", "Int64", "First offset that the broker keeps."),
            ("committed", "Int64", "Next offset that the landing workers will read."),
            ("high", "Int64", "Next offset that will be written."),
            ("seen_at", MICROS, "When this was so."),
        ]
    ),
)

STITCH_VERSIONS = Table(
    name="stitch_versions",
    comment="Versions of results, registered before the facts for them are read.",
    engine="MergeTree",
    order_by=("version",),
    columns=columns_of(
        [
            ("version", MICROS, "The version; greater than every one registered before."),
            ("worker", "String", "Who registered it."),
        ]
    ),
)

RULES = Table(
    name="rules",
    comment="What the results of each rules_version depend on besides the facts; what was recorded first holds.",
    engine="MergeTree",
    order_by=("rules_version", "recorded_at"),
    columns=columns_of(
        [
            ("rules_version", "UInt32", "Version of the rules; a number is never used again."),
            ("visit_gap_ms", "Int64", "Longest silence within a visit, in milliseconds, included."),
            ("journey_gap_ms", "Int64", "Longest silence within a journey, in milliseconds, included."),
            ("settings", "String", "Everything that these results depend on, as JSON; empty: not recorded yet."),
            ("recorded_at", MICROS, "When this was recorded."),
        ]
    ),
)

RULES_PROGRESS = Table(
    name="rules_progress",
    comment="How far the results of each rules_version are made; the row recorded last holds.",
    engine="ReplacingMergeTree(recorded_at)",
    order_by=("rules_version",),
    columns=columns_of(
        [
            ("rules_version", "UInt32", "Version of the rules."),
            ("state", LOW, "making, complete, remaking (complete, and being made again) or dropped."),
            ("round", "UInt32", "Passes over all identifiers begun; the last one of a making finds nothing."),
            ("position", "UUID", "The pass has done the identifiers up to this one, in the order of their keys."),
            ("found", "UInt64", "Identifiers that this pass found to be made."),
            ("passed", "UInt64", "Identifiers that the first pass has gone by."),
            ("total", "UInt64", "Identifiers when it began, about."),
            ("since", MICROS, "Rows of an older version are made anew."),
            ("until", MICROS, "It answers for facts landed up to here; what lands later is announced."),
            ("started_at", MICROS, "When the making began."),
            ("recorded_at", MICROS, "When this was recorded."),
        ]
    ),
)

OPENING_HOURS = Table(
    name="opening_hours",
    comment="Business calendars of each rules_version, laid out in UTC: what business hours are measured by.",
    engine="ReplacingMergeTree",
    order_by=("rules_version", "calendar"),
    columns=columns_of(
        [
            ("rules_version", "UInt32", "Version of the rules."),
            ("calendar", "String", "Name of the calendar."),
            ("sources", "Array(String)", "Sources whose messages are measured by it."),
            ("opens_ms", "Array(Int64)", "Openings in order: when each begins, in milliseconds since 1970."),
            ("closes_ms", "Array(Int64)", "… when it ends."),
            ("before_ms", "Array(Int64)", "… open time before it, since the first."),
        ]
    ),
)

LANDING_SETTINGS = Table(
    name="landing_settings",
    comment="Settings that landed identifiers depend on, row by row as land workers had them.",
    engine="MergeTree",
    order_by=("recorded_at",),
    columns=columns_of(
        [
            ("hash_key", "String", "Fingerprint of the key that identifiers are hashed with."),
            ("phone_region", "String", "Region of phone numbers in national form; empty: none."),
            ("blocklist", "Array(String)", "Values that were dropped when they landed, from now on."),
            ("begins", "Bool", "Whether nothing had landed yet: rows before this one do not count."),
            ("recorded_at", MICROS, "When a landing worker first had these settings."),
        ]
    ),
)

ACTIVE_RULES = Table(
    name="active_rules",
    comment="Which rules_version the views show: the one activated last.",
    engine="MergeTree",
    order_by=("activated_at",),
    columns=columns_of(
        [
            ("rules_version", "UInt32", "Version of the rules."),
            ("activated_at", MICROS, "When the views were switched to it."),
        ]
    ),
)

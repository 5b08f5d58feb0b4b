"""`v_rejected`: the records that could not become touchpoints."""

from pipeline.warehouse.declarations import View, view_columns_of
from pipeline.warehouse.tables.types import LOW, MILLIS
from pipeline.warehouse.views.expressions import null_if_empty


def rejected_view() -> View:
    """Declare `v_rejected`."""
    return View(
        name="v_rejected",
        comment="Records from Kafka that cannot become touchpoints, once each, with reason and original bytes.",
        columns=view_columns_of(
            [
                ("rejected_at", MILLIS, "r.rejected_at", "When it was rejected."),
                ("topic", LOW, "r.topic", "Topic."),
                ("partition", "UInt16", "r.partition", "Partition."),
                ("offset", "Int64", "r.offset", "Offset."),
                ("reason", LOW, "r.reason", "Why, from a closed list."),
                ("detail", "String", "r.detail", "What exactly, and where in the record."),
                ("schema", "Nullable(String)", null_if_empty("r.schema"), "Writer's schema, as far as known."),
                ("payload", "Nullable(String)", "r.payload", "The record's raw bytes; a tombstone has none."),
                ("key", "Nullable(String)", null_if_empty("r.key"), "The record's Kafka key."),
                ("log_id", LOW, "r.log_id", "Incarnation of the Kafka log that the offset counts in."),
            ]
        ),
        source="FROM {db}.rejected AS r FINAL",
        question="What is being rejected, since when, and why?",
        example="SELECT topic, reason, count() AS records, min(rejected_at) AS since, any(detail) AS for_example\n"
        "FROM v_rejected\nGROUP BY topic, reason\nORDER BY records DESC",
    )

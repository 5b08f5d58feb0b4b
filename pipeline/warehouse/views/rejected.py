"""
`v_rejected`: the records that could not become touchpoints, and what was done about each.

A replay that was refused again is no row of its own: it is told on the row of the record that it replayed.
"""

from pipeline.warehouse.declarations import View, view_columns_of
from pipeline.warehouse.tables.types import LOW, MILLIS
from pipeline.warehouse.views.expressions import null_if_empty

# A repair counts until its own replay is refused: that one was landed after the stamp of the repair.
_HELD = "(ifNull(m.action, '') IN ('fixed', 'replayed') AND ifNull(x.refused_at, m.repaired_at) <= m.repaired_at)"
_DROPPED = "ifNull(m.action, '') = 'dropped'"
_BY = "concat(m.action, ' by ', m.repaired_by, if(m.patch = '', '', concat(': ', m.patch)))"

_SOURCE = """FROM {db}.rejected AS r FINAL
LEFT ANY JOIN
(
    SELECT log_id, topic, partition, offset, repaired_at, action, repaired_by, patch FROM {db}.repairs FINAL
) AS m ON r.log_id = m.log_id AND r.topic = m.topic AND r.partition = m.partition AND r.offset = m.offset
LEFT ANY JOIN
(
    SELECT replay_of, max(landed_at) AS refused_at, argMax(concat(reason, ': ', detail), landed_at) AS why
    FROM {db}.rejected FINAL WHERE replay_of != '' GROUP BY replay_of
) AS x ON x.replay_of = concat(r.log_id, '/', r.topic, ':', toString(r.partition), ':', toString(r.offset))
WHERE r.replay_of = ''"""


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
                (
                    "state",
                    "String",
                    f"multiIf({_HELD}, 'repaired', {_DROPPED}, 'dropped', 'open')",
                    "open, repaired (its touchpoint was sent) or dropped (nobody wants it).",
                ),
                (
                    "repaired_at",
                    f"Nullable({MILLIS})",
                    f"if({_HELD}, toNullable(toDateTime64(m.repaired_at, 3, 'UTC')), NULL)",
                    "When it was mended and sent again.",
                ),
                ("repaired_by", "Nullable(String)", f"if({_HELD}, {_BY}, NULL)", "By whom, and what was changed."),
                (
                    "dropped_at",
                    f"Nullable({MILLIS})",
                    f"if({_DROPPED}, toNullable(toDateTime64(m.repaired_at, 3, 'UTC')), NULL)",
                    "When somebody said that nobody wants it.",
                ),
                (
                    "replay_refused",
                    "Nullable(String)",
                    null_if_empty("x.why"),
                    "Why its last replay was refused, if one was.",
                ),
            ]
        ),
        source=_SOURCE,
        question="What is being rejected, since when, and why?",
        example="SELECT topic, reason, count() AS records, min(rejected_at) AS since, any(detail) AS for_example\n"
        "FROM v_rejected\nWHERE state = 'open'\nGROUP BY topic, reason\nORDER BY records DESC",
    )

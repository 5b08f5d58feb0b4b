"""
`v_accounting`: what became of every record, by topic, partition and hour of landing.

The rule it owns: every offset counts once, in the hour of the first range that covers it, however often it was read.
What is stored or rejected is counted by its own coordinates, so the rest of what was read are duplicates. What Kafka
holds and no range covers is in flight, or, where it is committed, unaccounted for; both stand in the hour in which a
landing worker last looked.
"""

from pipeline.warehouse.declarations import View, view_columns_of
from pipeline.warehouse.tables.types import LOW

_PLACE = "log_id, topic, partition"

# Each range from where the ranges before it end, so that they do not overlap. The greatest of none is 0.
_SPANS = f"""SELECT {_PLACE}, begins, last_offset, toStartOfHour(landed_at) AS hour,
                least(toInt64(records), last_offset - begins + 1) AS read,
                least(toInt64(lost), last_offset - begins + 1) AS gone
            FROM
            (
                SELECT {_PLACE}, last_offset, landed_at, records, lost,
                    greatest(first_offset, max(last_offset + 1) OVER (
                        PARTITION BY {_PLACE} ORDER BY first_offset, last_offset DESC
                        ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
                    )) AS begins
                FROM {{db}}.landed FINAL
            )
            WHERE begins <= last_offset"""

_READ = f"""SELECT {_PLACE}, hour, sum(read) AS read, sum(gone) AS lost, toInt64(0) AS stored, toInt64(0) AS rejected,
            toInt64(0) AS in_flight, toInt64(0) AS unaccounted
        FROM
        (
            {_SPANS}
        )
        GROUP BY {_PLACE}, hour"""

_KEPT = f"""SELECT e.log_id AS log_id, e.topic AS topic, e.partition AS partition, s.hour AS hour,
            toInt64(-countIf(e.what = 'parked')), toInt64(0), toInt64(countIf(e.what = 'stored')),
            toInt64(countIf(e.what = 'rejected')), toInt64(countIf(e.what = 'parked')), toInt64(0)
        FROM
        (
            SELECT {_PLACE}, offset, 'stored' AS what FROM {{db}}.touchpoints FINAL
            UNION ALL
            SELECT {_PLACE}, offset, 'rejected' AS what FROM {{db}}.rejected FINAL
            UNION ALL
            SELECT {_PLACE}, offset, 'parked' AS what FROM {{db}}.parked FINAL WHERE is_waiting
        ) AS e
        ASOF INNER JOIN
        (
            {_SPANS}
        ) AS s ON e.log_id = s.log_id AND e.topic = s.topic AND e.partition = s.partition AND e.offset >= s.begins
        WHERE e.offset <= s.last_offset
        GROUP BY log_id, topic, partition, hour"""

_WAITING = f"""SELECT {_PLACE}, hour, toInt64(0), toInt64(0), toInt64(0), toInt64(0),
            high - done - arraySum(x -> greatest(0, least(x.2, high) - greatest(x.1, done)), spans),
            done - begin - arraySum(x -> greatest(0, least(x.2, done) - greatest(x.1, begin)), spans)
        FROM
        (
            SELECT k.log_id AS log_id, k.topic AS topic, k.partition AS partition, toStartOfHour(k.seen_at) AS hour,
                k.high AS high, c.spans AS spans,
                if(empty(spans), k.low, least(k.low, arrayMin(x -> x.1, spans))) AS begin,
                greatest(begin, least(k.committed, k.high)) AS done
            FROM {{db}}.kafka_offsets AS k FINAL
            LEFT ANY JOIN
            (
                SELECT {_PLACE}, groupArray((begins, last_offset + 1)) AS spans
                FROM
                (
                    {_SPANS}
                )
                GROUP BY {_PLACE}
            ) AS c ON k.log_id = c.log_id AND k.topic = c.topic AND k.partition = c.partition
        )"""


_SOURCE = f"""FROM
(
    SELECT {_PLACE}, hour, sum(read) AS read, sum(lost) AS lost, sum(stored) AS stored, sum(rejected) AS rejected,
        sum(in_flight) AS in_flight, sum(unaccounted) AS unaccounted
    FROM
    (
        {_READ}
        UNION ALL
        {_KEPT}
        UNION ALL
        {_WAITING}
    )
    GROUP BY {_PLACE}, hour
) AS a
WHERE a.read + a.lost + a.in_flight + a.unaccounted != 0"""


def accounting_view() -> View:
    """Declare `v_accounting`."""
    received = "a.read + a.lost + a.in_flight + a.unaccounted"
    return View(
        name="v_accounting",
        comment="What became of every record: received = stored + duplicate + rejected + lost + in flight.",
        columns=view_columns_of(
            [
                ("topic", LOW, "a.topic", "Topic."),
                ("partition", "UInt16", "a.partition", "Partition."),
                ("hour", "DateTime('UTC')", "a.hour", "Hour of landing; of what is in flight, when a worker looked."),
                ("received", "Int64", received, "Records that Kafka took: the sum of all that follows."),
                ("stored", "Int64", "a.stored", "Touchpoints that are stored."),
                ("duplicate", "Int64", "a.read - a.stored - a.rejected", "Sent again: its touchpoint is stored once."),
                ("rejected", "Int64", "a.rejected", "Rejected: they are in v_rejected, as are replays of these."),
                ("lost", "Int64", "a.lost", "Dropped by the broker before they were read."),
                ("in_flight", "Int64", "a.in_flight", "Not landed when a worker last looked, or parked."),
                ("unaccounted", "Int64", "a.unaccounted", "Done by Kafka's account, but in no range: always 0."),
                ("log_id", LOW, "a.log_id", "Incarnation of the Kafka log that the offsets count in."),
            ]
        ),
        source=_SOURCE,
        question="Is every record accounted for, hour by hour?",
        example="SELECT hour, topic, sum(received) AS received, sum(stored) AS stored, sum(duplicate) AS duplicate,\n"
        "    sum(rejected) AS rejected, sum(lost) AS lost, sum(in_flight) AS in_flight\n"
        "FROM v_accounting\nGROUP BY hour, topic\nORDER BY hour DESC, topic",
    )

"""
The accounting identity: every offset of a touchpoint topic is landed, lost by the broker, or still in flight.

One rule: it is computed from Kafka's offsets and the `landed` ranges, never from counters, so a killed process cannot
falsify it. Ranges may overlap (a batch read again is landed again, cut elsewhere) and each offset counts once. What is
below a committed offset and in no range is unaccounted for: always none.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import polars as pl
from clickhouse_connect.driver.client import Client

from pipeline.warehouse.errors import translated
from pipeline.warehouse.facts import FactStore
from pipeline.warehouse.inserts import insert_frame
from pipeline.warehouse.tables import KAFKA_OFFSETS

_PLACE = ("log_id", "topic", "partition")
_RANGES = """
    SELECT toString(log_id) AS log_id, toString(topic) AS topic, toInt32(partition) AS partition, first_offset,
        last_offset, toInt64(records) AS records, toInt64(lost) AS lost
    FROM landed FINAL
"""
_REJECTED = """
    SELECT toString(log_id) AS log_id, toString(topic) AS topic, toInt32(partition) AS partition,
        toInt64(count()) AS rejected
    FROM rejected FINAL GROUP BY log_id, topic, partition
"""


@dataclass(frozen=True)
class Watermarks:
    """Where Kafka stands in a partition: first offset kept, next one the group will read, next one to be written."""

    low: int
    committed: int | None
    high: int


@dataclass(frozen=True)
class PartitionAccount:
    """
    What the warehouse knows of one partition of one log.

    Attributes:
        log_id: Incarnation of the log.
        topic: Topic.
        partition: Partition.
        spans: Covered offsets as (first, end) with the end excluded, apart from each other, in order.
        records: Records read; exact unless a range that the broker dropped from is partly read again.
        rejected: Records rejected, each once.
        lost: Offsets that the broker dropped before they were read.
    """

    log_id: str
    topic: str
    partition: int
    spans: tuple[tuple[int, int], ...]
    records: int
    rejected: int
    lost: int

    @property
    def covered(self) -> int:
        """Number of offsets in the union of the landed ranges."""
        return sum(end - first for first, end in self.spans)

    @property
    def covered_to(self) -> int:
        """End (excluded) of the first span: everything from its begin up to here is landed or lost."""
        return self.spans[0][1] if self.spans else 0

    @property
    def gaps(self) -> tuple[tuple[int, int], ...]:
        """Offsets between the spans, as (first, end)."""
        return tuple((a[1], b[0]) for a, b in zip(self.spans, self.spans[1:], strict=False))


@dataclass(frozen=True)
class PartitionBalance:
    """An account beside Kafka's offsets: what is still to come, and what should be there and is not."""

    account: PartitionAccount
    watermarks: Watermarks
    in_flight: int
    unaccounted: int


@dataclass(frozen=True)
class Accounting:
    """
    The whole account.

    `records`, `rejected` and `lost` (offsets that the broker dropped before they were read) span all logs that were
    ever read, as `stored` does; partitions are those of one log.
    """

    partitions: tuple[PartitionBalance, ...]
    records: int
    rejected: int
    stored: int
    parked: int = 0
    lost: int = 0

    @property
    def duplicates(self) -> int:
        """Landed records whose touchpoint was there already."""
        return max(0, self.records - self.rejected - self.stored - self.parked)

    @property
    def stored_ahead(self) -> int:
        """Touchpoints that are in while the range of their batch is not yet: a landing under way, or killed."""
        return max(0, self.stored + self.rejected + self.parked - self.records)

    @property
    def in_flight(self) -> int:
        """Offsets in Kafka that are not landed yet, and records that wait for the registry."""
        return sum(balance.in_flight for balance in self.partitions) + self.parked

    @property
    def unaccounted(self) -> int:
        """Offsets that Kafka counts as done and no landed range holds: 0, or something is wrong."""
        return sum(balance.unaccounted for balance in self.partitions)


def account(client: Client, log_id: str, watermarks: Mapping[tuple[str, int], Watermarks]) -> Accounting:
    """
    Balance the warehouse against Kafka.

    Args:
        client: Connection to the warehouse.
        log_id: Incarnation of the log that the watermarks are from.
        watermarks: (topic, partition) → where Kafka stands.

    Returns:
        One balance per partition, in order, and the totals.

    Raises:
        WarehouseUnavailable: If the warehouse does not answer.
    """
    accounts = read_accounts(client)
    stored = count_stored(client)
    known = {(entry.topic, entry.partition): entry for entry in accounts if entry.log_id == log_id}
    balances = [
        balance(known.get(place) or PartitionAccount(log_id, *place, spans=(), records=0, rejected=0, lost=0), marks)
        for place, marks in sorted(watermarks.items())
    ]
    return Accounting(
        partitions=tuple(balances),
        records=sum(entry.records for entry in accounts),
        rejected=sum(entry.rejected for entry in accounts),
        stored=stored,
        parked=count_parked(client),
        lost=sum(entry.lost for entry in accounts),
    )


def balance(entry: PartitionAccount, marks: Watermarks) -> PartitionBalance:
    """Lay an account beside Kafka's offsets (pure)."""
    begin = min(marks.low, entry.spans[0][0]) if entry.spans else marks.low
    done = begin if marks.committed is None else max(begin, min(marks.committed, marks.high))
    return PartitionBalance(
        account=entry,
        watermarks=marks,
        in_flight=uncovered(entry.spans, done, marks.high),
        unaccounted=uncovered(entry.spans, begin, done),
    )


def uncovered(spans: Sequence[tuple[int, int]], begin: int, end: int) -> int:
    """Count the offsets from `begin` up to `end` (excluded) that no span holds."""
    held = sum(max(0, min(last, end) - max(first, begin)) for first, last in spans)
    return max(0, end - begin) - held


def read_accounts(client: Client, log_id: str | None = None) -> list[PartitionAccount]:
    """
    Read what is landed, by partition.

    Args:
        client: Connection to the warehouse.
        log_id: Only this incarnation of the log; None: all.

    Returns:
        Accounts by (log_id, topic, partition).
    """
    with translated():
        ranges = pl.DataFrame(pl.from_arrow(client.query_arrow(_RANGES, use_strings=True)))
        rejected = pl.DataFrame(pl.from_arrow(client.query_arrow(_REJECTED, use_strings=True)))
    if log_id is not None:
        ranges = ranges.filter(pl.col("log_id") == log_id)
        rejected = rejected.filter(pl.col("log_id") == log_id)
    return accounts_of(ranges, rejected)


def record_offsets(client: Client, log_id: str, watermarks: Mapping[tuple[str, int], Watermarks]) -> None:
    """
    Write down where Kafka stands, for `v_accounting`.

    Raises:
        WarehouseUnavailable: If the warehouse does not answer; nothing depends on it.
    """
    rows = [
        (log_id, topic, partition, marks.low, marks.low if marks.committed is None else marks.committed, marks.high)
        for (topic, partition), marks in watermarks.items()
    ]
    columns = {
        "log_id": pl.String,
        "topic": pl.String,
        "partition": pl.UInt16,
        "low": pl.Int64,
        "committed": pl.Int64,
        "high": pl.Int64,
    }
    frame = pl.DataFrame(rows, schema=columns, orient="row")
    seen_at = pl.lit(FactStore(client).landing_stamp()).cast(pl.Datetime("us", "UTC"))
    insert_frame(client, KAFKA_OFFSETS, frame.with_columns(seen_at=seen_at))


def count_stored(client: Client) -> int:
    """Count the touchpoints that are stored: distinct event_uid."""
    with translated():
        return int(client.query("SELECT count() FROM touchpoints FINAL").result_rows[0][0])


def count_parked(client: Client) -> int:
    """Count the records that were read and wait until the registry knows their schema."""
    with translated():
        return int(client.query("SELECT count() FROM parked FINAL WHERE is_waiting").result_rows[0][0])


def accounts_of(ranges: pl.DataFrame, rejected: pl.DataFrame) -> list[PartitionAccount]:
    """
    Unite overlapping ranges (pure).

    Args:
        ranges: log_id, topic, partition, first_offset, last_offset (included), records, lost.
        rejected: log_id, topic, partition, rejected (distinct records).

    Returns:
        Accounts by (log_id, topic, partition).
    """
    spans, sums = _united(ranges)
    counted = {tuple(row[:3]): row[3] for row in rejected.select(*_PLACE, "rejected").iter_rows()}
    return [
        PartitionAccount(*place, spans=spans[place], records=records, rejected=counted.get(place, 0), lost=lost)
        for place, records, lost in sums
    ]


_Place = tuple[str, str, int]


def _united(ranges: pl.DataFrame) -> tuple[dict[_Place, tuple[tuple[int, int], ...]], list[tuple[_Place, int, int]]]:
    """Return the spans of every partition, and its records and lost offsets with each offset counted once."""
    before = pl.col("last_offset").cum_max().shift(1).over(_PLACE)
    ordered = ranges.sort([*_PLACE, "first_offset", "last_offset"], descending=[False] * 4 + [True]).with_columns(
        reach=before.fill_null(pl.col("first_offset") - 1)
    )
    # Of a range that begins within what earlier ones reach, only the rest is new.
    fresh = (pl.col("last_offset") - pl.max_horizontal(pl.col("first_offset") - 1, "reach")).clip(lower_bound=0)
    ordered = ordered.with_columns(
        fresh=fresh, span=(pl.col("first_offset") > pl.col("reach") + 1).cum_sum().over(_PLACE)
    )
    sums = ordered.group_by(_PLACE, maintain_order=True).agg(
        records=pl.min_horizontal("records", "fresh").sum(), lost=pl.min_horizontal("lost", "fresh").sum()
    )
    merged = ordered.group_by([*_PLACE, "span"], maintain_order=True).agg(
        first=pl.col("first_offset").min(), end=pl.col("last_offset").max() + 1
    )
    spans: dict[_Place, list[tuple[int, int]]] = {}
    for log_id, topic, partition, first, end in merged.select(*_PLACE, "first", "end").iter_rows():
        spans.setdefault((log_id, topic, partition), []).append((first, end))
    united = {place: tuple(pairs) for place, pairs in spans.items()}
    rows = sums.select(*_PLACE, "records", "lost").iter_rows()
    return united, [((log_id, topic, partition), records, lost) for log_id, topic, partition, records, lost in rows]

"""
Announcing dirty identifiers on `stitch.dirty`: packed, and all identifiers of one event in one partition.

Two stitch workers must not compute the same block at once, so the event's subject decides the partition. On a broker
that forgets what it cannot hold, announcing waits for the stitch workers; but a lost announcement only delays (the
sweep finds it), so the wait ends when nobody makes progress: it can never dead-lock.
"""

import threading
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Protocol

import polars as pl
from confluent_kafka import Consumer, KafkaException, TopicPartition

from pipeline.config_kafka import KafkaSettings
from pipeline.contracts.topics import STITCH_DIRTY
from pipeline.contracts.updates import KEY_BYTES, encode_dirty
from pipeline.streaming.publishing import Outgoing, RecordWriter

KEYS_PER_RECORD = 4_000
PATIENCE = timedelta(seconds=10)
_LOOK_EVERY_S = 0.25


class LagReader(Protocol):
    """Tells how far the stitch workers are behind; called by one thread."""

    def lags(self, partitions: int) -> list[int]:
        """Return unread records by partition; raise KafkaException if nobody can tell."""


class LagPatience:
    """
    Decides whether an announcement waits: pure, time in seconds handed in.

    It waits while the lag is over the limit and shrinks now and then. Once nothing moved for `patience`, it does not
    wait again until the lag is below the limit.
    """

    def __init__(self, limit_bytes: int, patience: timedelta = PATIENCE) -> None:
        self._limit_bytes = limit_bytes
        self._patience_s = patience.total_seconds()
        self._least_bytes: float | None = None
        self._moved_at = 0.0

    def must_wait(self, lag_bytes: float, now_s: float) -> bool:
        """Decide for a lag measured now."""
        if lag_bytes <= self._limit_bytes:
            self._least_bytes = None
            return False
        if self._least_bytes is None or lag_bytes < self._least_bytes:
            self._least_bytes = lag_bytes
            self._moved_at = now_s
        return now_s - self._moved_at < self._patience_s


class StitchLag:
    """Lag of the stitch workers' group on `stitch.dirty`, read without joining the group."""

    def __init__(self, settings: KafkaSettings, rules_version: int) -> None:
        self._consumer = Consumer(
            {
                "bootstrap.servers": settings.bootstrap,
                "group.id": stitch_group(settings, rules_version),
                "enable.auto.commit": False,
                "reconnect.backoff.max.ms": 500,
                "log_level": 2,  # every refused connection would be a line; retry tells of an outage once
            }
        )

    def lags(self, partitions: int) -> list[int]:
        """Return unread records by partition; what the broker dropped meanwhile does not count."""
        wanted = [TopicPartition(STITCH_DIRTY, number) for number in range(partitions)]
        lags = []
        for place in self._consumer.committed(wanted, timeout=5):
            low, high = self._consumer.get_watermark_offsets(place, timeout=5)
            lags.append(max(0, high - max(low, place.offset)))
        return lags

    def close(self) -> None:
        """Let the connection go."""
        self._consumer.close()


class DirtyAnnouncer:
    """Announces what one landing worker landed; an `Announcer` of ports, used by one thread."""

    def __init__(self, writer: RecordWriter, lag: LagReader | None = None, patience: LagPatience | None = None) -> None:
        self._writer = writer
        self._lag = lag
        self._patience = patience
        self._stopping = threading.Event()
        self._looked_at = 0.0
        self._record_bytes = float(KEYS_PER_RECORD * KEY_BYTES)
        self._more_waits: Callable[[], bool] | None = None

    def ask(self, more_waits: Callable[[], bool]) -> None:
        """Say with every announcement from now on whether more waits to be landed; asked in the announcing thread."""
        self._more_waits = more_waits

    def announce(self, keys: pl.DataFrame, received_at_ms: int | None) -> None:
        """
        Announce identifiers of events, at most `KEYS_PER_RECORD` in a record.

        Args:
            keys: subject, ident_key: 16 bytes each.
            received_at_ms: Earliest receipt of the events.

        Raises:
            BrokerUnavailable: If not all of them were delivered.
        """
        if keys.is_empty():
            return
        partitions = self._writer.partitions(STITCH_DIRTY)
        self._wait_for_readers(partitions)
        more_waits = None if self._more_waits is None else self._more_waits()
        records = list(dirty_records(keys, partitions, received_at_ms, more_waits))
        self._writer.write(records)
        written_bytes = sum(len(record.value or b"") for record in records)
        self._record_bytes += (written_bytes / len(records) - self._record_bytes) * 0.2

    def stop(self) -> None:
        """Let a waiting announcement go ahead at once; may be called from another thread."""
        self._stopping.set()

    def _wait_for_readers(self, partitions: int) -> None:
        if self._lag is None or self._patience is None:
            return
        if time.monotonic() - self._looked_at < _LOOK_EVERY_S:
            return
        while not self._stopping.is_set():
            self._looked_at = time.monotonic()
            try:
                behind = max(self._lag.lags(partitions), default=0)
            except KafkaException:
                return
            if not self._patience.must_wait(behind * self._record_bytes, self._looked_at):
                return
            self._stopping.wait(_LOOK_EVERY_S)


def dirty_records(
    keys: pl.DataFrame, partitions: int, received_at_ms: int | None = None, more_waits: bool | None = None
) -> Iterator[Outgoing]:
    """Pack identifiers into records of `stitch.dirty`, each to the partition of its event's subject."""
    placed = keys.select(
        partition=pl.col("subject").bin.slice(0, 4).bin.reinterpret(dtype=pl.UInt32, endianness="big") % partitions,
        ident_key="ident_key",
    ).unique(maintain_order=True)
    for (partition,), group in placed.group_by("partition", maintain_order=True):
        packed = b"".join(group["ident_key"].to_list())
        step = KEYS_PER_RECORD * KEY_BYTES
        for start in range(0, len(packed), step):
            value = encode_dirty(packed[start : start + step], received_at_ms, more_waits)
            yield Outgoing(STITCH_DIRTY, None, value, int(str(partition)))


def land_group(settings: KafkaSettings) -> str:
    """Return the consumer group of the landing workers."""
    return f"{settings.group}-land"


def stitch_group(settings: KafkaSettings, rules_version: int) -> str:
    """Return the consumer group of the stitching workers of one version of the rules."""
    return f"{settings.group}-stitch-{rules_version}"

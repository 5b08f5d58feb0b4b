"""
The field of the runs: a filled broker and a warehouse for all, a lane for each.

The broker is filled before any contestant starts, so producing costs them nothing. A lane has a database and consumer
groups of its own, and the questions that tell how far its contestant is. All times are the warehouse's clock: when a
batch was there, not when somebody sent it.
"""

import itertools
import json
from collections.abc import Iterable, Mapping
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import Error as DriverError
from confluent_kafka import Consumer, Producer, TopicPartition

from bench.contestants import EMBEDDED
from bench.events import Encoded
from bench.scrape import Worker
from bench.servers import RESULT_PARTITIONS, Servers, lane_name
from pipeline.config import ClickHouseSettings
from pipeline.contracts.topics import STITCH_DIRTY
from pipeline.warehouse.connection import connect
from pipeline.warehouse.migrate import migrate

FLUSH_S = 300
PEER_TABLE = """
CREATE TABLE peer_visits (key String, event_id String, type LowCardinality(String), occurred_at DateTime64(3, 'UTC'),
visit UInt32, touchpoints UInt32, written_at DateTime64(6, 'UTC') MATERIALIZED now64(6))
ENGINE = MergeTree ORDER BY (key, occurred_at)
"""
PEER_BATCHES = "SELECT toFloat64(written_at), count() FROM peer_visits GROUP BY 1 ORDER BY 1"
PEER_VISITS = """
SELECT sum(found), sum(true) FROM (SELECT uniqExact(visit) AS found, 1 + arrayCount(gap -> gap > 1800000,
arrayDifference(arraySort(groupArray(toUnixTimestamp64Milli(occurred_at))))) AS true FROM peer_visits GROUP BY key)
"""
OUR_BATCHES = "SELECT toFloat64(completed_at), sum(records) FROM landed FINAL GROUP BY 1 ORDER BY 1"
# What is landed of the first events of a run is its warm-up: caches, connections, code compiled while it runs.
WARM_UP_SHARE = 0.1
# One batch would be the warm-up and the end in one; fewer events than these are a matter of start-up alone.
BATCHES, LEAST_EVENTS = 3, 1_000


@dataclass(frozen=True)
class Setting:
    """
    What may differ between two runs.

    Attributes:
        broker: The embedded one or Apache Kafka.
        partitions: Of each topic of touchpoints.
        workers: Processes of each role of ours, or of a peer that can share its work.
        more: Settings of our workers beyond those that name the servers.
    """

    broker: str = EMBEDDED
    partitions: int = 32
    workers: int = 1
    more: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Span:
    """
    The measured part of a run.

    Attributes:
        started: When the warm-up was through.
        ended: When the last event was through.
        events: How many came in between.
        batches: In how many pieces; of two or three of them the time tells little.
    """

    started: float
    ended: float
    events: int
    batches: int = 0

    def rate(self, ended: float = 0.0) -> float:
        """Events a second, until a later end if one is given."""
        return self.events / ((ended or self.ended) - self.started)


def most_in_a_batch(events: int, usual: int) -> int:
    """Return how many records LAND may take at once, so that few events too come in more than the warm-up's batch."""
    return max(1, min(usual, events // BATCHES))


def measured(batches: list[tuple[float, int]], events: int) -> Span:
    """
    Return the measured part of what arrived in batches.

    Args:
        batches: When each was there, and its events; in order.
        events: How many are asked for; what came later does not count.

    Raises:
        ValueError: If all came with the warm-up.
    """
    through = list(itertools.accumulate(arrived for _, arrived in batches))
    warm = next((number for number, done in enumerate(through) if done >= events * WARM_UP_SHARE), len(through))
    last = next((number for number, done in enumerate(through) if done >= events), len(through) - 1)
    if warm >= last:
        raise ValueError(
            f"{events} events are too few: all of them came with the warm-up; give --events a larger number"
        )
    return Span(batches[warm][0], batches[last][0], through[last] - through[warm], last - warm)


class Field:
    """
    Filled servers; every run has a lane of its own on them.

    Args:
        servers: Where they run.
        events: What waits in the broker.
        setting: Broker and partitions.
    """

    def __init__(self, servers: Servers, events: Iterable[Encoded], setting: Setting) -> None:
        self.servers = servers
        self.setting = setting
        self.events = 0
        self.topics: set[str] = set()
        broker = servers.broker(setting.partitions, setting.broker)
        warehouse = servers.warehouse()
        self.bootstrap, self.log_id = broker["address"], broker["log_id"]
        token = json.loads(Path(warehouse["credentials"]).read_text(encoding="utf-8"))["throughline"]
        self._url = f"http://throughline:{token}@{warehouse['address'].removeprefix('http://')}/"
        self._lanes = 0
        self._fill(events)

    def lane(self) -> "Lane":
        """Return the next lane."""
        self._lanes += 1
        return Lane(self, f"{self._url}bench_{self._lanes}", lane_name(self._lanes))

    def _fill(self, events: Iterable[Encoded]) -> None:
        producer = Producer(
            {
                "bootstrap.servers": self.bootstrap,
                "acks": "all",
                # Full batches, as a busy producer sends them; the mock broker hands them out one a fetch.
                "linger.ms": 500,
                "queue.buffering.max.messages": 1_000_000,
                "queue.buffering.max.kbytes": 2_000_000,
                "log_level": 0,
            }
        )
        for event in events:
            producer.produce(event.topic, event.value, event.key)
            producer.poll(0)
            self.events += 1
            self.topics.add(event.topic)
        if producer.flush(FLUSH_S):
            raise RuntimeError("the broker did not take all events")


class Lane(ExitStack):
    """
    A database and consumer groups for one run, and the processes that are started in it; leaving it ends them.

    Args:
        field: Where it is.
        url: Its database, which is made, and dropped in the end.
        group: Prefix of its consumer groups.

    Attributes:
        client: Asks its database.
    """

    def __init__(self, field: Field, url: str, group: str) -> None:
        super().__init__()
        self.field, self.url, self.group = field, url, group
        self.settings = {
            "THROUGHLINE_KAFKA__BOOTSTRAP": field.bootstrap,
            "THROUGHLINE_KAFKA__LOG_ID": field.log_id,
            "THROUGHLINE_KAFKA__GROUP": group,
            "THROUGHLINE_CLICKHOUSE__URL": url,
            "THROUGHLINE_IDENTITY__HASH_KEY": "bench",
            **field.setting.more,
        }
        settings = ClickHouseSettings.model_validate({"url": url})
        migrate(connect(settings))
        self.client: Client = connect(settings)
        self.callback(self._drop, url.rpartition("/")[2])
        self.client.command(PEER_TABLE)
        self._group: Any = Consumer({"bootstrap.servers": field.bootstrap, "group.id": f"{group}-stitch-1"})
        self.callback(self._group.close)
        self._skip_other_lanes()

    def start_worker(self, role: str, number: int = 1) -> Worker:
        """Start a worker of ours; return its metrics once it is ready."""
        worker = Worker(self.field.servers.start_worker(role, self.settings, number))
        self.callback(self.field.servers.stop, f"{role}-{number}")
        return worker

    def start(self, name: str, command: list[str], settings: Mapping[str, str]) -> None:
        """Start a process of a peer."""
        self.field.servers.start(name, command, settings)
        self.callback(self.field.servers.stop, name)

    def landed(self) -> int:
        """Return the records that are in; fails when the broker lost some, for the run would never end."""
        records, lost = self.client.query("SELECT sum(records), sum(lost) FROM landed FINAL").result_rows[0]
        if lost:
            raise RuntimeError(f"{lost} events did not fit into the embedded broker: use fewer, or more partitions")
        return int(records)

    def written(self) -> int:
        """Return the rows that a peer has written."""
        return int(self.client.query("SELECT count() FROM peer_visits").result_rows[0][0])

    def visits(self) -> tuple[int, int]:
        """Return the visits that a peer has found, and how many there are among its rows in the order of time."""
        found, true = self.client.query(PEER_VISITS).result_rows[0]
        return int(found), int(true)

    def batches(self, query: str) -> list[tuple[float, int]]:
        """Return when each batch was there, and its events."""
        return [(float(at), int(events)) for at, events in self.client.query(query).result_rows]

    def stitch_lag(self) -> int:
        """Records of the dirty topic that are not committed."""
        lag = 0
        for partition in self._group.committed(_dirty_partitions(), timeout=10):
            _, high = self._group.get_watermark_offsets(partition, timeout=10)
            lag += high - max(partition.offset, 0)
        return lag

    def _drop(self, database: str) -> None:
        # Whoever ends the bench with all its processes has ended the warehouse before.
        with suppress(DriverError):
            self.client.command(f"DROP DATABASE IF EXISTS {database} SYNC")

    def _skip_other_lanes(self) -> None:
        ends = []
        for partition in _dirty_partitions():
            _, partition.offset = self._group.get_watermark_offsets(partition, timeout=10)
            ends.append(partition)
        if any(partition.offset > 0 for partition in ends):
            self._group.commit(offsets=ends, asynchronous=False)


def _dirty_partitions() -> list[TopicPartition]:
    return [TopicPartition(STITCH_DIRTY, number) for number in range(RESULT_PARTITIONS)]

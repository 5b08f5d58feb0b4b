"""
The hand-tuned loop: a confluent-kafka consumer, a dict and column batches, with nothing between them.

librdkafka's default of 1,000 ms for `fetch.queue.backoff.ms` halves a fast Python consumer; 5 does not.
Run as `python -m bench.peers.plain BOOTSTRAP URL SCHEMAS TOPICS PARTITIONS GROUP`.
"""

import io
from typing import Any

import fastavro
from confluent_kafka import Consumer

from bench.peers.job import PREFIX_BYTES, VISIT_GAP_MS, Job, read_job

FLUSH_ROWS = 10_000
POLL_RECORDS = 10_000
IDLE_S = 0.2


def consumer_of(job: Job) -> Consumer:
    """Return the consumer, subscribed."""
    consumer = Consumer(
        {
            "bootstrap.servers": job.bootstrap,
            "group.id": job.group,
            "auto.offset.reset": "earliest",
            "enable.auto.commit": False,
            "fetch.queue.backoff.ms": 5,
            "fetch.wait.max.ms": 50,
            "queued.min.messages": 200_000,
            "check.crcs": False,
        }
    )
    consumer.subscribe(job.topics)
    return consumer


class Columns:
    """The columns of the next batch, and the state of every key."""

    def __init__(self, job: Job) -> None:
        self._rows = job.rows(FLUSH_ROWS)
        self._schemas = job.decoder().schemas
        self._state: dict[bytes, tuple[int, int, int]] = {}
        self._columns: list[list[Any]] = [[] for _ in range(6)]

    def __len__(self) -> int:
        return len(self._columns[0])

    def add(self, messages: list[Any]) -> None:
        """Decode and stitch what one poll brought."""
        state, schemas, read, stream = self._state, self._schemas, fastavro.schemaless_reader, io.BytesIO
        keys, ids, types, times, visits, counts = (column.append for column in self._columns)
        for message in messages:
            value, key = message.value(), message.key()
            event: Any = read(stream(value[PREFIX_BYTES:]), schemas[value[2:PREFIX_BYTES]], None)
            at = event["occurred_at"]
            latest, visit, count = state.get(key, (at, 1, 0))
            if at - latest > VISIT_GAP_MS:
                visit, count = visit + 1, 0
            count += 1
            state[key] = (at if at > latest else latest, visit, count)
            keys(key.decode())
            ids(event["id"])
            types(event["type"])
            times(at)
            visits(visit)
            counts(count)

    def flush(self) -> None:
        """Write the batch."""
        self._rows.write(self._columns)
        self._columns = [[] for _ in range(6)]


def main() -> None:
    """Consume until the parent ends it."""
    job = read_job()
    consumer, columns = consumer_of(job), Columns(job)
    while True:
        messages = consumer.consume(POLL_RECORDS, IDLE_S)
        columns.add([message for message in messages if message.error() is None])
        if len(columns) >= FLUSH_ROWS or (len(columns) and not messages):
            columns.flush()
            consumer.commit(asynchronous=True)


if __name__ == "__main__":
    main()

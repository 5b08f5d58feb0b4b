"""
Bytewax: its Kafka source, decoding in whole batches, a stateful map for each key, and a sink of every worker.

Run as `python -m bench.peers.bytewax_flow BOOTSTRAP URL SCHEMAS TOPICS PARTITIONS GROUP` in an environment of its own.
It stops at the end of the topics, for then its sink is told to write the rest.
"""

from collections.abc import Iterable
from typing import Any

import bytewax.operators as op
from bytewax.connectors.kafka import KafkaSource
from bytewax.dataflow import Dataflow
from bytewax.outputs import DynamicSink, StatelessSinkPartition
from bytewax.testing import cluster_main

from bench.peers.job import Job, Rows, State, next_state, read_job, row_of

BATCH_RECORDS = 5_000
FLUSH_ROWS = 10_000


class Partition(StatelessSinkPartition):  # type: ignore[misc]  # not installed where the types are checked
    """The rows of one worker."""

    def __init__(self, rows: Rows) -> None:
        self._rows = rows

    def write_batch(self, items: list[Any]) -> None:
        """Take rows."""
        for _, row in items:
            self._rows.add(row)

    def close(self) -> None:
        """Write the rest."""
        self._rows.flush()


class Warehouse(DynamicSink):  # type: ignore[misc]  # not installed where the types are checked
    """Writes to the warehouse."""

    def __init__(self, job: Job) -> None:
        self._job = job

    def build(self, step_id: str, worker_index: int, worker_count: int) -> Partition:  # noqa: ARG002 - as Bytewax calls
        """Return the part of a worker."""
        return Partition(self._job.rows(FLUSH_ROWS))


def stitch(state: State | None, keyed: tuple[str, Any]) -> tuple[State, tuple[Any, ...]]:
    """Put an event into the visit of its key."""
    key, event = keyed
    after = next_state(state, event["occurred_at"])
    return after, row_of(key, event, after)


def flow_of(job: Job) -> Dataflow:
    """Return the flow."""
    flow = Dataflow("bench")
    decode = job.decoder()

    def decoded(records: list[Any]) -> Iterable[tuple[str, tuple[str, Any]]]:
        for record in records:
            key = record.key.decode()
            yield key, (key, decode(record.value))

    source = KafkaSource(
        [job.bootstrap],
        job.topics,
        tail=False,
        batch_size=BATCH_RECORDS,
        add_config={"fetch.queue.backoff.ms": "5", "fetch.wait.max.ms": "50"},
    )
    records = op.input("touchpoints", flow, source)
    events = op.flat_map_batch("decode", records, decoded)
    visits = op.stateful_map("stitch", events, stitch)
    op.output("warehouse", visits, Warehouse(job))
    return flow


def main() -> None:
    """Run the flow to the end of the topics."""
    cluster_main(flow_of(read_job()), [], 0)


if __name__ == "__main__":
    main()

"""
Quix Streams: a streaming dataframe for each topic, joined into one, with its state in RocksDB and a changelog topic.

Run as `python -m bench.peers.quix BOOTSTRAP URL SCHEMAS TOPICS PARTITIONS GROUP` in an environment of its own.
"""

from functools import reduce
from tempfile import TemporaryDirectory
from typing import Any

from quixstreams import Application
from quixstreams.models import Deserializer
from quixstreams.sinks import BatchingSink, SinkBatch

from bench.peers.job import Job, Rows, next_state, read_job

# A checkpoint writes what was made since the last, partition by partition, and then commits.
CHECKPOINT_EVENTS = 20_000
CHECKPOINT_S = 1.0


class Touchpoints(Deserializer):  # type: ignore[misc]  # not installed where the types are checked
    """Decodes a record."""

    def __init__(self, job: Job) -> None:
        super().__init__()
        self._decode = job.decoder()

    def __call__(self, value: bytes, ctx: Any) -> Any:  # noqa: ARG002 - as Quix calls it
        """Return the event."""
        return self._decode(value)


class Warehouse(BatchingSink):  # type: ignore[misc]  # not installed where the types are checked
    """Writes the batch of a partition."""

    def __init__(self, rows: Rows) -> None:
        super().__init__()
        self._rows = rows

    def write(self, batch: SinkBatch) -> None:
        """Write one batch."""
        columns: Any = zip(*((item.key, *item.value) for item in batch), strict=True)
        self._rows.write(list(columns))


def stitch(event: Any, state: Any) -> tuple[Any, ...]:
    """Put an event into the visit of its key."""
    before = state.get("visit")
    after = next_state(before and tuple(before), event["occurred_at"])
    state.set("visit", after)
    return event["id"], event["type"], event["occurred_at"], after[1], after[2]


def main() -> None:
    """Run the application until the parent ends it."""
    job = read_job()
    with TemporaryDirectory(prefix="throughline-bench-quix-") as folder:
        application = Application(
            broker_address=job.bootstrap,
            consumer_group=job.group,
            auto_offset_reset="earliest",
            commit_every=CHECKPOINT_EVENTS,
            commit_interval=CHECKPOINT_S,
            state_dir=folder,
            loglevel="WARNING",
            consumer_extra_config={"fetch.queue.backoff.ms": 5},
        )
        frames = [
            application.dataframe(application.topic(topic, key_deserializer="str", value_deserializer=Touchpoints(job)))
            for topic in job.topics
        ]
        frame = reduce(lambda left, right: left.concat(right), frames)
        frame.apply(stitch, stateful=True).sink(Warehouse(job.rows(1)))
        application.run()


if __name__ == "__main__":
    main()

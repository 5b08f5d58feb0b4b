"""
A stock Faust app as Faust's own guide shows it: one event at a time, the state in a Table.

The Table is kept in memory and has its changelog topic, which Faust writes through its own producer.
Run as `python -m bench.peers.one_by_one BOOTSTRAP URL SCHEMAS TOPICS PARTITIONS GROUP`.
"""

import logging
import sys
from typing import Any

import faust

from bench.peers.job import Job, next_state, read_job, row_of

FLUSH_ROWS = 1_000
FLUSH_S = 0.5


def create_app(job: Job) -> faust.App:
    """Make the app."""
    app = faust.App(
        job.group,
        broker=f"kafka://{job.bootstrap}",
        store="memory://",
        topic_allow_declare=False,
        topic_partitions=job.partitions,
        web_enabled=False,
        worker_redirect_stdouts=False,
        value_serializer="raw",
        key_serializer="raw",
        stream_wait_empty=False,
        consumer_auto_offset_reset="earliest",
    )
    topic = app.topic(*job.topics, key_type=bytes, value_type=bytes)
    visits = app.Table("visits", partitions=job.partitions, key_type=bytes, value_type=bytes)
    decode, rows = job.decoder(), job.rows(FLUSH_ROWS)

    @app.timer(FLUSH_S)  # type: ignore[untyped-decorator]  # Faust carries no types
    async def flush() -> None:
        rows.flush()

    @app.agent(topic)  # type: ignore[untyped-decorator]  # Faust carries no types
    async def stitch(stream: Any) -> None:
        async for key, value in stream.items():
            event = decode(value)
            before = visits.get(key)
            state = next_state(before and tuple(map(int, before.split())), event["occurred_at"])
            visits[key] = b"%d %d %d" % state
            rows.add(row_of(key.decode(), event, state))

    return app


def main() -> None:
    """Run the worker until the parent ends it."""
    app = create_app(read_job())
    del sys.argv[1:]
    faust.Worker(app, loglevel=logging.ERROR).execute_from_commandline()


if __name__ == "__main__":
    main()

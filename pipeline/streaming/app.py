"""
The Faust app of a worker: its settings, its one agent, and the runner that the agent feeds.

Nothing here decides anything: settings become Faust's words (TRAPS of its defaults are answered here), chunks go from
the stream to the runner, acknowledgements come back. Nothing is started at import or by `create_app`.
"""

from collections.abc import AsyncIterable, Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Literal

import faust
from faust.exceptions import ConsumerNotStarted
from faust.serializers.schemas import Schema

from pipeline.config import Settings
from pipeline.config_kafka import KafkaSettings
from pipeline.contracts.topics import STITCH_DIRTY, TOUCHPOINT_TOPICS
from pipeline.streaming.announcing import land_group, stitch_group
from pipeline.streaming.batching import LONGEST_BREATH, BatchPolicy, SweepPolicy
from pipeline.streaming.foreign import Foreign
from pipeline.streaming.retry import Persistence
from pipeline.streaming.runner import BatchRunner, BatchWork, Delivery, Sweeps
from pipeline.streaming.transport import TransportLimits

Role = Literal["land", "stitch"]

# The most records in one chunk, so that batches can be filled up to their limit.
CHUNK_RECORDS = 20_000
# The broker gathers so much for a landing worker before it answers, or for a tenth of a second: an answer costs both of
# them what many records do, and a batch waits that long for company anyway. Of a backlog there is so much at once.
LAND_FETCH_BYTES = 1 << 20
# At a rebalance a batch at work gets so long to end: well under the rebalance time-out.
REVOKE_GRACE = timedelta(seconds=5)


class ChunkSchema(Schema):  # type: ignore[misc]  # Faust ships no types
    """Hands chunks to agents as they are: decoding records is not Faust's business here."""

    def compile(self, app: Foreign, **_: object) -> Callable[..., Awaitable[Foreign]]:
        """Return the function that makes a Faust event of a message; called by Faust once per topic."""

        async def decode(message: Foreign, *, propagate: bool = False) -> Foreign:  # noqa: ARG001  # Faust's signature
            return app.create_event(None, message.value, {}, message)

        return decode


class DisklessApp(faust.App):  # type: ignore[misc]  # Faust ships no types
    """A Faust app that leaves nothing on disk: there are no tables, and a container's root may be read-only."""

    def _create_directories(self) -> None:
        """Make no folders; called by Faust at the first start."""


@dataclass(frozen=True, slots=True)
class WorkerApp:
    """A Faust app, not started, and what runs beside it."""

    faust: Foreign
    runner: BatchRunner
    topics: tuple[str, ...]
    group: str


def create_app(
    settings: Settings,
    role: Role,
    work: BatchWork,
    persistence: Persistence,
    waited: Callable[[], timedelta] = timedelta,
) -> WorkerApp:
    """
    Put a worker together.

    Args:
        settings: All settings.
        role: `land` reads the touchpoint topics, `stitch` the dirty identifiers.
        work: What to do with a batch.
        persistence: How to try again.
        waited: How long the work has waited for a broker that was away.

    Returns:
        The app with its agent, and the runner whose `run` must be awaited beside it.
    """
    if role == "land":
        topics, group = TOUCHPOINT_TOPICS, land_group(settings.kafka)
        policy = BatchPolicy(settings.landing.max_batch_records, settings.landing.linger, max_breath=LONGEST_BREATH)
    else:
        topics, group = (STITCH_DIRTY,), stitch_group(settings.kafka, settings.stitching.rules_version)
        policy = BatchPolicy(settings.stitching.max_batch_keys, settings.stitching.linger, settings.stitching.max_rest)
    app = build_faust(settings.kafka, group)

    def holds_first_partition() -> bool:
        return any(tp.topic == STITCH_DIRTY and tp.partition == 0 for tp in assignment_of(app))

    sweeps = Sweeps(SweepPolicy(settings.stitching.sweep_interval), holds_first_partition) if role == "stitch" else None
    runner = BatchRunner(work, policy, persistence, sweeps, waited)

    async def settle() -> None:
        await runner.settle(REVOKE_GRACE)

    app.transport.before_revoke = settle
    if role == "land":
        app.transport.fetch_min_bytes = LAND_FETCH_BYTES
    add_agent(app, topics, runner.accept)
    return WorkerApp(app, runner, topics, group)


def build_faust(kafka: KafkaSettings, group: str) -> Foreign:
    """Return a Faust app that reads chunks as member of a consumer group; it has no agent yet."""
    session_s = kafka.session_timeout.total_seconds()
    app = DisklessApp(
        group,
        broker=";".join(f"throughline://{address.strip()}" for address in kafka.bootstrap.split(",")),
        broker_session_timeout=session_s,
        broker_heartbeat_interval=kafka.heartbeat_interval.total_seconds(),
        broker_rebalance_timeout=kafka.rebalance_timeout.total_seconds(),
        broker_request_timeout=max(20.0, 2 * session_s),
        broker_commit_interval=kafka.commit_interval.total_seconds(),
        # Heartbeats tell that a worker lives; one that waits for the warehouse must keep its partitions.
        broker_max_poll_interval=86_400.0,
        broker_max_poll_records=CHUNK_RECORDS,
        consumer_max_fetch_size=kafka.fetch_max_bytes,
        consumer_auto_offset_reset="earliest",
        # A broker that its peers cannot reach says nothing of it, and has nothing new to read.
        consumer_metadata_max_age_ms=5_000,
        consumer_group_instance_id=kafka.instance_id or None,
        # Topics are made before workers start; the embedded broker cannot be asked to.
        topic_allow_declare=False,
        topic_disable_leader=True,
        # No tables: aiokafka's own round-robin assignor, and nothing to restore.
        table_standby_replicas=0,
        # The runner ends the batch at work; waiting for streams could take for ever.
        stream_wait_empty=False,
        # It would serve on all interfaces.
        web_enabled=False,
        worker_redirect_stdouts=False,
    )
    app.transport.limits = TransportLimits(in_flight_bytes=kafka.prefetch_bytes)
    app.transport.membership_file = Path(kafka.membership_file) if kafka.membership_file else None
    return app


def add_agent(app: Foreign, topics: tuple[str, ...], accept: Callable[[Delivery], None]) -> None:
    """
    Give an app the one agent of a worker.

    The agent only hands chunks on. It never acknowledges, so an error or a cancellation in it cannot skip anything.
    """

    async def gather(stream: Foreign) -> None:
        chunks: AsyncIterable[Foreign] = stream.noack().events()
        async for event in chunks:
            accept(delivery_of(event))

    app.agent(app.topic(*topics, schema=ChunkSchema()), name="gather")(gather)


def delivery_of(event: Foreign) -> Delivery:
    """Return what the runner needs of a Faust event."""
    message = event.message
    return Delivery(event.value, event.ack, lambda: bool(message.acked))


def assignment_of(app: Foreign) -> set[Foreign]:
    """Return the partitions that the app's consumer holds now; none before it started."""
    try:
        assigned: set[Foreign] = app.consumer.assignment()
    except ConsumerNotStarted:
        return set()
    return assigned

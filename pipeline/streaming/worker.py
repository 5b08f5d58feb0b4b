"""
One worker process: builds everything from the settings, runs until told to stop, ends within seconds.

It stops in this order: no new batch begins, the batch at work gets a few seconds, finished offsets are committed, the
rest is left for whoever reads it next. If a call to the outside hangs, the process ends all the same: nothing that was
not committed is lost by that.
"""

import asyncio
import logging
import os
import signal
import socket
import sys
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta

from prometheus_client import CollectorRegistry

from pipeline.config import Settings, spare_collections
from pipeline.observability import logs
from pipeline.observability.health import Health
from pipeline.observability.metrics import Metrics, process_metrics
from pipeline.observability.server import serve
from pipeline.streaming.announcing import DirtyAnnouncer, LagPatience, StitchLag
from pipeline.streaming.app import Role, WorkerApp, create_app
from pipeline.streaming.entry import Refused
from pipeline.streaming.foreign import Foreign
from pipeline.streaming.publishing import JourneyPublisher, KafkaWriter
from pipeline.streaming.retry import Backoff, Persistence
from pipeline.streaming.runner import BatchRunner, BatchWork
from pipeline.streaming.vitals import StageSigns, Vitals
from pipeline.streaming.workthread import WorkThread

logger = logging.getLogger(__name__)

FIRST_PAUSE = timedelta(milliseconds=100)
# Supervisors give a worker 8 to 10 s; these add up to less.
BATCH_GRACE = timedelta(seconds=4)
APP_STOP_TIMEOUT_S = 2.5


@dataclass(frozen=True, slots=True)
class Job:
    """
    What a worker does.

    Attributes:
        enter: Asks the warehouse for the settings to work with; blocks, raises `Refused` if it must not begin.
        open: Makes the work of these settings.
        let_go: Lets go of the outside when the worker stops.
        beside: What runs beside the work with the Faust app.
        waited: How long it has waited for a broker that was away, so far.
        meet: Is shown the runner before it runs.
    """

    enter: Callable[[], Settings]
    open: Callable[[Settings], BatchWork]
    let_go: Callable[[], None] = lambda: None
    beside: Callable[[Foreign], Coroutine[None, None, None]] | None = None
    waited: Callable[[], timedelta] = timedelta
    meet: Callable[[BatchRunner], None] = lambda _: None


def run_worker(role: Role, settings: Settings, *, recorded: bool = False) -> int:
    """
    Run a worker until SIGTERM or SIGINT.

    Args:
        role: `land` or `stitch`.
        settings: All settings; `observability.port` is where its metrics are served.
        recorded: A stitch worker takes the rules that are recorded for its version instead of those of the settings.

    Returns:
        Exit code: 0 when told to stop, 1 if it broke, 2 if its settings do not fit what is recorded.
    """
    logs.configure(settings.observability)
    registry = CollectorRegistry()
    metrics = Metrics(registry)
    process_metrics(registry)
    writer = KafkaWriter(settings.kafka)
    job = _landing(settings, writer, metrics) if role == "land" else _stitching(settings, writer, metrics, recorded)
    health = Health(settings.observability.progress_timeout)
    worker = Worker(role, settings, job, metrics, health)
    with serve(settings.observability, registry, health) as server:
        logger.info("%s worker %s, metrics on %s", role, os.getpid(), server.url)
        spare_collections()
        runner = asyncio.Runner()
        code = runner.run(worker.run(writer.partitions))
        logger.info("%s worker %s ended with %s", role, os.getpid(), code)
        if not worker.is_clean:
            # Something still hangs, in a thread or in the loop; tidying up would wait for it.
            logging.shutdown()
            sys.stderr.flush()
            os._exit(code)
        runner.close()
    return code


def _landing(settings: Settings, writer: KafkaWriter, metrics: Metrics) -> Job:
    from pipeline.streaming.audit import Audit  # noqa: PLC0415 - heavy imports belong to the role that needs them
    from pipeline.streaming.parked import ParkedRetry  # noqa: PLC0415 - see above
    from pipeline.streaming.wiring import enter_land, landing_work  # noqa: PLC0415 - see above

    lag = patience = None
    if settings.kafka.feeder_max_lag_bytes:
        lag = StitchLag(settings.kafka, settings.stitching.rules_version)
        patience = LagPatience(settings.kafka.feeder_max_lag_bytes)
    announcer = DirtyAnnouncer(writer, lag, patience)

    def log_id() -> str:
        return settings.kafka.log_id or writer.cluster_id()

    audit = Audit(settings.clickhouse, log_id, metrics)
    # Its own announcer: the other one asks for lags, and one thread may do that.
    parked = ParkedRetry(settings, DirtyAnnouncer(writer), metrics)

    async def beside(app: Foreign) -> None:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(audit.run(app))
            tasks.create_task(parked.run())

    return Job(
        lambda: enter_land(settings),
        lambda entered: landing_work(entered, announcer, log_id, metrics),
        announcer.stop,
        beside,
        meet=lambda runner: announcer.ask(lambda: runner.has_waiting),
    )


def _stitching(settings: Settings, writer: KafkaWriter, metrics: Metrics, recorded: bool) -> Job:
    from pipeline.streaming.wiring import enter_stitch, stitching_work  # noqa: PLC0415 - see _landing

    name = f"{socket.gethostname()}-{os.getpid()}"
    return Job(
        lambda: enter_stitch(settings, recorded=recorded),
        lambda entered: stitching_work(entered, JourneyPublisher(writer), name, metrics),
        waited=lambda: writer.waited,
    )


class Worker:
    """The life of one worker; `run` once."""

    def __init__(self, role: Role, settings: Settings, job: Job, metrics: Metrics, health: Health) -> None:
        self._role = role
        self._settings = settings
        self._job = job
        self._metrics = metrics
        self._health = health
        self._signs = StageSigns(role, metrics, health)
        self._stop = asyncio.Event()
        self._is_refused = False
        self.is_clean = True

    async def run(self, partitions_of: Callable[[str], int]) -> int:
        """
        Wait for the warehouse and the broker, work until a signal, stop.

        Args:
            partitions_of: Asks the broker for a topic; blocks, raises while there is no broker or no such topic.

        Returns:
            Exit code.
        """
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stop.set)
        longest = self._settings.clickhouse.retry_backoff_max
        persistence = Persistence(Backoff(FIRST_PAUSE, longest), self._signs)
        if not await self._until(self._enter(persistence)):
            return 2 if self._is_refused else 0
        work = self._job.open(self._settings)
        worker = create_app(self._settings, self._role, work, persistence, self._job.waited)
        self._job.meet(worker.runner)
        if not await self._until(self._wait_for_broker(persistence, worker.topics, partitions_of)):
            return 0
        try:
            return await self._live(worker)
        except Exception:
            logger.exception("%s worker broke; whatever was not committed is read again", self._role)
            return 1
        finally:
            await self._end(worker)

    async def _live(self, worker: WorkerApp) -> int:
        vitals = Vitals(self._role, worker.faust, worker.runner, self._metrics, self._health)
        timeout = self._settings.observability.progress_timeout
        await worker.faust.start()
        tasks = [
            asyncio.create_task(worker.runner.run(), name="runner"),
            asyncio.create_task(vitals.run(timeout, worker.topics), name="vitals"),
            asyncio.create_task(self._watch(worker), name="watch"),
        ]
        if self._job.beside is not None:
            tasks.append(asyncio.create_task(self._job.beside(worker.faust), name="beside"))
        try:
            await self._until(_first_failure(tasks))
        finally:
            for task in tasks[1:]:
                task.cancel()
        if worker.faust.crashed:
            logger.error("the consumer broke: %r", worker.faust.crash_reason)
        return 0 if self._stop.is_set() else 1

    async def _watch(self, worker: WorkerApp) -> None:
        """Say when the worker has joined its group; end when Faust has crashed."""
        while not worker.faust.crashed:
            if worker.faust.consumer_generation_id and not worker.faust.rebalancing and not self._health.was_ready:
                self._health.ready()
                logger.info("%s worker %s is ready", self._role, os.getpid())
            await asyncio.sleep(0.1)

    async def _enter(self, persistence: Persistence) -> bool:
        """Take over the settings to work with; False, and the reason in the log, if this worker must not begin."""
        thread = WorkThread("enter")

        def enter() -> Settings | Refused:
            try:
                return self._job.enter()
            except Refused as refusal:
                return refusal

        try:
            entered = await persistence.until_done("enter", lambda: thread.run(enter), self._stop.is_set)
        finally:
            thread.close()
        if isinstance(entered, Refused):
            self._is_refused = True
            logger.error("%s worker refused: %s", self._role, entered)
        elif entered is not None:
            self._settings = entered
        return isinstance(entered, Settings)

    async def _wait_for_broker(
        self, persistence: Persistence, topics: tuple[str, ...], partitions_of: Callable[[str], int]
    ) -> bool:
        thread = WorkThread("start")

        def ask() -> bool:
            return all(partitions_of(topic) for topic in topics)

        try:
            answered = await persistence.until_done("start", lambda: thread.run(ask), self._stop.is_set)
        finally:
            thread.close()
        return bool(answered)

    async def _until(self, what: Awaitable[bool]) -> bool:
        """Await something unless the worker is told to stop first; False then."""
        task = asyncio.ensure_future(what)
        stop = asyncio.ensure_future(self._stop.wait())
        await asyncio.wait([task, stop], return_when=asyncio.FIRST_COMPLETED)
        stop.cancel()
        if task.done():
            return task.result()
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
        return False

    async def _end(self, worker: WorkerApp) -> None:
        self._health.stopping()
        self._job.let_go()
        self.is_clean = await worker.runner.stop(BATCH_GRACE)
        stopping = asyncio.ensure_future(_stop_faust(worker))
        await asyncio.wait([stopping], timeout=APP_STOP_TIMEOUT_S)
        if not stopping.done() or stopping.exception() is not None:
            logger.warning("the consumer did not stop cleanly; its partitions move on when its session times out")
            self.is_clean = False


async def _stop_faust(worker: WorkerApp) -> None:
    if worker.faust.started:
        await worker.faust.consumer.release()
        await worker.faust.stop()


async def _first_failure(tasks: list["asyncio.Task[None]"]) -> bool:
    """Return when one of the tasks ends, which none should; raise what it raised."""
    done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    for task in done:
        task.result()
    return True

"""
From delivered chunks to finished batches: gather, do, acknowledge, in this order and never otherwise.

A chunk is acknowledged only after the batch it is in was done without an error. One batch is at work at a time; the
transport prefetches the next ones meanwhile. When partitions are revoked or the worker stops, the batch at work gets
some time to end; whatever is not done by then is abandoned, which means: not acknowledged and read again by whoever
gets the partition.
"""

import asyncio
import logging
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Protocol

from pipeline.streaming.ahead import Ahead, PreparesAhead
from pipeline.streaming.batching import BatchPolicy, LastBatch, News, SweepPolicy
from pipeline.streaming.records import Chunk
from pipeline.streaming.retry import Persistence
from pipeline.streaming.workthread import WorkThread

logger = logging.getLogger(__name__)

# Chunks of one announcement come within this; what comes later is news of its own.
_TOGETHER_S = 0.2


class BatchWork(Protocol):
    """
    What a worker does with a batch.

    Called in the work thread, one call at a time. May block. Whatever it raises, the same batch comes again; so it
    must bear being said twice.
    """

    name: str
    """For the log."""

    def size(self, chunk: Chunk) -> int:
        """Return what a chunk counts towards the limit of a batch; called in the event loop, must be quick."""

    def age(self, chunk: Chunk) -> timedelta:
        """Return how old what a chunk tells of is; zero if it does not matter. In the event loop, must be quick."""

    def is_last(self, chunk: Chunk) -> bool:
        """Tell whether whoever brought the chunk had no more then. In the event loop, must be quick."""

    def run(self, chunks: Sequence[Chunk]) -> None:
        """Do the batch; when this returns, its chunks are acknowledged."""

    def sweep(self) -> bool:
        """Look for work that nobody announced and do it; return True if there may be more at once."""


@dataclass(slots=True)
class Delivery:
    """A chunk that an agent got: `acknowledge` makes its offsets committable, `is_void` says they are not ours now."""

    chunk: Chunk
    acknowledge: Callable[[], object]
    is_void: Callable[[], bool]
    size: int = 0
    age: timedelta = timedelta(0)
    is_last: bool = False
    since: float = field(default_factory=time.monotonic)


@dataclass(frozen=True, slots=True)
class Sweeps:
    """When to sweep, and whether this worker is the one that should."""

    policy: SweepPolicy
    is_ours: Callable[[], bool]


class BatchRunner:
    """
    Runs one kind of work over the chunks of one worker.

    All methods are called from the event loop.

    Args:
        work: What to do with a batch.
        policy: When waiting chunks become one.
        persistence: How to try again.
        sweeps: When to look for work that nobody announced; None: never.
        waited: How long the work has waited in vain for others so far: that is no work, but rest.
    """

    def __init__(
        self,
        work: BatchWork,
        policy: BatchPolicy,
        persistence: Persistence,
        sweeps: Sweeps | None = None,
        waited: Callable[[], timedelta] = timedelta,
    ) -> None:
        self._work = work
        self._waited = waited
        self._policy = policy
        self._max_size = policy.max_size
        self._persistence = persistence
        self._sweeps = sweeps
        self._thread = WorkThread(work.name)
        self._ahead = Ahead(work) if isinstance(work, PreparesAhead) else None
        self._ahead_batch: list[Delivery] = []
        self._waiting: deque[Delivery] = deque()
        self._waiting_size = 0
        self._news = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()
        self._given_up = False
        self._stopping = False
        self._swept_at: float | None = None
        self._turn_at: float | None = None
        self._took = timedelta(0)
        self._idled = timedelta(0)
        self._age: timedelta | None = None
        self._ended_at: float | None = None
        self._news_at: float | None = None
        self._gap_s = 0.0

    @property
    def has_work(self) -> bool:
        """Tell whether a batch is at work or chunks wait."""
        return self.has_waiting or not self._idle.is_set() or self._thread.is_busy

    @property
    def has_waiting(self) -> bool:
        """Tell whether chunks wait behind the batch at work; may be asked from any thread."""
        return bool(self._waiting or self._ahead_batch)

    @property
    def at_work_for(self) -> timedelta | None:
        """Tell how long the thread has been at the same thing; None if it is free."""
        return self._thread.busy_for

    def accept(self, delivery: Delivery) -> None:
        """Take a chunk; called by an agent, never blocks (the transport bounds what is in flight)."""
        chunk = delivery.chunk
        delivery.size, delivery.age = self._work.size(chunk), self._work.age(chunk)
        delivery.is_last = self._work.is_last(chunk)
        if self._news_at is not None and delivery.since - self._news_at > _TOGETHER_S:
            self._gap_s = delivery.since - self._news_at
        self._news_at = delivery.since
        self._waiting.append(delivery)
        self._waiting_size += delivery.size
        self._look_ahead()
        self._news.set()

    async def run(self) -> None:
        """Work until `stop`; nothing that a batch raises ends this."""
        may_sweep = True
        while not self._stopping:
            if may_sweep and self._sweep_is_due():
                await self._do_sweep()
                may_sweep = False
                continue
            may_sweep = True
            batch, rest = await self._next_batch()
            if batch:
                await self._do(batch, rest)
            elif not self._sweep_is_due():
                self._news.clear()
                await self._wait(self._pause())

    async def settle(self, grace: timedelta) -> None:
        """Drop what waits and give the batch at work some time; called before partitions are revoked."""
        self._waiting.clear()
        self._waiting_size = 0
        if self._ahead is not None:
            self._ahead_batch = []
            self._ahead.drop()
        await self._end_batch(grace)

    async def stop(self, grace: timedelta) -> bool:
        """End `run`; return False if work still runs in the thread after `grace`."""
        self._stopping = True
        self._news.set()
        await self.settle(grace)
        self._thread.close()
        if self._ahead is not None:
            self._ahead.close()
        is_ahead_busy = self._ahead is not None and self._ahead.is_busy
        return self._idle.is_set() and not self._thread.is_busy and not is_ahead_busy

    async def _do(self, batch: list[Delivery], rest: Callable[[], None] | None) -> None:
        chunks = [delivery.chunk for delivery in batch]
        began, waited = time.monotonic(), self._waited()

        def at_work() -> bool:
            nonlocal began, waited
            # What was tried before, in vain, tells how long an outage lasted and not how long the work takes.
            began, waited = time.monotonic(), self._waited()
            if rest is None:
                self._work.run(chunks)
            else:
                rest()
            return True

        if await self._persist(self._work.name, at_work):
            for delivery in batch:
                delivery.acknowledge()
        self._learn(sum(delivery.size for delivery in batch))
        self._ended_at = time.monotonic()
        self._idled = self._waited() - waited
        self._took = timedelta(seconds=self._ended_at - began) - self._idled
        self._age = batch[-1].age

    def _learn(self, size: int) -> None:
        """After a batch that did not end in time make the next one half as large, or a slow machine never gets on."""
        most = size // 2 if self._given_up else min(2 * self._policy.max_size, self._max_size)
        self._policy = replace(self._policy, max_size=max(1, most))

    async def _do_sweep(self) -> None:
        more = await self._persist(f"{self._work.name} sweep", self._work.sweep)
        self._swept_at = None if more else time.monotonic()

    async def _persist(self, name: str, at_work: Callable[[], bool]) -> bool | None:
        self._idle.clear()
        self._given_up = False
        self._look_ahead()
        try:
            return await self._persistence.until_done(name, lambda: self._thread.run(at_work), lambda: self._given_up)
        finally:
            self._idle.set()

    async def _end_batch(self, grace: timedelta) -> None:
        try:
            await asyncio.wait_for(self._idle.wait(), grace.total_seconds())
        except TimeoutError:
            self._given_up = True
            logger.warning("%s: a batch did not end within %s s; it is not committed", self._work.name, grace.seconds)

    def _look_ahead(self) -> None:
        """Make the next batch ready while another is at work, as soon as enough waits for a full one."""
        is_at_work = not self._idle.is_set()
        if (
            self._ahead is None
            or self._ahead.holds_batch
            or not is_at_work
            or self._waiting_size < self._policy.max_size
        ):
            return
        self._ahead_batch = self._ready_batch()
        if self._ahead_batch:
            self._ahead.begin([delivery.chunk for delivery in self._ahead_batch])

    async def _next_batch(self) -> tuple[list[Delivery], Callable[[], None] | None]:
        """Return the next batch (empty: none is ready), and the rest of its work where it was begun ahead."""
        if self._ahead is None or not self._ahead.holds_batch:
            return self._ready_batch(), None
        rest = await self._ahead.take()
        begun, self._ahead_batch = self._ahead_batch, []
        batch = [delivery for delivery in begun if not delivery.is_void()]
        return batch, rest if len(batch) == len(begun) else None

    def _ready_batch(self) -> list[Delivery]:
        while self._waiting and self._waiting[0].is_void():
            self._waiting_size -= self._waiting.popleft().size
        if not self._waiting or self._patience() > timedelta(0):
            return []
        taken = self._policy.take([delivery.size for delivery in self._waiting])
        batch = [self._waiting.popleft() for _ in range(taken)]
        self._waiting_size -= sum(delivery.size for delivery in batch)
        return [delivery for delivery in batch if not delivery.is_void()]

    def _patience(self) -> timedelta:
        now = time.monotonic()
        newest = self._waiting[-1]
        news = News(
            waited=timedelta(seconds=now - self._waiting[0].since),
            quiet_for=timedelta(seconds=now - newest.since),
            gap=timedelta(seconds=self._gap_s),
            age=newest.age,
            is_last=newest.is_last,
        )
        last = None
        if self._ended_at is not None:
            last = LastBatch(self._took, timedelta(seconds=now - self._ended_at) + self._idled, self._age)
        return self._policy.patience(self._waiting_size, news, last)

    def _pause(self) -> float:
        if self._waiting:
            return self._patience().total_seconds()
        return 1.0

    async def _wait(self, seconds: float) -> None:
        try:
            await asyncio.wait_for(self._news.wait(), seconds)
        except TimeoutError:
            return

    def _sweep_is_due(self) -> bool:
        if self._sweeps is None or not self._sweeps.is_ours():
            self._swept_at = self._turn_at = None
            return False
        now = time.monotonic()
        self._turn_at = now if self._turn_at is None else self._turn_at
        since = None if self._swept_at is None else timedelta(seconds=now - self._swept_at)
        turn = timedelta(seconds=now - self._turn_at)
        return self._sweeps.policy.is_due(since, turn, is_idle=not self._waiting)

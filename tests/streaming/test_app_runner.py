"""A chunk is acknowledged after its batch was done, never before and never without."""

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta

import pytest

from pipeline.streaming.batching import OLD_NEWS, QUIET, SHORT_BATCH, BatchPolicy, SweepPolicy
from pipeline.streaming.records import Chunk
from pipeline.streaming.retry import Backoff, Persistence
from pipeline.streaming.runner import BatchRunner, Delivery, Sweeps
from pipeline.warehouse.errors import WarehouseUnavailable
from tests.streaming.kafka import until
from tests.streaming.test_app_retry import Signs

SOON = timedelta(milliseconds=20)
GRACE = timedelta(seconds=5)


def _wait(gate: threading.Event) -> None:
    gate.wait(10)


class Work:
    """Notes the batches; `before` may block or raise."""

    name = "work"

    def __init__(self, before: Callable[[], None] = lambda: None) -> None:
        self.batches: list[list[int]] = []
        self.sweeps = 0
        self.more_sweeps = 0
        self.old: set[int] = set()
        self.last: set[int] = set()
        self._before = before

    def size(self, chunk: Chunk) -> int:
        return chunk.last_offset - chunk.first_offset + 1

    def age(self, chunk: Chunk) -> timedelta:
        return 2 * OLD_NEWS if chunk.first_offset in self.old else timedelta(0)

    def is_last(self, chunk: Chunk) -> bool:
        return chunk.first_offset in self.last

    def run(self, chunks: Sequence[Chunk]) -> None:
        self._before()
        self.batches.append([chunk.first_offset for chunk in chunks])

    def sweep(self) -> bool:
        self.sweeps += 1
        return self.sweeps <= self.more_sweeps


class Source:
    """Hands chunks to a runner and sees which are acknowledged."""

    def __init__(self, runner: BatchRunner) -> None:
        self._runner = runner
        self.acknowledged: list[int] = []
        self.void: set[int] = set()

    def offer(self, *offsets: int) -> None:
        for offset in offsets:
            self._runner.accept(
                Delivery(
                    Chunk("t", 0, offset, offset, []),
                    lambda offset=offset: self.acknowledged.append(offset),  # type: ignore[misc]  # bound at once
                    lambda offset=offset: offset in self.void,  # type: ignore[misc]  # bound at once
                )
            )


@asynccontextmanager
async def running(
    work: Work,
    max_size: int = 3,
    sweeps: Sweeps | None = None,
    max_rest: timedelta = timedelta(0),
    waited: Callable[[], timedelta] = timedelta,
) -> AsyncIterator[tuple[BatchRunner, Source]]:
    persistence = Persistence(Backoff(timedelta(milliseconds=1), timedelta(milliseconds=5)), Signs())
    runner = BatchRunner(work, BatchPolicy(max_size, SOON, max_rest), persistence, sweeps, waited)
    task = asyncio.create_task(runner.run())
    try:
        yield runner, Source(runner)
    finally:
        await runner.stop(timedelta(seconds=1))
        task.cancel()


async def test_acknowledges_in_order_what_was_done() -> None:
    work = Work()
    async with running(work) as (_, source):
        source.offer(*range(7))
        await until(lambda: len(source.acknowledged) == 7)
    assert source.acknowledged == list(range(7))
    assert work.batches == [[0, 1, 2], [3, 4, 5], [6]]


async def test_acknowledges_nothing_while_the_batch_fails_and_repeats_the_same_one() -> None:
    failures = 5
    seen: list[int] = []

    def fail() -> None:
        nonlocal failures
        seen.append(len(source.acknowledged))
        failures -= 1
        if failures >= 0:
            raise WarehouseUnavailable("away")

    work = Work(fail)
    async with running(work, max_size=2) as (_, source):
        source.offer(1, 2, 3)
        await until(lambda: len(source.acknowledged) == 3)
    assert work.batches == [[1, 2], [3]]
    assert seen[:6] == [0] * 6


async def test_batches_grow_while_one_is_at_work() -> None:
    gate = threading.Event()
    work = Work(lambda: _wait(gate))
    async with running(work, max_size=100) as (_, source):
        source.offer(0)
        await asyncio.sleep(0.1)
        source.offer(*range(1, 51))
        gate.set()
        await until(lambda: len(source.acknowledged) == 51)
    assert work.batches == [[0], list(range(1, 51))]


@pytest.mark.parametrize("is_outage", [True, False])
async def test_rests_after_long_work_but_not_after_a_long_wait_for_the_broker(is_outage: bool) -> None:
    long = SHORT_BATCH + timedelta(seconds=0.4)
    waited, ended = [timedelta(0)], [0.0]

    def take_long() -> None:
        if not ended[0]:
            time.sleep(long.total_seconds())
            waited[0] += long if is_outage else timedelta(0)
            ended[0] = time.monotonic()

    work = Work(take_long)
    work.old = {2}
    async with running(work, max_rest=timedelta(seconds=30), waited=lambda: waited[0]) as (_, source):
        source.offer(1)
        await until(lambda: bool(ended[0]))
        source.offer(2)
        await until(lambda: source.acknowledged == [1, 2])
        seconds = time.monotonic() - ended[0]
    assert (seconds < 1) == is_outage, "it rests three times as long as the batch was too long"


async def test_a_last_announcement_is_kept_for_company_for_a_moment_only() -> None:
    work = Work()
    work.old, work.last = {1, 2}, {2}
    async with running(work, max_rest=timedelta(seconds=30)) as (runner, source):
        began = time.monotonic()
        source.offer(1, 2)
        waits = [runner.has_waiting]
        await until(lambda: source.acknowledged == [1, 2])
        waits.append(runner.has_waiting)
    assert waits == [True, False]
    assert time.monotonic() - began < QUIET.total_seconds()


async def test_what_was_revoked_is_not_worked_on() -> None:
    work = Work()
    async with running(work) as (_, source):
        source.void = {1, 2}
        source.offer(1, 2, 3)
        await until(lambda: source.acknowledged == [3])
    assert work.batches == [[3]]


async def test_a_revocation_lets_the_batch_at_work_end_and_drops_the_rest() -> None:
    work = Work(lambda: time.sleep(0.2))
    async with running(work, max_size=1) as (runner, source):
        source.offer(1, 2, 3)
        await until(lambda: runner.at_work_for is not None)
        await runner.settle(GRACE)
        assert source.acknowledged == [1]
        await asyncio.sleep(0.3)
        assert work.batches == [[1]]
        source.offer(9)
        await until(lambda: source.acknowledged == [1, 9])


async def test_a_revocation_does_not_wait_for_an_outage() -> None:
    def fail() -> None:
        raise WarehouseUnavailable("away")

    async with running(Work(fail)) as (runner, source):
        source.offer(1)
        await asyncio.sleep(0.1)
        began = time.monotonic()
        await runner.settle(timedelta(seconds=0.2))
        assert time.monotonic() - began < 10, "the outage lasts for ever"
        await until(lambda: not runner.has_work)
        assert source.acknowledged == []


async def test_a_batch_that_did_not_end_in_time_is_followed_by_smaller_ones_until_they_do() -> None:
    gate = threading.Event()
    work = Work(lambda: _wait(gate))
    async with running(work, max_size=4) as (runner, source):
        source.offer(0, 1, 2, 3)
        await until(lambda: runner.at_work_for is not None)
        await runner.settle(timedelta(seconds=0.05))
        gate.set()
        await until(lambda: not runner.has_work)
        source.offer(*range(10, 22))
        await until(lambda: len(work.batches) == 5)
    assert [len(batch) for batch in work.batches] == [4, 2, 4, 4, 2]


async def test_a_stop_tells_when_work_still_hangs() -> None:
    gate = threading.Event()
    work = Work(lambda: _wait(gate))
    async with running(work) as (runner, source):
        source.offer(1)
        await until(lambda: runner.at_work_for is not None)
        assert not await runner.stop(timedelta(seconds=0.1))
        assert source.acknowledged == []
        gate.set()


async def test_sweeps_when_idle_and_alternates_with_batches_while_there_is_more() -> None:
    work = Work()
    work.more_sweeps = 4
    sweeps = Sweeps(SweepPolicy(timedelta(hours=1), settling=SOON), lambda: True)
    async with running(work, max_size=1, sweeps=sweeps) as (_, source):
        source.offer(1, 2)
        await until(lambda: work.sweeps == 5 and len(source.acknowledged) == 2)
        await asyncio.sleep(0.1)
    assert work.sweeps == 5


async def test_only_the_worker_whose_turn_it_is_sweeps() -> None:
    work, is_ours = Work(), [False]
    async with running(work, sweeps=Sweeps(SweepPolicy(timedelta(hours=1), settling=SOON), lambda: is_ours[0])) as (
        _,
        source,
    ):
        source.offer(1)
        await until(lambda: source.acknowledged == [1])
        assert work.sweeps == 0
        is_ours[0] = True
        await until(lambda: work.sweeps == 1)


async def test_a_panic_of_native_code_is_only_another_failure() -> None:
    class Panic(BaseException):
        pass

    left = [Panic("boom"), StopIteration("odd")]

    def fail() -> None:
        if left:
            raise left.pop()

    async with running(Work(fail)) as (_, source):
        source.offer(1)
        await until(lambda: source.acknowledged == [1])


class AheadWork(Work):
    """Notes what is made ready, and when; making ready may fail."""

    def __init__(self, before: Callable[[], None] = lambda: None) -> None:
        super().__init__(before)
        self.prepared: list[list[int]] = []
        self.finished: list[list[int]] = []
        self.fails = False

    def prepare(self, chunks: Sequence[Chunk]) -> Callable[[], None]:
        offsets = [chunk.first_offset for chunk in chunks]
        self.prepared.append(offsets)
        if self.fails:
            raise WarehouseUnavailable("away")

        def finish() -> None:
            self.run(chunks)
            self.finished.append(offsets)

        return finish


async def test_the_next_full_batch_is_made_ready_while_one_is_at_work_and_done_after_it() -> None:
    gate = threading.Event()
    work = AheadWork(lambda: _wait(gate))
    async with running(work) as (runner, source):
        source.offer(*range(8))
        await until(lambda: work.prepared == [[3, 4, 5]])
        assert (work.batches, source.acknowledged, runner.has_work) == ([], [], True)
        gate.set()
        await until(lambda: len(source.acknowledged) == 8)
    assert work.batches == [[0, 1, 2], [3, 4, 5], [6, 7]]
    assert source.acknowledged == list(range(8))
    # What does not fill a batch waits for company instead.
    assert (work.prepared, work.finished) == ([[3, 4, 5]], [[3, 4, 5]])


async def test_a_batch_that_could_not_be_made_ready_is_done_in_its_turn() -> None:
    gate = threading.Event()
    work = AheadWork(lambda: _wait(gate))
    work.fails = True
    async with running(work) as (_, source):
        source.offer(*range(6))
        await until(lambda: bool(work.prepared))
        gate.set()
        await until(lambda: len(source.acknowledged) == 6)
    assert work.batches == [[0, 1, 2], [3, 4, 5]]
    assert work.finished == []


async def test_what_is_made_ready_is_dropped_with_its_partitions() -> None:
    gate = threading.Event()
    work = AheadWork(lambda: _wait(gate))
    async with running(work) as (runner, source):
        source.offer(*range(6))
        await until(lambda: bool(work.prepared))
        settled = asyncio.create_task(runner.settle(GRACE))
        await asyncio.sleep(0)
        gate.set()
        await settled
        source.offer(7)
        await until(lambda: 7 in source.acknowledged)
    assert work.batches == [[0, 1, 2], [7]]
    assert source.acknowledged == [0, 1, 2, 7]


async def test_a_chunk_of_another_worker_is_left_out_of_what_was_made_ready() -> None:
    gate = threading.Event()
    work = AheadWork(lambda: _wait(gate))
    async with running(work) as (_, source):
        source.offer(*range(6))
        await until(lambda: bool(work.prepared))
        source.void.add(4)
        gate.set()
        await until(lambda: 5 in source.acknowledged)
    assert work.batches == [[0, 1, 2], [3, 5]]
    assert (work.finished, source.acknowledged) == ([], [0, 1, 2, 3, 5])

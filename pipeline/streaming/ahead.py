"""
The batch after the one at work, made ready meanwhile: the processor decodes while the warehouse writes.

The rule it owns: what is made ready touches nothing outside, so it may be dropped at any moment. Whatever is done with
it begins only when the batch before it is done and acknowledged, so the order of the protocol is that of one batch at a
time.
"""

import asyncio
from collections.abc import Callable, Sequence
from typing import Protocol, runtime_checkable

from pipeline.streaming.records import Chunk
from pipeline.streaming.workthread import WorkThread


@runtime_checkable
class PreparesAhead(Protocol):
    """Work of which a part can be done before its turn."""

    name: str
    """For the log."""

    def prepare(self, chunks: Sequence[Chunk]) -> Callable[[], None]:
        """
        Do what touches nothing outside, and return the rest of the work.

        Called in a thread of its own while another batch is at work; what it raises is left for the rest of the work to
        meet again. The rest may be called several times, or never.
        """


class Ahead:
    """
    Makes one batch ready at a time; called from the event loop.

    Args:
        work: What is done with batches.
    """

    def __init__(self, work: PreparesAhead) -> None:
        self._work = work
        self._thread = WorkThread(f"{work.name} ahead")
        self._task: asyncio.Task[Callable[[], None]] | None = None

    @property
    def holds_batch(self) -> bool:
        """Tell whether a batch was begun and neither taken nor dropped."""
        return self._task is not None

    @property
    def is_busy(self) -> bool:
        """Tell whether something runs in the thread right now."""
        return self._thread.is_busy

    def begin(self, chunks: Sequence[Chunk]) -> None:
        """Make a batch ready."""
        self._task = asyncio.ensure_future(self._thread.run(lambda: self._work.prepare(chunks)))
        self._task.add_done_callback(_forgive)

    async def take(self) -> Callable[[], None] | None:
        """Return the rest of the work; None where the batch was dropped meanwhile or could not be made ready."""
        task = self._task
        if task is None:
            return None
        await asyncio.wait([task])
        if self._task is not task:
            return None
        self._task = None
        return None if task.cancelled() or task.exception() else task.result()

    def drop(self) -> None:
        """Forget the batch."""
        self._task = None

    def close(self) -> None:
        """Let the thread end after what it does now."""
        self._thread.close()


def _forgive(task: "asyncio.Task[Callable[[], None]]") -> None:
    """Look at what went wrong, so that nobody logs it: the batch meets it again in its turn."""
    if not task.cancelled():
        task.exception()

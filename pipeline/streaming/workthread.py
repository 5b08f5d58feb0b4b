"""
One thread that does a worker's blocking work, one thing at a time.

A thread of our own instead of an executor's, because the interpreter waits for executors at exit: an INSERT that hangs
must not keep a stopped worker alive.
"""

import asyncio
import queue
import threading
import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any, TypeVar

Result = TypeVar("Result")


class WorkThread:
    """Runs functions one after the other; called from one event loop."""

    def __init__(self, name: str) -> None:
        self._work: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        self._since: float | None = None
        self._thread = threading.Thread(target=self._serve, name=name, daemon=True)
        self._thread.start()

    @property
    def is_busy(self) -> bool:
        """Tell whether something runs right now."""
        return self._since is not None

    @property
    def busy_for(self) -> timedelta | None:
        """Tell how long the same thing has been running; None if nothing runs."""
        since = self._since
        return None if since is None else timedelta(seconds=time.monotonic() - since)

    async def run(self, function: Callable[[], Result]) -> Result:
        """
        Run a function in the thread and await what it returns or raises.

        Cancelling the wait does not stop the function: it runs to its end and its result is dropped.
        """
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Result] = loop.create_future()

        def work() -> None:
            try:
                result = function()
            except BaseException as error:  # noqa: BLE001 - panics of Rust code are BaseExceptions; the caller decides
                _tell(loop, future, error=error)
            else:
                _tell(loop, future, result=result)

        self._work.put(work)
        return await future

    def close(self) -> None:
        """Let the thread end after what it does now; does not wait."""
        self._work.put(None)

    def _serve(self) -> None:
        while (work := self._work.get()) is not None:
            self._since = time.monotonic()
            try:
                work()
            finally:
                self._since = None


def _tell(
    loop: asyncio.AbstractEventLoop,
    future: "asyncio.Future[Any]",
    result: object = None,
    error: BaseException | None = None,
) -> None:
    def settle() -> None:
        if future.done():
            return
        if error is None:
            future.set_result(result)
        else:
            # A future takes no StopIteration, and re-raising a KeyboardInterrupt of a thread would end the loop.
            fits = isinstance(error, Exception) and not isinstance(error, StopIteration)
            future.set_exception(error if fits else WorkFailed(repr(error)))

    if not loop.is_closed():
        loop.call_soon_threadsafe(settle)


class WorkFailed(Exception):  # noqa: N818 - says what happened
    """The work ended with something that is no ordinary exception, such as a panic of native code."""

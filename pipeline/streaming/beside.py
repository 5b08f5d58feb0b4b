"""
One call in a thread of its own, beside what the caller does, and doing the last thing while the next is made.

A thread is a daemon, for a call that hangs must not keep a stopped worker alive.
"""

import threading
from collections.abc import Callable
from types import TracebackType
from typing import Generic, Self, TypeVar

Found = TypeVar("Found")

# What is smaller is done before a thread for it is awake.
WORTH_A_THREAD = 2_000


class Beside(Generic[Found]):
    """
    A call that runs in a thread from now on.

    Args:
        name: Of the thread.
        call: What to do.
    """

    def __init__(self, name: str, call: Callable[[], Found]) -> None:
        self._call = call
        self._found: list[Found] = []
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    def end(self) -> None:
        """Wait until it has ended, however."""
        self._thread.join()

    def ends_within(self, seconds: float) -> bool:
        """Wait so long, and tell whether it has ended."""
        self._thread.join(seconds)
        return not self._thread.is_alive()

    def result(self) -> Found:
        """Wait, and return what was found or raise why not."""
        self.end()
        if self._error is not None:
            raise self._error
        return self._found[0]

    def _run(self) -> None:
        try:
            self._found.append(self._call())
        except BaseException as error:  # noqa: BLE001 - panics of native code too are the caller's
            self._error = error


class WriteBehind:
    """
    Writes one after the other, in order, each while the caller makes the next; nothing is written once one failed.

    To be left as a context: then everything is written, or what failed is raised.
    """

    def __init__(self) -> None:
        self._writing: Beside[None] | None = None

    def __enter__(self) -> Self:
        """Begin."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Wait for what is being written; raise why it failed unless something else is raised already."""
        if kind is None:
            self.wait()
        elif self._writing is not None:
            self._writing.end()

    def write(self, write: Callable[[], None], size: int) -> None:
        """
        Write something when what came before is written.

        Args:
            write: Writes it.
            size: How much it is: little is written at once, by the caller.
        """
        self.wait()
        if size < WORTH_A_THREAD:
            write()
        else:
            self._writing = Beside("writing behind", write)

    def wait(self) -> None:
        """Wait until everything is written that was given; raise why it was not."""
        writing, self._writing = self._writing, None
        if writing is not None:
            writing.result()

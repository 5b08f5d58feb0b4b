"""
The engine's merges take the processor only when nobody waits for it.

The rule it owns: *news first*. While a backlog lands, merging costs as much as landing and the workers wait for it; the
same merges done when the backlog is in take more parts at once, and less time. Merges still get on while all processors
are busy, a tenth as fast as everybody else.
"""

import asyncio
import os
import sys
from contextlib import suppress
from pathlib import Path

# The engine could do this by itself, but only where it runs with rights that a user does not have.
_NICER_BY = 10
_NICEST = 19
_INTERVAL_S = 1.0
_THREADS = Path("/proc/self/task")
_MERGING = "MergeMutate"


async def keep_merges_behind(stop: asyncio.Event) -> None:
    """Let the engine's merges yield until `stop` is set; its threads for them begin with the first table."""
    while not stop.is_set():
        let_merges_yield()
        with suppress(TimeoutError):
            await asyncio.wait_for(stop.wait(), _INTERVAL_S)


def let_merges_yield() -> int:
    """
    Let the threads that merge go behind all others.

    Returns:
        How many there are; 0 on other systems than Linux, which have no priorities of threads.
    """
    if sys.platform != "linux":
        return 0
    merging, niceness = 0, min(os.getpriority(os.PRIO_PROCESS, 0) + _NICER_BY, _NICEST)
    for thread in _THREADS.iterdir():
        # A thread may end at any moment.
        with suppress(OSError):
            if (thread / "comm").read_text(encoding="utf-8").strip() == _MERGING:
                os.setpriority(os.PRIO_PROCESS, int(thread.name), niceness)
                merging += 1
    return merging

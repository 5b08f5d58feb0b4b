"""
The lanes of a kind of user: how many statements of theirs run at once, the others wait in line.

Inside and outside have lanes apart, so that no number of analysts' queries keeps the pipeline waiting.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from pipeline.embedded.warehouse.faults import TOO_MANY_SIMULTANEOUS_QUERIES, Fault
from pipeline.embedded.warehouse.lane import Lane

# Longer than this nobody is left waiting without a word.
_MAX_WAIT_S = 60.0


class Lanes:
    """A number of lanes, handed out one at a time; the one last used first, so that idle ones stay cold."""

    def __init__(self, lanes: list[Lane]) -> None:
        self._all = lanes
        self._free: asyncio.LifoQueue[Lane] = asyncio.LifoQueue()
        for lane in lanes:
            self._free.put_nowait(lane)

    @asynccontextmanager
    async def one(self) -> AsyncIterator[Lane]:
        """Hand out a free lane and take it back restored."""
        try:
            lane = await asyncio.wait_for(self._free.get(), _MAX_WAIT_S)
        except TimeoutError as error:
            raise Fault(TOO_MANY_SIMULTANEOUS_QUERIES, "Too many simultaneous queries: none ended in time") from error
        try:
            yield lane
        finally:
            # Shielded: a cancelled request must not take a lane with it that still holds its settings.
            await asyncio.shield(self._restore(lane))

    async def _restore(self, lane: Lane) -> None:
        try:
            await lane.run(lane.restore)
        finally:
            self._free.put_nowait(lane)

    def close(self) -> None:
        """Close all lanes, each after what it is doing."""
        for lane in self._all:
            lane.close()

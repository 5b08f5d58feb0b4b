"""
Memory that the engine has freed goes back to the machine.

The rule it owns: *what a large statement took is not kept*. The engine's allocator keeps freed pages for the next large
statement, which on a laptop may never come: after an answer that was too large, 600 MB stay with the process for good.
"""

import asyncio
from contextlib import suppress

import psutil

from pipeline.embedded.warehouse.code_pages import let_go_of_code_pages
from pipeline.embedded.warehouse.engine import Engine

_INTERVAL_S = 1.0
# The engine and this process need about 150 MB in any case.
_LEAST_BYTES = 180_000_000
# Giving back takes up to 0.1 s of a core, and the pages have to be asked for anew: not for every megabyte.
_GROWTH_BYTES = 50_000_000
_AT_LEAST_EVERY = 5
# What is needed of the code comes back at once, in some ten milliseconds: now and then, and after the start.
_CODE_EVERY = 60


class Relief:
    """
    Watches the memory of this process and has freed pages given back: when it has grown, and now and then.

    Args:
        engine: Opened.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._process = psutil.Process()
        self._settled_bytes = 0
        self._looks = 0

    async def run(self, stop: asyncio.Event) -> None:
        """Watch until `stop` is set."""
        await asyncio.to_thread(let_go_of_code_pages)
        while not stop.is_set():
            with suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), _INTERVAL_S)
            await asyncio.to_thread(self.relieve)

    def relieve(self) -> bool:
        """Give freed pages back if there may be many; tell whether that was done."""
        self._looks += 1
        if self._looks % _CODE_EVERY == 0:
            let_go_of_code_pages()
        resident_bytes = self._process.memory_info().rss
        has_grown = resident_bytes > self._settled_bytes + _GROWTH_BYTES
        if resident_bytes < _LEAST_BYTES or not (has_grown or self._looks % _AT_LEAST_EVERY == 0):
            return False
        self._engine.give_back_memory()
        self._settled_bytes = self._process.memory_info().rss
        return True

"""A proxy between a client and the collector that makes trouble by script, as networks and busy servers do."""

import asyncio
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Literal
from urllib.parse import urlsplit

Fault = Literal["pass", "503", "429", "500", "cut before", "cut after", "hang up"]


class FaultyProxy:
    """
    Passes requests on, one fault a request by the script, and without fault when the script is over.

    Args:
        target: Address of the real collector.
        script: `cut before`: the connection breaks and nothing was taken; `cut after`: everything was taken and the
            connection breaks instead of the answer; `hang up`: the answer comes, and then the connection is closed; a
            number: that answer, with one second as Retry-After, and nothing was taken.

    Attributes:
        address: Where it listens.
        statuses: The real answers of the collector, in order.
        seen: What became of each request, and when it came.
        has_hung_up: Set when a connection is closed from here.
    """

    def __init__(self, target: str, script: Sequence[Fault]) -> None:
        parts = urlsplit(target)
        self._target = (parts.hostname or "", parts.port or 80)
        self._script = list(script)
        self.address = ""
        self.statuses: list[int] = []
        self.seen: list[tuple[Fault, float]] = []
        self.has_hung_up = threading.Event()

    @property
    def is_played(self) -> bool:
        """Whether every fault of the script has happened."""
        return not self._script

    @contextmanager
    def running(self) -> Iterator["FaultyProxy"]:
        """Listen in a thread of its own."""
        loop = asyncio.new_event_loop()
        server = loop.run_until_complete(asyncio.start_server(self._serve, "127.0.0.1", 0))
        self.address = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        thread = threading.Thread(target=loop.run_forever, daemon=True)
        thread.start()
        try:
            yield self
        finally:
            asyncio.run_coroutine_threadsafe(_end(server), loop).result()
            loop.call_soon_threadsafe(loop.stop)
            thread.join()
            loop.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                request = await _message(reader)
                fault = self._script.pop(0) if self._script else "pass"
                self.seen.append((fault, time.monotonic()))
                if fault == "cut before":
                    return
                if fault in ("pass", "cut after", "hang up"):
                    answer = await self._forward(request)
                    self.statuses.append(int(answer.split(b" ", 2)[1]))
                    if fault == "cut after":
                        return
                    writer.write(answer)
                else:
                    writer.write(
                        b"HTTP/1.1 %s Trouble\r\nRetry-After: 1\r\nContent-Length: 2\r\n\r\n{}" % fault.encode()
                    )
                await writer.drain()
                if fault == "hang up":
                    return
        except (asyncio.IncompleteReadError, ConnectionError):
            return
        finally:
            writer.close()
            await writer.wait_closed()
            self.has_hung_up.set()

    async def _forward(self, request: bytes) -> bytes:
        reader, writer = await asyncio.open_connection(*self._target)
        writer.write(request)
        answer = await _message(reader)
        writer.close()
        return answer


async def _end(server: asyncio.Server) -> None:
    """Close it in its own loop: connections count themselves out there, and two threads would count at once."""
    server.close()
    others = asyncio.all_tasks() - {asyncio.current_task()}
    for task in others:
        task.cancel()
    await asyncio.gather(*others, return_exceptions=True)


async def _message(reader: asyncio.StreamReader) -> bytes:
    head = await reader.readuntil(b"\r\n\r\n")
    lines = head.lower().split(b"\r\n")
    length = next((int(line.partition(b":")[2]) for line in lines if line.startswith(b"content-length:")), 0)
    return head + await reader.readexactly(length)

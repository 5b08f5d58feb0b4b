"""
A TCP proxy between two parts that makes trouble on order: one for every pair, all in one thread.

TCP loses nothing within a connection that goes on. So where bytes were swallowed (`hole`, `half-open`) their
connections are reset when the fault ends, as a network that heals after the peer gave up would show it.
"""

import asyncio
import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Literal

Trouble = Literal["none", "delay", "throttle", "hole", "half-open", "refuse", "reset-after"]
PIECE_BYTES = 65_536


@dataclass
class Pair:
    """
    One way from clients to a server.

    Attributes:
        name: Who speaks to whom.
        port: Where clients connect.
        target: Port of the server.
        host: Address where clients connect; the server is always at 127.0.0.1.
        trouble: What goes wrong now.
        delay_s: For `delay`: how late every piece comes, in either direction.
        bytes_per_s: For `throttle`, of each connection and direction.
        resets: For `reset-after`: how many more answers are replaced by a reset.
        smallest_request_bytes: For `reset-after`: a request that small is let through; it wants to know, not to do.
        swallowed: Answers that a reset has replaced.
        struck: Pieces that came late or not at all, and connections that were reset or refused.
    """

    name: str
    port: int
    target: int
    host: str = "127.0.0.1"
    trouble: Trouble = "none"
    delay_s: float = 0.3
    bytes_per_s: float = 30_000.0
    resets: int = 0
    smallest_request_bytes: int = 0
    swallowed: int = 0
    struck: int = 0
    links: set["Link"] = field(default_factory=set)

    def reset_all(self) -> None:
        """Reset every connection, as a firewall that forgot them would."""
        for link in list(self.links):
            link.reset()


class Link:
    """One connection of a pair."""

    def __init__(self, pair: Pair, client: asyncio.StreamWriter, server: asyncio.StreamWriter) -> None:
        self.pair = pair
        self._ends = (client, server)
        self._asked_bytes = 0

    def reset(self) -> None:
        """End it with RST at both ends."""
        for writer in self._ends:
            # Lingering for no time makes close() a reset.
            with suppress(OSError, AttributeError):
                writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            writer.transport.abort()

    async def carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, is_answer: bool) -> None:
        """Carry bytes one way until either end closes; when one breaks, the other learns it at once."""
        try:
            while piece := await reader.read(PIECE_BYTES):
                if await self._passes(len(piece), is_answer=is_answer):
                    writer.write(piece)
                    await writer.drain()
            if writer.can_write_eof():
                writer.write_eof()
        except ConnectionError:
            self.reset()

    async def _passes(self, size: int, *, is_answer: bool) -> bool:
        pair = self.pair
        asked, self._asked_bytes = self._asked_bytes, 0 if is_answer else self._asked_bytes + size
        passed = await self._treated(size, asked, is_answer=is_answer)
        pair.struck += not passed or pair.trouble in ("delay", "throttle")
        return passed

    async def _treated(self, size: int, asked: int, *, is_answer: bool) -> bool:
        pair = self.pair
        match pair.trouble:
            case "delay":
                await asyncio.sleep(pair.delay_s)
            case "throttle":
                await asyncio.sleep(size / pair.bytes_per_s)
            case "hole":
                return False
            case "half-open":
                return not is_answer
            case "reset-after" if is_answer and pair.resets > 0 and asked >= pair.smallest_request_bytes:
                # The server has done what was asked, for it answers; the answer never comes.
                pair.resets -= 1
                pair.swallowed += 1
                self.reset()
                return False
        return True


class Proxies:
    """All pairs of a run. Use `running`; the methods may be called from any thread."""

    def __init__(self, pairs: list[Pair]) -> None:
        self.pairs = {pair.name: pair for pair in pairs}
        self._loop = asyncio.new_event_loop()
        self._servers: list[asyncio.Server] = []

    @contextmanager
    def running(self) -> Iterator["Proxies"]:
        """Listen in a thread of its own; at the end every connection is closed in its loop."""
        thread = threading.Thread(target=self._loop.run_forever, name="proxies", daemon=True)
        thread.start()
        try:
            asyncio.run_coroutine_threadsafe(self._listen_all(), self._loop).result(10)
            yield self
        finally:
            asyncio.run_coroutine_threadsafe(self._end(), self._loop).result(10)
            self._loop.call_soon_threadsafe(self._loop.stop)
            thread.join()
            self._loop.close()

    def make(self, name: str, trouble: Trouble, *, resets: int = 0) -> None:
        """Let something go wrong between a pair from now on; `none` ends it."""
        self._call(self._make, self.pairs[name], trouble, resets)

    def reset(self, name: str) -> None:
        """Reset all connections of a pair once."""
        self._call(self._reset, self.pairs[name])

    @property
    def struck(self) -> int:
        """What troubles have hit so far: pieces and connections of all pairs."""
        return sum(pair.struck for pair in self.pairs.values())

    def _call(self, function: object, *arguments: object) -> None:
        done = threading.Event()

        def act() -> None:
            function(*arguments)  # type: ignore[operator]
            done.set()

        self._loop.call_soon_threadsafe(act)
        done.wait(10)

    @staticmethod
    def _reset(pair: Pair) -> None:
        pair.struck += len(pair.links)
        pair.reset_all()

    @staticmethod
    def _make(pair: Pair, trouble: Trouble, resets: int) -> None:
        swallowed_bytes = pair.trouble in ("hole", "half-open")
        pair.trouble, pair.resets = trouble, resets
        pair.struck += len(pair.links) if trouble == "refuse" else 0
        if swallowed_bytes or trouble == "refuse":
            pair.reset_all()

    async def _listen_all(self) -> None:
        for pair in self.pairs.values():
            self._servers.append(await self._listen(pair))

    async def _listen(self, pair: Pair) -> asyncio.Server:
        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await self._serve(pair, reader, writer)

        return await asyncio.start_server(serve, pair.host, pair.port)

    async def _serve(self, pair: Pair, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        link: Link | None = None
        try:
            if pair.trouble == "refuse":
                pair.struck += 1
                Link(pair, writer, writer).reset()
                return
            from_server, to_server = await asyncio.open_connection("127.0.0.1", pair.target)
            link = Link(pair, writer, to_server)
            pair.links.add(link)
            await asyncio.gather(
                link.carry(reader, to_server, is_answer=False), link.carry(from_server, writer, is_answer=True)
            )
            to_server.close()
        except (OSError, asyncio.CancelledError):
            pass
        finally:
            if link is not None:
                pair.links.discard(link)
                link.reset()
            writer.transport.abort()

    async def _end(self) -> None:
        """Close everything in the loop it belongs to."""
        for server in self._servers:
            server.close()
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)

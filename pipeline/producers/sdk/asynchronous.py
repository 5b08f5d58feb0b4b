"""
The client for programs on asyncio: the same, without ever blocking the event loop.

The one rule: what may wait (for room, for the disk) waits in a thread; everything else is the synchronous client's.
"""

import asyncio
from collections.abc import Mapping
from datetime import timedelta
from types import TracebackType
from typing import Any, Self

from pipeline.producers.sdk.client import OnDelivery, Throughline
from pipeline.producers.sdk.outcomes import Counters, Delivery
from pipeline.producers.sdk.settings import SendSettings


class AsyncThroughline:
    """
    Sends touchpoints; used from one event loop, as `async with AsyncThroughline(…) as t: await t.send(…)`.

    Args:
        address: A collector (`http://host:port`) or Kafka (`host:port`).
        write_key: The collector's key; Kafka needs none.
        source: The source of touchpoints that name none.
        settings: Queue, batches, patience.
        on_delivery: Called for each touchpoint when it is settled, in the event loop.
    """

    def __init__(
        self,
        address: str,
        *,
        write_key: str = "",
        source: str = "",
        settings: SendSettings | None = None,
        on_delivery: OnDelivery | None = None,
    ) -> None:
        self._made = (address, write_key, source, settings, on_delivery)
        self._opened: Throughline | None = None

    async def __aenter__(self) -> Self:
        """Begin to send."""
        loop = asyncio.get_running_loop()
        address, write_key, source, settings, on_delivery = self._made

        def pass_on(delivery: Delivery) -> None:
            if on_delivery is not None and not loop.is_closed():
                loop.call_soon_threadsafe(on_delivery, delivery)

        def opened() -> Throughline:
            return Throughline(address, write_key=write_key, source=source, settings=settings, on_delivery=pass_on)

        self._opened = await asyncio.to_thread(opened)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Wait for what is on its way; see `Throughline.close`."""
        await asyncio.to_thread(self._client.close)

    @property
    def counters(self) -> Counters:
        """The counts so far."""
        return self._client.counters

    async def send(self, touchpoint: Mapping[str, Any], *, patience: timedelta | None = None) -> str:
        """Take a touchpoint to be sent; see `Throughline.send`."""
        return await asyncio.to_thread(self._client.send, touchpoint, patience=patience)

    async def deliver(self, touchpoint: Mapping[str, Any], *, patience: timedelta | None = None) -> Delivery:
        """
        Send a touchpoint and wait until it is settled.

        Args:
            touchpoint: See `Throughline.send`.
            patience: How long to wait for room; then until it is settled, however long that takes.
        """
        loop = asyncio.get_running_loop()
        settled: asyncio.Future[Delivery] = loop.create_future()

        def settle(delivery: Delivery) -> None:
            if not settled.done():  # whoever waited may have given up
                settled.set_result(delivery)

        def pass_on(delivery: Delivery) -> None:
            if not loop.is_closed():
                loop.call_soon_threadsafe(settle, delivery)

        await asyncio.to_thread(self._client.send, touchpoint, on_delivery=pass_on, patience=patience)
        return await settled

    async def flush(self, patience: timedelta | None = None) -> bool:
        """Wait until everything taken is settled; see `Throughline.flush`."""
        return await asyncio.to_thread(self._client.flush, patience)

    @property
    def _client(self) -> Throughline:
        if self._opened is None:
            raise RuntimeError("use it as `async with AsyncThroughline(…) as t:`")
        return self._opened

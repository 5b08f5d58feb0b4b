"""
A bound for making a connection to a broker, so that one that accepts and says nothing holds up nobody for long.

aiokafka 0.14 gives the TCP connection and the first exchange over it the whole time-out of a request each, and makes
all connections of a client one after the other under one lock. A broker that is frozen, or just died behind a proxy,
so keeps a worker from every other broker, and from its heartbeats, for longer than its session lasts: it is thrown out
of its group although the broker is back. As with Kafka's own clients the bound doubles with every failure in a row, so
a network that is really slow is waited for in the end.
"""

import asyncio
import logging

from pipeline.streaming.foreign import Foreign

logger = logging.getLogger(__name__)

FIRST_BOUND_S = 2.0


class BoundedConnecting:
    """
    Stands between aiokafka's client of one consumer and its connections; lives in the consumer's thread.

    Args:
        client: aiokafka's `AIOKafkaClient`, before it is used.
        first_bound_s: How long the first try may take.
    """

    def __init__(self, client: Foreign, first_bound_s: float = FIRST_BOUND_S) -> None:
        self._client = client
        self._connect = client._get_conn
        self._first_bound_s = first_bound_s
        self._longest_s: float = client._request_timeout_ms / 1000
        self._failures: dict[Foreign, int] = {}
        client._get_conn = self._get_conn

    async def _get_conn(self, node: Foreign, **options: Foreign) -> Foreign:
        """Return a connection that is there or can be made in time, or None; called by aiokafka."""
        failures = self._failures.get(node, 0)
        bound_s = min(self._longest_s, self._first_bound_s * (1 << min(failures, 16)))
        try:
            async with asyncio.timeout(bound_s):
                connection = await self._connect(node, **options)
        except TimeoutError:
            self._failures[node] = failures + 1
            logger.warning("Broker %s accepts no connection within %.1f s, trying again", node, bound_s)
            self._client.force_metadata_update()
            return None
        if connection is not None:
            self._failures.pop(node, None)
        return connection

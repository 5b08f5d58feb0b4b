"""A broker that takes connections and says nothing holds nobody up, and is found again when it speaks."""

import asyncio
import socket
import time
from collections.abc import AsyncIterator

import pytest
from aiokafka.client import AIOKafkaClient

from pipeline.embedded.mock_cluster import MockCluster
from pipeline.streaming.foreign import Foreign
from pipeline.streaming.transport.connecting import BoundedConnecting

BOUND_S = 0.3


@pytest.fixture
async def client() -> AsyncIterator[Foreign]:
    """A client of a broker, with a second one in its book: number 99, which is silent."""
    with MockCluster({}) as cluster, socket.create_server(("127.0.0.1", 0)) as silent:
        made = AIOKafkaClient(bootstrap_servers=cluster.bootstrap, request_timeout_ms=20_000)
        await made.bootstrap()
        (broker,) = made.cluster.brokers()
        made.cluster._brokers[99] = broker._replace(nodeId=99, port=silent.getsockname()[1])
        yield made
        await made.close()


async def test_a_silent_broker_holds_up_neither_itself_nor_the_others(client: Foreign) -> None:
    BoundedConnecting(client, BOUND_S)
    (real,) = (broker.nodeId for broker in client.cluster.brokers() if broker.nodeId != 99)
    began = time.monotonic()
    waiting = asyncio.create_task(client.ready(99))
    await asyncio.sleep(BOUND_S / 2)
    assert not waiting.done()
    assert not await waiting
    assert await client.ready(real)
    assert time.monotonic() - began < 10 * BOUND_S


async def test_the_bound_grows_with_every_failure_until_it_speaks(client: Foreign) -> None:
    BoundedConnecting(client, BOUND_S)
    (real,) = (broker for broker in client.cluster.brokers() if broker.nodeId != 99)
    silent = client.cluster._brokers[99]
    for failures in range(2):
        began = time.monotonic()
        client.cluster._brokers[99] = silent
        assert not await client.ready(99)
        assert time.monotonic() - began >= BOUND_S * 2**failures
    client.cluster._brokers[99] = real._replace(nodeId=99)
    assert await client.ready(99)


async def test_without_it_one_silent_broker_keeps_a_client_from_all(client: Foreign) -> None:
    """What is worked around; when this fails, aiokafka has it mended."""
    (real,) = (broker.nodeId for broker in client.cluster.brokers() if broker.nodeId != 99)
    waiting = asyncio.create_task(client.ready(99))
    await asyncio.sleep(0.1)
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(client.ready(real), 2 * BOUND_S)
    waiting.cancel()
    await asyncio.wait([waiting])

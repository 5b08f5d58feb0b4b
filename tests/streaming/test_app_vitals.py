"""Liveness means progress: a worker without a broker is left alone, one that is itself the fault is restarted."""

import asyncio
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta

import pytest
from prometheus_client import CollectorRegistry

from pipeline.embedded.mock_cluster import MockCluster
from pipeline.observability.health import Health
from pipeline.observability.metrics import Metrics
from pipeline.streaming import vitals as module
from pipeline.streaming.batching import BatchPolicy
from pipeline.streaming.foreign import Foreign
from pipeline.streaming.retry import Backoff, Persistence
from pipeline.streaming.runner import BatchRunner
from pipeline.streaming.vitals import StageSigns, Vitals, is_reachable
from tests.streaming.kafka import kafka_settings, new_name, reading, until
from tests.streaming.test_app_runner import Work

SECOND = timedelta(seconds=1)


@asynccontextmanager
async def watched(app: Foreign, health: Health, topic: str) -> AsyncIterator[None]:
    metrics = Metrics(CollectorRegistry())
    persistence = Persistence(Backoff(SECOND, SECOND), StageSigns("land", metrics, health))
    runner = BatchRunner(Work(), BatchPolicy(1, SECOND), persistence)
    watching = asyncio.ensure_future(Vitals("land", app, runner, metrics, health).run(SECOND, (topic,)))
    try:
        yield
    finally:
        watching.cancel()


async def test_a_broker_that_is_away_blocks_a_worker_and_does_not_kill_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "BROKER_TIMEOUT_S", 0.5)
    monkeypatch.setattr(module, "LOOK_EVERY", timedelta(seconds=0.5))
    topic = new_name("topic")
    health = Health(timedelta(seconds=4))
    health.ready()
    with MockCluster({topic: 1}) as cluster:
        async with (
            reading(kafka_settings(cluster.bootstrap), new_name("group"), topic, lambda _: None) as app,
            watched(app, health, topic),
        ):
            await until(lambda: bool(app.consumer.committed_offsets))
            cluster.broker_set_down()
            await until(lambda: "broker" in health.is_ready().reason, 30)
            for _ in range(50):
                await asyncio.sleep(0.1)
                assert health.is_live().ok, health.is_live().reason
            cluster.broker_set_up()
            await until(lambda: health.is_ready().ok, 30)


async def test_a_consumer_that_hangs_while_the_broker_is_there_gives_no_sign() -> None:
    topic, gate = new_name("topic"), threading.Event()
    health = Health(timedelta(seconds=3))
    health.ready()

    async def hang() -> None:
        gate.wait(30)

    with MockCluster({topic: 1}) as cluster:
        async with reading(kafka_settings(cluster.bootstrap), new_name("group"), topic, lambda _: None) as app:
            await until(lambda: bool(app.consumer.committed_offsets))
            hanging = asyncio.ensure_future(app.consumer._thread.call_thread(hang))
            try:
                async with watched(app, health, topic):
                    await until(lambda: not health.is_live().ok, 20)
                    assert health.is_ready().reason == health.is_live().reason, "the broker is not to blame"
            finally:
                gate.set()
                await hanging


async def test_reachable_is_who_listens() -> None:
    with MockCluster({}) as cluster:
        assert await is_reachable([("127.0.0.1", 9), ("127.0.0.1", cluster.port)])
    assert not await is_reachable([("127.0.0.1", cluster.port)])

"""The collector's answers, over HTTP and with the real embedded broker."""

import asyncio
import gzip
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import uuid4

import orjson
import pytest
from aiohttp import encode_basic_auth
from aiohttp.test_utils import TestClient, TestServer
from prometheus_client import CollectorRegistry

from pipeline.config import Settings
from pipeline.config_kafka import KafkaSettings
from pipeline.contracts.touchpoint import decode_touchpoint
from pipeline.observability.health import Health
from pipeline.observability.metrics import Metrics
from pipeline.producers.admission import LARGEST_EVENT_BYTES
from pipeline.producers.collector.courier import Courier
from pipeline.producers.collector.keys import WriteKeys
from pipeline.producers.collector.service import Collector
from pipeline.producers.collector.stowing import Stowing
from pipeline.producers.spool import Spool
from tests.embedded.servers import BrokerServer
from tests.producers.events import page_viewed
from tests.producers.kafka import Reader, commit_end, made_topic, read_all

PATH = "/v1/touchpoints"
KEY = {"Authorization": "Bearer key-1"}


@dataclass
class House:
    """A collector that runs in this process."""

    client: TestClient[Any, Any]
    collector: Collector
    stowing: Stowing
    health: Health
    metrics: Metrics
    registry: CollectorRegistry
    bootstrap: str

    async def post(self, body: bytes | object, **headers: str) -> tuple[int, dict[str, Any]]:
        data = body if isinstance(body, bytes) else orjson.dumps(body)
        async with self.client.post(PATH, data=data, headers={**KEY, **headers}) as response:
            return response.status, await response.json()

    def count(self, outcome: str) -> float:
        labels = {"stage": "collect", "outcome": outcome}
        return self.registry.get_sample_value("throughline_events_total", labels) or 0.0

    def stored(self, run: str) -> list[dict[str, Any]]:
        """Return the events in Kafka whose source is this test's."""
        events = [decode_touchpoint(value) for _, value in read_all(self.bootstrap, "touchpoints.web")]
        return [event for event in events if isinstance(event, dict) and event["source"] == run]


async def opened(
    bootstrap: str, timeout_s: int = 2, *, collector: Mapping[str, object] | None = None, **kafka: object
) -> AsyncIterator[House]:
    limits = {"write_keys": {"shop": "key-1"}, "delivery_timeout": timedelta(seconds=timeout_s), **(collector or {})}
    settings = Settings.model_validate({"kafka": {"bootstrap": bootstrap, **kafka}, "collector": limits})
    registry, health = CollectorRegistry(), Health(timedelta(seconds=60))
    health.ready()
    limit = settings.collector
    spool = Spool(limit.spool, limit.spool_max_bytes) if limit.spool else None
    stowing = Stowing(Courier(settings.kafka, limit.delivery_timeout), spool)
    metrics = Metrics(registry)
    service = Collector(settings, WriteKeys(limit.write_keys, limit.keys_file), stowing, metrics, health)
    server = TestServer(service.application())
    await server.start_server(auto_decompress=False)
    async with TestClient(server) as client:
        yield House(client, service, stowing, health, metrics, registry, bootstrap)
    await asyncio.to_thread(stowing.close)


@pytest.fixture
async def house(broker: BrokerServer) -> AsyncIterator[House]:
    made_topic(broker.bootstrap, "touchpoints.web")
    async for each in opened(broker.bootstrap):
        yield each


@pytest.fixture
def run() -> str:
    """The source of one test's events, so that tests do not see each other's."""
    return f"run-{uuid4().hex}"


async def test_an_accepted_event_is_in_kafka_when_the_answer_comes(house: House, run: str) -> None:
    status, answer = await house.post(page_viewed(1, source=run, received_at="1999-01-01T00:00:00Z"))
    stored = house.stored(run)
    assert status == 202
    assert answer == {
        "accepted": 1,
        "duplicate": 0,
        "rejected": 0,
        "receipts": [{"index": 0, "id": "e-1", "status": "accepted", "reason": None, "pointer": None}],
    }
    assert [event["id"] for event in stored] == ["e-1"]
    assert stored[0]["received_at"] > 1_750_000_000_000, "the collector's own receipt"


async def test_some_bad_events_get_receipts_and_the_others_land(house: House, run: str) -> None:
    events = [
        page_viewed(1, source=run),
        {**page_viewed(2, source=run), "type": "web.sung"},
        3,
        page_viewed(4, source=run),
    ]
    status, answer = await house.post(events)
    assert status == 202
    assert (answer["accepted"], answer["duplicate"], answer["rejected"]) == (2, 0, 2)
    assert [
        (each["index"], each["id"], each["status"], each["reason"], each["pointer"]) for each in answer["receipts"]
    ] == [
        (0, "e-1", "accepted", None, None),
        (1, "e-2", "rejected", "unknown_type", "/type"),
        (2, None, "rejected", "wrong_type", ""),
        (3, "e-4", "accepted", None, None),
    ]
    assert {event["id"] for event in house.stored(run)} == {"e-1", "e-4"}


async def test_all_bad_is_a_400_with_receipts(house: House) -> None:
    status, answer = await house.post([{}, {"id": "e-9"}])
    assert status == 400
    assert [each["id"] for each in answer["receipts"]] == [None, "e-9"]
    assert (await house.post(b"{"))[0] == (await house.post(b'{"a": NaN}'))[0] == 400


async def test_lines_land_each_by_itself(house: House, run: str) -> None:
    lines = orjson.dumps(page_viewed(1, source=run)) + b"\n{bad\n\n" + orjson.dumps(page_viewed(2, source=run))
    packed = gzip.compress(lines)
    status, answer = await house.post(packed, **{"Content-Type": "application/x-ndjson", "Content-Encoding": "gzip"})
    assert status == 202
    assert [each["status"] for each in answer["receipts"]] == ["accepted", "rejected", "accepted"]
    assert answer["receipts"][1]["reason"] == "undecodable"
    assert len(house.stored(run)) == 2


async def test_the_same_content_is_a_duplicate_here_and_later_but_not_a_correction(house: House, run: str) -> None:
    event = page_viewed(1, source=run)
    _, first = await house.post([event, event, {**event, "revision": 1}])
    _, second = await house.post({**event, "sent_at": "2026-03-01T10:06:00Z"})
    assert [each["status"] for each in first["receipts"]] == ["accepted", "duplicate", "accepted"]
    assert (second["accepted"], second["duplicate"]) == (0, 1)
    assert len(house.stored(run)) == 2
    house.collector.forget_seen()
    assert (await house.post(event))[1]["accepted"] == 1


async def test_one_event_above_a_mebibyte_is_too_large_and_the_others_land(house: House, run: str) -> None:
    large = page_viewed(1, source=run, context={"title": "x" * LARGEST_EVENT_BYTES})
    status, answer = await house.post([large, page_viewed(2, source=run)])
    assert status == 202
    assert [(each["status"], each["reason"]) for each in answer["receipts"]] == [
        ("rejected", "too_large"),
        ("accepted", None),
    ]
    assert (await house.post(large))[0] == 400
    largest = page_viewed(3, source=run, context={"title": "x" * (LARGEST_EVENT_BYTES - 2_000)})
    assert (await house.post(largest))[1]["accepted"] == 1
    assert {event["id"] for event in house.stored(run)} == {"e-2", "e-3"}


async def test_too_large_requests_take_nothing(house: House, run: str) -> None:
    many = [page_viewed(number, source=run) for number in range(10_001)]
    status, answer = await house.post(many)
    assert (status, set(answer)) == (413, {"error"})
    wide = orjson.dumps([page_viewed(number, source=run, context={"title": "x" * 900_000}) for number in range(24)])
    assert (await house.post(wide))[0] == 413
    assert (await house.post(gzip.compress(wide), **{"Content-Encoding": "gzip"}))[0] == 413
    assert house.stored(run) == []


@pytest.mark.parametrize("headers", [{"Authorization": "Bearer wrong"}, {"Authorization": ""}])
async def test_a_wrong_key_takes_nothing(house: House, run: str, headers: dict[str, str]) -> None:
    status, answer = await house.post(page_viewed(1, source=run), **headers)
    assert (status, set(answer)) == (401, {"error"})
    assert house.stored(run) == []


async def test_basic_with_the_key_as_user_opens(house: House, run: str) -> None:
    status, _ = await house.post(page_viewed(1, source=run), Authorization=encode_basic_auth("key-1", ""))
    assert status == 202


async def test_other_routes_and_media_types_are_told(house: House) -> None:
    async with house.client.get(PATH) as response:
        assert (response.status, await response.json()) == (405, {"error": "Method Not Allowed"})
    async with house.client.post("/v2", headers=KEY) as response:
        assert response.status == 404
    assert (await house.post({}, **{"Content-Encoding": "br"}))[0] == 415


async def test_events_and_answers_are_counted(house: House, run: str) -> None:
    event = page_viewed(1, source=run)
    await house.post([event, event, {}])
    assert [house.count(outcome) for outcome in ("received", "stored", "duplicate", "rejected")] == [3, 1, 1, 1]
    assert house.registry.get_sample_value("throughline_rejected_total", {"reason": "missing_field"}) == 1
    assert house.registry.get_sample_value("throughline_http_requests_total", {"status": "2xx"}) == 1


async def test_health_is_told(house: House) -> None:
    async with house.client.get("/livez") as live, house.client.get("/readyz") as ready:
        assert (live.status, ready.status) == (200, 200)
    house.health.block("kafka", "does not answer")
    async with house.client.get("/livez") as live, house.client.get("/readyz") as ready:
        assert (live.status, ready.status) == (200, 503)


async def test_many_requests_at_once_are_all_answered_rightly(house: House, run: str) -> None:
    async def send(number: int) -> int:
        events = [page_viewed(number * 100 + each, source=run) for each in range(20)]
        return int((await house.post(events))[1]["accepted"])

    assert sum(await asyncio.gather(*(send(number) for number in range(60)))) == 1_200
    assert len(house.stored(run)) == 1_200


async def test_a_broker_that_does_not_answer_means_503_and_nothing_is_remembered(run: str) -> None:
    async for house in opened("127.0.0.1:1"):
        async with house.client.post(PATH, json=page_viewed(1, source=run), headers=KEY) as response:
            assert response.status == 503
            assert int(response.headers["Retry-After"]) > 0
        status, answer = await house.post(page_viewed(1, source=run))
        assert (status, answer["duplicate"]) == (503, 0), "not a duplicate of what never arrived"
        assert [each["status"] for each in answer["receipts"]] == ["unknown"]
        assert house.count("stored") == 0


async def test_a_request_larger_than_a_bounded_log_may_hold_is_refused_where_nobody_reads(
    broker: BrokerServer, run: str
) -> None:
    """The first slice lands and the rest is refused: the sender hears of it and tries again."""
    group = f"test-{uuid4().hex[:8]}"
    made_topic(broker.bootstrap, "touchpoints.web")
    await asyncio.to_thread(commit_end, broker.bootstrap, f"{group}-land", "touchpoints.web")
    async for house in opened(broker.bootstrap, group=group, feeder_max_lag_bytes=100_000):
        events = [page_viewed(1, id=f"e-{number}", source=run) for number in range(2_000)]
        async with house.client.post(PATH, json=[*events, {"id": "bad"}], headers=KEY) as response:
            assert response.status == 503
            assert response.headers["Retry-After"]
            answer = await response.json()
        assert (answer["accepted"], answer["unknown"], answer["rejected"]) == (0, 2_000, 1)
        assert {each["status"] for each in answer["receipts"][:-1]} == {"unknown"}, "some may be taken"
        assert answer["receipts"][-1]["status"] == "rejected"
        wide = page_viewed(1, id="one more", source=run, context={"title": "x" * 90_000})
        status, answer = await house.post(wide)
        assert (status, set(answer)) == (503, {"error"}), "refused at once: nobody read meanwhile, and nothing is taken"
        assert 0 < len(house.stored(run)) < 2_000


async def test_a_request_larger_than_a_bounded_log_may_hold_lands_where_somebody_reads(
    broker: BrokerServer, run: str
) -> None:
    kafka = KafkaSettings(bootstrap=broker.bootstrap, group=f"test-{uuid4().hex[:8]}")
    made_topic(broker.bootstrap, "touchpoints.web")
    await asyncio.to_thread(commit_end, broker.bootstrap, f"{kafka.group}-land", "touchpoints.web")
    reader = Reader(kafka, "touchpoints.web", records_a_step=500, step_s=0.01)
    async for house in opened(broker.bootstrap, 30, group=kafka.group, feeder_max_lag_bytes=100_000):
        with reader.reading():
            events = [page_viewed(1, id=f"e-{number}", source=run) for number in range(4_000)]
            status, answer = await house.post(events)
        assert (status, answer.get("accepted")) == (202, 4_000)
        assert len(house.stored(run)) == 4_000

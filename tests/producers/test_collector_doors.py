"""The collector's doors over HTTP with the real embedded broker: other systems' clients, browsers, keys, the spool."""

import asyncio
import gzip
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import orjson
import pytest
from aiohttp import encode_basic_auth

from pipeline.contracts.touchpoint import decode_touchpoint
from pipeline.producers.collector.running import _watch_kafka
from tests.embedded.servers import BrokerServer
from tests.producers.events import page_viewed
from tests.producers.kafka import made_topic, read_all
from tests.producers.test_collector import KEY, PATH, House, opened

SHOP = "https://shop.example"
KEYS = """
[limited]
keys = ["limited"]
sources = ["allowed"]
types = ["web.*"]
events_per_second = 50

[free]
keys = ["free"]
"""


@pytest.fixture
async def house(broker: BrokerServer, tmp_path: Path) -> AsyncIterator[House]:
    for topic in ("touchpoints.web", "touchpoints.orders", "touchpoints.accounts"):
        made_topic(broker.bootstrap, topic)
    keys = tmp_path / "keys.toml"
    keys.write_text(KEYS)
    limits = {"allowed_origins": (SHOP,), "trusted_proxies": ("127.0.0.0/8",), "keys_file": str(keys)}
    async for each in opened(broker.bootstrap, collector=limits):
        yield each


def of(house: House, topic: str, source: str) -> list[dict[str, Any]]:
    events = [decode_touchpoint(value) for _, value in read_all(house.bootstrap, topic)]
    return [event for event in events if isinstance(event, dict) and event["source"] == source]


async def sent(house: House, path: str, body: object, **headers: str) -> tuple[int, dict[str, Any]]:
    data = body if isinstance(body, bytes) else orjson.dumps(body)
    async with house.client.post(path, data=data, headers=headers) as response:
        return response.status, await response.json()


def tracked(number: int, run: str) -> dict[str, Any]:
    return {
        "type": "track",
        "event": "Order Completed",
        "messageId": f"{run}-{number}",
        "timestamp": "2026-03-01T10:04:00Z",
        "userId": f"u-{number}",
        "properties": {"order_id": f"o-{number}", "total": 19.99, "currency": "EUR"},
    }


async def test_a_batch_of_segment_messages_lands_under_the_keys_name(house: House) -> None:
    run = uuid4().hex
    body = gzip.compress(orjson.dumps({"batch": [tracked(1, run), tracked(2, run), {"type": "sing"}, tracked(1, run)]}))
    status, answer = await sent(
        house, "/v1/batch", body, Authorization=encode_basic_auth("free", ""), **{"Content-Encoding": "gzip"}
    )
    assert status == 200
    assert [each["status"] for each in answer["receipts"]] == ["accepted", "accepted", "rejected", "duplicate"]
    stored = [event for event in of(house, "touchpoints.orders", "free") if event["id"].startswith(run)]
    assert sorted(event["id"] for event in stored) == [f"{run}-1", f"{run}-2"]
    assert stored[0]["amount"] == {"minor": 1999, "currency": "EUR"}


async def test_all_bad_messages_are_still_a_200_because_a_400_would_lose_the_batch(house: House) -> None:
    status, answer = await sent(house, "/v1/track", {"event": "x"}, **KEY)
    assert (status, answer["rejected"]) == (200, 1)
    assert (await sent(house, "/v1/batch", b"{", **KEY))[0] == 400


@pytest.mark.parametrize("path", ["/v1/t", "/v1/track", "/v1/b", "/beacon/v1/batch"])
async def test_browsers_put_the_key_into_the_body_or_the_address(house: House, path: str) -> None:
    text = {"Content-Type": "text/plain;charset=UTF-8", "Origin": SHOP}
    inside = {**tracked(1, uuid4().hex), "writeKey": "free"}
    assert (await sent(house, path, inside, **text))[0] == 200
    assert (await sent(house, path + "?writeKey=free", tracked(1, uuid4().hex), **text))[0] == 200
    assert (await sent(house, path, {**inside, "writeKey": "guess"}, **text))[0] == 401
    assert (await sent(house, path, inside | {"event": "x" * 1_100_000}, **text))[0] == 413, "a stranger's limit"
    assert (await sent(house, path, tracked(1, "x"), **text))[0] == 401


async def test_only_pages_that_are_allowed_may_send(house: House) -> None:
    run = f"run-{uuid4().hex}"
    event = page_viewed(1, source=run)
    asks = {"Origin": SHOP, "Access-Control-Request-Method": "POST"}
    async with house.client.options(PATH, headers=asks) as response:
        assert response.status == 204
        assert response.headers["Access-Control-Allow-Origin"] == SHOP
        assert "Authorization" in response.headers["Access-Control-Allow-Headers"]
    async with house.client.options(PATH, headers={**asks, "Origin": "https://evil.example"}) as response:
        assert response.status == 403
        assert "Access-Control-Allow-Origin" not in response.headers
    async with house.client.post(PATH, json=event, headers={**KEY, "Origin": "https://evil.example"}) as response:
        assert response.status == 403
        assert "Access-Control-Allow-Origin" not in response.headers, "its page may not even read the refusal"
    assert of(house, "touchpoints.web", run) == []
    headers = {**KEY, "Origin": SHOP, "X-Forwarded-For": "6.6.6.6, 198.51.100.7"}
    async with house.client.post(PATH, data=orjson.dumps(event), headers=headers) as response:
        assert response.headers["Access-Control-Allow-Origin"] == SHOP
    (stored,) = of(house, "touchpoints.web", run)
    assert stored["context"]["ip"] == "198.51.100.7"


async def test_a_key_sends_only_what_it_may(house: House) -> None:
    key = {"Authorization": "Bearer limited"}
    order = {**page_viewed(2, source="allowed"), "type": "order.placed", "refs": {"order_id": "o"}}
    _, answer = await sent(
        house, PATH, [page_viewed(uuid4().int, source="allowed"), page_viewed(1, source="erp"), order], **key
    )
    assert [(each["status"], each["reason"], each["pointer"]) for each in answer["receipts"]] == [
        ("accepted", None, None),
        ("rejected", "invalid_value", "/source"),
        ("rejected", "invalid_value", "/type"),
    ]


async def test_a_flood_of_one_key_costs_the_others_nothing(house: House) -> None:
    """The limited key sends far more than ten times its limit; everything of the other key is accepted."""
    began = time.monotonic()
    statuses: dict[str, list[int]] = {"limited": [], "free": []}

    def is_enough() -> bool:
        return statuses["limited"].count(429) > 100 and time.monotonic() > began + 2

    async def send(key: str, source: str, pause_s: float) -> None:
        while not is_enough():
            events = [page_viewed(1, id=uuid4().hex, source=source) for _ in range(10)]
            headers = {"Authorization": f"Bearer {key}"}
            async with house.client.post(PATH, data=orjson.dumps(events), headers=headers) as response:
                statuses[key].append(response.status)
                if response.status == 429:
                    assert int(response.headers["Retry-After"]) >= 1
            await asyncio.sleep(pause_s)

    senders = 4
    await asyncio.gather(*(send("limited", "allowed", 0.01) for _ in range(senders)), send("free", "x", 0.01))
    accepted, took_s = statuses["limited"].count(202), time.monotonic() - began
    assert 10 <= accepted <= 10 + 5 * took_s + senders, "100 events at once, 50 a second, and what is under way"
    assert set(statuses["limited"]) == {202, 429}
    assert set(statuses["free"]) == {202}


async def test_a_key_in_the_body_has_its_limit_too(house: House) -> None:
    run = uuid4().hex
    flood = {"writeKey": "limited", "batch": [tracked(number, run) for number in range(400)]}
    assert (await sent(house, "/v1/batch", flood))[0] == 200
    assert (await sent(house, "/v1/batch", flood))[0] == 429
    assert (await sent(house, "/v1/batch", flood | {"writeKey": "free"}))[0] == 200


async def test_a_cloud_event_lands_in_each_form(house: House) -> None:
    run = f"run-{uuid4().hex}"
    touchpoint = page_viewed(1, source=run)
    data = {"identities": touchpoint["identities"]}
    event = {"specversion": "1.0", "type": touchpoint["type"], "source": run, "time": touchpoint["occurred_at"]}
    structured = {**event, "id": "s", "data": data}
    as_json = {"Content-Type": "application/cloudevents+json; charset=utf-8"}
    assert (await sent(house, PATH, structured, **KEY, **as_json))[0] == 202
    batch = {"Content-Type": "application/cloudevents-batch+json"}
    status, answer = await sent(
        house, PATH, [{**structured, "id": "b"}, {**structured, "id": "c", "time": "x"}], **KEY, **batch
    )
    assert (status, answer["receipts"][1]["pointer"]) == (202, "/time")
    headers = {f"ce-{name}": value for name, value in {**event, "id": "h"}.items()}
    assert (await sent(house, PATH, data, **KEY, **headers, **{"Content-Type": "application/json"}))[0] == 202
    assert (await sent(house, PATH, data, **KEY, **{**headers, "ce-specversion": "2.0"}))[0] == 400
    assert sorted(stored["id"] for stored in of(house, "touchpoints.web", run)) == ["b", "h", "s"]


async def test_the_snippet_is_served(house: House) -> None:
    async with house.client.get("/throughline.js") as response:
        assert (response.status, response.content_type) == (200, "text/javascript")
        assert b"sendBeacon" in await response.read()


async def test_with_a_spool_events_wait_on_the_disk_while_kafka_is_away(tmp_path: Path, broker: BrokerServer) -> None:
    run = f"run-{uuid4().hex}"
    made_topic(broker.bootstrap, "touchpoints.web")
    async for house in opened("127.0.0.1:1", collector={"spool": str(tmp_path / "spool")}):
        house.health.block("kafka", "does not answer")
        for number in range(3):
            assert (await house.post(page_viewed(number, source=run)))[0] == 202
        assert (await house.post(page_viewed(0, source=run)))[1]["duplicate"] == 1
    (segment,) = (tmp_path / "spool").glob("*.spool")
    with segment.open("ab") as file:
        file.write(b"torn")
    async for house in opened(broker.bootstrap, collector={"spool": str(tmp_path / "spool")}):
        drain = asyncio.create_task(house.stowing.drain(house.health, house.metrics))
        deadline = time.monotonic() + 30
        while len(house.stored(run)) < 3:
            assert time.monotonic() < deadline
            await asyncio.sleep(0.1)
        await asyncio.sleep(0.7)
        drain.cancel()
        assert sorted(event["id"] for event in house.stored(run)) == ["e-0", "e-1", "e-2"]
        assert house.registry.get_sample_value("throughline_spooled_events") == 0
        assert house.registry.get_sample_value("throughline_spool_cut_bytes") == 4


@pytest.mark.parametrize(("spool", "status"), [({}, 503), ({"spool_max_bytes": 1_048_576}, 200)])
async def test_ready_means_that_events_are_taken(tmp_path: Path, spool: dict[str, object], status: int) -> None:
    limits = {**spool, "spool": str(tmp_path)} if spool else {}
    async for house in opened("127.0.0.1:1", collector=limits):
        watch = asyncio.create_task(_watch_kafka(house.stowing, house.collector, house.health))
        deadline = time.monotonic() + 30
        while house.health.trouble("kafka") is None:
            assert time.monotonic() < deadline
            await asyncio.sleep(0.05)
        watch.cancel()
        for method in ("GET", "HEAD"):
            async with house.client.request(method, "/readyz") as ready:
                assert ready.status == status
        assert ((await house.post(page_viewed(1)))[0] == 202) == (status == 200)


async def test_a_full_spool_refuses_as_kafka_would(tmp_path: Path) -> None:
    async for house in opened("127.0.0.1:1", collector={"spool": str(tmp_path), "spool_max_bytes": 1_048_576}):
        house.health.block("kafka", "does not answer")
        wide = {"title": "x" * 600_000}
        assert (await house.post(page_viewed(1, context=wide)))[0] == 202
        async with house.client.post(PATH, json=page_viewed(2, context=wide), headers=KEY) as response:
            assert (response.status, response.headers["Retry-After"]) == (503, "5")

"""The SDK against the real collector and the real embedded broker, and against trouble on the way."""

import asyncio
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import TypeVar
from uuid import uuid4

import orjson
import pytest

from pipeline.contracts.touchpoint import decode_touchpoint, parse_touchpoint
from pipeline.contracts.types import touchpoint_types
from pipeline.producers import (
    AsyncThroughline,
    Delivery,
    InvalidTouchpointError,
    SendSettings,
    Throughline,
    UndeliveredError,
)
from pipeline.producers import touchpoints as builders
from pipeline.producers.errors import ProducerError
from pipeline.producers.sdk.kafka_sink import KafkaSink
from pipeline.producers.sdk.outcomes import SinkAwayError
from pipeline.producers.touchpoints import email, money, order_placed, support_escalated, web_page_viewed
from pipeline.producers.touchpoints.building import new_id
from tests.embedded.servers import BrokerServer
from tests.producers.events import page_viewed
from tests.producers.faults import FaultyProxy
from tests.producers.kafka import made_topic, read_all
from tests.producers.test_collector import House, opened

T = TypeVar("T")

QUICK = SendSettings(patience=timedelta(seconds=15), linger=timedelta(milliseconds=5))


@pytest.fixture
async def house(broker: BrokerServer) -> AsyncIterator[House]:
    made_topic(broker.bootstrap, "touchpoints.web")
    async for each in opened(broker.bootstrap, 10):
        yield each


@pytest.fixture
def run() -> str:
    return f"run-{uuid4().hex}"


def address(house: House) -> str:
    return str(house.client.make_url("")).rstrip("/")


async def beside(work: Callable[[], T]) -> T:
    """Run blocking work beside the event loop that the collector runs in."""
    return await asyncio.to_thread(work)


def ids(bootstrap: str, run: str) -> list[str]:
    events = [decode_touchpoint(value) for _, value in read_all(bootstrap, "touchpoints.web")]
    return [event["id"] for event in events if isinstance(event, dict) and event["source"] == run]


async def test_what_was_sent_is_in_kafka_when_the_client_is_left(house: House, run: str) -> None:
    settled: list[Delivery] = []

    def work() -> tuple[str, Throughline]:
        with Throughline(address(house), write_key="key-1", source=run, settings=QUICK) as t:
            first = t.send({"type": "web.page_viewed", "identities": [{"kind": "cookie_id", "value": "c"}]})
            t.send_many([page_viewed(number, source=run) for number in range(1_200)], on_delivery=settled.append)
        return first, t

    first, t = await beside(work)
    assert sorted(ids(house.bootstrap, run)) == sorted([first, *(f"e-{number}" for number in range(1_200))])
    assert [delivery.id for delivery in settled] == [f"e-{number}" for number in range(1_200)], "in order"
    assert (t.counters.taken, t.counters.delivered, t.counters.waiting) == (1_201, 1_201, 0)
    with pytest.raises(ProducerError, match="closed"):
        t.send(page_viewed())


async def test_what_is_no_touchpoint_is_refused_at_once_with_the_errors_of_everywhere(house: House) -> None:
    bad = {**page_viewed(), "type": "web.sung", "identities": [], "nonsense": 1}
    expected = parse_touchpoint(bad)

    def work() -> Throughline:
        with Throughline(address(house), write_key="key-1", settings=QUICK) as t:
            with pytest.raises(InvalidTouchpointError) as refused:
                t.send(bad)
            assert list(refused.value.problems) == expected
            with pytest.raises(InvalidTouchpointError, match="wrong_type"):
                t.send(5)  # type: ignore[arg-type]
            with pytest.raises(InvalidTouchpointError, match="future_time"):
                t.send(page_viewed(occurred_at="2199-01-01T00:00:00Z"))
            with pytest.raises(InvalidTouchpointError, match="no_identifier"):
                t.send(page_viewed(identities=[{"kind": "email", "value": "null"}]))
            with pytest.raises(InvalidTouchpointError, match="too_large"):
                t.send(page_viewed(context={"title": "x" * 1_100_000}))
        return t

    t = await beside(work)
    assert (t.counters.taken, t.counters.invalid) == (0, 5)


async def test_trouble_on_the_way_costs_time_and_no_touchpoint(house: House, run: str) -> None:
    proxy = FaultyProxy(address(house), ["503", "cut before", "429", "cut after"])

    def work() -> Throughline:
        settings = SendSettings(max_batch=3, linger=timedelta(0))
        with proxy.running(), Throughline(proxy.address, write_key="key-1", settings=settings) as t:
            for number in range(9):
                t.send(page_viewed(number, source=run))
        return t

    t = await beside(work)
    assert proxy.is_played
    assert sorted(ids(house.bootstrap, run)) == [f"e-{number}" for number in range(9)]
    assert t.counters.retries == 4
    assert t.counters.delivered + t.counters.duplicate == 9
    assert t.counters.duplicate >= 1, "what was taken before the connection broke is known"
    for (fault, at), (_, again_at) in pairwise(proxy.seen):
        assert again_at - at >= 1 or fault not in ("503", "429"), "whoever names a time is believed"


async def test_a_connection_that_was_closed_meanwhile_is_no_trouble(house: House, run: str) -> None:
    proxy = FaultyProxy(address(house), ["hang up"])

    def work() -> Throughline:
        with proxy.running(), Throughline(proxy.address, write_key="key-1", settings=QUICK) as t:
            t.send(page_viewed(1, source=run))
            assert proxy.has_hung_up.wait(20)
            t.send(page_viewed(2, source=run))
        return t

    t = await beside(work)
    assert (t.counters.delivered, t.counters.retries) == (2, 0)


async def test_receipts_of_the_collector_reach_the_callback(tmp_path: Path, broker: BrokerServer, run: str) -> None:
    keys = tmp_path / "keys.toml"
    keys.write_text('[limited]\nkeys = ["limited"]\nsources = ["allowed"]\n')
    settled: list[Delivery] = []
    async for house in opened(broker.bootstrap, collector={"keys_file": str(keys)}):

        def work(at: str = address(house)) -> Throughline:
            with Throughline(at, write_key="limited", settings=QUICK, on_delivery=settled.append) as t:
                t.send(page_viewed(1, source="other"))
                t.send(page_viewed(1, id=run, source="allowed"))
            return t

        t = await beside(work)
    assert [(each.id, each.status, each.reason, each.pointer) for each in settled] == [
        ("e-1", "rejected", "invalid_value", "/source"),
        (run, "accepted", None, None),
    ]
    assert (t.counters.delivered, t.counters.rejected) == (1, 1)


async def test_a_request_too_large_is_sent_in_halves(broker: BrokerServer, run: str) -> None:
    async for house in opened(broker.bootstrap, collector={"max_request_bytes": 5_000}):

        def work(at: str = address(house)) -> Throughline:
            with Throughline(at, write_key="key-1", settings=QUICK) as t:
                t.send_many([page_viewed(number, source=run) for number in range(100)])
                t.send(page_viewed(100, source=run, context={"title": "x" * 6_000}))
            return t

        t = await beside(work)
        assert len(ids(house.bootstrap, run)) == 100
    assert (t.counters.delivered, t.counters.rejected, t.counters.retries) == (100, 1, 0)


def test_without_anybody_there_send_waits_and_leaving_tells_what_is_not_delivered() -> None:
    settings = SendSettings(max_waiting=2, patience=timedelta(seconds=0.3))
    client = Throughline("http://127.0.0.1:1", write_key="k", settings=settings)
    sent = [client.send(page_viewed(number)) for number in range(2)]
    with pytest.raises(TimeoutError, match="does not answer"):
        client.send(page_viewed(3), patience=timedelta(seconds=0.2))
    with pytest.raises(UndeliveredError, match="2 touchpoints are not delivered") as error:
        client.close()
    assert [touchpoint["id"] for touchpoint in error.value.touchpoints] == sent
    assert (client.counters.taken, client.counters.undelivered, client.counters.waiting) == (2, 2, 0)


async def test_with_a_spool_the_next_process_delivers_what_the_last_one_could_not(
    tmp_path: Path, house: House, run: str
) -> None:
    settings = SendSettings(spool=tmp_path / "spool", patience=timedelta(seconds=0.3))

    def away() -> Throughline:
        with Throughline("http://127.0.0.1:1", write_key="k", settings=settings) as t:
            t.send_many([page_viewed(number, source=run) for number in range(700)])
        return t

    t = await beside(away)
    assert (t.counters.waiting, t.counters.undelivered) == (700, 0)

    def back() -> Throughline:
        patient = settings.model_copy(update={"patience": timedelta(seconds=10)})
        with Throughline(address(house), write_key="key-1", settings=patient) as t:
            t.send(page_viewed(700, source=run))
        return t

    t = await beside(back)
    assert (t.counters.recovered, t.counters.taken, t.counters.delivered) == (700, 1, 701)
    assert sorted(ids(house.bootstrap, run)) == sorted(f"e-{number}" for number in range(701))


@pytest.mark.parametrize("has_spool", [False, True])
def test_straight_to_kafka(tmp_path: Path, broker: BrokerServer, run: str, has_spool: bool) -> None:
    made_topic(broker.bootstrap, "touchpoints.web")
    settings = SendSettings(spool=tmp_path if has_spool else None)
    with Throughline(broker.bootstrap, settings=settings) as t:
        t.send_many([page_viewed(number, source=run) for number in range(600)])
    assert sorted(ids(broker.bootstrap, run)) == sorted(f"e-{number}" for number in range(600))
    assert (t.counters.delivered, t.counters.waiting) == (600, 0)


async def test_on_asyncio_nothing_blocks_and_a_delivery_can_be_awaited(house: House, run: str) -> None:
    told: list[Delivery] = []
    async with AsyncThroughline(
        address(house), write_key="key-1", source=run, settings=QUICK, on_delivery=told.append
    ) as t:
        many = await asyncio.gather(*(t.deliver(page_viewed(number, source=run)) for number in range(20)))
        again = await t.deliver(page_viewed(1, source=run))
        await t.send(page_viewed(99, source=run))
        assert await t.flush()
    assert {delivery.status for delivery in many} == {"accepted"}
    assert again.status == "duplicate"
    assert t.counters.taken == 22
    await asyncio.sleep(0)
    assert len(told) == 22
    assert len(ids(house.bootstrap, run)) == 21


async def test_threads_may_share_a_client(house: House, run: str) -> None:
    def work() -> None:
        settings = QUICK.model_copy(update={"max_waiting": 7})
        with Throughline(address(house), write_key="key-1", settings=settings) as t:

            def send(thread: int) -> None:
                for number in range(15):
                    t.send(page_viewed(number, id=f"{thread}-{number}", source=run))

            threads = [threading.Thread(target=send, args=(thread,)) for thread in range(4)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()

    await beside(work)
    assert len(set(ids(house.bootstrap, run))) == len(ids(house.bootstrap, run)) == 60


async def test_a_program_that_just_ends_loses_nothing(house: House, run: str) -> None:
    program = (
        "import sys; from pipeline.producers import Throughline\n"
        "t = Throughline(sys.argv[1], write_key='key-1', source=sys.argv[2])\n"
        "for number in range(50):\n"
        "    t.send({'type': 'web.page_viewed', 'identities': [{'kind': 'cookie_id', 'value': f'c-{number}'}]})\n"
    )
    await beside(lambda: subprocess.run([sys.executable, "-c", program, address(house), run], check=True, timeout=60))
    assert len(ids(house.bootstrap, run)) == 50


def test_every_type_has_a_builder_and_what_it_builds_is_judged_like_anything() -> None:
    for row in touchpoint_types().values():
        build = getattr(builders, row.name.replace(".", "_"))
        assert build.__doc__ == row.doc
        if not row.required:
            touchpoint = {**build(identities=[email("maja@example.org")]), "source": "shop"}
            assert isinstance(parse_touchpoint(touchpoint), dict)


def test_a_builder_sorts_what_it_is_given_and_leaves_no_python_in_it() -> None:
    at = datetime(2026, 3, 1, 10, 4, tzinfo=UTC)
    order = order_placed(
        identities=[email("maja@example.org")],
        refs={"order_id": "o-7"},
        occurred_at=at,
        amount=money("19.99", "EUR"),
        lines=[{"product_id": "boot", "price_minor": 1999}],
        promised_delivery_at=at + timedelta(days=2),
    )
    assert order.pop("id")[14] == "7"
    assert order == {
        "type": "order.placed",
        "identities": [{"kind": "email", "value": "maja@example.org"}],
        "refs": {"order_id": "o-7"},
        "occurred_at": "2026-03-01T10:04:00.000+00:00",
        "amount": {"minor": 1999, "currency": "EUR"},
        "body": {
            "lines": [{"product_id": "boot", "price_minor": 1999}],
            "promised_delivery_at": "2026-03-03T10:04:00.000+00:00",
        },
    }
    assert support_escalated(from_="bot", to="agent")["body"] == {"from": "bot", "to": "agent"}
    with pytest.raises(ValueError, match="no time zone"):
        web_page_viewed(occurred_at=datetime(2026, 3, 1))  # noqa: DTZ001 - that is the fault
    with pytest.raises(ValueError, match="no amount of money"):
        money("a lot", "EUR")


def test_a_wrong_name_or_value_is_seen_by_the_type_checker() -> None:
    """The strict type check of this file fails where an ignore hides no error: each of these lines is one."""
    order_placed(cupon="SPRING")  # type: ignore[call-arg] # a field that is none
    order_placed(coupon=3)  # type: ignore[arg-type] # a value of another type
    order_placed(amount={"minor": 3})  # type: ignore[typeddict-item] # a part that is missing
    builders.survey_answered(score=3)  # type: ignore[call-arg] # the instrument is required


def test_ids_are_new_and_sort_by_time() -> None:
    made = [new_id() for _ in range(1_000)]
    assert len(set(made)) == 1_000
    assert [each[:13] for each in made] == sorted(each[:13] for each in made)
    assert {each[19] for each in made} <= set("89ab")


def test_an_address_that_is_none_is_told() -> None:
    for wrong in ("localhost", "ftp://host:1", "file:///x"):
        with pytest.raises(ValueError, match="neither a collector"):
            Throughline(wrong)


def test_a_kafka_that_is_away_is_told_as_what_the_client_waits_for_and_not_as_work_for_a_person() -> None:
    sink = KafkaSink("127.0.0.1:1", SendSettings(patience=timedelta(seconds=1)))
    with pytest.raises(SinkAwayError) as away:
        sink.deliver([orjson.dumps(page_viewed(1))], 0)
    sink.close()
    assert "Kafka at 127.0.0.1:1 does not" in str(away.value)
    assert "sent again by themselves" in str(away.value)
    assert "send the same input again" not in str(away.value)

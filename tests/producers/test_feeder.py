"""The feeder on the real embedded broker: everything arrives, and a slow reader is never overrun."""

import time
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from random import Random
from uuid import uuid4

import pytest

from pipeline.config_kafka import KafkaSettings
from pipeline.contracts.touchpoint import EncodedTouchpoint
from pipeline.producers.errors import BrokerUnavailableError, ConsumersStalledError
from pipeline.producers.feeder import Feeder, partition_of
from tests.embedded.servers import BrokerServer
from tests.producers.kafka import Reader, made_topic, read_all


@pytest.fixture
def kafka(broker: BrokerServer) -> KafkaSettings:
    return KafkaSettings(bootstrap=broker.bootstrap, group=f"test-{uuid4().hex[:8]}")


@pytest.fixture
def topic(kafka: KafkaSettings) -> str:
    return made_topic(kafka.bootstrap, f"feeding.{uuid4().hex[:8]}")


def record(topic: str, number: int, size: int = 300) -> EncodedTouchpoint:
    # Bytes that do not compress: the log must hold them in full.
    return EncodedTouchpoint(topic, f"cookie_id:{number}".encode(), Random(number).randbytes(size))


def test_every_record_arrives_once_in_its_keys_partition(kafka: KafkaSettings, topic: str) -> None:
    with Feeder(kafka) as feeder:
        for number in range(20_000):
            feeder.send(record(topic, number))
        assert feeder.flush() == 20_000
    found = read_all(kafka.bootstrap, topic)
    assert sorted(found) == sorted((each.key, each.value) for each in (record(topic, n) for n in range(20_000)))


def test_keys_are_spread_over_all_partitions() -> None:
    assert {partition_of(f"cookie_id:{number}".encode(), 4) for number in range(50)} == {0, 1, 2, 3}


@pytest.mark.slow
def test_two_feeders_never_overrun_a_reader_that_lags(kafka: KafkaSettings, topic: str) -> None:
    """Four times of what the log holds goes through it, and nothing is lost."""
    bounded = kafka.model_copy(update={"feeder_max_lag_bytes": 1_500_000})
    size, each_feeder = 20_000, 2_000

    def feed(first: int) -> int:
        with Feeder(bounded, timedelta(seconds=60)) as feeder:
            for number in range(first, first + each_feeder):
                feeder.send(record(topic, number, size))
            return feeder.flush()

    with Reader(bounded, topic, records_a_step=200, step_s=0.02).reading() as reader:
        with ThreadPoolExecutor(2) as pool:
            delivered = list(pool.map(feed, (0, each_feeder)))
        deadline = time.monotonic() + 20
        while reader.read < 2 * each_feeder and time.monotonic() < deadline:
            time.sleep(0.05)
    assert delivered == [each_feeder, each_feeder]
    assert (reader.read, reader.gaps) == (2 * each_feeder, 0)


def test_without_the_limit_the_same_reader_loses_records(kafka: KafkaSettings, topic: str) -> None:
    """The log is bounded, so the test above shows something."""
    with Feeder(kafka) as feeder:
        for number in range(2_000):
            feeder.send(record(topic, number, 20_000))
    assert 0 < len(read_all(kafka.bootstrap, topic)) < 2_000


def test_readers_that_stand_still_are_told_instead_of_overrun(kafka: KafkaSettings, topic: str) -> None:
    bounded = kafka.model_copy(update={"feeder_max_lag_bytes": 200_000})
    waits: list[float] = []
    with (
        pytest.raises(ConsumersStalledError, match=r"has read nothing for \d+ s"),
        Feeder(bounded, timedelta(seconds=1), waits.append) as feeder,
    ):
        for number in range(5_000):
            feeder.send(record(topic, number))
    assert waits
    assert 200_000 / 4 <= feeder.delivered * 300 <= 4 * 200_000


def test_a_broker_that_is_not_there_is_told() -> None:
    kafka = KafkaSettings(bootstrap="127.0.0.1:1")
    with (
        pytest.raises(BrokerUnavailableError, match=r"Kafka at 127\.0\.0\.1:1 does not"),
        Feeder(kafka, timedelta(seconds=1)) as feeder,
    ):
        feeder.send(record("touchpoints.web", 1))

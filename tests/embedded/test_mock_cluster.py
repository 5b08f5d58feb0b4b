"""The faults that tests may ask of the mock cluster really happen to its clients."""

import time
from collections.abc import Iterator

import pytest
from confluent_kafka import KafkaError, Producer

from pipeline.embedded.mock_cluster import (
    PRODUCE,
    TOPIC_REFUSED,
    BrokerFailed,
    MockCluster,
)


@pytest.fixture
def cluster() -> Iterator[MockCluster]:
    with MockCluster({"t": 1}) as cluster:
        yield cluster


def deliver(cluster: MockCluster, **settings: str | int) -> KafkaError | None:
    """Produce one record and return its delivery report."""
    reports: list[KafkaError | None] = []
    producer = Producer({"bootstrap.servers": cluster.bootstrap, "linger.ms": 0, "log_level": 0, **settings})
    producer.produce("t", b"x", on_delivery=lambda error, _record: reports.append(error))
    producer.flush(20)
    return reports[0]


def test_pushed_errors_reach_the_client(cluster: MockCluster) -> None:
    cluster.push_request_errors(PRODUCE, [TOPIC_REFUSED] * 3)
    error = deliver(cluster, retries=0)
    assert error is not None
    assert error.code() == TOPIC_REFUSED
    cluster.clear_request_errors(PRODUCE)
    assert deliver(cluster, retries=0) is None


def test_broker_down_and_up(cluster: MockCluster) -> None:
    assert deliver(cluster) is None
    cluster.broker_set_down()
    assert deliver(cluster, **{"message.timeout.ms": 1000}) is not None
    cluster.broker_set_up()
    assert deliver(cluster) is None


def test_slow_answers(cluster: MockCluster) -> None:
    cluster.set_rtt(400)
    started = time.monotonic()
    assert deliver(cluster) is None
    assert time.monotonic() - started > 0.8
    cluster.set_rtt(0)


def test_port_is_kept_and_given_back() -> None:
    with MockCluster({"t": 1}) as cluster:
        port = cluster.port
        with pytest.raises(BrokerFailed, match="choose another port"):
            MockCluster({"t": 1}, port)
    with MockCluster({"t": 1}, port) as again:
        assert again.port == port
        assert deliver(again) is None


def test_topic_twice_is_refused(cluster: MockCluster) -> None:
    with pytest.raises(BrokerFailed, match="topic_create"):
        cluster.create_topic("t", 2)

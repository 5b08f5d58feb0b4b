"""The two brokers of the conformance suite, one of each for a run."""

from collections.abc import Iterator

import pytest

from tests.kafka.brokers import Apache, Broker, apache_broker, embedded_broker
from tests.kafka.servers import require_kafka
from tests.streaming.kafka import new_name


@pytest.fixture(scope="session")
def embedded() -> Iterator[Broker]:
    with embedded_broker() as broker:
        yield broker


@pytest.fixture(scope="session")
def apache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Apache]:
    """Apache Kafka, or a skip that says how to have it."""
    require_kafka()
    with apache_broker(tmp_path_factory.mktemp("kafka")) as broker:
        yield broker


@pytest.fixture(params=["embedded", "apache"])
def cluster(request: pytest.FixtureRequest) -> Broker:
    """Each broker in turn."""
    broker: Broker = request.getfixturevalue(request.param)
    return broker


@pytest.fixture
def topic(cluster: Broker) -> str:
    """A topic of one partition that is there."""
    name = new_name("topic")
    cluster.create_topic(name, 1)
    return name

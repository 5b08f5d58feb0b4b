"""
What the conformance suite asks of a broker, said by the embedded one and by Apache Kafka.

Tests know only this; so what holds here holds on both, and the embedded broker may stand in for the real one
everywhere else.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

from confluent_kafka import Consumer, TopicPartition
from confluent_kafka.admin import AdminClient

from pipeline.embedded.mock_cluster import MockCluster
from tests.kafka.servers import KafkaNode, create_topic, new_node
from tests.streaming.kafka import produce


class Broker(Protocol):
    """A broker that can be hurt."""

    @property
    def bootstrap(self) -> str:
        """Where it is."""

    def create_topic(self, name: str, partitions: int) -> None:
        """Make a topic; it can be used when this returns."""

    def produce_and_drop(self, topic: str) -> int:
        """Write records to partition 0, make the broker drop the first of them, and return how many were written."""

    def go(self) -> None:
        """Be gone: connections end, new ones are refused."""

    def come_back(self) -> None:
        """Be there again at the same address with the same log."""


class Embedded:
    """librdkafka's mock cluster, in this process."""

    def __init__(self, cluster: MockCluster) -> None:
        self._cluster = cluster

    @property
    def bootstrap(self) -> str:
        return self._cluster.bootstrap

    def create_topic(self, name: str, partitions: int) -> None:
        self._cluster.create_topic(name, partitions)

    def produce_and_drop(self, topic: str) -> int:
        # A partition holds about 5 MB; three times as much comes.
        return produce(self.bootstrap, topic, [b"x" * 10_000] * 1500)

    def go(self) -> None:
        self._cluster.broker_set_down()

    def come_back(self) -> None:
        self._cluster.broker_set_up()


class Apache:
    """Apache Kafka, a process of its own that is killed and started again."""

    def __init__(self, node: KafkaNode) -> None:
        self._node = node

    @property
    def log(self) -> str:
        """What the node said."""
        return self._node.log

    @property
    def bootstrap(self) -> str:
        return self._node.bootstrap

    def create_topic(self, name: str, partitions: int) -> None:
        create_topic(self.bootstrap, name, partitions)

    def produce_and_drop(self, topic: str) -> int:
        count = produce(self.bootstrap, topic, [b"x" * 100] * 600)
        admin = AdminClient({"bootstrap.servers": self.bootstrap, "log_level": 0})
        (done,) = admin.delete_records([TopicPartition(topic, 0, end_of(self.bootstrap, topic) - 200)]).values()
        done.result(30)
        return count

    def go(self) -> None:
        self._node.kill()

    def come_back(self) -> None:
        self._node.start()


@contextmanager
def embedded_broker() -> Iterator[Broker]:
    with MockCluster({}) as cluster:
        yield Embedded(cluster)


@contextmanager
def apache_broker(data: Path) -> Iterator[Apache]:
    with new_node(data) as node:
        yield Apache(node)


def end_of(bootstrap: str, topic: str, partition: int = 0) -> int:
    """Return the offset after the last record of a partition."""
    consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": "looks-only"})
    try:
        return int(consumer.get_watermark_offsets(TopicPartition(topic, partition), timeout=30)[1])
    finally:
        consumer.close()

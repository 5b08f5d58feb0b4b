"""
How far the landing workers have read: the broker's own figures, asked for without joining their group.

The one rule: a question that the broker may answer in a moment is asked again for a while; only then is it an error.
"""

import time
from collections.abc import Callable
from datetime import timedelta
from typing import Final, TypeVar

from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition

from pipeline.config_kafka import KafkaSettings
from pipeline.producers.backpressure import Target, Unread
from pipeline.producers.errors import BrokerUnavailableError

LANDING_GROUP_SUFFIX: Final = "-land"

_REQUEST_TIMEOUT_S: Final = 5.0
_RETRY_PAUSE_S: Final = 0.2

T = TypeVar("T")


class GroupWatcher:
    """
    Asks about topics and the landing group; one thread at a time.

    Args:
        kafka: Address and group.
        patience: How long a question is repeated before the broker counts as unavailable.
    """

    def __init__(self, kafka: KafkaSettings, patience: timedelta) -> None:
        self._bootstrap = kafka.bootstrap
        self._patience_s = patience.total_seconds()
        self._timeout_s = min(_REQUEST_TIMEOUT_S, self._patience_s)
        self._partitions: dict[str, int] = {}
        # It never subscribes, so the group does not notice it.
        self._consumer = Consumer(
            {
                "bootstrap.servers": kafka.bootstrap,
                "group.id": kafka.group + LANDING_GROUP_SUFFIX,
                "enable.auto.commit": False,
                # As with a producer: a topic that nobody made is made by the broker, where it does such things.
                "allow.auto.create.topics": True,
                "reconnect.backoff.max.ms": 1_000,
                "log_level": 0,
            }
        )

    def partitions(self, topic: str) -> int:
        """
        Return how many partitions a topic has; asked once and remembered.

        Raises:
            BrokerUnavailableError: If the broker does not answer, or has no such topic.
        """
        if (known := self._partitions.get(topic)) is not None:
            return known

        def ask() -> int:
            metadata = self._consumer.list_topics(topic, timeout=self._timeout_s).topics[topic]
            if metadata.error is not None:
                raise KafkaException(metadata.error)
            return len(metadata.partitions)

        self._partitions[topic] = found = self._insist(ask, f"tell about the topic {topic}")
        return found

    def look(self, target: Target) -> Unread:
        """
        Return what one partition holds and how far the group has read it.

        Raises:
            BrokerUnavailableError: If the broker does not answer.
        """

        def ask() -> Unread:
            place = TopicPartition(*target)
            committed = self._consumer.committed([place], timeout=self._timeout_s)[0]
            if committed.error is not None:
                raise KafkaException(committed.error)
            low, high = self._consumer.get_watermark_offsets(place, timeout=self._timeout_s, cached=False)
            return Unread(low, high, committed.offset if committed.offset >= 0 else None)

        return self._insist(ask, f"tell how far {target[0]} is read")

    def forget(self) -> None:
        """Forget the numbers of partitions; the topics may have been made anew."""
        self._partitions.clear()

    def close(self) -> None:
        """Let go of the broker."""
        self._consumer.close()

    def _insist(self, ask: Callable[[], T], what: str) -> T:
        deadline = time.monotonic() + self._patience_s
        while True:
            try:
                return ask()
            except KafkaException as error:
                if time.monotonic() > deadline or not _may_pass(error):
                    raise unavailable(self._bootstrap, f"does not {what}", error.args[0]) from error
            time.sleep(_RETRY_PAUSE_S)


def unavailable(bootstrap: str, what: str, error: object, so_far: str = "") -> BrokerUnavailableError:
    """Return the error that tells what Kafka does not do, how far it got, and what to do about it."""
    told = error.str() if isinstance(error, KafkaError) else str(error)
    return BrokerUnavailableError(
        f"Kafka at {bootstrap} {what}: {told}",
        f"{so_far}check that it runs (`throughline status`), then send the same input again: nothing is stored twice",
    )


def _may_pass(error: KafkaException) -> bool:
    """Tell whether an error is of the moment; refusals (rights, wrong settings) are not."""
    fault = error.args[0]
    if not isinstance(fault, KafkaError) or fault.fatal():
        return False
    return fault.code() not in {KafkaError.TOPIC_AUTHORIZATION_FAILED, KafkaError.GROUP_AUTHORIZATION_FAILED}

"""How far Kafka's partitions go, and how far a consumer group has committed; it joins no group and reads no record."""

import queue
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from functools import partial
from typing import Final, TypeVar

from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition

from pipeline.cli.errors import CommandError
from pipeline.embedded.kafka.probe import answers

Spot = tuple[str, int]
TIMEOUT_S = 10.0

_Answer = TypeVar("_Answer")
# Right after a topic was made or grown, or a broker came back, there is a moment without a leader or coordinator.
CHANGING_HANDS: Final = frozenset(
    {
        KafkaError.NOT_LEADER_FOR_PARTITION,
        KafkaError.LEADER_NOT_AVAILABLE,
        KafkaError.NOT_COORDINATOR,
        KafkaError.COORDINATOR_NOT_AVAILABLE,
        KafkaError.COORDINATOR_LOAD_IN_PROGRESS,
    }
)


def require_kafka_answer(bootstrap: str, patience_s: float) -> None:
    """
    See whether any broker is there, before something is asked that may rightly take long.

    Args:
        bootstrap: Comma-separated host:port list.
        patience_s: Longest wait for all of them, who are asked at the same time.

    Raises:
        CommandError: If none of them answers.
    """
    addresses = [address.strip() for address in bootstrap.split(",")]
    answered = queue.SimpleQueue[bool]()
    for address in addresses:
        # A thread that nobody waits for: a name that cannot be resolved may take longer than our patience.
        threading.Thread(target=lambda at=address: answered.put(answers(at, patience_s)), daemon=True).start()
    began = time.monotonic()
    deadline = began + patience_s
    with suppress(queue.Empty):
        for _ in addresses:
            if answered.get(timeout=max(0.0, deadline - time.monotonic())):
                return
    # Refusals come at once.
    is_refused = time.monotonic() - began < patience_s / 2
    raise _no_answer(bootstrap, "nobody listens" if is_refused else f"no word in {patience_s:g} s")


class Watermarks:
    """
    A look at Kafka from outside. Close it when done.

    Args:
        bootstrap: Where Kafka is.
        timeout_s: Longest wait for an answer.
    """

    def __init__(self, bootstrap: str, timeout_s: float = TIMEOUT_S) -> None:
        self._bootstrap, self._timeout_s = bootstrap, timeout_s
        self._consumer = self._open("throughline-watermarks")
        self._groups: dict[str, Consumer] = {}

    def __enter__(self) -> "Watermarks":
        return self

    def __exit__(self, *_reason: object) -> None:
        for consumer in (self._consumer, *self._groups.values()):
            consumer.close()

    def partitions(self, topics: Iterable[str]) -> dict[str, int]:
        """Return the number of partitions of those topics that exist; asking makes none."""
        wanted = set(topics)
        try:
            known = self._consumer.list_topics(timeout=self._timeout_s).topics
        except KafkaException as error:
            raise self._unreachable(error) from error
        return {name: len(known[name].partitions) for name in sorted(wanted & known.keys())}

    def log_id(self) -> str:
        """Return the id of the Kafka cluster."""
        try:
            return str(self._consumer.list_topics(timeout=self._timeout_s).cluster_id or "")
        except KafkaException as error:
            raise self._unreachable(error) from error

    def ranges(self, topics: Iterable[str]) -> dict[Spot, tuple[int, int]]:
        """Return the first offset that is still there and the next that will be written, of every partition."""
        found: dict[Spot, tuple[int, int]] = {}
        for topic, number in self.partitions(topics).items():
            for partition in range(number):
                spot = TopicPartition(topic, partition)
                found[topic, partition] = self._asked(partial(self._consumer.get_watermark_offsets, spot))
        return found

    def high(self, topics: Iterable[str]) -> dict[Spot, int]:
        """Return the next offset that will be written, of every partition."""
        return {spot: high for spot, (_, high) in self.ranges(topics).items()}

    def committed(self, group: str, spots: Iterable[Spot]) -> Mapping[Spot, int]:
        """Return the committed offset of a group by partition; 0 where it never committed."""
        consumer = self._groups.get(group)
        if consumer is None:
            consumer = self._groups[group] = self._open(group)
        found = self._asked(partial(consumer.committed, [TopicPartition(*spot) for spot in spots]))
        return {(place.topic, place.partition): max(place.offset, 0) for place in found}

    def _asked(self, question: Callable[..., _Answer]) -> _Answer:
        """Return the answer to a question; while partitions and groups change hands, ask again until time is up."""
        deadline = time.monotonic() + self._timeout_s
        while True:
            try:
                return question(timeout=max(0.1, deadline - time.monotonic()))
            except KafkaException as error:
                if error.args[0].code() not in CHANGING_HANDS or time.monotonic() > deadline:
                    raise self._unreachable(error) from error
            time.sleep(0.1)

    def _open(self, group: str) -> Consumer:
        # Errors come back from the calls; librdkafka's own lines on stderr would only repeat them.
        return Consumer(
            {
                "bootstrap.servers": self._bootstrap,
                "group.id": group,
                "enable.auto.commit": False,
                # By default a broker that was away is asked again only every 10 s.
                "reconnect.backoff.max.ms": 500,
                "log_level": 0,
            }
        )

    def _unreachable(self, error: KafkaException) -> CommandError:
        fault = error.args[0] if error.args else None
        said = fault.str() if fault is not None and hasattr(fault, "str") else str(error)
        return _no_answer(self._bootstrap, said)


def _no_answer(bootstrap: str, reason: str) -> CommandError:
    return CommandError(
        f"Kafka does not answer ({reason})",
        where=bootstrap,
        remedy="`throughline status` shows whether the broker runs",
    )

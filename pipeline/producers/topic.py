"""
Somebody else's Kafka topic of JSON records, turned into touchpoints.

The rule it owns: an offset is committed when everything made of the records before it is confirmed by our Kafka. So
the consumer group is the checkpoint: what is read twice after a crash is stored once. The other topic is only read.
"""

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Final

import orjson
from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition

from pipeline.contracts.reasons import Problem, Reason
from pipeline.producers.admission import Refused
from pipeline.producers.errors import InputError
from pipeline.producers.importing import Importer, ImportReport, Translate
from pipeline.producers.unread import fault_of_text
from pipeline.producers.watching import unavailable

_COMMIT_EVERY_S: Final = 2.0
_BATCH: Final = 5_000
_ANSWER_S: Final = 10.0


@dataclass(frozen=True, slots=True)
class TopicSource:
    """
    A topic to read.

    Attributes:
        bootstrap: Its brokers.
        topic: Its name.
        group: Consumer group whose offsets tell where to go on.
        options: More settings of librdkafka, as for security.
    """

    bootstrap: str
    topic: str
    group: str
    options: Mapping[str, str] = field(default_factory=dict)


def import_topic(
    source: TopicSource,
    translate: Translate,
    importer: Importer,
    flush: Callable[[], object],
    *,
    is_following: bool = False,
) -> ImportReport:
    """
    Take the records of a topic from where the group stands.

    Args:
        source: The topic.
        translate: Makes touchpoints of a record's JSON.
        importer: Takes them.
        flush: Returns when our Kafka has confirmed everything sent so far.
        is_following: Whether to go on when the records that were there at the begin are read.

    Returns:
        The report; `line` of a fault is the record's offset.

    Raises:
        InputError: If there is no such topic.
        BrokerUnavailableError: If the brokers do not answer.
    """
    with _consuming(source) as consumer:
        ends = _ends(consumer, source)
        taken: dict[int, int] = {}
        committed_at = time.monotonic()
        try:
            while is_following or ends:
                for record in consumer.consume(_BATCH, 0.5):
                    partition = record.partition() or 0
                    if not _is_end(record, source):
                        _take(record, importer, translate)
                        taken[partition] = (record.offset() or 0) + 1
                    if _is_end(record, source) or taken[partition] >= ends.get(partition, 0):
                        ends.pop(partition, None)
                if time.monotonic() - committed_at > _COMMIT_EVERY_S:
                    _commit(consumer, source.topic, taken, flush)
                    committed_at = time.monotonic()
        except KeyboardInterrupt:
            # What was taken is confirmed before we go, so the next run goes on here.
            _commit(consumer, source.topic, taken, flush)
            raise
        _commit(consumer, source.topic, taken, flush)
    return importer.report


def _is_end(record: Message, source: TopicSource) -> bool:
    """Tell an end of a partition from a record."""
    error = record.error()
    if error is None:
        return False
    if error.code() == KafkaError._PARTITION_EOF:
        return True
    raise unavailable(source.bootstrap, f"does not give records of {source.topic}", error)


def _take(record: Message, importer: Importer, translate: Translate) -> None:
    offset = record.offset() or 0
    value = record.value()
    if value is None:
        detail = f"partition {record.partition()}: a tombstone says nothing"
        importer.reject(offset, Refused(None, (Problem(Reason.TOMBSTONE, "", detail),)))
        return
    data = value if isinstance(value, bytes) else str(value).encode()
    try:
        row = orjson.loads(data)
    except orjson.JSONDecodeError as error:
        _, problem = fault_of_text(data, error)
        importer.reject(offset, Refused(None, (problem,)))
        return
    importer.take_row(offset, row, translate)


@contextmanager
def _consuming(source: TopicSource) -> Iterator[Consumer]:
    settings = {
        "bootstrap.servers": source.bootstrap,
        "group.id": source.group,
        "enable.auto.commit": False,
        "auto.offset.reset": "earliest",
        "isolation.level": "read_committed",
        "enable.partition.eof": True,
        "fetch.queue.backoff.ms": 5,
        "log_level": 0,
    }
    try:
        consumer = Consumer({**settings, **source.options})
    except KafkaException as error:
        raise InputError(f"the settings of the other Kafka are not understood: {error.args[0].str()}") from error
    try:
        yield consumer
    finally:
        consumer.close()


def _ends(consumer: Consumer, source: TopicSource) -> dict[int, int]:
    """Take all partitions from where the group stands; returns the ends of those that have more."""
    try:
        found = consumer.list_topics(source.topic, timeout=_ANSWER_S).topics[source.topic]
        if found.error is not None or not found.partitions:
            raise InputError(f"{source.topic}: there is no such topic at {source.bootstrap}")
        places = [TopicPartition(source.topic, partition) for partition in found.partitions]
        places = consumer.committed(places, timeout=_ANSWER_S)
        ends = {}
        for place in places:
            low, high = consumer.get_watermark_offsets(place, timeout=_ANSWER_S, cached=False)
            place.offset = max(low, place.offset)
            if place.offset < high:
                ends[place.partition] = high
        consumer.assign(places)
    except KafkaException as error:
        raise unavailable(source.bootstrap, "does not answer", error.args[0]) from error
    return ends


def _commit(consumer: Consumer, topic: str, taken: Mapping[int, int], flush: Callable[[], object]) -> None:
    flush()
    places = [TopicPartition(topic, partition, offset) for partition, offset in taken.items()]
    if places:
        consumer.commit(offsets=places, asynchronous=False)

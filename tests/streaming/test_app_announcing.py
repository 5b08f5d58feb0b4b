"""Announcements are packed, placed by subject, and never wait for ever."""

import os
import threading
import uuid
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

import polars as pl
import pytest
from confluent_kafka import Consumer, TopicPartition

from pipeline.config_kafka import KafkaSettings
from pipeline.contracts.topics import JOURNEYS_UPDATED, STITCH_DIRTY
from pipeline.contracts.updates import decode_dirty, decode_journey_update
from pipeline.embedded.mock_cluster import MockCluster
from pipeline.streaming.announcing import (
    KEYS_PER_RECORD,
    DirtyAnnouncer,
    LagPatience,
    StitchLag,
    dirty_records,
    stitch_group,
)
from pipeline.streaming.publishing import WORD_WITHIN, BrokerUnavailable, JourneyPublisher, KafkaWriter, Outgoing
from tests.embedded.servers import BrokerServer
from tests.streaming.kafka import new_name

KEYS = {"subject": pl.Binary, "ident_key": pl.Binary}


def keys_of(records: Iterable[Outgoing]) -> list[tuple[int | None, bytes]]:
    return [
        (record.partition, keys[start : start + 16])
        for record in records
        for keys in [decode_dirty(record.value or b"").keys]
        for start in range(0, len(keys), 16)
    ]


def test_all_identifiers_of_one_subject_go_to_its_partition() -> None:
    subjects = [os.urandom(16) for _ in range(300)]
    rows = [(subject, key) for subject in subjects for key in (subject, os.urandom(16), os.urandom(16))]
    placed = keys_of(dirty_records(pl.DataFrame(rows, KEYS, orient="row"), 7))
    assert len(placed) == 900
    partition_of = {key: partition for partition, key in placed}
    for subject, key in rows:
        assert partition_of[key] == int.from_bytes(subject[:4]) % 7


def test_records_hold_no_more_keys_than_the_limit_and_none_twice() -> None:
    subject = bytes(16)
    keys = [number.to_bytes(16) for number in range(10_000)] * 2
    records = list(dirty_records(pl.DataFrame({"subject": [subject] * 20_000, "ident_key": keys}, KEYS), 4))
    assert [len(decode_dirty(record.value or b"").keys) // 16 for record in records] == [KEYS_PER_RECORD] * 2 + [2000]
    assert {key for _, key in keys_of(records)} == set(keys)


class _Writer:
    """Keeps what is written, for a topic of one partition."""

    def __init__(self) -> None:
        self.said: list[bool | None] = []

    def write(self, records: Iterable[Outgoing]) -> int:
        self.said += [decode_dirty(record.value or b"").more_waits for record in records]
        return len(self.said)

    def partitions(self, topic: str) -> int:
        assert topic == STITCH_DIRTY
        return 1


def test_an_announcement_says_whether_more_waits_where_it_was_asked_to() -> None:
    writer, frame = _Writer(), pl.DataFrame({"subject": [bytes(16)], "ident_key": [bytes(16)]}, KEYS)
    announcer = DirtyAnnouncer(writer)
    announcer.announce(frame, 1)
    answers = iter([True, False])
    announcer.ask(lambda: next(answers))
    announcer.announce(frame, 1)
    announcer.announce(frame, 1)
    assert writer.said == [None, True, False]


class TestPatience:
    def test_waits_while_readers_are_behind_and_come_nearer(self) -> None:
        patience = LagPatience(1000, timedelta(seconds=10))
        lags = [(5000, 0), (4000, 8), (3000, 16), (2000, 24)]
        assert all(patience.must_wait(lag, now) for lag, now in lags)
        assert not patience.must_wait(1000, 25)

    def test_goes_ahead_when_nobody_reads(self) -> None:
        patience = LagPatience(1000, timedelta(seconds=10))
        assert patience.must_wait(5000, 0)
        assert patience.must_wait(6000, 9)
        assert not patience.must_wait(7000, 10)
        assert not patience.must_wait(7000, 11)

    def test_waits_again_once_readers_are_back(self) -> None:
        patience = LagPatience(1000, timedelta(seconds=10))
        patience.must_wait(5000, 0)
        assert not patience.must_wait(5000, 100)
        assert patience.must_wait(4000, 101)


@pytest.fixture
def kafka(broker: BrokerServer) -> KafkaSettings:
    return KafkaSettings(bootstrap=broker.bootstrap, group=new_name("group"))


def read_all(kafka: KafkaSettings, topic: str) -> list[tuple[bytes | None, bytes | None]]:
    consumer = Consumer({"bootstrap.servers": kafka.bootstrap, "group.id": new_name("reader")})
    places = [
        TopicPartition(topic, number, 0) for number in consumer.list_topics(topic, timeout=30).topics[topic].partitions
    ]
    wanted = sum(consumer.get_watermark_offsets(place, timeout=30)[1] for place in places)
    consumer.assign(places)
    records: list[tuple[bytes | None, bytes | None]] = []
    while len(records) < wanted:
        message = consumer.poll(5)
        assert message is not None
        records.append((message.key(), message.value()))
    consumer.close()
    return records


def test_the_broker_has_it_when_announce_returns(kafka: KafkaSettings) -> None:
    writer = KafkaWriter(kafka)
    subject, other = os.urandom(16), os.urandom(16)
    frame = pl.DataFrame({"subject": [subject, subject], "ident_key": [subject, other]}, KEYS)
    DirtyAnnouncer(writer).announce(frame, 1)
    announced = b"".join(decode_dirty(value or b"").keys for _, value in read_all(kafka, STITCH_DIRTY))
    assert subject in announced
    assert other in announced
    writer.close()


def test_lag_is_what_the_stitch_group_has_not_committed(kafka: KafkaSettings) -> None:
    writer, lag = KafkaWriter(kafka), StitchLag(kafka, 1)
    partitions = writer.partitions(STITCH_DIRTY)
    before = lag.lags(partitions)
    writer.write(Outgoing(STITCH_DIRTY, None, b"x", 0) for _ in range(5))
    assert lag.lags(partitions)[0] == before[0] + 5
    reader = Consumer({"bootstrap.servers": kafka.bootstrap, "group.id": stitch_group(kafka, 1)})
    end = reader.get_watermark_offsets(TopicPartition(STITCH_DIRTY, 0), timeout=30)[1]
    reader.commit(offsets=[TopicPartition(STITCH_DIRTY, 0, end - 2)], asynchronous=False)
    assert lag.lags(partitions)[0] == 2
    reader.close()
    lag.close()
    writer.close()


def test_a_full_queue_drops_nothing(kafka: KafkaSettings) -> None:
    writer, topic = KafkaWriter(kafka), new_name("topic")
    assert writer.write(Outgoing(topic, None, b"x" * 10, 0) for _ in range(120_000)) == 120_000
    writer.close()


def test_no_broker_means_unavailable() -> None:
    writer = KafkaWriter(KafkaSettings(bootstrap="127.0.0.1:1"))
    with pytest.raises(BrokerUnavailable):
        writer.partitions(STITCH_DIRTY)
    writer.close()


def test_a_writer_tells_how_long_it_waited_for_a_broker_that_was_away() -> None:
    with MockCluster({STITCH_DIRTY: 1}) as cluster:
        writer, record = KafkaWriter(KafkaSettings(bootstrap=cluster.bootstrap)), Outgoing(STITCH_DIRTY, None, b"x")
        writer.write([record])
        assert writer.waited == timedelta(0)
        cluster.broker_set_down()
        back = threading.Timer(WORD_WITHIN.total_seconds() + 0.2, cluster.broker_set_up)
        back.start()
        writer.write([record])
        back.join()
        assert writer.waited >= WORD_WITHIN
        writer.close()


def journey_change(journey_id: bytes) -> dict[str, Any]:
    at = datetime(2026, 3, 1, 10, 4, tzinfo=UTC)
    return {
        "journey_id": journey_id,
        "customer_uid": bytes(16),
        "version": at,
        "rules_version": 1,
        "started_at": at,
        "ended_at": at + timedelta(days=1),
        "touchpoints": 3,
        "visits": 1,
        "orders": 1,
        "pain_points": 0,
        "channels": ["email", "web"],
        "path": ["web.page_viewed", "order.placed"],
        "gone": False,
    }


def test_journeys_are_keyed_by_id_and_the_vanished_are_tombstones(kafka: KafkaSettings) -> None:
    change = journey_change(bytes(range(16)))
    changes = pl.DataFrame([change, change | {"journey_id": b"\xff" * 16, "gone": True}])
    writer = KafkaWriter(kafka)
    JourneyPublisher(writer).publish(changes)
    records = dict(read_all(kafka, JOURNEYS_UPDATED))
    key = b"00010203-0405-0607-0809-0a0b0c0d0e0f"
    update = decode_journey_update(records[key] or b"")
    assert (update["journey_id"], update["path"]) == (key.decode(), change["path"])
    assert records[b"ffffffff-ffff-ffff-ffff-ffffffffffff"] is None
    writer.close()


def test_what_the_broker_did_not_take_is_published_with_the_next_batch(kafka: KafkaSettings) -> None:
    """The batch is tried again, but its rows are written by then: it finds no change any more."""

    class AwayAtFirst(KafkaWriter):
        is_away = True

        def write(self, records: Iterable[Outgoing]) -> int:
            if self.is_away:
                raise BrokerUnavailable("away")
            return super().write(records)

    writer, change = AwayAtFirst(kafka), pl.DataFrame([journey_change(os.urandom(16))])
    publisher = JourneyPublisher(writer)
    with pytest.raises(BrokerUnavailable):
        publisher.publish(change)
    writer.is_away = False
    publisher.publish(change.clear())
    assert str(uuid.UUID(bytes=change["journey_id"][0])).encode() in dict(read_all(kafka, JOURNEYS_UPDATED))
    writer.close()

"""Producers that use transactions: what they took back is no fact, and nothing waits for their markers."""

from confluent_kafka import Producer

from pipeline.streaming.records import Chunk
from pipeline.streaming.runner import Delivery
from tests.kafka.brokers import Broker, end_of
from tests.streaming.kafka import committed, kafka_settings, new_name, produce, reading, until


def in_a_transaction(bootstrap: str, topic: str, values: list[bytes], *, commits: bool) -> None:
    producer = Producer({"bootstrap.servers": bootstrap, "transactional.id": new_name("shop")})
    producer.init_transactions(60)
    producer.begin_transaction()
    for value in values:
        producer.produce(topic, value, partition=0)
    producer.flush(30)
    if commits:
        producer.commit_transaction(60)
    else:
        producer.abort_transaction(60)


async def test_aborted_records_are_skipped_and_every_offset_is_done(apache: Broker) -> None:
    topic, group = new_name("topic"), new_name("group")
    apache.create_topic(topic, 1)
    produce(apache.bootstrap, topic, [b"plain"])
    in_a_transaction(apache.bootstrap, topic, [b"taken back"] * 3, commits=False)
    in_a_transaction(apache.bootstrap, topic, [b"kept"] * 2, commits=True)
    in_a_transaction(apache.bootstrap, topic, [b"taken back too"], commits=False)
    chunks: list[Chunk] = []

    def accept(delivery: Delivery) -> None:
        chunks.append(delivery.chunk)
        delivery.acknowledge()

    end = end_of(apache.bootstrap, topic)
    assert end == 1 + 3 + 1 + 2 + 1 + 1 + 1
    async with reading(kafka_settings(apache.bootstrap), group, topic, accept):
        # The last offsets hold an aborted record and its marker: nothing will ever come after them.
        await until(lambda: committed(apache.bootstrap, group, topic) == end)
    assert [record.value for chunk in chunks for record in chunk.records] == [b"plain", b"kept", b"kept"]
    assert [chunk.first_offset for chunk in chunks[1:]] == [chunk.last_offset + 1 for chunk in chunks[:-1]]
    assert chunks[-1].last_offset == end - 1
    assert not any(chunk.lost for chunk in chunks)

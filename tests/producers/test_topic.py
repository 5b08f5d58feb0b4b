"""Somebody else's topic: read once, and after an interruption from where everything was confirmed."""

import json
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import Producer

from pipeline.config import IdentitySettings
from pipeline.contracts.touchpoint import EncodedTouchpoint, decode_touchpoint
from pipeline.producers.admission import LARGEST_EVENT_BYTES, Admission
from pipeline.producers.errors import BrokerUnavailableError, InputError
from pipeline.producers.importing import Importer, ImportReport
from pipeline.producers.mapping import RowMapping, read_mapping
from pipeline.producers.topic import TopicSource, import_topic
from tests.embedded.servers import BrokerServer
from tests.producers.events import RECEIVED_AT
from tests.producers.kafka import made_topic

MAP = """
source = "shop"
[[touchpoint]]
type = "order.placed"
when = { kind = "order" }
[touchpoint.fields]
id = "no"
occurred_at = "at"
"refs.order_id" = "no"
"""
RECORDS = 3_000


class Run:
    def __init__(self, mapping: RowMapping, dies_after: int | None = None, *, is_confirmed: bool = True) -> None:
        self.sent: list[EncodedTouchpoint] = []
        self.mapping = mapping
        self._dies_after = dies_after
        self._is_confirmed = is_confirmed

    def send(self, record: EncodedTouchpoint) -> None:
        if len(self.sent) == self._dies_after:
            raise KeyboardInterrupt
        self.sent.append(record)

    def flush(self) -> None:
        if not self._is_confirmed:
            raise BrokerUnavailableError("our Kafka does not confirm")

    def run(self, source: TopicSource) -> ImportReport:
        admission = Admission(IdentitySettings(), LARGEST_EVENT_BYTES, keeps_receipt=True)
        importer = Importer(admission, self.send, lambda: RECEIVED_AT)
        return import_topic(source, self.mapping.translate, importer, self.flush)

    @property
    def ids(self) -> set[str]:
        events = [decode_touchpoint(record.value) for record in self.sent]
        return {event["id"] for event in events if isinstance(event, dict)}


@pytest.fixture
def mapping(tmp_path: Path) -> RowMapping:
    (tmp_path / "map.toml").write_text(MAP, encoding="utf-8")
    return read_mapping(tmp_path / "map.toml")


def order(number: int, **changes: Any) -> bytes:
    return json.dumps({"kind": "order", "no": f"o-{number}", "at": "2026-03-01T10:00:00Z", **changes}).encode()


def test_a_topic_is_imported_once_whatever_interrupts(broker: BrokerServer, mapping: RowMapping) -> None:
    topic = made_topic(broker.bootstrap, "foreign.orders")
    producer = Producer({"bootstrap.servers": broker.bootstrap})
    for number in range(RECORDS):
        producer.produce(topic, order(number), key=str(number))
    for value in (b"{bad", None, order(1, at="yesterday"), b'{"kind": "visit"}'):
        producer.produce(topic, value, partition=0)
    assert producer.flush(10) == 0
    source = TopicSource(broker.bootstrap, topic, "import-orders")

    interrupted = Run(mapping, dies_after=1_700)
    with pytest.raises(KeyboardInterrupt):
        interrupted.run(source)
    rest = Run(mapping)
    report = rest.run(source)
    assert len(interrupted.sent) == 1_700
    assert interrupted.ids | rest.ids == {f"o-{number}" for number in range(RECORDS)}
    assert len(rest.sent) == RECORDS - 1_700
    nothing = Run(mapping)
    assert nothing.run(source).read == 0
    assert report.skipped <= 1

    whole = Run(mapping)
    report = whole.run(TopicSource(broker.bootstrap, topic, "another-group"))
    assert (report.accepted, report.rejected, report.skipped) == (RECORDS, 3, 1)
    assert report.by_reason == {"undecodable": 1, "tombstone": 1, "invalid_value": 1}


def test_what_our_kafka_has_not_confirmed_is_read_again(broker: BrokerServer, mapping: RowMapping) -> None:
    topic = made_topic(broker.bootstrap, "foreign.unconfirmed")
    producer = Producer({"bootstrap.servers": broker.bootstrap})
    for number in range(50):
        producer.produce(topic, order(number))
    assert producer.flush(10) == 0
    source = TopicSource(broker.bootstrap, topic, "import-unconfirmed")
    with pytest.raises(BrokerUnavailableError):
        Run(mapping, is_confirmed=False).run(source)
    assert Run(mapping).run(source).accepted == 50


def test_settings_that_the_client_does_not_know_are_told(broker: BrokerServer, mapping: RowMapping) -> None:
    with pytest.raises(InputError, match="not understood"):
        Run(mapping).run(TopicSource(broker.bootstrap, "any", "g", {"no.such.setting": "1"}))

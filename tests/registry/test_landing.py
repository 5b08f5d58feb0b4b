"""Records in the registry's frame land; what it cannot resolve waits, and lands when it can."""

import json
from collections.abc import Iterator, Sequence
from copy import deepcopy
from datetime import timedelta
from pathlib import Path
from typing import Any, cast

import pytest
from clickhouse_connect.driver.client import Client
from pydantic import SecretStr

from pipeline.cli.guard import run
from pipeline.cli.visibility import Visibility
from pipeline.cli.watermarks import Watermarks
from pipeline.config import ClickHouseSettings, IdentitySettings, Settings
from pipeline.config_kafka import KafkaSettings
from pipeline.contracts.encoding import record_writer
from pipeline.contracts.examples import example_of
from pipeline.contracts.schemas import family_schema, fields_of, schema_of, writer_schema
from pipeline.contracts.topics import TOUCHPOINT_TOPICS
from pipeline.contracts.touchpoint import encode_touchpoint, parse_touchpoint
from pipeline.registry.client import RegistryClient, RegistryRefused
from pipeline.registry.framing import RegistryFraming, subject_of
from pipeline.registry.schemas import IdResolver
from pipeline.streaming.decode.confluent import ConfluentFrames
from pipeline.streaming.landing import Landing, Origin
from pipeline.streaming.landing.parking import ParkingLot, retry_parked
from pipeline.warehouse.accounting import account
from pipeline.warehouse.connection import connect
from pipeline.warehouse.facts import FactStore
from pipeline.warehouse.parking import Parking
from tests.registry.servers import Misbehaving
from tests.registry.test_client import answer, settings
from tests.streaming.samples import chunk

AT_ONCE = timedelta(0)
TOPIC = "touchpoints.orders"


class Nobody:
    def announce(self, keys: object, received_at_ms: object) -> None:
        """Tell nobody."""


class Bench:
    """A landing with a registry, and what is in the warehouse."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._offset = 0

    def lot(self, url: str) -> ParkingLot:
        resolver = IdResolver(RegistryClient(settings(url)), AT_ONCE)
        return ParkingLot(ConfluentFrames(resolver), Parking(self._client))

    def landing(self, lot: ParkingLot, log_id: str = "log") -> Landing:
        identity = IdentitySettings(hash_key=SecretStr("k" * 32))
        return Landing(FactStore(self._client), Nobody(), identity, Origin(log_id, 100_000), lot)

    def land(self, url: str, values: Sequence[bytes]) -> None:
        self.landing(self.lot(url)).land([chunk(TOPIC, values, first_offset=self._offset)])
        self._offset += len(values)

    def retry(self, url: str) -> int:
        lot = self.lot(url)
        return retry_parked(lot, lambda log_id: self.landing(lot, log_id))

    def rows(self, asked: str) -> list[tuple[Any, ...]]:
        return [tuple(row) for row in self._client.query(asked).result_rows]

    @property
    def ids(self) -> set[str]:
        return {row[0] for row in self.rows("SELECT event_id FROM touchpoints FINAL")}

    @property
    def counts(self) -> tuple[int, int, int]:
        """Stored, rejected and in flight by the accounting view."""
        (row,) = self.rows("SELECT sum(stored), sum(rejected), sum(in_flight), sum(duplicate) FROM v_accounting")
        assert row[3] == 0
        return row[0], row[1], row[2]


@pytest.fixture
def bench(fresh_database: ClickHouseSettings) -> Iterator[Bench]:
    client = connect(fresh_database)
    yield Bench(client)
    client.close()


def payload(number: int) -> bytes:
    event = parse_touchpoint({**example_of("order.placed"), "id": f"o-{number}"})
    assert isinstance(event, dict)
    return encode_touchpoint(event).value[10:]


def framed(schema_id: int, number: int) -> bytes:
    return b"\0" + schema_id.to_bytes(4, "big") + payload(number)


TROUBLE: dict[str, tuple[int, object]] = {
    "unknown id": (404, {"error_code": 40403}),
    "down": (503, b""),
    "garbage": (200, b"<html>"),
}


@pytest.mark.parametrize("name", TROUBLE)
def test_what_cannot_be_resolved_waits_while_neighbours_land(bench: Bench, misbehaving: Misbehaving, name: str) -> None:
    """Nothing is rejected, nothing lost; later it lands at its own coordinates, once."""
    misbehaving.says(*TROUBLE[name])
    single = writer_schema("orders").fingerprint
    bench.land(misbehaving.url, [framed(7, 1), b"\xc3\x01" + single + payload(2), framed(7, 3), b"rubbish"])
    assert bench.ids == {"o-2"}
    assert bench.rows("SELECT offset FROM v_rejected") == [(3,)]
    assert bench.counts == (1, 1, 2)
    assert bench.retry(misbehaving.url) == 2
    assert bench.counts == (1, 1, 2)

    misbehaving.says(200, answer(dict(family_schema("orders"))))
    assert bench.retry(misbehaving.url) == 0
    assert bench.ids == {"o-1", "o-2", "o-3"}
    assert bench.counts == (3, 1, 0)
    assert bench.rows("SELECT offset FROM touchpoints FINAL ORDER BY offset") == [(0,), (1,), (2,)]
    asked = len(misbehaving.asked)
    assert bench.retry(misbehaving.url) == 0
    assert len(misbehaving.asked) == asked, "what has landed is not tried again"


def test_the_status_counts_what_waits_as_in_flight(bench: Bench, misbehaving: Misbehaving) -> None:
    misbehaving.says(503, b"")
    bench.land(misbehaving.url, [framed(7, 1), framed(7, 2)])
    balance = account(bench._client, "log", {})
    assert (balance.records, balance.stored, balance.duplicates, balance.in_flight) == (2, 0, 0, 2)


def test_an_id_of_somebody_elses_schema_is_rejected(bench: Bench, misbehaving: Misbehaving) -> None:
    misbehaving.says(200, answer({"type": "record", "name": "Invoice", "fields": [{"name": "a", "type": "int"}]}))
    bench.land(misbehaving.url, [framed(7, 1)])
    ((reason, detail),) = bench.rows("SELECT reason, detail FROM v_rejected")
    assert reason == "unknown_schema"
    assert "Invoice" in detail


def test_a_real_registry_takes_our_schemas_and_tells_those_of_others(bench: Bench, registry: str) -> None:
    """Registered, framed, landed; a schema that grew elsewhere is learnt by its id; an incompatible one is refused."""
    client = RegistryClient(settings(registry))
    subject = subject_of(TOPIC)
    assert client.id_of(subject, family_schema("orders")) is None
    first = client.register(subject, family_schema("orders"))
    client.demand(subject)
    assert client.register(subject, family_schema("orders")) == first
    assert client.id_of(subject, family_schema("orders")) == first
    assert client.schema_of(first) is not None
    assert client.schema_of(987_654) is None

    event = parse_touchpoint({**example_of("order.placed"), "id": "o-framed"})
    assert isinstance(event, dict)
    sent = RegistryFraming(client, AT_ONCE)(encode_touchpoint(event))
    assert sent.value[:5] == b"\0" + first.to_bytes(4, "big")

    grown: dict[str, Any] = deepcopy(json.loads(json.dumps(dict(family_schema("orders")))))
    grown["fields"].append({"name": "weather", "type": ["null", "string"], "default": None, "doc": "Weather."})
    newer = schema_of("orders", grown)
    written = bytearray()
    record_writer(fields_of(newer))(written, {**event, "id": "o-newer", "weather": "rain"})
    foreseen = first + 1
    bench.land(registry, [sent.value, b"\0" + foreseen.to_bytes(4, "big") + bytes(written)])
    assert bench.ids == {"o-framed"}
    assert client.register(subject, grown) == foreseen
    assert bench.retry(registry) == 0
    assert bench.ids == {"o-framed", "o-newer"}
    assert bench.rows("SELECT count() FROM v_rejected") == [(0,)]

    broken = deepcopy(grown)
    broken["fields"] = [field for field in broken["fields"] if field["name"] != "source"]
    broken["fields"].append({"name": "origin", "type": "string", "doc": "Where."})
    with pytest.raises(RegistryRefused, match="409"):
        client.register(subject, broken)


def test_the_command_registers_all_families(
    registry: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("THROUGHLINE_REGISTRY__URL", registry)
    ids = []
    for _ in range(2):
        assert run(("schemas", "register", "--json")) == 0
        ids.append({row["subject"]: row["id"] for row in json.loads(capsys.readouterr().out)})
    assert ids[0] == ids[1]
    assert set(ids[0]) == {subject_of(topic) for topic in TOUCHPOINT_TOPICS}
    monkeypatch.setenv("THROUGHLINE_REGISTRY__URL", "http://127.0.0.1:9")
    assert run(("schemas", "register")) == 1
    monkeypatch.delenv("THROUGHLINE_REGISTRY__URL")
    assert run(("schemas", "register")) == 2


def test_wait_tells_of_what_is_parked(
    bench: Bench, misbehaving: Misbehaving, fresh_database: ClickHouseSettings
) -> None:
    misbehaving.says(503, b"")
    bench.land(misbehaving.url, [framed(7, 1)])
    told = Settings(clickhouse=fresh_database, registry=settings(misbehaving.url), kafka=KafkaSettings(log_id="log"))
    seen = Visibility(told, cast(Watermarks, Read()), 0.0, lambda _: None).await_landed()
    assert [(finding.step, finding.number) for finding in seen] == [("records parked", 1)]


class Read:
    """A topic of one record, which was read."""

    def ranges(self, _topics: object) -> dict[tuple[str, int], tuple[int, int]]:
        return {(TOPIC, 0): (0, 1)}

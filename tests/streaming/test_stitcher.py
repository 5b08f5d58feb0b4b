"""LAND and STITCH together over the real warehouse: whole blocks, hubs, versions, the sweep, what is published."""

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import polars as pl
import pytest

from pipeline.config import ClickHouseSettings, IdentitySettings, StitchingSettings
from pipeline.config_pain import PainPointSettings
from pipeline.contracts.touchpoint import encode_touchpoint, parse_touchpoint
from pipeline.identity.keys import ident_key
from pipeline.streaming.landing import Landing, Origin
from pipeline.streaming.records import Chunk
from pipeline.streaming.slow_lane import SlowLane
from pipeline.streaming.stitcher import StitchOutcome, StitchRulesOf, stitch_batch
from pipeline.warehouse.connection import connect
from pipeline.warehouse.errors import WarehouseUnavailable
from pipeline.warehouse.facts import FactStore
from pipeline.warehouse.results import StitchStore

START = datetime(2026, 3, 1, 9, 0, tzinfo=UTC)
RECEIVED_MS = int((START + timedelta(days=60)).timestamp() * 1000)
IDENTITY = IdentitySettings.model_validate({"hash_key": "test"})


@dataclass(frozen=True)
class StoredRecord:
    """A record as Kafka would hand it over."""

    offset: int
    value: bytes
    timestamp: int = RECEIVED_MS
    key: bytes | None = None


@dataclass
class Shop:
    """Lands touchpoints and stitches what was announced, with the two topics as plain lists."""

    landing: Landing
    store: StitchStore
    query: Any
    announced: list[pl.DataFrame]
    published: list[pl.DataFrame] = field(default_factory=list)
    offset: int = 0

    def land(self, *touchpoints: Mapping[str, Any]) -> None:
        """Land touchpoints, one chunk per topic."""
        by_topic: dict[str, list[bytes]] = {}
        for touchpoint in touchpoints:
            event = parse_touchpoint(touchpoint)
            assert isinstance(event, dict), event
            encoded = encode_touchpoint(event)
            by_topic.setdefault(encoded.topic, []).append(encoded.value)
        chunks = []
        for topic, values in by_topic.items():
            records = [StoredRecord(self.offset + number, value) for number, value in enumerate(values)]
            chunks.append(Chunk(topic, 0, records[0].offset, records[-1].offset, records))
            self.offset += len(records)
        self.landing.land(chunks)

    def stitch(self, keys: Sequence[bytes] | None = None) -> StitchOutcome:
        """Stitch the given identifiers, or everything announced so far."""
        if keys is None:
            keys = pl.concat(self.announced)["ident_key"].to_list()
            self.announced.clear()
        rules = StitchRulesOf(IDENTITY, StitchingSettings(), PainPointSettings())
        return stitch_batch(pl.Series("ident_key", keys, pl.Binary), self.store, self, rules, "test")

    def publish(self, changes: pl.DataFrame) -> None:
        self.published.append(changes)

    def announce(self, keys: pl.DataFrame, received_at_ms: int | None) -> None:  # noqa: ARG002  # of the protocol
        self.announced.append(keys)

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        return list(self.query(sql).result_rows)


@pytest.fixture
def shop(fresh_database: ClickHouseSettings) -> Shop:
    return make_shop(fresh_database)


def make_shop(fresh_database: ClickHouseSettings) -> Shop:
    """Open a shop on an empty warehouse."""
    announced: list[pl.DataFrame] = []
    client = connect(fresh_database)
    made = Shop(
        landing=None,  # type: ignore[arg-type]  # it announces to the shop itself
        store=StitchStore(connect(fresh_database), 1, timedelta(seconds=120)),
        query=client.query,
        announced=announced,
    )
    made.landing = Landing(FactStore(connect(fresh_database)), made, IDENTITY, Origin("log", 1_048_576))
    return made


def touch(number: int, minutes: float, identities: Mapping[str, str], **more: Any) -> dict[str, Any]:
    """Make a page view; `identities` by kind."""
    return {
        "id": f"e{number}",
        "type": "web.page_viewed",
        "source": "test",
        "occurred_at": (START + timedelta(minutes=minutes)).isoformat(),
        "identities": [{"kind": kind, "value": value} for kind, value in identities.items()],
        **more,
    }


def read_and_write_in_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the smallest group be read ahead and written behind, as large ones are."""
    for module in ("reading_ahead", "beside"):
        monkeypatch.setattr(f"pipeline.streaming.{module}.WORTH_A_THREAD", 0)


def key(kind: str, value: str) -> bytes:
    return ident_key(kind, value, b"test")


def test_a_story_across_identifiers_is_one_customer(shop: Shop) -> None:
    """A cookie that logs in and a carrier that knows only the order are one person with one journey."""
    shop.land(
        touch(1, 0, {"cookie_id": "c1"}),
        touch(2, 10, {"cookie_id": "c1", "customer_id": "u1"}),
        touch(3, 20, {"customer_id": "u1"}, type="order.placed", refs={"order_id": "o1"}),
        touch(4, 2000, {}, type="delivery.delivered", refs={"order_id": "o1"}),
    )
    shop.stitch()
    assert shop.rows("SELECT customer_uid, touchpoints, visits, journeys, orders FROM v_customers") == [
        (UUID(bytes=key("customer_id", "u1")), 4, 1, 1, 1)
    ]
    assert shop.rows("SELECT path FROM v_journeys") == [(["web.page_viewed", "order.placed", "delivery.delivered"],)]


def test_repeating_a_batch_changes_no_answer(shop: Shop) -> None:
    """Landing and stitching the same again leaves every view as it was, and publishes nothing new."""
    events = [touch(number, number * 7, {"cookie_id": "c1", "email": "a@example.com"}) for number in range(5)]
    shop.land(*events)
    shop.stitch()
    before = shop.rows("SELECT * FROM v_journey_steps ORDER BY step")
    assert sum(changes.height for changes in shop.published) == 1
    shop.land(*events)
    shop.stitch()
    assert shop.rows("SELECT * FROM v_journey_steps ORDER BY step") == before
    assert sum(changes.height for changes in shop.published) == 1


def test_versions_only_grow(shop: Shop) -> None:
    """Each batch registers a version beyond all others."""
    shop.land(touch(1, 0, {"cookie_id": "c1"}))
    versions = [shop.stitch([key("cookie_id", "c1")]).version for _ in range(5)]
    assert versions == sorted(set(versions))


def test_the_sweep_finds_what_was_never_announced(shop: Shop) -> None:
    """A lost announcement only delays: its identifiers are stale until they are stitched."""
    shop.land(touch(1, 0, {"cookie_id": "c1", "email": "a@example.com"}), touch(2, 1, {"cookie_id": "c2"}))
    shop.announced.clear()
    stale = shop.store.stale_identifiers(100).to_list()
    assert sorted(stale) == sorted([key("cookie_id", "c1"), key("email", "a@example.com"), key("cookie_id", "c2")])
    shop.stitch(stale)
    assert shop.store.stale_identifiers(100).is_empty()
    shop.land(touch(3, 2, {"cookie_id": "c2"}))
    assert shop.store.stale_identifiers(100).to_list() == [key("cookie_id", "c2")]


def test_an_identifier_that_becomes_shared_parts_its_neighbours(shop: Shop) -> None:
    """A kiosk's cookie joins two accounts to nobody: the second account makes the first one's row anew."""
    shop.land(touch(1, 0, {"customer_id": "u1", "cookie_id": "kiosk"}), touch(2, 1, {"cookie_id": "kiosk"}))
    shop.stitch()
    assert shop.rows("SELECT touchpoints FROM v_customers") == [(2,)]
    shop.land(touch(3, 2, {"customer_id": "u2", "cookie_id": "kiosk"}))
    shop.announced.clear()
    # Only the kiosk is dirty: its neighbours have to be found through the cap that it crossed.
    shop.stitch([key("cookie_id", "kiosk")])
    assert shop.rows("SELECT toString(kind), shared, customer_uid = ident_key FROM v_identities ORDER BY 1, 2") == [
        ("cookie_id", True, True),
        ("customer_id", False, True),
        ("customer_id", False, True),
    ]
    assert sorted(shop.rows("SELECT touchpoints FROM v_customers")) == [(1,), (1,), (1,)]


def test_a_hub_that_is_merely_met_keeps_its_row(shop: Shop) -> None:
    """Its version must not move on, or the sweep would not see that its neighbours still wait."""
    shop.land(touch(1, 0, {"customer_id": "u1", "cookie_id": "kiosk"}))
    shop.stitch()
    shop.land(touch(2, 1, {"customer_id": "u2", "cookie_id": "kiosk"}))
    shop.announced.clear()
    shop.stitch([key("customer_id", "u2")])
    stale = shop.store.stale_identifiers(100).to_list()
    assert stale == [key("cookie_id", "kiosk")]


def test_a_journey_that_moves_to_another_customer_leaves_a_tombstone(shop: Shop) -> None:
    """Once two half stories are one, the later one's journey vanishes from the topic as well."""
    shop.land(touch(1, 0, {"cookie_id": "c1"}), touch(2, 5, {"email": "a@example.com"}))
    shop.stitch()
    shop.published.clear()
    shop.land(touch(3, 10, {"cookie_id": "c1", "email": "a@example.com"}))
    shop.stitch()
    changes = pl.concat(shop.published)
    assert sorted(changes["gone"].to_list()) == [False, True]
    assert changes.filter(~pl.col("gone"))["touchpoints"].to_list() == [3]
    assert shop.rows("SELECT count() FROM v_journeys") == [(1,)]


def test_an_unknown_dirty_identifier_is_passed_over(shop: Shop) -> None:
    """An announcement whose facts are not there yet writes nothing."""
    assert shop.stitch([b"\x01" * 16]).identifiers == 0


@pytest.mark.parametrize("written", [1, 2])
@pytest.mark.parametrize(
    ("who", "in_threads"),
    [("ada", False), ("eve", False), ("kim", False), ("joy", False), ("eve", True), ("joy", True)],
)
def test_a_death_between_two_groups_leaves_nothing_that_the_sweep_cannot_find(
    shop: Shop, monkeypatch: pytest.MonkeyPatch, who: str, in_threads: bool, written: int
) -> None:
    if in_threads:
        read_and_write_in_threads(monkeypatch)
        monkeypatch.setattr("pipeline.streaming.grouping._LOAD_IDENTIFIERS", 1)
    monkeypatch.setattr("pipeline.streaming.grouping._GROUP_IDENTIFIERS", 1)
    shop.land(touch(1, 0, {"customer_id": who, "cookie_id": f"kiosk of {who}"}))
    shop.stitch()
    shop.land(touch(2, 5, {"customer_id": f"not {who}", "cookie_id": f"kiosk of {who}"}))
    insert, left = shop.store.insert_stitched, iter([True] * written)

    def insert_or_die(frame: pl.DataFrame) -> None:
        if not next(left, False):
            raise WarehouseUnavailable("killed")
        insert(frame)

    monkeypatch.setattr(shop.store, "insert_stitched", insert_or_die)
    with pytest.raises(WarehouseUnavailable):
        shop.stitch(shop.store.stale_identifiers(100).to_list())
    monkeypatch.undo()
    shop.stitch(shop.store.stale_identifiers(100).to_list())
    found = shop.rows("SELECT toString(ident_key), shared, toString(customer_uid) FROM v_identities")
    assert sorted(found) == sorted(
        (str(UUID(bytes=one)), one == key("cookie_id", f"kiosk of {who}"), str(UUID(bytes=one)))
        for one in (key("customer_id", who), key("customer_id", f"not {who}"), key("cookie_id", f"kiosk of {who}"))
    )
    assert shop.rows("SELECT DISTINCT length(identifiers) FROM v_customers") == [(1,)]


def test_a_large_customer_is_left_to_the_slow_lane_and_everybody_else_is_made_at_once(shop: Shop) -> None:
    shop.land(*(touch(number, number, {"customer_id": "large"}) for number in range(6)))
    shop.stitch()
    shop.land(touch(10, 20, {"customer_id": "large", "cookie_id": "c"}), touch(11, 21, {"customer_id": "small"}))
    keys = pl.concat(shop.announced)["ident_key"]
    settings = StitchingSettings.model_validate({"large_customer": 5})
    rules = StitchRulesOf(IDENTITY, settings, PainPointSettings())
    deferred: list[bytes] = []
    stitch_batch(keys, shop.store, shop, rules, "test", deferred.extend)
    sizes = "SELECT toString(customer_uid), touchpoints FROM v_customers"
    large, small = (str(UUID(bytes=key("customer_id", who))) for who in ("large", "small"))
    assert dict(shop.rows(sizes)) == {large: 6, small: 1}
    assert sorted(deferred) == sorted([key("customer_id", "large"), key("cookie_id", "c")])
    assert sorted(shop.store.stale_identifiers(100)) == sorted(deferred), "a worker that dies now loses nobody"
    stitch_batch(pl.Series("ident_key", deferred, pl.Binary), shop.store, shop, rules, "test")
    assert dict(shop.rows(sizes)) == {large: 7, small: 1}
    assert not len(shop.store.stale_identifiers(100))


def test_the_slow_lane_tries_again_what_failed(caplog: pytest.LogCaptureFixture) -> None:
    done, tries = threading.Event(), []

    def stitch(keys: pl.Series) -> None:
        tries.append(keys.to_list())
        if len(tries) == 1:
            raise WarehouseUnavailable("away")
        done.set()

    lane = SlowLane(stitch)
    lane.add(pl.Series("ident_key", [b"b", b"a", b"b"], pl.Binary))
    assert done.wait(10)
    assert tries == [[b"a", b"b"]] * 2
    assert lane.waiting == 0
    assert "tried again" in caplog.text

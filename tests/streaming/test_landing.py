"""LAND against the real warehouse: facts, rejections, ranges, and the order in which they come to be."""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import polars as pl
import pytest
from clickhouse_connect.driver.client import Client
from pydantic import SecretStr

from pipeline.config import ClickHouseSettings, IdentitySettings
from pipeline.contracts.reasons import Reason
from pipeline.contracts.types import touchpoint_types
from pipeline.identity.keys import ident_key
from pipeline.streaming.landing import Landing, Origin
from pipeline.streaming.records import Chunk
from pipeline.warehouse.connection import connect
from pipeline.warehouse.errors import WarehouseRefused, WarehouseUnavailable
from pipeline.warehouse.facts import FactStore
from pipeline.warehouse.migrate import migrate
from tests.embedded.servers import WarehouseServer
from tests.streaming.samples import chunk, encoded, event, golden, identity, statement, topic_of

SECRET = "s" * 32
IDENTITY = IdentitySettings(hash_key=SecretStr(SECRET))
ORIGIN = Origin(log_id="log-1", max_record_bytes=4096)
FACTS = ("touchpoints", "identity_links", "identity_statements", "rejected", "landed")


class Heard:
    """An announcer that keeps what it is told, and how many calls of the store came before."""

    def __init__(self, calls: list[str]) -> None:
        self.keys = pl.DataFrame()
        self.after: list[int] = []
        self._calls = calls

    def announce(self, keys: pl.DataFrame, received_at_ms: int | None) -> None:  # noqa: ARG002  # of the protocol
        self.keys = keys
        self.after.append(len(self._calls))


class Watched(FactStore):
    """The real store, with a note of every call and a place to make one fail."""

    def __init__(self, client: Client) -> None:
        super().__init__(client)
        self.calls: list[str] = []
        self.before: Callable[[str, pl.DataFrame], None] = lambda _name, _frame: None

    def landing_stamp(self) -> datetime:
        self.calls.append("stamp")
        return super().landing_stamp()

    def _insert(self, table: Any, frame: pl.DataFrame) -> None:
        self.calls.append(table.name)
        self.before(table.name, frame)
        super()._insert(table, frame)


class Bench:
    """A landing on a database of its own."""

    def __init__(self, client: Client) -> None:
        self.client = client
        self.store = Watched(client)
        self.heard = Heard(self.store.calls)
        self.landing = Landing(self.store, self.heard, IDENTITY, ORIGIN)

    def rows(self, columns: str, table: str) -> list[tuple[Any, ...]]:
        return [
            tuple(row) for row in self.client.query(f"SELECT {columns} FROM {table} FINAL ORDER BY ALL").result_rows
        ]

    def one(self, query: str) -> Any:
        ((value,),) = self.client.query(query).result_rows
        return value

    def count(self, table: str) -> int:
        return int(self.one(f"SELECT count() FROM {table} FINAL"))


@pytest.fixture(scope="module")
def client(warehouse: WarehouseServer) -> Iterator[Client]:
    """One migrated database for all tests here: making one takes longer than most of them."""
    client = connect(ClickHouseSettings(url=SecretStr(f"{warehouse.url}/test_landing")))
    migrate(client)
    yield client
    client.command("DROP DATABASE test_landing SYNC")
    client.close()


@pytest.fixture
def bench(client: Client) -> Bench:
    for table in (*FACTS, "stitch_versions"):
        client.command(f"TRUNCATE TABLE {table}")
    return Bench(client)


def golden_chunks() -> list[Chunk]:
    by_topic: dict[str, list[bytes]] = {}
    for name in touchpoint_types():
        by_topic.setdefault(topic_of(name), []).append(golden(name))
    return [chunk(topic, values) for topic, values in by_topic.items()]


def test_every_type_lands_in_one_batch(bench: Bench) -> None:
    outcome = bench.landing.land(golden_chunks())
    assert outcome.reasons == {}
    assert outcome.stored == outcome.records == len(touchpoint_types())
    assert [row[0] for row in bench.rows("type", "touchpoints")] == sorted(touchpoint_types())
    assert bench.store.calls.count("touchpoints") == 1
    landed = bench.rows("topic, first_offset, last_offset, records, rejected, lost", "landed")
    assert sum(row[3] for row in landed) == len(touchpoint_types())


def test_what_was_sent_is_what_is_stored(bench: Bench) -> None:
    context = {"url": "https://shop.example/x?utm_source=news", "locale": "de-DE", "ip": "203.0.113.9"}
    sent = event(
        id="o-1",
        type="order.placed",
        sent_at=1_700_000_000_250,
        received_at=1_700_000_001_000,
        revision=3,
        channel="store",
        identities=[identity("customer_id", "4711"), identity("email", "Ann@Example.com"), identity("other", "null")],
        refs={"order_id": "O-1", "campaign": "spring", "product_ids": ["p-1", "p-2"]},
        session_id="s-1",
        context=context,
        consent=[{"purpose": "ads", "granted": True}, {"purpose": "mail", "granted": False}],
        amount={"minor": 1999, "currency": "EUR"},
        attributes=[{"key": "gift", "value": "yes"}],
        body={"lines": [{"product_id": "p-1", "quantity": 2.5}], "promised_delivery_at": 5, "coupon": 'a"b'},
    )
    bench.landing.land([chunk("touchpoints.orders", [encoded(sent)], first_offset=7, partition=3)])
    query = "SELECT *, toString(ident_key) AS ident_key, toUnixTimestamp64Milli(occurred_at) AS at FROM touchpoints"
    row = dict(next(iter(bench.client.query(query).named_results())))
    subject = ident_key("customer_id", "4711", SECRET.encode())
    assert row["ident_key"].replace("-", "") == subject.hex()
    assert (row["kind"], row["at"], row["revision"], row["clock_skew_ms"]) == ("customer_id", 1_700_000_000_000, 3, 750)
    assert [entry["kind"] for entry in row["identities"]] == ["customer_id", "email", "order_id"]
    assert (row["order_id"], row["shipment_id"], row["campaign"]) == ("O-1", "", "spring")
    assert (row["product_ids"], row["attributes"]) == (["p-1", "p-2"], [{"key": "gift", "value": "yes"}])
    assert row["consent"] == [{"purpose": "ads", "granted": True}, {"purpose": "mail", "granted": False}]
    assert (row["amount_minor"], row["currency"], row["channel"]) == (1999, "EUR", "store")
    assert (row["utm_source"], row["locale"], row["session_id"]) == ("news", "de-DE", "s-1")
    assert row["body"].startswith('{"lines":[{"product_id":"p-1"')
    assert row["body"].endswith('"promised_delivery_at":5,"coupon":"a\\"b"}')
    assert (row["log_id"], row["topic"], row["partition"], row["offset"]) == ("log-1", "touchpoints.orders", 3, 7)
    assert not any("203.0.113.9" in str(value) for value in row.values())


def test_bad_records_are_rejected_with_their_bytes_and_neighbours_land(bench: Bench) -> None:
    good = encoded(event())
    garbage = bytes(reversed(range(256)))
    nameless = encoded(event(identities=[identity("cookie_id", "undefined"), identity("email", " N/A ")]))
    values = [garbage, good, None, good + bytes(4096), b"\xc3\x01unknown!", golden("order.placed"), nameless]
    outcome = bench.landing.land([chunk("touchpoints.web", values, first_offset=10, lost=4)])
    columns = "offset, reason, schema, key, payload IS NULL"
    assert bench.rows(columns, "rejected") == [
        (10, "undecodable", "", "key-0", 0),
        (12, "tombstone", "", "key-2", 1),
        (13, "too_large", "", "key-3", 0),
        (14, "unknown_schema", b"unknown!".hex(), "key-4", 0),
        (15, "wrong_topic", "orders", "key-5", 0),
        (16, "no_identifier", "web", "key-6", 0),
    ]
    assert bytes.fromhex(bench.one("SELECT hex(payload) FROM rejected WHERE offset = 10")) == garbage
    assert bench.count("touchpoints") == outcome.stored == 1
    assert (outcome.rejected, outcome.lost, outcome.received_at_ms.len()) == (6, 4, 1)
    landed = bench.rows("first_offset, last_offset, records, rejected, lost", "landed")
    assert landed == [(6, 16, 7, 6, 4)]


def test_nothing_but_garbage_is_accounted_for_too(bench: Bench) -> None:
    values = [b"x", None, encoded(event())[:-1], encoded(event(identities=[identity("email", "null")]))]
    bench.landing.land([chunk("touchpoints.web", values), chunk("touchpoints.orders", [b"y"])])
    assert bench.count("rejected") == 5
    assert bench.rows("topic, rejected", "landed") == [("touchpoints.orders", 1), ("touchpoints.web", 4)]
    assert bench.heard.keys.is_empty()


def test_a_chunk_without_records_is_accounted_for(bench: Bench) -> None:
    bench.landing.land([Chunk("touchpoints.web", 0, 5, 9, [], 0)])
    assert bench.rows("first_offset, last_offset, records", "landed") == [(5, 9, 0)]


def test_links_stand_in_both_directions_with_their_earliest_time(bench: Bench) -> None:
    """The subject is joined to each other identifier; statements about identity join nobody."""
    later = encoded(event(id="e-2", occurred_at=1_700_000_009_000))
    told = statement("unlinked", {"kind": "customer_id", "value": "a"}, {"kind": "email", "value": "b"})
    told["identities"].append(identity("phone", "+49301234567"))
    bench.landing.land(
        [chunk("touchpoints.web", [later, encoded(event())]), chunk("touchpoints.accounts", [encoded(told)])]
    )
    columns = "kind, neighbour_kind, toUnixTimestamp64Milli(first_seen), first_landed_at = landed_at"
    assert bench.rows(columns, "identity_links") == [
        ("email", "cookie_id", 1_700_000_000_000, True),
        ("cookie_id", "email", 1_700_000_000_000, True),
    ]


def test_statements_stand_in_both_directions_without_values(bench: Bench) -> None:
    a, b = {"kind": "customer_id", "value": "alice"}, {"kind": "customer_id", "value": "bob"}
    said = statement("aliased", a, b, id="s-1")
    taken_back = statement("aliased", a, b, id="s-2", withdraws="s-1")
    bench.landing.land([chunk("touchpoints.accounts", [encoded(said), encoded(taken_back)])])
    columns = "statement, withdraws, event_id, a_kind, b_kind"
    expected = [
        ("alias", "", "s-1", "customer_id", "customer_id"),
        ("alias", "s-1", "s-2", "customer_id", "customer_id"),
    ]
    assert bench.rows(columns, "identity_statements") == sorted(expected * 2)
    assert not any("alice" in row[0] or "bob" in row[0] for row in bench.rows("body", "touchpoints"))
    both = {ident_key("customer_id", name, SECRET.encode()) for name in ("alice", "bob")}
    assert set(bench.heard.keys["ident_key"]) == both
    assert bench.heard.keys["subject"].unique().len() == 1


def test_the_same_batch_landed_again_is_the_same_facts(bench: Bench) -> None:
    chunks = [*golden_chunks(), chunk("touchpoints.web", [b"garbage"], partition=1)]

    def facts() -> list[list[tuple[Any, ...]]]:
        stamps = "EXCEPT (landed_at)"
        links = "ident_key, kind, neighbour, neighbour_kind, first_seen"
        return [
            bench.rows(f"* {stamps}", "touchpoints"),
            bench.rows(links, "identity_links"),
            bench.rows(f"* {stamps}", "identity_statements"),
            bench.rows("* EXCEPT (landed_at, rejected_at)", "rejected"),
        ]

    bench.landing.land(chunks)
    once, heard = facts(), bench.heard.keys
    Landing(bench.store, bench.heard, IDENTITY, ORIGIN).land(list(reversed(chunks)))
    assert facts() == once
    assert heard.sort("subject", "ident_key").equals(bench.heard.keys.sort("subject", "ident_key"))


def test_what_was_made_ready_is_landed_as_often_as_it_takes(bench: Bench) -> None:
    chunks = [*golden_chunks(), chunk("touchpoints.web", [b"garbage"], partition=1)]

    def facts() -> list[Any]:
        columns = {"touchpoints": "* EXCEPT (landed_at)", "rejected": "* EXCEPT (landed_at, rejected_at)"}
        return [bench.rows(names, table) for table, names in columns.items()]

    with ThreadPoolExecutor(1) as thread:
        prepared = thread.submit(bench.landing.prepare, chunks).result()
    assert (bench.store.calls, bench.heard.after) == ([], [])
    for _ in range(2):
        outcome = bench.landing.land(chunks, prepared)
        assert (outcome.stored, outcome.rejected) == (len(touchpoint_types()), 1)
        assert outcome.seconds.keys() == {"decode", "facts", "insert", "complete", "announce"}
    landed = facts()
    bench.landing.land(chunks)
    assert facts() == landed


def test_of_several_contents_the_greatest_revision_wins_in_any_order(bench: Bench) -> None:
    first, second = (encoded(event(revision=number, session_id=f"s-{number}")) for number in (0, 1))
    for values in ([second], [first]):
        bench.landing.land([chunk("touchpoints.web", values)])
    assert bench.rows("revision, session_id", "touchpoints") == [(1, "s-1")]


def test_the_order_is_the_protocols(bench: Bench) -> None:
    bench.landing.land([chunk("touchpoints.web", [encoded(event()), b"garbage"])])
    expected = ["stamp", "touchpoints", "identity_links", "identity_statements", "rejected", "stamp", "landed"]
    assert bench.store.calls == expected
    assert bench.heard.after == [len(expected)]
    landed_at, completed_at = bench.rows("landed_at, completed_at", "landed")[0]
    assert landed_at < completed_at
    for table in ("touchpoints", "identity_links", "rejected"):
        assert bench.rows("DISTINCT landed_at", table) == [(landed_at,)]


def test_stamps_are_not_before_a_registered_version(bench: Bench) -> None:
    ahead = datetime.now(UTC) + timedelta(minutes=5)
    bench.client.insert("stitch_versions", [[ahead, "w"]], column_names=["version", "worker"])
    bench.landing.land([chunk("touchpoints.web", [encoded(event())])])
    query = "SELECT landed_at >= version AND completed_at >= version FROM landed, stitch_versions"
    assert bench.one(query) == 1


@pytest.mark.parametrize("table", [*FACTS])
def test_trouble_with_the_warehouse_is_the_callers(bench: Bench, table: str) -> None:
    """Whatever fails, nothing is announced; landing the batch again makes it whole."""

    def away(name: str, _frame: pl.DataFrame) -> None:
        if name == table:
            raise WarehouseUnavailable("away")

    told = statement("aliased", {"kind": "customer_id", "value": "a"}, {"kind": "customer_id", "value": "b"})
    chunks = [chunk("touchpoints.web", [encoded(event()), None]), chunk("touchpoints.accounts", [encoded(told)])]
    bench.store.before = away
    with pytest.raises(WarehouseUnavailable):
        bench.landing.land(chunks)
    assert bench.heard.keys.is_empty()
    assert bench.count("landed") == 0
    bench.store.before = lambda _name, _frame: None
    bench.landing.land(chunks)
    assert [bench.count(name) for name in FACTS] == [2, 2, 2, 1, 2]
    assert bench.heard.keys.height == 4


def refuse(ids: Sequence[str]) -> Callable[[str, pl.DataFrame], None]:
    """Refuse touchpoints with these ids, as the warehouse would if their values did not fit."""

    def before(name: str, frame: pl.DataFrame) -> None:
        if name == "touchpoints" and not set(frame["event_id"]).isdisjoint(ids):
            raise WarehouseRefused("value out of range", 321)

    return before


def test_a_record_that_the_warehouse_refuses_is_rejected_and_the_others_land(bench: Bench) -> None:
    values = [
        encoded(event(id=f"e-{number}", identities=[identity("cookie_id", f"c-{number}")])) for number in range(50)
    ]
    bench.store.before = refuse(["e-7", "e-31"])
    outcome = bench.landing.land([chunk("touchpoints.web", values)])
    reason = Reason.REFUSED_BY_WAREHOUSE.value
    assert bench.rows("offset, reason, schema", "rejected") == [(7, reason, "web"), (31, reason, "web")]
    assert bench.count("touchpoints") == outcome.stored == outcome.received_at_ms.len() == 48
    assert bench.rows("records, rejected", "landed") == [(50, 2)]


def test_a_warehouse_that_takes_nothing_is_not_the_records_fault(bench: Bench) -> None:
    values = [encoded(event(id=f"e-{number}")) for number in range(150)]
    bench.store.before = refuse([f"e-{number}" for number in range(150)])
    with pytest.raises(WarehouseRefused):
        bench.landing.land([chunk("touchpoints.web", values)])
    assert bench.count("rejected") == bench.count("landed") == 0


def test_a_rejection_whose_bytes_are_refused_is_kept_without_them(bench: Bench) -> None:
    def before(name: str, frame: pl.DataFrame) -> None:
        if name == "rejected" and b"poison" in frame["payload"].to_list():
            raise WarehouseRefused("no", 131)

    bench.store.before = before
    bench.landing.land([chunk("touchpoints.web", [b"garbage", b"poison"])])
    assert bench.rows("offset, payload, key", "rejected") == [(0, "garbage", "key-0"), (1, None, "")]

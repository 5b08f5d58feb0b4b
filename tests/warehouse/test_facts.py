"""What LAND writes is what ClickHouse holds, once, however often it is written."""

from datetime import timedelta
from uuid import UUID

import polars as pl
import pytest
from clickhouse_connect.driver.client import Client

from pipeline.warehouse.arrow import arrow_table, split_arguments
from pipeline.warehouse.declarations import Table, columns_of
from pipeline.warehouse.errors import WarehouseRefused, WarehouseUnavailable
from pipeline.warehouse.facts import FactStore
from tests.warehouse import rows

KEY = bytes(range(16))


def test_touchpoint_comes_back_as_it_was_sent(client: Client, store: FactStore) -> None:
    sent = rows.touchpoint(
        2,
        ident_key=KEY,
        kind=14,
        event_uid=KEY[::-1],
        content_version=KEY,
        sent_at=rows.START + timedelta(milliseconds=123),
        clock_skew_ms=-5,
        identities=[{"kind": 2, "ident_key": rows.key(9)}, {"kind": 14, "ident_key": KEY}],
        product_ids=["x", "ü"],
        consent=[{"purpose": "ads", "granted": True}],
        amount_minor=-199,
        currency="EUR",
        attributes=[{"key": "a", "value": "b"}],
        body='{"dwell_ms":5}',
        partition=65535,
        landed_at=rows.START + timedelta(microseconds=123457),
    )
    store.insert_touchpoints(rows.frame([rows.touchpoint(1), sent]))
    read = client.query("SELECT * FROM touchpoints WHERE kind = 'other'").first_item
    assert read == {
        **sent,
        "kind": "other",
        "ident_key": UUID("00010203-0405-0607-0809-0a0b0c0d0e0f"),
        "event_uid": UUID("0f0e0d0c-0b0a-0908-0706-050403020100"),
        "content_version": int.from_bytes(KEY, "big"),
        "identities": [
            {"kind": "email", "ident_key": UUID(int=9)},
            {"kind": "other", "ident_key": UUID("00010203-0405-0607-0809-0a0b0c0d0e0f")},
        ],
    }


@pytest.mark.parametrize(
    ("said", "occasion", "bought", "contact"),
    [
        ("'order.placed', '', 'o', '', 't', ['p']", "'o'", "'o', '\\t', 'p'", ""),
        ("'order.placed', '', 'o', '', '', ['', 'p']", "'o'", "", ""),
        ("'page.viewed', '', 'o', 'c', 't', ['p']", "", "", ""),
        ("'support.ticket_created', '', 'o', 'c', 't', []", "'t'", "", "'t'"),
        ("'support.ticket_created', 'outbound', 'o', 'c', 't', []", "'t'", "", ""),
        ("'support.chat_ended', '', '', 'c', 't', []", "'c'", "", "'c'"),
        ("'support.chat_ended', '', '', '', 't', []", "", "", ""),
        ("'support.call_ended', 'inbound', '', '', 't', []", "", "", "itself"),
        ("'support.email_received', 'inbound', '', 'c', '', []", "", "", "itself"),
    ],
)
def test_what_a_touchpoint_is_told_apart_by_is_a_number(
    client: Client, said: str, occasion: str, bought: str, contact: str
) -> None:
    uid = "00010203-0405-0607-0809-0a0b0c0d0e0f"
    names = "event_uid, type, direction, order_id, conversation_id, ticket_id, product_ids"
    client.command(f"INSERT INTO touchpoints ({names}) VALUES ('{uid}', {said})")

    def number(of: str) -> str:
        hashed = f"reinterpretAsUInt128(sipHash128({of}))" if of else "toUInt128(0)"
        return f"reinterpretAsUInt128(toUUID('{uid}'))" if of == "itself" else hashed

    told = f"({number(occasion)}, {number(bought)}, {number(contact)})"
    read = client.query(f"SELECT (occasion_number, bought_number, contact_number), {told} FROM touchpoints")
    assert read.result_rows[0][0] == read.result_rows[0][1]


def test_other_facts_come_back_as_they_were_sent(client: Client, store: FactStore) -> None:
    store.insert_links(rows.frame([rows.link(1, 2), rows.link(2, 1, kind=2, neighbour_kind=0)]))
    store.insert_statements(rows.frame([rows.statement(statement=2, withdraws="s-0")]))
    store.insert_landed(rows.frame([rows.landed(0, 9, lost=3)]))
    links = client.query("SELECT ident_key, kind, neighbour, neighbour_kind FROM identity_links ORDER BY kind")
    assert [list(row) for row in links.result_rows] == [
        [UUID(int=1), "customer_id", UUID(int=2), "email"],
        [UUID(int=2), "email", UUID(int=1), "customer_id"],
    ]
    statements = client.query("SELECT a, b, statement, withdraws FROM identity_statements").result_rows
    assert list(statements[0]) == [UUID(int=1), UUID(int=2), "unlink", "s-0"]
    assert list(client.query("SELECT first_offset, last_offset, lost FROM landed").result_rows[0]) == [0, 9, 3]


def test_links_keep_the_earliest_sight_and_the_latest_landing(client: Client, store: FactStore) -> None:
    later = rows.START + timedelta(days=1)
    store.insert_links(rows.frame([rows.link(1, 2, first_seen=later, first_landed_at=later, landed_at=later)]))
    store.insert_links(rows.frame([rows.link(1, 2)]))
    (row,) = client.query("SELECT first_seen, first_landed_at, landed_at FROM identity_links FINAL").result_rows
    assert list(row) == [rows.START, rows.START, later]


def test_bytes_that_are_no_text_are_kept_and_a_tombstone_stays_null(client: Client, store: FactStore) -> None:
    store.insert_rejected(rows.frame([rows.rejected(3), rows.rejected(4, payload=None)]))
    read = client.query("SELECT hex(payload), payload IS NULL FROM rejected ORDER BY offset").result_rows
    assert [list(row) for row in read] == [["C301FF00", 0], [None, 1]]


def test_the_same_rows_again_are_the_same_facts(client: Client, store: FactStore) -> None:
    frame = rows.frame([rows.touchpoint(number) for number in range(20)])
    for _ in range(3):
        store.insert_touchpoints(frame)
    assert client.query("SELECT count() FROM touchpoints FINAL").result_rows[0][0] == 20


@pytest.mark.parametrize("greatest_first", [True, False])
def test_greatest_content_wins_whatever_the_order(client: Client, store: FactStore, greatest_first: bool) -> None:
    # As little-endian numbers these two would compare the other way round.
    contents = [
        rows.touchpoint(1, title="newer", content_version=b"\x02" + bytes(15)),
        rows.touchpoint(1, title="older", content_version=b"\x01" + b"\xff" * 15),
    ]
    for content in contents if greatest_first else reversed(contents):
        store.insert_touchpoints(rows.frame([content]))
    assert client.query("SELECT title FROM touchpoints FINAL").result_rows[0][0] == "newer"


def test_an_insert_is_one_block_whatever_times_it_spans(client: Client, store: FactStore) -> None:
    client.command("SYSTEM STOP MERGES touchpoints")
    times = [rows.START.replace(year=1900 + number % 200, month=1 + number % 12) for number in range(500)]
    base = rows.frame([rows.touchpoint(number, occurred_at=time) for number, time in enumerate(times)])
    many = pl.concat([base] * 140).with_columns(event_uid=pl.Series([rows.key(number) for number in range(70_000)]))
    store.insert_touchpoints(many)
    parts = client.query(
        "SELECT count(), sum(rows) FROM system.parts "
        "WHERE database = currentDatabase() AND table = 'touchpoints' AND active"
    ).result_rows
    assert tuple(parts[0]) == (1, 70_000)


def test_stamp_is_never_before_a_registered_version(client: Client, store: FactStore) -> None:
    first = store.landing_stamp()
    assert first.tzinfo is not None
    client.command("INSERT INTO stitch_versions VALUES ('2090-01-02 03:04:05.678901', 'ahead'), (now64(6), 'now')")
    stamp = store.landing_stamp()
    assert stamp.isoformat() == "2090-01-02T03:04:05.678901+00:00"


def test_frames_that_do_not_fit_are_refused_whole(client: Client, store: FactStore) -> None:
    good = rows.frame([rows.touchpoint(1)])
    with pytest.raises(WarehouseRefused, match="missing \\['body'\\]"):
        store.insert_touchpoints(good.drop("body"))
    with pytest.raises(WarehouseRefused, match="unknown \\['extra'\\]"):
        store.insert_touchpoints(good.with_columns(extra=pl.lit(1)))
    with pytest.raises(WarehouseRefused, match=r"touchpoints\.event_uid"):
        store.insert_touchpoints(rows.frame([rows.touchpoint(1), rows.touchpoint(2, event_uid=b"short")]))
    with pytest.raises(WarehouseRefused, match=r"touchpoints\.partition"):
        store.insert_touchpoints(good.with_columns(partition=pl.lit(70_000)))
    with pytest.raises(WarehouseRefused, match=r"touchpoints\.product_ids"):
        store.insert_touchpoints(good.with_columns(product_ids=pl.lit(None, dtype=pl.List(pl.String))))
    with pytest.raises(WarehouseRefused, match=r"touchpoints\.kind: \[99\] are no codes"):
        store.insert_touchpoints(good.with_columns(kind=pl.lit(99, pl.Int8)))
    with pytest.raises(WarehouseRefused, match=r"touchpoints\.identities"):
        store.insert_touchpoints(rows.frame([rows.touchpoint(1, identities=[{"kind": 15, "ident_key": rows.key(1)}])]))
    assert client.query("SELECT count() FROM touchpoints").result_rows[0][0] == 0


def test_a_missing_table_never_blames_the_rows(client: Client, store: FactStore) -> None:
    client.command("DROP TABLE touchpoints SYNC")
    with pytest.raises(WarehouseUnavailable):
        store.insert_touchpoints(rows.frame([rows.touchpoint(1)]))


def test_an_empty_frame_asks_nothing_of_the_warehouse(client: Client, store: FactStore) -> None:
    client.command("DROP TABLE touchpoints SYNC")
    store.insert_touchpoints(rows.frame([rows.touchpoint(1)]).clear())


def test_slices_and_chunks_arrive_in_order(client: Client, store: FactStore) -> None:
    many = rows.frame([rows.touchpoint(number, product_ids=[str(number)] * (number % 3)) for number in range(50)])
    store.insert_touchpoints(pl.concat([many[10:20], many[30:35]], rechunk=False))
    read = client.query("SELECT offset, event_uid, product_ids FROM touchpoints ORDER BY offset").result_rows
    assert [list(row) for row in read] == [
        [number, UUID(int=1000 + number), [str(number)] * (number % 3)] for number in [*range(10, 20), *range(30, 35)]
    ]


def test_arguments_are_split_at_top_level_only() -> None:
    assert split_arguments("kind Enum8('a, b' = 0), key Tuple(x Int8, y Int8)") == [
        "kind Enum8('a, b' = 0)",
        "key Tuple(x Int8, y Int8)",
    ]


def test_only_what_holds_something_is_sent() -> None:
    table = Table(
        name="some",
        comment="",
        engine="MergeTree",
        order_by=("key",),
        columns=columns_of(
            [
                ("key", "String", "Empty, but part of the key."),
                ("text", "String", "Empty."),
                ("amount", "Nullable(Int64)", "Null."),
                ("list", "Array(String)", "Empty."),
                ("flag", "Bool", "False."),
                ("some_text", "String", "Empty in one row."),
                ("some_amount", "Nullable(Int64)", "Null in one row."),
                ("zero", "UInt32", "No empty value."),
            ]
        ),
    )
    nothing: list[str] = []
    frame = pl.DataFrame(
        {
            "key": ["", ""],
            "text": ["", ""],
            "amount": pl.Series([None, None], dtype=pl.Int64),
            "list": pl.Series([nothing, nothing], dtype=pl.List(pl.String)),
            "flag": [False, False],
            "some_text": ["", "a"],
            "some_amount": [None, 0],
            "zero": pl.Series([0, 0], dtype=pl.UInt32),
        }
    )
    assert arrow_table(frame, table).column_names == ["key", "some_text", "some_amount", "zero"]

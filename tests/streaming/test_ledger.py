"""The ledger of identities over the real warehouse: every change once, with the rule and the touchpoint that did it."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any
from uuid import UUID

import polars as pl
import pytest
from pydantic import SecretStr

from pipeline.config import ClickHouseSettings
from pipeline.streaming.landing import Landing, Origin
from pipeline.warehouse.connection import connect
from pipeline.warehouse.facts import FactStore
from pipeline.warehouse.migrate import migrate
from pipeline.warehouse.results import StitchStore
from pipeline.warehouse.tables import (
    IDENTITY_LEDGER,
    IDENTITY_LINKS,
    IDENTITY_STATEMENTS,
    LANDED,
    STITCHED,
    TOUCHPOINTS,
)
from tests.embedded.servers import WarehouseServer
from tests.streaming.test_stitcher import IDENTITY, Shop, key, touch

LEDGER = """
    SELECT toString(l.kind), l.rule, t.event_id, l.ident_key, l.to_customer_uid, l.changed_at
    FROM v_identity_ledger AS l
    LEFT JOIN v_touchpoints AS t ON t.event_uid = l.cause_event_uid ORDER BY l.changed_at, l.kind, toString(l.ident_key)
"""
LAST = "SELECT ident_key, argMax(to_customer_uid, changed_at) FROM v_identity_ledger GROUP BY ident_key ORDER BY 1"


@pytest.fixture(scope="module")
def database(warehouse: WarehouseServer) -> Iterator[ClickHouseSettings]:
    """One database for all of this module; to migrate one for each test would take most of the time."""
    settings = ClickHouseSettings(url=SecretStr(f"{warehouse.url}/ledger"))
    client = connect(settings)
    migrate(client)
    yield settings
    client.command("DROP DATABASE ledger SYNC")
    client.close()


@pytest.fixture
def shop(database: ClickHouseSettings) -> Shop:
    client = connect(database)
    for table in (TOUCHPOINTS, IDENTITY_LINKS, IDENTITY_STATEMENTS, LANDED, STITCHED, IDENTITY_LEDGER):
        client.command(f"TRUNCATE TABLE {table.name}")
    store = StitchStore(client, 1, timedelta(seconds=120))
    made = Shop(None, store, client.query, [])  # type: ignore[arg-type]  # its landing announces to the shop itself
    made.landing = Landing(FactStore(client), made, IDENTITY, Origin("log", 1_048_576))
    return made


def state(number: int, verb: str, a: tuple[str, str], b: tuple[str, str], **more: Any) -> dict[str, Any]:
    """Make a statement about identity that is said late."""
    sides = {"a": dict(zip(("kind", "value"), a, strict=True)), "b": dict(zip(("kind", "value"), b, strict=True))}
    return touch(number, 9000 + number, {a[0]: a[1]}, type=f"identity.{verb}", body=sides, **more)


def told(shop: Shop) -> list[tuple[Any, ...]]:
    """Return (kind, rule, event id) of the entries that came since the last call."""
    shop.stitch()
    known = shop.__dict__.setdefault("told", set())
    fresh = [row for row in shop.rows(LEDGER) if row not in known]
    known.update(fresh)
    return [row[:3] for row in fresh]


def uid(kind: str, value: str) -> UUID:
    return UUID(bytes=key(kind, value))


def assert_ledger_ends_with_the_present(shop: Shop) -> None:
    assert shop.rows(LAST) == shop.rows("SELECT ident_key, customer_uid FROM v_identities ORDER BY 1")


def test_first_seen_then_linked_through_the_touchpoint_that_connects(shop: Shop) -> None:
    """Both halves of a story keep their entries; the link that joined them is the cause for all of the one half."""
    shop.land(touch(1, 0, {"cookie_id": "c1"}), touch(2, 5, {"email": "a@example.com", "device_id": "d1"}))
    assert told(shop) == [
        ("email", "first_seen", "e2"),
        ("device_id", "linked", "e2"),
        ("cookie_id", "first_seen", "e1"),
    ]
    shop.land(touch(3, 10, {"customer_id": "u1", "device_id": "d1"}))
    assert told(shop) == [
        ("customer_id", "first_seen", "e3"),
        ("email", "linked", "e3"),
        ("device_id", "linked", "e3"),
    ]
    moves = (
        "SELECT from_customer_uid, to_customer_uid FROM v_identity_ledger WHERE ident_key = '{}' ORDER BY changed_at"
    )
    assert shop.rows(moves.format(uid("device_id", "d1"))) == [
        (None, uid("email", "a@example.com")),
        (uid("email", "a@example.com"), uid("customer_id", "u1")),
    ]
    assert_ledger_ends_with_the_present(shop)


def test_repeating_a_batch_adds_nothing_to_the_view(shop: Shop) -> None:
    """At least once: an entry that is written again vanishes."""
    shop.land(touch(1, 0, {"cookie_id": "c1", "email": "a@example.com"}))
    assert len(told(shop)) == 2
    shop.rows(
        "INSERT INTO identity_ledger SELECT * REPLACE(version + toIntervalSecond(1) AS version) FROM identity_ledger"
    )
    shop.land(touch(1, 0, {"cookie_id": "c1", "email": "a@example.com"}))
    assert told(shop) == []


def test_touchpoints_of_one_moment_are_told_apart(shop: Shop) -> None:
    """Where the subject has several touchpoints at the link's time, the one that names the other end is the cause."""
    shop.land(
        *(touch(n, 0, {"email": "a@example.com", **names}) for n, names in enumerate([{}, {"cookie_id": "c1"}, {}]))
    )
    assert told(shop)[1] == ("cookie_id", "linked", "e1")


def test_an_identifier_that_only_dead_links_name_has_a_first_touchpoint(shop: Shop) -> None:
    """It is no subject, and its link joins nobody: what names it is still found."""
    people = [touch(n, n, {"customer_id": f"u{n}", "cookie_id": "kiosk"}) for n in range(3)]
    shop.land(*people)
    assert told(shop) == [
        *(("customer_id", "first_seen", f"e{n}") for n in in_key_order(3)),
        ("cookie_id", "shared", "e1"),
    ]


def in_key_order(count: int) -> list[int]:
    return sorted(range(count), key=lambda n: key("customer_id", f"u{n}"))


def test_who_crosses_a_cap_parts_everybody_by_the_touchpoint_that_was_one_too_many(shop: Shop) -> None:
    """The second account makes the kiosk shared; what hung on it is put down to that touchpoint."""
    shop.land(
        touch(1, 0, {"email": "a@example.com", "cookie_id": "kiosk"}),
        touch(2, 1, {"phone": "+4930123", "cookie_id": "kiosk"}),
    )
    told(shop)
    for n in (3, 4, 5):
        shop.land(touch(n, n, {"email": f"b{n}@example.com", "cookie_id": "kiosk"}))
    changes = told(shop)
    assert ("cookie_id", "shared", "e5") in changes
    assert ("phone", "shared", "e5") in changes
    assert_ledger_ends_with_the_present(shop)


def test_aliases_unlinks_and_withdrawals_are_their_own_causes(shop: Shop) -> None:
    """Each change is put down to the statement that made it, and history reads back and forth."""
    one, two = ("customer_id", "u1"), ("customer_id", "u2")
    shop.land(touch(1, 0, {"customer_id": "u1"}), touch(2, 1, {"customer_id": "u2", "cookie_id": "c2"}))
    told(shop)
    shop.land(state(10, "aliased", one, two))
    joined = told(shop)
    assert {row[1:] for row in joined} == {("aliased", "e10")}
    shop.land(state(11, "unlinked", one, two))
    parted = told(shop)
    assert sorted(row[0] for row in parted) == sorted(row[0] for row in joined)
    assert {row[1:] for row in parted} == {("unlinked", "e11")}
    shop.land(state(12, "unlinked", one, two, withdraws="e11"))
    assert {row[1] for row in told(shop)} == {"aliased"}
    shop.land(state(13, "aliased", one, two, withdraws="e10"))
    assert {row[1:] for row in told(shop)} == {("withdrawn", "e13")}
    assert_ledger_ends_with_the_present(shop)


def test_taking_back_an_unlink_is_why_the_link_joins_again(shop: Shop) -> None:
    mail, phone = ("email", "a@example.com"), ("phone", "+4930123")
    shop.land(touch(1, 0, dict([mail, phone])), touch(2, 1, dict([phone]), type="support.call_ended"))
    told(shop)
    shop.land(state(10, "unlinked", mail, phone))
    assert told(shop) == [("phone", "unlinked", "e10")]
    shop.land(state(11, "unlinked", mail, phone, withdraws="e10"))
    assert told(shop) == [("phone", "withdrawn", "e11")]
    assert_ledger_ends_with_the_present(shop)


def test_an_earlier_link_that_comes_late_takes_a_shared_mailbox_to_the_other_account(shop: Shop) -> None:
    shop.land(
        touch(1, 5, {"customer_id": "u1", "email": "family@example.com"}),
        touch(2, 6, {"email": "family@example.com", "cookie_id": "c1"}),
    )
    told(shop)
    shop.land(touch(3, 0, {"customer_id": "u2", "email": "family@example.com"}))
    assert told(shop) == [
        ("customer_id", "first_seen", "e3"),
        ("email", "linked", "e3"),
        ("cookie_id", "linked", "e3"),
    ]


def test_a_customer_named_after_another_identifier_was_seen_earlier(shop: Shop) -> None:
    shop.land(
        touch(1, 5, {"email": "a@example.com", "phone": "+4930123"}),
        touch(2, 6, {"email": "b@example.com", "phone": "+4930123"}),
    )
    told(shop)
    shop.land(touch(3, 0, {"email": "b@example.com", "cookie_id": "c1"}))
    changes = told(shop)
    assert ("email", "seen_earlier", "e3") in changes
    assert_ledger_ends_with_the_present(shop)


def test_workers_that_overtook_each_other_cannot_make_the_ledger_end_wrongly(shop: Shop) -> None:
    """An entry of a snapshot that lost, and a row without any entry: the winning rows have the last word."""
    shop.land(touch(1, 0, {"cookie_id": "c1"}))
    told(shop)
    other = uid("email", "nobody@example.com")
    later = f"version + toIntervalMicrosecond(1) AS version, '{other}' AS customer_uid"
    shop.rows(f"INSERT INTO identity_ledger SELECT * REPLACE({later}) FROM identity_ledger")
    shop.land(touch(1, 0, {"cookie_id": "c1"}))
    assert [row[1] for row in told(shop)] == ["first_seen", "unexplained"]
    assert_ledger_ends_with_the_present(shop)
    shop.rows("TRUNCATE TABLE identity_ledger")
    assert [row[1] for row in shop.rows(LEDGER)] == ["unexplained"]


def test_a_batch_that_died_before_its_rows_were_in_keeps_the_cause(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    """The entry is written first: the batch that is done again finds the change told already, once."""
    shop.land(touch(1, 0, {"cookie_id": "c1", "email": "a@example.com"}))
    keys = pl.concat(shop.announced)["ident_key"].to_list()

    def die(frame: pl.DataFrame) -> None:
        raise RuntimeError

    with monkeypatch.context() as patch:
        patch.setattr(shop.store, "insert_stitched", die)
        with pytest.raises(RuntimeError):
            shop.stitch(keys)
    assert [row[1] for row in told(shop)] == ["first_seen", "linked"]

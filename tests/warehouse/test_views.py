"""Views are right at once: over duplicates, old rows, other rules, and what is not stitched yet."""

import json
import re
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from clickhouse_connect.driver.client import Client

from pipeline.warehouse.past import CLOCK
from pipeline.warehouse.views import core_views, views
from tests.warehouse import rows
from tests.warehouse.conftest import Shop

ANNA, EMAIL, COOKIE = 1, 2, 3
EARLY = rows.START
Row = dict[str, Any]


def identity(number: int, kind: int, customer: int = ANNA, shared: bool = False) -> Row:
    return {"ident_key": rows.key(number), "kind": kind, "customer_uid": rows.key(customer), "shared": shared}


IDENTITIES = [identity(ANNA, 0), identity(EMAIL, 2), identity(COOKIE, 13)]


def at(minutes: float) -> datetime:
    return rows.START + timedelta(minutes=minutes)


def body(**times: datetime) -> str:
    return json.dumps({name: round(time.timestamp() * 1000) for name, time in times.items()})


def story() -> list[Row]:
    """Anna browses on her phone, orders, is delivered late, and comes back after two months."""
    browsing = {"ident_key": rows.key(COOKIE), "kind": 13}
    day, month = 24 * 60, 60 * 24 * 60
    return [
        rows.touchpoint(1, type="marketing.clicked", channel="other", occurred_at=at(0), **browsing),
        rows.touchpoint(2, url="https://shop/a", channel_group="paid", occurred_at=at(1), **browsing),
        rows.touchpoint(3, url="https://shop/b", occurred_at=at(31), **browsing),
        rows.touchpoint(4, url="https://shop/c", occurred_at=at(62), **browsing),
        rows.touchpoint(
            5,
            type="order.placed",
            order_id="o-1",
            amount_minor=1999,
            currency="EUR",
            occurred_at=at(63),
            body=body(promised_delivery_at=at(day)),
        ),
        rows.touchpoint(
            6,
            type="delivery.delivered",
            channel="post",
            order_id="o-1",
            occurred_at=at(3 * day),
            body=body(delivered_at=at(3 * day)),
        ),
        rows.touchpoint(7, type="identity.aliased", channel="other", direction="system", occurred_at=at(64)),
        rows.touchpoint(
            8,
            type="support.call_ended",
            channel="phone",
            ticket_id="t-1",
            occurred_at=at(month),
            ident_key=rows.key(EMAIL),
            kind=2,
            body='{"wait_s":20.5,"resolved":true}',
        ),
    ]


@pytest.fixture
def told(shop: Shop) -> Shop:
    shop.land(*story())
    shop.stitch(IDENTITIES, version=EARLY)
    return shop


def test_touchpoints_know_customer_journey_and_visit(told: Shop) -> None:
    read = told.read("SELECT event_id, customer_uid, journey_id, visit_id, stage FROM v_touchpoints ORDER BY event_id")
    assert {row[1] for row in read} == {UUID(int=ANNA)}
    journeys = {row[0]: row[2] for row in read}
    assert journeys["e-7"] is None
    assert len({journeys[f"e-{number}"] for number in range(1, 7)}) == 1
    assert journeys["e-8"] not in (None, journeys["e-1"])
    visits = {row[0]: row[3] for row in read}
    assert [visits[name] for name in ("e-1", "e-6", "e-7", "e-8")] == [None] * 4
    assert visits["e-2"] == visits["e-3"] is not None
    assert visits["e-4"] == visits["e-5"] not in (None, visits["e-2"])
    assert [row[4] for row in read][:2] == ["discover", "discover"]


def test_touchpoints_and_results_tell_the_same_journeys_and_visits(told: Shop) -> None:
    by_time = told.read("SELECT event_uid, journey_id FROM v_touchpoints WHERE journey_id IS NOT NULL ORDER BY 1")
    by_step = told.read("SELECT event_uid, toNullable(journey_id) FROM v_journey_steps ORDER BY 1")
    assert by_time == by_step
    counted = told.read(
        "SELECT assumeNotNull(visit_id), count() FROM v_touchpoints WHERE visit_id IS NOT NULL GROUP BY 1 ORDER BY 1"
    )
    assert counted == told.read("SELECT visit_id, touchpoints FROM v_visits ORDER BY 1")


def test_body_fields_are_typed_columns(told: Shop) -> None:
    read = told.read(
        "SELECT delivered_at, wait_s, resolved, lines FROM v_touchpoints "
        "WHERE event_id IN ('e-6', 'e-8') ORDER BY event_id"
    )
    assert read == [(at(3 * 24 * 60), None, None, []), (None, 20.5, True, [])]


def test_visits_are_listed(told: Shop) -> None:
    read = told.read(
        "SELECT started_at, ended_at, touchpoints, channel, entry_url, exit_url, channel_group, utm_source "
        "FROM v_visits ORDER BY started_at"
    )
    assert read == [
        (at(1), at(31), 2, "web", "https://shop/a", "https://shop/b", "paid", None),
        (at(62), at(63), 2, "web", "https://shop/c", "https://shop/c", None, None),
    ]


def test_journeys_are_told(told: Shop) -> None:
    first, second = told.read(
        "SELECT touchpoints, visits, channels, stages, path, orders, revenue, pain_points, customer_uid "
        "FROM v_journeys ORDER BY started_at"
    )
    path = ["marketing.clicked", "web.page_viewed", "order.placed", "delivery.delivered"]
    stages = ["buy", "discover", "receive"]
    assert first == (6, 2, ["other", "post", "web"], stages, path, 1, {"EUR": 1999}, 1, UUID(int=ANNA))
    assert second[:5] == (1, 0, ["phone"], ["support"], ["support.call_ended"])


def test_steps_count_from_one_and_measure_silence(told: Shop) -> None:
    read = told.read("SELECT step, type, seconds_since_previous FROM v_journey_steps ORDER BY occurred_at")
    assert [row[0] for row in read] == [1, 2, 3, 4, 5, 6, 1]
    assert [row[2] for row in read] == [None, 60.0, 1800.0, 1860.0, 60.0, (3 * 24 * 60 - 63) * 60.0, None]


def test_customers_and_identities(told: Shop) -> None:
    read = told.read(
        "SELECT customer_uid, first_seen_at, last_seen_at, touchpoints, visits, journeys, orders, revenue, "
        "pain_points, identifiers FROM v_customers"
    )
    identifiers = [
        {"kind": "customer_id", "ident_key": UUID(int=ANNA)},
        {"kind": "email", "ident_key": UUID(int=EMAIL)},
        {"kind": "cookie_id", "ident_key": UUID(int=COOKIE)},
    ]
    assert read == [(UUID(int=ANNA), at(0), at(60 * 24 * 60), 7, 2, 2, 1, {"EUR": 1999}, 1, identifiers)]
    assert told.read("SELECT kind, ident_key, customer_uid, shared FROM v_identities ORDER BY kind") == [
        (kind, UUID(int=number), UUID(int=ANNA), False)
        for kind, number in (("customer_id", ANNA), ("email", EMAIL), ("cookie_id", COOKIE))
    ]


def test_pain_points_show_their_evidence(told: Shop) -> None:
    (row,) = told.read(
        f"SELECT kind, order_id, has(evidence, toUUID('{UUID(int=1006)}')), journey_id FROM v_pain_points"
    )
    assert row[:3] == ("late_delivery", "o-1", 1)
    assert [row[3:]] == told.read("SELECT journey_id FROM v_journeys ORDER BY started_at LIMIT 1")


def test_newest_version_wins_without_merges(told: Shop) -> None:
    told.client.command("SYSTEM STOP MERGES stitched")
    told.stitch([identity(ANNA, 0), identity(EMAIL, 2, EMAIL), identity(COOKIE, 13)], version=at(5))
    told.stitch(IDENTITIES, version=at(2))
    read = told.read("SELECT customer_uid, touchpoints FROM v_customers ORDER BY customer_uid")
    assert read == [(UUID(int=ANNA), 6), (UUID(int=EMAIL), 1)]


def test_other_rules_show_when_they_are_activated(told: Shop) -> None:
    apart = [identity(ANNA, 0), identity(EMAIL, 2, EMAIL), identity(COOKIE, 13, COOKIE)]
    told.stitch(apart, version=at(5), rules=2)
    assert told.read("SELECT count() FROM v_customers") == [(1,)]
    told.client.command("INSERT INTO active_rules VALUES (2, now64(6))")
    for view, count in (("v_customers", 3), ("v_identities", 3)):
        assert told.read(f"SELECT count() FROM {view}") == [(count,)]
    assert told.read("SELECT uniqExact(customer_uid), count() FROM v_touchpoints") == [(3, 8)]


def test_what_is_not_stitched_yet_stands_for_itself(shop: Shop) -> None:
    shop.land(*story())
    read = shop.read(
        "SELECT uniqExact(customer_uid), countIf(customer_uid = ident_key), count(journey_id), count(visit_id), "
        "count() FROM v_touchpoints"
    )
    assert read == [(3, 8, 0, 0, 8)]


def test_touchpoints_landed_twice_and_corrected_show_once(told: Shop) -> None:
    told.client.command("SYSTEM STOP MERGES touchpoints")
    told.land(*story())
    told.land(
        rows.touchpoint(
            2, title="corrected", content_version=rows.key(9), occurred_at=at(1), ident_key=rows.key(COOKIE), kind=13
        )
    )
    assert told.read("SELECT count(), uniqExact(event_uid) FROM v_touchpoints") == [(8, 8)]
    assert told.read("SELECT title FROM v_touchpoints WHERE event_id = 'e-2'") == [("corrected",)]


def test_readers_own_join_use_nulls_changes_nothing(told: Shop) -> None:
    sql = "SELECT event_uid, customer_uid, journey_id, visit_id FROM v_touchpoints ORDER BY event_id"
    assert told.read(sql) == told.read(sql + " SETTINGS join_use_nulls = 1")


def test_views_know_no_clock_but_the_one_in_utc() -> None:
    """A server in another time zone would begin its months at another moment, and a past time would not reach it."""
    for view in views().values():
        for text in (view.source, *(column.expression for column in view.columns)):
            assert not re.search(r"\b(now|now64|today|yesterday)\(", text.replace(CLOCK, "")), view.name


def test_a_journey_is_open_up_to_and_with_its_gap(shop: Shop, client: Client) -> None:
    now = client.query("SELECT now64(3)").result_rows[0][0]
    gap = timedelta(days=30)
    ends = {"e-1": now - gap + timedelta(minutes=5), "e-2": now - gap - timedelta(seconds=1)}
    landed = [
        rows.touchpoint(1, occurred_at=ends["e-1"], ident_key=rows.key(10)),
        rows.touchpoint(2, occurred_at=ends["e-2"], ident_key=rows.key(20)),
    ]
    shop.land(*landed)
    shop.stitch([identity(10, 0, 10), identity(20, 0, 20)], version=EARLY)
    assert shop.read("SELECT customer_uid, is_open FROM v_journeys ORDER BY customer_uid") == [
        (UUID(int=10), True),
        (UUID(int=20), False),
    ]


def test_an_absence_shows_when_it_is_due(shop: Shop) -> None:
    for customer, due in ((10, "addHours(now64(3), 1)"), (20, "addHours(now64(3), -1)")):
        late = {"ident_key": rows.key(customer), "order_id": f"o-{customer}"}
        order = rows.touchpoint(customer, type="order.placed", body=body(promised_delivery_at=at(60)), **late)
        delivery = rows.touchpoint(customer + 1, type="delivery.delivered", body=body(delivered_at=at(9000)), **late)
        shop.land(order, delivery)
        shop.stitch([identity(customer, 0, customer)], version=EARLY)
        # No rule of absences exists yet: a row as one would write it.
        shop.client.command(
            f"INSERT INTO stitched SELECT * REPLACE ([toNullable({due})] AS pain_due_at, now64(6) AS version) "
            f"FROM stitched WHERE ident_key = '{UUID(int=customer)}' AND length(pain_point_id) = 1"
        )
    assert shop.read("SELECT length(pain_point_id) FROM stitched FINAL") == [(1,), (1,)]
    assert shop.read("SELECT customer_uid, order_id FROM v_pain_points") == [(UUID(int=20), "o-20")]
    for view in ("v_journeys", "v_customers"):
        assert shop.read(f"SELECT pain_points FROM {view} ORDER BY customer_uid") == [(0,), (1,)]


def test_ledger_derives_what_was_before(client: Client, shop: Shop) -> None:
    entry = "('2026-03-01 00:00:0{n}', 1, 'email', '{ident}', '{customer}', '{cause}', 'link')"
    entries = [
        entry.format(n=number, ident=UUID(int=2), customer=UUID(int=customer), cause=UUID(int=number))
        for number, customer in ((1, 2), (2, 1), (3, 1), (4, 2))
    ]
    client.command(f"INSERT INTO identity_ledger VALUES {', '.join(entries)}")
    assert shop.read(
        "SELECT from_customer_uid, to_customer_uid, cause_event_uid FROM v_identity_ledger ORDER BY changed_at"
    ) == [
        (None, UUID(int=2), UUID(int=1)),
        (UUID(int=2), UUID(int=1), UUID(int=2)),
        (UUID(int=1), UUID(int=2), UUID(int=4)),
    ]


def test_rejected_records_show_once_with_their_bytes(shop: Shop) -> None:
    for _ in range(2):
        shop.store.insert_rejected(rows.frame([rows.rejected(3, schema="web"), rows.rejected(4, payload=None)]))
    assert shop.read("SELECT offset, reason, schema, hex(payload) FROM v_rejected ORDER BY offset") == [
        (3, "undecodable", "web", "C301FF00"),
        (4, "undecodable", None, None),
    ]


# They need touchpoints that the story does not have; a comparison needs people without the pain.
NOT_IN_THE_STORY = (
    "v_identity_ledger",
    "v_rejected",
    "v_accounting",
    "v_impact_strata",
    "v_comments",
    "v_comment_words",
    "v_words",
)


def test_examples_of_the_reference_run(told: Shop) -> None:
    answered = {view.name: told.read(view.example) for view in core_views().values()}
    assert {name for name, rows in answered.items() if not rows} <= set(NOT_IN_THE_STORY)

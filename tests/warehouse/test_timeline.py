"""One customer's story, by any of the customer's identifiers."""

from uuid import UUID

from pipeline.warehouse.accounting import Watermarks, account
from pipeline.warehouse.timeline import read_timeline
from tests.warehouse import rows
from tests.warehouse.conftest import Shop
from tests.warehouse.test_views import ANNA, COOKIE, EARLY, EMAIL, IDENTITIES, identity, story


def test_any_identifier_tells_the_whole_story(shop: Shop) -> None:
    stranger = rows.touchpoint(50, ident_key=rows.key(77), event_uid=rows.key(7777))
    shop.land(*story(), stranger)
    shop.stitch([*IDENTITIES, identity(77, 0, 77)], version=EARLY)
    told = read_timeline(shop.client, "cookie_id", rows.key(COOKIE))
    assert told is not None
    assert told == read_timeline(shop.client, "email", rows.key(EMAIL))
    assert told.customer_uid == UUID(int=ANNA)
    assert [kind for kind, _ in told.identifiers] == ["customer_id", "email", "cookie_id"]
    assert [entry.event_id for entry in told.touchpoints] == [f"e-{number}" for number in (1, 2, 3, 4, 5, 7, 6, 8)]
    assert (len(told.journeys), len(told.visits), len(told.pain_points), told.touchpoint_count) == (2, 2, 1, 7)
    assert told.journeys[0].path[-1] == "delivery.delivered"
    assert (told.orders, told.revenue) == (1, {"EUR": 1999})
    assert {entry.journey_id for entry in told.touchpoints} - {None} == {entry.journey_id for entry in told.journeys}


def test_a_long_story_is_cut_to_its_newest_part(shop: Shop) -> None:
    shop.land(*story())
    shop.stitch(IDENTITIES, version=EARLY)
    told = read_timeline(shop.client, "customer_id", rows.key(ANNA), limit=2)
    assert told is not None
    assert [entry.event_id for entry in told.touchpoints] == ["e-6", "e-8"]
    assert told.touchpoint_count == 7


def test_nobody_has_no_story(shop: Shop) -> None:
    assert read_timeline(shop.client, "email", rows.key(1)) is None


def test_account_balances_the_warehouse_with_kafka(shop: Shop) -> None:
    shop.land(*[rows.touchpoint(number) for number in range(8)])
    shop.store.insert_rejected(rows.frame([rows.rejected(9), rows.rejected(9)]))
    shop.store.insert_landed(rows.frame([rows.landed(0, 9, rejected=1), rows.landed(5, 14), rows.landed(20, 29)]))
    marks = {("touchpoints.web", 0): Watermarks(0, 30, 33), ("touchpoints.web", 1): Watermarks(0, None, 4)}
    result = account(shop.client, "log", marks)
    assert (result.records, result.rejected, result.stored, result.duplicates) == (25, 1, 8, 16)
    assert (result.unaccounted, result.in_flight, result.lost) == (5, 7, 0)
    assert result.partitions[0].account.spans == ((0, 15), (20, 30))
    other = account(shop.client, "another log", {("touchpoints.web", 0): Watermarks(0, 0, 2)})
    assert (other.in_flight, other.unaccounted) == (2, 0)

"""The simulated shop: the same every time, believable, correct, and true to what it says was planted."""

import time
from collections import Counter, defaultdict
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import orjson
import pytest

from pipeline.config import IdentitySettings
from pipeline.contracts.types import touchpoint_types
from pipeline.producers.admission import LARGEST_EVENT_BYTES, Admission, Admitted
from pipeline.producers.simulator import PlantedStory, Simulation, simulate, truth_as_json

END = datetime(2026, 11, 1, tzinfo=UTC)
NEVER = {"account.grouped", "identity.aliased", "identity.unlinked"}


@pytest.fixture(scope="module")
def shop() -> Simulation:
    return simulate(7, 1_000, end=END)


@pytest.fixture(scope="module")
def stories(shop: Simulation) -> Mapping[str, PlantedStory]:
    return {story.kind: story for story in shop.planted_truth()}


@pytest.fixture(scope="module")
def by_id(shop: Simulation) -> Mapping[str, dict[str, Any]]:
    return {touchpoint["id"]: touchpoint for touchpoint in shop}


def written(shop: Simulation) -> bytes:
    return b"\n".join(orjson.dumps(touchpoint) for touchpoint in shop)


def moment(text: str) -> datetime:
    return datetime.fromisoformat(text)


def test_the_same_seed_gives_the_same_bytes_and_another_one_others() -> None:
    first, again, other = (simulate(seed, 40, end=END) for seed in (3, 3, 4))
    assert written(first) == written(again)
    assert first.planted_truth() == again.planted_truth()
    assert not {each["id"] for each in first} & {each["id"] for each in other}


def test_twenty_thousand_touchpoints_are_made_in_a_moment() -> None:
    began = time.process_time()
    made = simulate(8, 1_000, end=END)
    assert 18_000 <= len(made) <= 26_000
    assert time.process_time() - began < 3


def test_every_touchpoint_is_correct(shop: Simulation) -> None:
    admission = Admission(IdentitySettings(), LARGEST_EVENT_BYTES, keeps_receipt=True)
    received_at = int(END.timestamp() * 1000)
    refused = [judged for each in shop if not isinstance(judged := admission.judge(each, received_at), Admitted)]
    assert not refused, refused[:3]


def test_ids_are_unique_and_times_in_order_within_the_period(shop: Simulation) -> None:
    times = [moment(touchpoint["occurred_at"]) for touchpoint in shop]
    assert times == sorted(times)
    assert times[-1] < END
    assert (END - times[0]).days >= 119
    assert len({touchpoint["id"] for touchpoint in shop}) == len(shop)


def test_nearly_every_type_and_every_channel_occurs(shop: Simulation) -> None:
    assert {touchpoint["type"] for touchpoint in shop} == set(touchpoint_types()) - NEVER
    channels = {each.get("channel") or touchpoint_types()[each["type"]].channel for each in shop}
    assert channels >= {"web", "app", "email", "phone", "chat", "bot", "store", "post", "social", "other"}


def test_people_come_in_the_evening_and_offices_work_by_day(shop: Simulation) -> None:
    hours: dict[str, Counter[int]] = defaultdict(Counter)
    for touchpoint in shop:
        hours[touchpoint["source"]][moment(touchpoint["occurred_at"]).hour] += 1
    assert hours["webshop"][20] > 5 * hours["webshop"][3]
    assert not any(hours["callcentre"][hour] for hour in (*range(8), *range(20, 24)))
    weekdays = {moment(each["occurred_at"]).weekday() for each in shop if each["type"] == "delivery.shipped"}
    assert weekdays == {0, 1, 2, 3, 4}


def test_no_identifier_belongs_to_two_people_but_the_kiosks(shop: Simulation) -> None:
    owners: dict[tuple[str, str], set[int]] = defaultdict(set)
    for entry in shop.entries():
        refs = {name: value for name, value in entry.touchpoint.get("refs", {}).items() if name.endswith("_id")}
        refs.pop("survey_id", None)
        for identity in entry.touchpoint["identities"]:
            owners[identity["kind"], identity["value"]].add(entry.person)
        for name, value in refs.items():
            owners[name, value].add(entry.person)
    assert [key for key, people in owners.items() if len(people) > 1] == [("cookie_id", "ck-kiosk-7")]


def test_stitching_is_needed_and_possible(shop: Simulation) -> None:
    """Callers are known by telephone alone, some carriers by shipment alone; other touchpoints link them."""
    callers = [each for each in shop if each["type"] == "support.call_ended"]
    assert callers
    assert all([identity["kind"] for identity in each["identities"]] == ["phone"] for each in callers)
    by_shipment_alone = [
        each for each in shop if each["type"] == "delivery.delivered" and set(each["refs"]) == {"shipment_id"}
    ]
    shipped = {each["refs"]["shipment_id"] for each in shop if each["type"] == "delivery.shipped"}
    assert by_shipment_alone
    assert {each["refs"]["shipment_id"] for each in by_shipment_alone} <= shipped
    phones = {
        identity["value"]
        for each in shop
        if each["type"] == "order.placed"
        for identity in each["identities"]
        if identity["kind"] == "phone"
    }
    known = [each for each in callers if each["identities"][0]["value"] in phones]
    assert len(known) > 0.6 * len(callers)


def test_the_bad_weeks_parcels_arrive_after_their_promise(
    stories: Mapping[str, PlantedStory], by_id: Mapping[str, dict[str, Any]], shop: Simulation
) -> None:
    story = stories["carrier_bad_week"]
    assert story.counts["late_deliveries"] == len(story.order_ids) >= 25
    promises = {each["refs"]["order_id"]: each["body"]["promised_delivery_at"] for each in by_placed(shop)}
    shipped = {each["refs"]["order_id"]: each for each in shop if each["type"] == "delivery.shipped"}
    for event_id in story.event_ids:
        delivered = by_id[event_id]
        order_id = delivered["refs"]["order_id"]
        assert delivered["occurred_at"] > promises[order_id]
        assert story.started_at <= shipped[order_id]["occurred_at"] < story.ended_at
        assert shipped[order_id]["body"]["carrier"] == "Swift Parcel"


def by_placed(shop: Simulation) -> list[dict[str, Any]]:
    return [each for each in shop if each["type"] == "order.placed" and "promised_delivery_at" in each["body"]]


def test_all_late_deliveries_are_known(shop: Simulation, stories: Mapping[str, PlantedStory]) -> None:
    promises = {each["refs"]["order_id"]: each["body"]["promised_delivery_at"] for each in by_placed(shop)}
    orders = {
        each["refs"]["shipment_id"]: each["refs"]["order_id"] for each in shop if each["type"] == "delivery.shipped"
    }
    late = {
        orders[each["refs"]["shipment_id"]]
        for each in shop
        if each["type"] == "delivery.delivered" and each["occurred_at"] > promises[orders[each["refs"]["shipment_id"]]]
    }
    assert late == set(shop.pains()["late_delivery"])
    assert set(stories["carrier_bad_week"].order_ids) < late


def test_the_outage_fails_every_payment_of_its_hours(
    stories: Mapping[str, PlantedStory], by_id: Mapping[str, dict[str, Any]], shop: Simulation
) -> None:
    story = stories["payment_outage"]
    failed = {
        each["id"] for each in shop if each["type"] == "payment.failed" and each["body"]["code"] == "gateway_timeout"
    }
    assert set(story.event_ids) == failed
    assert len(story.customers) >= 25
    assert all(story.started_at <= by_id[event_id]["occurred_at"] < story.ended_at for event_id in failed)
    paid = [
        each
        for each in shop
        if each["type"] == "order.placed"
        and each["source"] == "webshop"
        and story.started_at <= each["occurred_at"] < story.ended_at
    ]
    assert not paid


def test_the_looping_bot_repeats_itself_and_never_hands_over(
    stories: Mapping[str, PlantedStory], by_id: Mapping[str, dict[str, Any]]
) -> None:
    story = stories["bot_loop"]
    assert story.counts["conversations"] >= 10
    talks: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for event_id in story.event_ids:
        talks[by_id[event_id]["refs"]["conversation_id"]].append(by_id[event_id])
    assert len(talks) == story.counts["conversations"]
    for talk in talks.values():
        answers = [each["body"]["text_hash"] for each in talk if each["body"].get("party") == "bot"]
        assert len(answers) >= 5
        assert len(set(answers)) == 1
        assert {each["channel"] for each in talk} == {"bot"}
        ended = [each for each in talk if each["type"] == "support.chat_ended"]
        assert [(each["body"]["handoff"], each["body"]["resolved"]) for each in ended] == [(False, False)]


def test_the_returns_desk_pays_weeks_late(
    stories: Mapping[str, PlantedStory], by_id: Mapping[str, dict[str, Any]], shop: Simulation
) -> None:
    story = stories["stalled_returns"]
    refunds = {each["refs"]["return_id"]: each for each in shop if each["type"] == "refund.issued"}
    assert story.counts["stalled_returns"] == len(story.event_ids) >= 14
    for event_id in story.event_ids:
        received = by_id[event_id]
        assert story.started_at <= received["occurred_at"] < story.ended_at
        refund = refunds.get(received["refs"]["return_id"])
        assert refund is None or moment(refund["occurred_at"]) > moment(received["occurred_at"]) + timedelta(days=16)


def test_callers_of_the_bad_days_wait_ten_minutes_and_more(
    stories: Mapping[str, PlantedStory], by_id: Mapping[str, dict[str, Any]]
) -> None:
    story = stories["support_overload"]
    calls = [by_id[event_id] for event_id in story.event_ids]
    assert len(calls) == story.counts["calls"] >= 14
    assert all(call["body"]["wait_s"] >= 600 and call["body"]["transfers"] >= 1 for call in calls)
    assert all(story.started_at <= call["occurred_at"] for call in calls)


def test_the_bad_batch_is_blamed_by_returns_and_reviews(
    stories: Mapping[str, PlantedStory], by_id: Mapping[str, dict[str, Any]]
) -> None:
    story = stories["product_flaw"]
    assert story.counts["returns"] + story.counts["reviews"] == len(story.event_ids) >= 14
    for event_id in story.event_ids:
        said = by_id[event_id]
        assert said["refs"]["product_ids"][0] == "p-103"
        assert said["body"].get("reason") == "not_as_described" or said["body"]["rating"] <= 2


def test_the_fan_comes_back_after_each_long_silence(shop: Simulation, stories: Mapping[str, PlantedStory]) -> None:
    story = stories["loyal_fan"]
    assert story.customers == ("customer_id:C-7-00000",)
    times = [moment(entry.touchpoint["occurred_at"]) for entry in shop.entries() if entry.person == 0]
    month = timedelta(days=30)
    silences = [later - earlier for earlier, later in pairwise(times) if later - earlier > month]
    assert len(silences) + 1 == story.counts["journeys"] == 4
    assert story.counts["reviews"] == 4
    assert story.counts["referrals"] >= 4


def test_without_stories_nothing_is_planted() -> None:
    plain = simulate(7, 100, end=END, stories=False)
    assert plain.planted_truth() == ()
    assert not [each for each in plain if each.get("body", {}).get("code") == "gateway_timeout"]


def test_the_truth_can_be_printed(shop: Simulation) -> None:
    truth = orjson.loads(orjson.dumps(truth_as_json(shop)))
    assert [story["kind"] for story in truth["stories"]] == [
        "product_flaw",
        "carrier_bad_week",
        "stalled_returns",
        "payment_outage",
        "support_overload",
        "bot_loop",
        "loyal_fan",
    ]
    assert truth["touchpoints"] == len(shop)


@pytest.mark.parametrize(("customers", "days", "told"), [(0, 120, "customers"), (1, 59, "days")])
def test_what_cannot_be_simulated_is_told(customers: int, days: int, told: str) -> None:
    with pytest.raises(ValueError, match=told):
        simulate(1, customers, end=END, days=days)


def test_a_tiny_shop_and_an_odd_period_work() -> None:
    shop = simulate(1, 3, end=datetime(2026, 3, 31, 17, 12, 9, tzinfo=UTC), days=90)
    assert len(shop) > 10

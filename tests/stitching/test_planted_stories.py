"""What is planted in the simulated shop is found among the pain points, and where nothing is planted it is quiet."""

from collections.abc import Mapping
from datetime import UTC, datetime
from functools import cache

import polars as pl
import pytest

from pipeline.producers.simulator import PlantedStory, Simulation, simulate
from pipeline.stitching.rules import StitchRules
from pipeline.stitching.stitch import stitch
from tests.stitching.shop import facts_of, identities_of, uid_of

END = datetime(2026, 11, 1, tzinfo=UTC)


@cache
def shop(seed: int, *, stories: bool = True) -> Simulation:
    return simulate(seed, 600, end=END, stories=stories)


@cache
def found(seed: int, *, stories: bool = True) -> pl.DataFrame:
    """Return the pain points of that shop as they show at the end of its period."""
    facts = facts_of(shop(seed, stories=stories))
    rows = stitch(facts, identities_of(facts), StitchRules())
    columns = ["pain_kind", "pain_occurred_at", "pain_due_at", "pain_order_id", "pain_evidence", "pain_detail"]
    pains = rows.select(columns).explode(columns).filter(pl.col("pain_kind").is_not_null())
    return pains.filter((pl.col("pain_due_at") <= END).fill_null(value=True))


def told(seed: int) -> Mapping[str, PlantedStory]:
    return {story.kind: story for story in shop(seed).planted_truth()}


def evidence(seed: int, kind: str) -> set[bytes]:
    return set(found(seed).filter(pain_kind=kind)["pain_evidence"].explode())


@pytest.mark.parametrize("seed", [1, 7])
@pytest.mark.parametrize("name", ["carrier_bad_week", "payment_outage", "stalled_returns", "support_overload"])
def test_every_touchpoint_of_a_story_is_evidence(seed: int, name: str) -> None:
    story = told(seed)[name]
    assert story.pain_point is not None
    assert len(story.event_ids) >= 8
    assert {uid_of(event_id) for event_id in story.event_ids} <= evidence(seed, story.pain_point)


@pytest.mark.parametrize("seed", [1, 7])
def test_every_looping_conversation_is_found_once(seed: int) -> None:
    story = told(seed)["bot_loop"]
    theirs = {uid_of(event_id) for event_id in story.event_ids}
    loops = found(seed).filter(pain_kind="bot_loop")
    assert loops.height == story.counts["conversations"] >= 8
    assert all(set(uids) <= theirs for uids in loops["pain_evidence"])


@pytest.mark.parametrize("seed", [1, 7])
def test_every_order_of_the_bad_batch_is_found_and_no_other(seed: int) -> None:
    story = told(seed)["product_flaw"]
    flaws = found(seed).filter(pain_kind="product_flaw")
    late = set(found(seed).filter(pain_kind="late_delivery")["pain_order_id"])
    assert len(story.order_ids) >= 7
    assert set(story.order_ids) - late <= set(flaws["pain_order_id"]) <= set(story.order_ids)
    assert all("p-103" in detail for detail in flaws["pain_detail"])


@pytest.mark.parametrize("seed", [1, 7])
@pytest.mark.parametrize(
    ("name", "kind"),
    [("payment_outage", "failed_payment"), ("support_overload", "long_wait"), ("bot_loop", "bot_loop")],
)
def test_a_story_is_seen_when_it_strikes(seed: int, name: str, kind: str) -> None:
    """On the days of the story there are more than on all other days together."""
    story = told(seed)[name]
    day = found(seed).filter(pain_kind=kind)["pain_occurred_at"].dt.date().to_list()
    first, last = (datetime.fromisoformat(text).date() for text in (story.started_at, story.ended_at))
    inside = sum(first <= each <= last for each in day)
    assert inside > len(day) / 2, (inside, len(day))


@pytest.mark.parametrize("seed", [1, 7])
def test_without_stories_it_is_quiet(seed: int) -> None:
    quiet = found(seed, stories=False)["pain_kind"].value_counts()
    counts = dict(quiet.iter_rows())
    assert not {"bot_loop", "product_flaw", "stalled_return", "rage_click", "ui_error"} & set(counts)
    people, orders = 600, facts_of(shop(seed, stories=False)).filter(type="order.placed").height
    assert counts["late_delivery"] < 0.05 * orders
    assert counts["failed_payment"] < 0.06 * orders
    assert sum(counts.values()) < 0.2 * people

"""Every pain-point rule gives the plain loops' answer, whatever the touchpoints, their order and the settings."""

from datetime import date, timedelta
from random import Random
from typing import Any

import pytest

from pipeline.config_pain import BusinessCalendar, PainPointSettings
from pipeline.stitching.frames import PAIN_COLUMNS
from pipeline.stitching.pain import RULES
from pipeline.stitching.rules import StitchRules
from pipeline.stitching.stitch import stitch
from tests.oracle.pains import Thresholds, pains
from tests.oracle.stories import ordered, story
from tests.stitching.facts import DAY, MINUTE, Fact, facts_frame, identities_frame, uid
from tests.stitching.pain_facts import matter
from tests.stitching.test_against_oracle import plain

CUSTOMERS = 2_000
ALWAYS = dict.fromkeys(("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"), ("00:00-24:00",))
CALENDARS = {
    "default": BusinessCalendar(time_zone="Europe/Berlin", holidays=(date(1990, 1, 2),)),
    "round the clock": BusinessCalendar.model_validate(ALWAYS),
    "shop": BusinessCalendar(time_zone="America/New_York", saturday=("10:00-12:00", "13:00-15:30"), monday=()),
}
OTHERS = PainPointSettings(
    calendars=CALENDARS,
    calendar_of_source={"night": "round the clock", "desk": "shop"},
    slow_reply=timedelta(hours=5),
    rage_clicks=2,
    bot_repeats=2,
    transfers=1,
    churn_grace=timedelta(0),
    product_reasons=("fit",),
)


def everybody(seed: int) -> tuple[dict[bytes, list[Fact]], list[tuple[bytes, int, bytes]]]:
    """Return one story for each of many customers of two identifiers, and who is who."""
    random = Random(seed)
    stories: dict[bytes, list[Fact]] = {}
    identities = []
    for number in range(CUSTOMERS):
        anchor, cookie = (
            uid(random.getrandbits(64) << 32 | 2 * number),
            uid(random.getrandbits(64) << 32 | 2 * number + 1),
        )
        stories[anchor] = matter(random, [anchor, anchor, cookie], number * 16)
        identities += [(anchor, 0, anchor), (cookie, 13, anchor)]
    return stories, identities


@pytest.mark.parametrize(("seed", "chosen"), [(1, PainPointSettings()), (2, OTHERS)], ids=["defaults", "others"])
def test_same_pain_points(seed: int, chosen: PainPointSettings) -> None:
    stories, identities = everybody(seed)
    facts = [fact for own in stories.values() for fact in own]
    rows = stitch(facts_frame(facts), identities_frame(identities), StitchRules(pain_points=chosen))
    found = {row["ident_key"]: row for row in rows.filter("is_anchor").to_dicts()}
    names = [name for name in PAIN_COLUMNS if name != "pain_detail"]
    kinds: set[str] = set()
    for anchor, own in stories.items():
        told = story(own, 30 * MINUTE, 30 * DAY)
        journey_of = dict(zip(told["step_event_uid"], told["step_journey"], strict=True))
        expected = pains(ordered(own), journey_of, Thresholds.of(chosen))
        got: dict[str, Any] = {name: plain(found[anchor][name]) for name in names}
        assert got == {name: [pain[name] for pain in expected] for name in names}, own
        assert len(set(got["pain_point_id"])) == len(got["pain_point_id"])
        assert all(detail.endswith(".") for detail in found[anchor]["pain_detail"])
        kinds |= set(got["pain_kind"])
    assert kinds == {rule.kind for rule in RULES}, "a rule that finds nothing here is not tested"


def test_order_of_arrival_repetition_and_company_change_nothing() -> None:
    stories, identities = everybody(3)
    facts = [fact for own in stories.values() for fact in own]
    rules = StitchRules(pain_points=OTHERS)
    together = stitch(facts_frame(facts), identities_frame(identities), rules)
    shuffled = facts * 2
    Random(4).shuffle(shuffled)
    assert stitch(facts_frame(shuffled), identities_frame(identities), rules).equals(together)
    some = set(list(stories)[::7])
    few = [each for each in identities if each[2] in some]
    apart = stitch(facts_frame(facts), identities_frame(few), rules)
    assert apart.equals(together.filter(together["customer_uid"].is_in(list(some))))

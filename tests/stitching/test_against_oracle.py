"""The columnar stitching gives the plain implementation's answer on small adversarial facts."""

from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.config_pain import PainPointSettings
from pipeline.stitching.frames import STITCHED_SCHEMA
from pipeline.stitching.rules import StitchRules
from pipeline.stitching.stitch import stitch
from tests.oracle.pains import Thresholds, pains
from tests.oracle.stories import ordered, story
from tests.stitching.facts import DAY, MINUTE, Fact, contents, facts_frame, identities_frame, uid

ANNA, HER_COOKIE, BERT, SILENT = uid(7), uid(3), uid(2**127), uid(9)
IDENTITIES = [(ANNA, 0, ANNA), (HER_COOKIE, 13, ANNA), (BERT, 2, BERT), (SILENT, 13, SILENT)]
RULES = StitchRules(timedelta(minutes=30), timedelta(days=30), PainPointSettings())
THRESHOLDS = Thresholds()
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def plain(value: Any) -> Any:
    """Turn times into epoch milliseconds, all the way down."""
    if isinstance(value, datetime):
        return (value - EPOCH) // timedelta(milliseconds=1)
    return [plain(inner) for inner in value] if isinstance(value, list) else value


def one_content_each(facts: list[Fact]) -> list[Fact]:
    """Drop contents of equal rank that differ: the warehouse's version is a hash of the content."""
    return list({(fact["event_uid"], fact["content_version"]): fact for fact in facts}.values())


many = st.lists(contents([ANNA, HER_COOKIE, BERT]), max_size=25).map(one_content_each)


@settings(max_examples=150, deadline=None)
@given(many)
def test_same_rows(facts: list[Fact]) -> None:
    rows = {row["ident_key"]: row for row in stitch(facts_frame(facts), identities_frame(IDENTITIES), RULES).to_dicts()}
    assert set(rows) == {ANNA, HER_COOKIE, BERT, SILENT}
    for anchor, subjects in ((ANNA, (ANNA, HER_COOKIE)), (BERT, (BERT,)), (SILENT, (SILENT,))):
        own = [fact for fact in facts if fact["ident_key"] in subjects]
        expected = story(own, 30 * MINUTE, 30 * DAY)
        got = {name: plain(value) for name, value in rows[anchor].items()}
        assert {name: got[name] for name in expected} == expected
        journey_of = dict(zip(expected["step_event_uid"], expected["step_journey"], strict=True))
        painful = pains(ordered(own), journey_of, THRESHOLDS)
        names = [name for name in STITCHED_SCHEMA if name.startswith("pain_") and name != "pain_detail"]
        assert {name: got[name] for name in names} == {name: [pain[name] for pain in painful] for name in names}
        assert all(detail.endswith(".") for detail in got["pain_detail"])


@settings(max_examples=40, deadline=None)
@given(many, st.randoms(use_true_random=False))
def test_order_repetition_and_company_change_nothing(facts: list[Fact], random: Random) -> None:
    alone = stitch(facts_frame(facts), identities_frame(IDENTITIES), RULES)
    shuffled, identities = facts * 2, list(IDENTITIES)
    random.shuffle(shuffled)
    random.shuffle(identities)
    assert stitch(facts_frame(shuffled), identities_frame(identities), RULES).equals(alone)
    anna = alone.filter(customer_uid=ANNA)
    assert stitch(facts_frame(facts), identities_frame(IDENTITIES[:2]), RULES).equals(anna)

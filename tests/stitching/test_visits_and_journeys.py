"""Visits and journeys: gaps with their boundary, who speaks for a visit, and what counts in neither."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from pipeline.stitching.frames import STITCHED_SCHEMA, empty_facts
from pipeline.stitching.rules import StitchRules
from pipeline.stitching.stitch import stitch
from tests.stitching.facts import DAY, MINUTE, Fact, fact, facts_frame, identities_frame, uid

ANNA, COOKIE = uid(1), uid(2)
RULES = StitchRules()


def page(number: int, at: int, **fields: Any) -> Fact:
    return fact(ANNA, number, at, "web.page_viewed", **{"channel": "web"} | fields)


def anna(*facts: Fact, rules: StitchRules = RULES) -> dict[str, Any]:
    return stitch(facts_frame(list(facts)), identities_frame([(ANNA, 0, ANNA)]), rules).row(0, named=True)


def test_a_gap_of_exactly_thirty_minutes_is_still_the_same_visit() -> None:
    row = anna(page(1, 0), page(2, 30 * MINUTE), page(3, 60 * MINUTE + 1))
    assert row["step_visit"] == [1, 1, 2]
    assert row["visit_touchpoints"] == [2, 1]
    assert row["journey_visits"] == [2]


def test_a_gap_of_exactly_thirty_days_is_still_the_same_journey() -> None:
    row = anna(page(1, 0), page(2, 30 * DAY), page(3, 60 * DAY + 1))
    assert row["step_journey"] == [1, 1, 2]
    assert row["journey_first_step"] == [1, 3]
    assert row["visit_journey"] == [1, 1, 2]


def test_gaps_are_settings() -> None:
    row = anna(page(1, 0), page(2, 2), rules=StitchRules(timedelta(milliseconds=1), timedelta(milliseconds=1)))
    assert row["step_visit"] == row["step_journey"] == [1, 2]


def test_a_call_between_two_pages_is_in_no_visit_and_does_not_part_them() -> None:
    row = anna(page(1, 0), fact(ANNA, 2, MINUTE, "support.call_ended", channel="phone"), page(3, 2 * MINUTE))
    assert row["step_visit"] == [1, 0, 1]
    assert row["step_journey"] == [1, 1, 1]


@pytest.mark.parametrize(
    ("channel", "visits"), [("web", 1), ("app", 1), ("chat", 1), ("bot", 1), ("phone", 0), ("store", 0)]
)
def test_visits_are_made_of_interactive_channels(channel: str, visits: int) -> None:
    assert len(anna(page(1, 0, channel=channel))["visit_id"]) == visits


def test_a_visit_names_its_first_and_last_url_and_its_first_origin_whole() -> None:
    row = anna(
        page(1, 0),
        page(2, 1, url="/a", channel="app"),
        page(3, 2, url="/b", utm_source="ads", channel_group="paid_search"),
        page(4, 3, utm_source="mail", utm_campaign="spring"),
    )
    assert (row["visit_entry_url"], row["visit_exit_url"], row["visit_channel"]) == (["/a"], ["/b"], ["web"])
    origin = [row[f"visit_{name}"][0] for name in ("channel_group", "utm_source", "utm_medium", "utm_campaign")]
    assert origin == ["paid_search", "ads", "", ""], "the campaign of another advert is not mixed in"


def test_statements_about_identity_count_nowhere() -> None:
    row = anna(page(1, 0), fact(ANNA, 2, 20 * MINUTE, "identity.aliased", channel="web"), page(3, 40 * MINUTE))
    assert row["step_type"] == ["web.page_viewed"] * 2
    assert row["step_visit"] == [1, 2]
    assert row["touchpoints"] == 2


def test_touchpoints_of_one_moment_are_ordered_by_the_bytes_of_their_id() -> None:
    row = anna(page(2**127 + 1, 5), page(2**64, 5), page(3, 5))
    assert row["step_event_uid"] == [uid(3), uid(2**64), uid(2**127 + 1)]
    assert len({*row["visit_id"], *row["journey_id"], uid(3)}) == 3, "ids of a visit, a journey, a touchpoint differ"


def test_a_correction_replaces_what_it_corrects() -> None:
    row = anna(page(1, 0, url="/old", content_version=uid(1)), page(1, 0, url="/new", content_version=uid(2**100)))
    assert row["visit_entry_url"] == ["/new"]
    assert row["touchpoints"] == 1


def test_only_the_anchor_carries_the_story() -> None:
    facts = facts_frame([page(1, 0), fact(COOKIE, 2, 5, "web.page_viewed", channel="web")])
    rows = stitch(facts, identities_frame([(COOKIE, 13, ANNA), (ANNA, 0, ANNA)]), RULES)
    anchor, other = rows.to_dicts()
    assert (anchor["is_anchor"], other["is_anchor"]) == (True, False)
    assert anchor["identifiers"] == [{"kind": 0, "ident_key": ANNA}, {"kind": 13, "ident_key": COOKIE}]
    assert anchor["step_event_uid"] == [uid(1), uid(2)]
    own = {"ident_key", "kind", "customer_uid", "shared", "is_anchor"}
    unseen = datetime(1970, 1, 1, tzinfo=UTC)
    assert all(value in ([], 0, unseen) for name, value in other.items() if name not in own)


def test_identifiers_are_listed_by_rank_and_key_though_the_anchor_was_seen_first() -> None:
    rows = stitch(
        empty_facts(), identities_frame([(uid(4), 13, uid(5)), (uid(5), 2, uid(5)), (uid(3), 2, uid(5))]), RULES
    )
    anchor = rows.row(0, named=True)
    assert (anchor["ident_key"], anchor["is_anchor"]) == (uid(5), True)
    assert [identifier["ident_key"] for identifier in anchor["identifiers"]] == [uid(3), uid(5), uid(4)]


def test_rows_have_exactly_the_columns_of_the_table_also_when_empty() -> None:
    for identities in ([], [(ANNA, 0, ANNA)]):
        rows = stitch(empty_facts(), identities_frame(identities), RULES)
        assert dict(rows.schema) == dict(STITCHED_SCHEMA)
        assert rows.height == len(identities)


def test_a_customer_without_its_anchor_is_refused() -> None:
    with pytest.raises(ValueError, match="anchor"):
        stitch(empty_facts(), identities_frame([(COOKIE, 13, ANNA)]), RULES)
    with pytest.raises(ValueError, match="anchor"):
        stitch(empty_facts(), identities_frame([(ANNA, 0, ANNA), (COOKIE, 13, uid(3))]), RULES)


def order(number: int, at: int, order_id: str, minor: int | None, currency: str = "EUR") -> Fact:
    return fact(ANNA, number, at, "order.placed", order_id=order_id, amount_minor=minor, currency=currency)


def test_an_order_counts_once_with_its_first_amount() -> None:
    row = anna(
        order(1, 0, "o-1", None),
        order(2, 1, "o-1", 500),
        order(3, 2, "o-1", 700),
        order(4, 3, "o-2", 40, "USD"),
        order(5, 4, "", 1_000),
        order(6, 40 * DAY, "o-1", 900),
        order(7, 40 * DAY, "o-3", 1),
    )
    assert row["orders"] == 3
    assert row["revenue"] == [{"currency": "EUR", "minor": 501}, {"currency": "USD", "minor": 40}]
    assert row["journey_orders"] == [2, 2]
    assert row["journey_revenue"][1] == [{"currency": "EUR", "minor": 901}], "a journey is judged by itself"

"""Incidents in shops of a few series, told by hand: what is one, what is none, when, whom, and as what."""

from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime, timedelta
from random import Random

import polars as pl
import pytest

from pipeline.findings.candidates import COUNTS, Candidate, find_candidates, with_causes
from pipeline.findings.incidents import HITS, Incident, find_incidents
from pipeline.findings.rules import IncidentRules

MONDAY = date(2026, 3, 2)
Day = tuple[int, int]
Name = tuple[str, str, str]
EVERYTHING: Name = ("late_delivery", "", "")
SWIFT: Name = ("late_delivery", "carrier", "Swift")


def counts(*series: tuple[Name, Sequence[Day]]) -> pl.DataFrame:
    """Return (cases, hits) day by day from a Monday on."""
    rows = [
        (*name, MONDAY + timedelta(days=number), cases, hits)
        for name, days in series
        for number, (cases, hits) in enumerate(days)
        if cases
    ]
    return pl.DataFrame(rows, schema=dict(COUNTS), orient="row")


def hits(*who: tuple[Name, int, Iterable[str]]) -> pl.DataFrame:
    """Return the customers hit on the day of that number, an hour apart."""
    rows = [
        (*name, datetime(2026, 3, 2, 9, tzinfo=UTC) + timedelta(days=day, hours=hour), customer, f"{customer}-{day}")
        for name, day, customers in who
        for hour, customer in enumerate(customers)
    ]
    return pl.DataFrame(rows, schema=dict(HITS), orient="row")


def candidates(days: Sequence[Day], rules: IncidentRules | None = None) -> list[Candidate]:
    return find_candidates(counts((EVERYTHING, days)), rules or IncidentRules())


QUIET: list[Day] = [(10, 1)] * 40


def test_a_bad_week_among_quiet_ones() -> None:
    days = [*QUIET, *[(10, 9)] * 5, *QUIET]
    (found,) = candidates(days)
    assert (found.from_at.date(), found.last_day) == (MONDAY + timedelta(days=40), MONDAY + timedelta(days=44))
    assert (found.hits, found.cases, found.baseline_hits, found.baseline_cases) == (45, 50, 80, 800)
    assert found.excess == pytest.approx(40.0)
    assert found.ended_at == datetime(2026, 4, 16, tzinfo=UTC)
    assert found.p_value < 1e-20


def test_two_incidents_of_one_series_do_not_hide_each_other() -> None:
    days = [*QUIET, *[(10, 9)] * 3, *QUIET, *[(10, 8)] * 3, *QUIET]
    assert [each.first_day - candidates(days)[0].first_day for each in candidates(days)] == [0, 43]


def test_nothing_stands_out_where_nothing_happens() -> None:
    assert candidates(QUIET) == []
    assert candidates([(10, 0)] * 40) == []
    assert candidates([(10, 10)] * 40) == []
    assert candidates([]) == []


def test_too_few_cases_are_no_incident() -> None:
    """Seven of seven are less than the least sample, whatever they are worth."""
    assert candidates([*QUIET, (7, 7), *QUIET]) == []
    assert len(candidates([*QUIET, (8, 8), *QUIET])) == 1


def test_a_weak_effect_is_no_incident_however_certain() -> None:
    """A fifth instead of a tenth, ten thousand times: odds ratio 2.25."""
    assert candidates([*[(2_000, 200)] * 40, *[(2_000, 400)] * 5, *[(2_000, 200)] * 40]) == []


def test_every_sunday_is_no_incident() -> None:
    """Sundays are always bad: against all days each stands out, against the days as they differ anyway none."""
    week: list[Day] = [*[(40, 2)] * 6, (40, 20)]
    assert candidates(week * 12) == []


def test_days_that_always_differ_hide_what_differs_no_more() -> None:
    """Every fourth day everything fails: one such day more is no news."""
    lumpy: list[Day] = [(10, 0), (10, 0), (10, 0), (10, 10)] * 12
    assert candidates([*lumpy, (10, 10), *lumpy]) == []


def test_its_end_lies_half_way_to_the_next_case_at_most_a_day_on() -> None:
    """An office that is closed at the weekend cannot tell on Saturday that it is over."""
    week: list[Day] = [*[(10, 1)] * 5, (0, 0), (0, 0)]
    bad: list[Day] = [*[(10, 9)] * 5, (0, 0), (0, 0)]
    (found,) = candidates([*week * 6, *bad, *week * 6])
    assert found.last_day == MONDAY + timedelta(days=46)
    assert found.ended_at == datetime(2026, 4, 19, tzinfo=UTC)
    (open_,) = candidates([*week * 6, *bad])
    assert open_.ended_at is None


def test_a_straggler_after_a_long_pause_is_not_part_of_it() -> None:
    """Forty hits on four days, none for four days, then one: that one is the usual rate."""
    rare: list[Day] = [(1, 0)] * 60
    (found,) = candidates([*rare, *[(10, 10)] * 4, *[(0, 0)] * 4, (1, 1), *rare])
    assert (found.hits, found.last_day) == (40, MONDAY + timedelta(days=63))


def test_days_without_a_hit_behind_the_last_do_not_belong_to_it() -> None:
    """Ten days on is a case that did not hit; a stretch up to there would be compared with ten days more."""
    rare: list[Day] = [(1, 0), (0, 0)] * 45
    (found,) = candidates([*rare, (5, 5), (1, 1), (4, 3), (0, 0), (2, 2), (1, 1), (1, 1), *[(0, 0)] * 9, *rare])
    assert (found.hits, found.first_day, found.last_day) == (13, _day(90), MONDAY + timedelta(days=96))


def test_a_day_of_the_week_before_of_which_every_case_hit_belongs_to_it() -> None:
    """One of one, two days of which nothing is known, then thirteen of fourteen: nothing like it in all days around."""
    rare: list[Day] = [(1, 0), (0, 0)] * 45
    (found,) = candidates([*rare, (1, 1), (0, 0), (0, 0), (4, 4), (3, 3), (3, 2), (2, 2), (2, 2), *rare])
    assert (found.hits, found.first_day) == (14, _day(90))


def _day(number: int) -> int:
    return (MONDAY + timedelta(days=number) - date(1970, 1, 1)).days


def test_the_order_of_rows_changes_nothing() -> None:
    rows = counts((EVERYTHING, [*QUIET, *[(10, 9)] * 5, *QUIET]), (SWIFT, [*QUIET, *[(5, 5)] * 5, *QUIET]))
    shuffled = rows.sample(fraction=1, shuffle=True, seed=3)
    assert find_candidates(rows, IncidentRules()) == find_candidates(shuffled, IncidentRules())


def test_chance_alone_is_called_an_incident_in_one_of_a_hundred_reports_at_most() -> None:
    """Forty reports of eight series of half a year, all drawn with one rate each."""
    rng = Random(5)
    false = 0
    for _ in range(40):
        drawn = []
        for number in range(8):
            rate, cases = rng.uniform(0.02, 0.3), rng.randrange(1, 12)
            days = [(cases, sum(rng.random() < rate for _ in range(cases))) for _ in range(180)]
            drawn.append((("long_wait", "queue", str(number)), days))
        false += len(find_candidates(counts(*drawn), IncidentRules()))
    assert false <= 1


def found(series: list[tuple[Name, Sequence[Day]]], who: pl.DataFrame) -> list[Incident]:
    rules = IncidentRules()
    return find_incidents(find_candidates(counts(*series), rules), who, rules, examples=2)


def test_the_segment_at_fault_is_told_and_the_rest_is_a_part_of_it() -> None:
    quiet: list[Day] = [(20, 1)] * 40
    carrier: list[Day] = [(8, 1)] * 40
    people = [f"c{number}" for number in range(8)]
    other: Name = ("complaint", "", "")
    incidents = found(
        [
            (EVERYTHING, [*quiet, (20, 13), *quiet]),
            (SWIFT, [*carrier, (8, 8), *carrier]),
            (other, [*quiet, (20, 14), *quiet]),
        ],
        hits(
            (EVERYTHING, 40, [*people, "e1", "e2", "e3", "e4", "e5"]),
            (SWIFT, 40, people),
            (other, 40, [f"d{number}" for number in range(14)]),
        ),
    )
    assert [(each.rank, each.what.kind, each.what.value) for each in incidents] == [
        (1, "complaint", ""),
        (2, "late_delivery", "Swift"),
    ]
    carriers = incidents[1]
    assert [each.value for each in carriers.seen_as] == [""]
    assert carriers.customers == 8
    assert [hit.customer_uid for hit in carriers.read_first] == ["c0", "c1"]
    assert carriers.started_at == datetime(2026, 4, 11, 9, tzinfo=UTC)


def test_one_customer_many_times_is_no_incident() -> None:
    who = hits(*((EVERYTHING, day, ["c1", "c2"] * 4) for day in range(40, 45)))
    assert found([(EVERYTHING, [*QUIET, *[(10, 8)] * 5, *QUIET])], who) == []


def test_causes_have_all_cases_of_their_kind_as_base() -> None:
    paid: Name = ("failed_payment", "", "")
    causes = pl.DataFrame(
        [("failed_payment", "code", "declined", MONDAY + timedelta(days=1), 2)],
        schema=["kind", "segment", "value", "day", "hits"],
        orient="row",
    )
    both = with_causes(counts((paid, [(5, 1), (6, 3)])), causes).filter(segment="code").sort("day")
    assert both.select("day", "cases", "hits").rows() == [(MONDAY, 5, 0), (MONDAY + timedelta(days=1), 6, 2)]


def people(first: int, end: int) -> list[str]:
    return [f"c{number:02d}" for number in range(first, end)]


def two_troubles(shared: int) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Forty late parcels, and two weeks later twenty returns without a refund, of whom so many had waited too."""
    returns: Name = ("stalled_return", "", "")
    made = counts(
        (EVERYTHING, [*[(10, 0)] * 30, *[(10, 10)] * 4, *[(10, 0)] * 40]),
        (returns, [*[(5, 0)] * 44, *[(5, 5)] * 4, *[(5, 0)] * 30]),
    )
    hit = hits(
        *((EVERYTHING, 30 + day, people(10 * day, 10 * day + 10)) for day in range(4)),
        *((returns, 44 + day, people(40 - shared + 5 * day, 40 - shared + 5 * day + 5)) for day in range(4)),
    )
    return made, hit


@pytest.mark.parametrize(("shared", "told"), [(0, 2), (9, 2), (10, 2), (14, 1), (20, 1)])
def test_two_troubles_that_meet_the_same_customers_are_two(shared: int, told: int) -> None:
    """
    Half of those whose refund is missing had a late parcel before; the other ten alone would be an incident.

    Where six are left they are too few cases to be one, and what they have is told as seen of the other.
    """
    made, hit = two_troubles(shared)
    rules = IncidentRules()
    found = find_incidents(find_candidates(made, rules), hit, rules)
    assert [each.what.kind for each in found] == ["late_delivery", "stalled_return"][:told]
    assert sum(len(each.seen_as) for each in found) == 2 - told


def test_what_was_wrong_is_told_before_that_something_was() -> None:
    """Chats of the bot solve nothing and the bot loops, for the same people; the first has the purer rate."""
    solved: Name = ("unresolved_contact", "channel", "bot")
    loop: Name = ("bot_loop", "", "")
    made = counts(
        (solved, [*[(2, 0)] * 20, *[(5, 5)] * 3, *[(2, 0)] * 20]),
        (loop, [*[(2, 0)] * 20, *[(6, 5)] * 3, *[(2, 0)] * 20]),
    )
    hit = hits(*((name, 20 + day, people(5 * day, 5 * day + 5)) for name in (solved, loop) for day in range(3)))
    rules = IncidentRules()
    candidates_ = find_candidates(made, rules)
    weights = {each.kind: each.weight for each in candidates_}
    assert weights["unresolved_contact"] > weights["bot_loop"]
    (found,) = find_incidents(candidates_, hit, rules)
    assert found.what.kind == "bot_loop"
    assert [each.kind for each in found.seen_as] == ["unresolved_contact"]


def test_many_series_of_one_kind_do_not_drown_another() -> None:
    """Two hundred quiet products beside sixteen bot loops: these would be lost if all were one family."""
    loop = (("bot_loop", "", ""), [*[(1, 0)] * 8, (5, 5), (3, 3), (9, 8), *[(1, 0)] * 6])
    products: list[tuple[Name, Sequence[Day]]] = [
        (("product_flaw", "product", f"p{number}"), [(1, number % 2)] * 80) for number in range(200)
    ]
    alone = find_candidates(counts(loop), IncidentRules())
    among = find_candidates(counts(loop, *products), IncidentRules())
    assert [each.kind for each in among] == ["bot_loop"]
    # Its p-value is about twice what it was, for there are two kinds now; of one family it would be fifty times that.
    assert among[0].p_value == pytest.approx(2 * alone[0].p_value, rel=0.2)

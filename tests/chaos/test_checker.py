"""The checker's self-test: what is lost, doubled, altered or made up, in its input or in a database, it tells."""

import json
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import pytest

from pipeline.cli.clickhouse import Warehouse
from pipeline.config import ClickHouseSettings
from pipeline.contracts.reasons import Reason
from pipeline.warehouse.accounting import read_accounts
from pipeline.warehouse.connection import connect
from tests.chaos.checker import Evidence, Logged, Refusal, Verdict, judge
from tests.chaos.counting import ACCOUNTED, LOST, PARKED, REFUSED, UNACCOUNTED, Tally, Values, landed
from tests.chaos.gathering import IDENTITY
from tests.chaos.ledger import Account
from tests.chaos.sending import Attempt, Load
from tests.convergence.dump import VIEWS, Dump, dump_of
from tests.convergence.expected import expected_dump, judged_part, oracle_rules
from tests.convergence.inprocess import Pipeline

LOAD = Load(seed=5, people=20, events=200)
RULES = oracle_rules(IDENTITY)
SPOT = ("touchpoints.web", 0)


def tally_that_fits(attempts: Sequence[Attempt]) -> Tally:
    reasons = Counter(dict.fromkeys(Reason, 0))
    reasons.update(attempt.reason for attempt in attempts if attempt.reason is not None)
    numbers = {
        landed("received"): len(attempts),
        landed("stored"): len(attempts) - reasons.total(),
        landed("rejected"): reasons.total(),
        **{REFUSED.format(reason=reason): number for reason, number in reasons.items()},
    }
    books = {"landed": len(attempts) - reasons.total(), "rejected": reasons.total()}
    states = {f'{ACCOUNTED}{{state="{state}",topic="{SPOT[0]}"}}': number for state, number in books.items()}
    resting = {UNACCOUNTED: 0.0, PARKED: 0.0, **numbers, **states}
    return Tally(dict(numbers), 0.0, is_exact=True, resting={"land-1": resting, "stitch-1": {}})


def with_resting(evidence: Evidence, change: Callable[[Values], Values]) -> Evidence:
    tally = evidence.tally
    return replace(evidence, tally=replace(tally, resting={**tally.resting, "land-1": change(tally.resting["land-1"])}))


def one_more(series: str) -> Callable[[Values], Values]:
    return lambda values: {**values, series: values[series] + 1}


def with_counted(series: str, step: float | None, evidence: Evidence) -> Evidence:
    counted = dict(evidence.tally.counted)
    before = counted.pop(series, 0.0)
    if step is not None:
        counted[series] = before + step
    return replace(evidence, tally=replace(evidence.tally, counted=counted))


def interrupted(tally: Tally, unseen: float) -> Tally:
    return replace(tally, is_exact=False, unseen=unseen)


@pytest.fixture(scope="module")
def good() -> Evidence:
    """A run in which nothing is wrong: all attempts stand in one partition, in order."""
    attempts = LOAD.attempts
    events = [attempt.event for attempt in attempts if attempt.event is not None]
    dump = expected_dump(events, RULES)
    numbers = set(range(len(attempts)))
    poison = [attempt for attempt in attempts if attempt.event is None]
    stored = len(dump["v_touchpoints"])
    whole = {view: dump.get(view, []) for view in VIEWS}  # the oracle does not tell all of them
    return Evidence(
        attempts=attempts,
        account=Account(set(numbers), numbers - {3}),
        log=[Logged((*SPOT, attempt.number), attempt.number, attempt.value) for attempt in attempts],
        ranges={SPOT: (0, len(attempts))},
        spans={SPOT: ((0, 100), (100, len(attempts)))},
        refusals=[Refusal((*SPOT, attempt.number), str(attempt.reason), attempt.value) for attempt in poison],
        found=whole,
        calm=whole,
        oracle=dump,
        accounting={
            "received": len(attempts),
            "stored": stored,
            "rejected": len(poison),
            "duplicate": len(attempts) - len(poison) - stored,
            "lost": 0,
            "in_flight": 0,
            "unaccounted": 0,
        },
        tally=tally_that_fits(attempts),
    )


def verdict_of(evidence: Evidence) -> Verdict:
    return judge(evidence, RULES.naming)


def test_a_good_run_is_clean(good: Evidence) -> None:
    assert verdict_of(good) == Verdict()
    assert {attempt.reason for attempt in good.attempts if attempt.event is None}, "there is poison to judge"


def with_lines(evidence: Evidence, view: str, change: Callable[[list[str]], list[str]]) -> Evidence:
    return replace(evidence, found={**evidence.found, view: sorted(change(list(evidence.found[view])))})


def changed(line: str, **columns: Any) -> str:
    return json.dumps({**json.loads(line), **columns}, sort_keys=True, ensure_ascii=False)


LIES: dict[str, tuple[set[str], Callable[[Evidence], Evidence]]] = {
    "a row is lost": ({"lost"}, lambda e: with_lines(e, "v_touchpoints", lambda rows: rows[1:])),
    "a row is doubled": ({"doubled"}, lambda e: with_lines(e, "v_touchpoints", lambda rows: [*rows, rows[0]])),
    "a step is doubled": ({"doubled"}, lambda e: with_lines(e, "v_journey_steps", lambda rows: [*rows, rows[0]])),
    "a row is altered": (
        {"altered"},
        lambda e: with_lines(e, "v_touchpoints", lambda rows: [changed(rows[0], source="other"), *rows[1:]]),
    ),
    "a row was never sent": (
        {"phantom"},
        lambda e: with_lines(
            e, "v_touchpoints", lambda r: [*r, changed(r[0], event_uid="00000000-0000-0000-0000-000000000001")]
        ),
    ),
    "a journey is another": (
        {"beside_calm", "beside_oracle"},
        lambda e: with_lines(e, "v_journeys", lambda rows: [changed(rows[0], touchpoints=99), *rows[1:]]),
    ),
    "a sentence is another": (
        {"beside_calm"},
        lambda e: with_lines(e, "v_pain_points", lambda rows: [changed(rows[0], detail="else"), *rows[1:]]),
    ),
    "the broker forgot": ({"lost"}, lambda e: replace(e, log=e.log[:-1])),
    "the broker made one up": (
        {"phantom"},
        lambda e: replace(e, account=Account(e.account.attempted - {9}, e.account.acknowledged - {9})),
    ),
    "the broker changed bytes": ({"altered"}, lambda e: replace(e, log=[replace(e.log[0], value=b"x"), *e.log[1:]])),
    "poison is not rejected": ({"lost"}, lambda e: replace(e, refusals=e.refusals[1:])),
    "poison is rejected twice": ({"doubled"}, lambda e: replace(e, refusals=[*e.refusals, e.refusals[0]])),
    "poison is rejected for another reason": (
        {"altered"},
        lambda e: replace(e, refusals=[replace(e.refusals[0], reason="too_large"), *e.refusals[1:]]),
    ),
    "a good record is rejected": (
        {"phantom"},
        lambda e: replace(e, refusals=[*e.refusals, replace(e.refusals[0], place=(*SPOT, _good_offset(e)))]),
    ),
    "an offset is not landed": ({"unlanded"}, lambda e: replace(e, spans={SPOT: ((0, 99), (100, len(e.log)))})),
    "an offset is landed that is not there": (
        {"unlanded"},
        lambda e: replace(e, spans={SPOT: ((0, len(e.log) + 1),)}),
    ),
    "status counts one too many": (
        {"miscounted"},
        lambda e: replace(e, accounting={**e.accounting, "stored": e.accounting["stored"] + 1}),
    ),
    "no worker tells what is unaccounted for": (
        {"miscounted"},
        lambda e: with_resting(e, lambda values: {k: v for k, v in values.items() if k != UNACCOUNTED}),
    ),
    "a metric finds something unaccounted for": ({"miscounted"}, lambda e: with_resting(e, one_more(UNACCOUNTED))),
    "a record is parked at rest": ({"miscounted"}, lambda e: with_resting(e, one_more(PARKED))),
    "the books of a worker hold one too many": (
        {"miscounted"},
        lambda e: with_resting(e, one_more(f'{ACCOUNTED}{{state="landed",topic="{SPOT[0]}"}}')),
    ),
    "a worker stored what it did not receive": (
        {"miscounted"},
        lambda e: with_resting(e, one_more(landed("stored"))),
    ),
    **{
        f"the counter of what was {outcome} is {word}": ({"miscounted"}, partial(with_counted, landed(outcome), step))
        for outcome in ("received", "stored", "rejected")
        for word, step in (("one too many", 1), ("one too few", -1))
    },
    "a counter of a reason is one too many": (
        {"miscounted"},
        partial(with_counted, REFUSED.format(reason="tombstone"), 1),
    ),
    "a counter is missing": ({"miscounted"}, partial(with_counted, landed("stored"), None)),
    "lives that were interrupted lack more than may be unseen": (
        {"miscounted"},
        lambda e: with_counted(landed("received"), -4, replace(e, tally=interrupted(e.tally, 3))),
    ),
    "a worker lost records before it read them": (
        {"miscounted"},
        partial(with_counted, f'{LOST}{{topic="{SPOT[0]}"}}', 1),
    ),
}


def _good_offset(evidence: Evidence) -> int:
    return next(attempt.number for attempt in evidence.attempts if attempt.event is not None)


@pytest.mark.parametrize("lie", LIES)
def test_every_lie_is_told(good: Evidence, lie: str) -> None:
    kinds, tell = LIES[lie]
    verdict = verdict_of(tell(good))
    assert not verdict.is_clean
    assert verdict.told
    assert {kind for kind in kinds if getattr(verdict, kind)} == kinds, verdict


def test_what_nobody_acknowledged_may_be_absent(good: Evidence) -> None:
    unknown = next(attempt for attempt in good.attempts if attempt.event is None)
    account = Account(good.account.attempted, good.account.acknowledged - {unknown.number})
    log = [record for record in good.log if record.number != unknown.number]
    verdict = verdict_of(replace(good, account=account, log=log))
    assert verdict.lost == 0


@pytest.mark.parametrize("step", [-3, 5])
def test_lives_that_were_interrupted_may_lack_what_was_unseen_and_count_what_was_landed_again(
    good: Evidence, step: int
) -> None:
    torn = replace(good, tally=interrupted(good.tally, 3))
    assert verdict_of(with_counted(landed("received"), step, torn)).is_clean


# In a query of its own: the condition would mean the replaced column.
THE_ROW = "(SELECT * FROM touchpoints FINAL WHERE event_uid = '{}')"
INJECTED = (
    "DELETE FROM touchpoints WHERE event_uid = '{}'",
    "INSERT INTO touchpoints SELECT * REPLACE(toUUID('00000000-0000-0000-0000-000000000001') AS event_uid) FROM "
    + THE_ROW,
    "INSERT INTO touchpoints SELECT * REPLACE(occurred_at + INTERVAL 1 SECOND AS occurred_at) FROM " + THE_ROW,
    "INSERT INTO touchpoints SELECT * REPLACE(content_version + 1 AS content_version, 'https://else' AS url) FROM "
    + THE_ROW,
)


def test_rows_that_are_tampered_with_in_a_real_database_are_told(
    good: Evidence, fresh_database: ClickHouseSettings
) -> None:
    """Each statement hurts another touchpoint: one is lost, one made up, one doubled, one altered."""
    events = [attempt.event for attempt in good.attempts if attempt.event is not None]
    pipeline = Pipeline(fresh_database, IDENTITY)
    pipeline.land(events)
    pipeline.stitch()
    calm = pipeline.dump()
    spans = {(entry.topic, entry.partition): entry.spans for entry in read_accounts(connect(fresh_database))}
    ends = {spot: max(end for _, end in found) for spot, found in spans.items()}
    ranges = {spot: (min(first for first, _ in found), ends[spot]) for spot, found in spans.items()}
    before = replace(good, calm=calm, found=calm, spans=spans, ranges=ranges)
    assert verdict_of(before) == Verdict()
    client = connect(fresh_database)
    names = [json.loads(line)["event_uid"] for line in calm["v_touchpoints"][:4]]
    for statement, name in zip(INJECTED, names, strict=True):
        client.command(statement.format(name))
    verdict = verdict_of(replace(before, found=_read(fresh_database)))
    assert (verdict.lost, verdict.phantom, verdict.altered) == (1, 1, 2), verdict
    assert verdict.doubled >= 1
    assert verdict.beside_calm > 0
    assert verdict.beside_oracle > 0
    assert judged_part(calm) == good.oracle


def _read(database: ClickHouseSettings) -> Dump:
    return dump_of(Warehouse(database.url.get_secret_value()))

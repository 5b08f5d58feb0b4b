"""The parts of `make convergence`: what it sends is what it says, and it sees a difference where there is one."""

import json
from collections import Counter

from tests.convergence.dump import canonical, differences, without_rows
from tests.convergence.history import DAY_MS, History
from tests.convergence.orders import DUPLICATES, runs_of

EVENTS = History(seed=3, people=60, events=1500).make()


def text(event: object) -> str:
    return json.dumps(event, sort_keys=True)


def test_a_history_follows_from_its_seed() -> None:
    assert History(seed=3, people=60, events=1500).make() == EVENTS
    assert History(seed=4, people=60, events=1500).make() != EVENTS


def test_a_history_holds_what_hurts() -> None:
    types = Counter(event["type"] for event in EVENTS)
    assert min(types["identity.aliased"], types["identity.unlinked"]) > 5
    assert sum("withdraws" in event for event in EVENTS) > 3
    contents = Counter((event["source"], event["id"], event["occurred_at"]) for event in EVENTS)
    assert sum(count > 1 for count in contents.values()) > 20
    assert any(event.get("revision") for event in EVENTS if event["type"].startswith("identity."))


def test_every_run_brings_every_content_and_each_third_once_more() -> None:
    runs = runs_of(EVENTS, seed=1)
    whole = Counter(map(text, EVENTS))
    assert [bool(run.kills) for run in runs].count(True) == 3
    for run in runs:
        sent = Counter(text(event) for batch in run.batches for event in batch)
        assert set(sent) == set(whole)
        assert sent.total() == len(EVENTS) + round(len(EVENTS) * DUPLICATES)
    orders = {tuple(event["id"] for batch in run.batches for event in batch) for run in runs}
    assert len(orders) == len(runs)


def test_one_run_is_up_to_ninety_days_late() -> None:
    (late,) = [run for run in runs_of(EVENTS, seed=1) if "late" in run.name]
    greatest = behind = 0
    for event in (event for batch in late.batches for event in batch):
        greatest = max(greatest, event["occurred_at"])
        behind = max(behind, greatest - event["occurred_at"])
    assert 60 * DAY_MS < behind <= 91 * DAY_MS


def test_a_difference_is_told_with_its_columns() -> None:
    rows = [
        {"kind": "email", "ident_key": "k1", "shared": False},
        {"kind": "email", "ident_key": "k2", "shared": False},
    ]
    dump = {"v_identities": canonical(rows)}
    assert differences(dump, {"v_identities": canonical(rows[::-1])}) == []
    other = {"v_identities": canonical([{**rows[0], "shared": True}, rows[1], rows[1]])}
    told = differences(dump, other)
    assert told[0] == "v_identities: 1 expected rows are not there, 2 are that should not be"
    assert told[1] == "  k1: shared expected False, found True"
    assert told[2].startswith("  k2: surplus: ")
    assert differences(dump, without_rows(dump, "v_identities", "ident_key", ["k2"]))[1].startswith("  k2: missing")


def test_a_number_a_body_and_an_absent_value_have_one_form() -> None:
    stored = {"event_uid": "e", "score": 2, "body": '{"lines":[{"a":null,"b":1.0}]}', "url": None, "errors": []}
    made = {"event_uid": "e", "score": 2.0, "body": {"lines": [{"b": 1}]}}
    assert canonical([stored]) == canonical([made])

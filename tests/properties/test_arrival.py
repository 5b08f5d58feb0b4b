"""However a history arrives and whoever works on it, the rows are those of the oracle."""

from collections.abc import Mapping, Sequence
from typing import Any
from unittest.mock import patch

from hypothesis import event, given
from hypothesis import strategies as st

from pipeline.config import IdentitySettings
from pipeline.streaming import closure
from tests.convergence.expected import oracle_rules
from tests.oracle.identity import RANKS
from tests.oracle.views import answer
from tests.properties.effort import examples
from tests.properties.histories import Event, histories, identities
from tests.properties.workers import Result, Workers


def oracle_results(events: Sequence[Mapping[str, Any]], identity: IdentitySettings) -> Result:
    """Return what every row must hold after these touchpoints."""
    found = answer(events, oracle_rules(identity))
    rows: Result = {}
    for key, customer in found.customers.items():
        person = found.people[customer]
        is_anchor = key == customer
        members = [one for one, its in found.customers.items() if its == customer]
        pains = [{name: value for name, value in pain.items() if name != "pain_detail"} for pain in person.pains]
        columns = person.columns if is_anchor else {name: _empty(value) for name, value in person.columns.items()}
        rows[key] = {
            "ident_key": key,
            "kind": RANKS.index(found.facts.kinds[key]),
            "customer_uid": customer,
            "shared": key in found.shared,
            "is_anchor": is_anchor,
            "identifiers": sorted(
                ({"kind": RANKS.index(found.facts.kinds[one]), "ident_key": one} for one in members),
                key=lambda one: (one["kind"], one["ident_key"]),
            )
            if is_anchor
            else [],
            **columns,
            **{name: [pain[name] for pain in pains] if is_anchor else [] for name in PAIN_COLUMNS},
        }
    return rows


PAIN_COLUMNS = (
    "pain_point_id",
    "pain_kind",
    "pain_severity",
    "pain_journey",
    "pain_occurred_at",
    "pain_due_at",
    "pain_order_id",
    "pain_ticket_id",
    "pain_evidence",
    "pain_rule_version",
)


def _empty(value: object) -> object:
    return [] if isinstance(value, list) else 0


def told(expected: Result, found: Result) -> list[str]:
    """Return what differs, in words."""
    lines = [f"missing {key.hex()}" for key in expected.keys() - found.keys()]
    lines += [f"surplus {key.hex()}" for key in found.keys() - expected.keys()]
    for key in expected.keys() & found.keys():
        for name, value in expected[key].items():
            if found[key][name] != value:
                lines.append(f"{key.hex()}.{name}: expected {value!r}, found {found[key][name]!r}")
    return lines


@examples(12)
@given(histories, identities(), st.data())
def test_order_repetition_batches_and_workers_change_nothing(
    history: list[Event], identity: IdentitySettings, data: st.DataObject
) -> None:
    """Touchpoints come in any order, some twice, in any batches; announcements get lost; slow workers write late."""
    again = data.draw(st.lists(st.sampled_from(history), max_size=len(history)), label="sent again")
    sent = data.draw(st.permutations([*history, *again]), label="order")
    workers = Workers(identity)
    few = data.draw(st.sampled_from([0, 3, closure._FEW_NAMED]), label="so many named are read at once")
    with patch.object(closure, "_FEW_NAMED", few):
        while sent:
            size = data.draw(st.integers(1, len(sent)), label="batch")
            workers.land(sent[:size])
            sent = sent[size:]
            waiting = st.lists(st.sampled_from(workers.dirty), max_size=6) if workers.dirty else st.just([])
            chosen = data.draw(waiting, label="keys")
            workers.stitch(chosen, is_slow=data.draw(st.booleans(), label="slow"))
            if data.draw(st.booleans(), label="announcements of the others are lost"):
                workers.dirty.clear()
        workers.finish()
    expected = oracle_results(history, identity)
    event(f"customers: {len({row['customer_uid'] for row in expected.values()})} of {len(expected)} identifiers")
    assert told(expected, workers.results()) == []


@examples(8)
@given(histories, identities(), st.data())
def test_what_is_said_and_taken_back_changes_nothing(
    history: list[Event], identity: IdentitySettings, data: st.DataObject
) -> None:
    """Merge then unmerge is never merged, and the other way round: only the statements themselves are left."""
    workers = Workers(identity)
    workers.land(history)
    workers.finish()
    before = workers.results()
    kind, sides = data.draw(st.sampled_from(SAID), label="said")
    said = {
        "id": "said-and-taken-back",
        "type": kind,
        "source": "somebody",
        "occurred_at": history[0]["occurred_at"] - 1,
        "identities": [{"kind": "other", "value": "somebody"}],
        "body": {side: {"kind": kind_, "value": value} for side, (kind_, value) in zip("ab", sides, strict=True)},
    }
    taken_back = {**said, "id": "taken-back", "withdraws": said["id"]}
    for more in data.draw(st.permutations([said, taken_back]), label="order"):
        workers.land([more])
        workers.finish()
    after = workers.results()
    assert told(before, {key: row for key, row in after.items() if key in before}) == []
    assert all(row["is_anchor"] and not row["touchpoints"] for key, row in after.items() if key not in before)


SAID = (
    ("identity.aliased", (("customer_id", "anna"), ("customer_id", "bert"))),
    ("identity.aliased", (("customer_id", "cara"), ("customer_id", "bert"))),
    ("identity.unlinked", (("customer_id", "anna"), ("cookie_id", "c1"))),
    ("identity.unlinked", (("email", "a@x.org"), ("phone", "+49301234567"))),
    ("identity.unlinked", (("order_id", "o1"), ("customer_id", "bert"))),
)

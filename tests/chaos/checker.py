"""
The checker: pure comparison of what was sent, what Kafka holds, and what the warehouse says. It believes nobody.

Four sources are laid beside each other: the attempts (made anew from the seed), the ledger of the load, the records
in Kafka's log, and the rows of the views. The oracle and a calm run say what the views must hold for just the records
that are in the log. Every count of a `Verdict` must be 0.
"""

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from tests.chaos.counting import Tally, miscounted
from tests.chaos.ledger import Account
from tests.chaos.sending import Attempt
from tests.convergence.dump import VIEWS, Dump, differences
from tests.convergence.expected import judged_part
from tests.oracle.body_columns import uuid_text
from tests.oracle.facts import facts_of
from tests.oracle.naming import Naming

Spot = tuple[str, int]
Place = tuple[str, int, int]
MOST_TOLD = 5


@dataclass(frozen=True)
class Logged:
    """A record that Kafka holds: where, the number its header says, and its bytes."""

    place: Place
    number: int
    value: bytes | None


@dataclass(frozen=True)
class Refusal:
    """A row of `v_rejected`."""

    place: Place
    reason: str
    payload: bytes | None


@dataclass(frozen=True)
class Evidence:
    """
    Everything that is judged.

    Attributes:
        attempts: What was to be sent.
        account: What the ledger says of it.
        log: Every record in the touchpoint topics.
        ranges: First and next offset of every partition.
        spans: Landed offsets of every partition, as (first, end).
        refusals: The rows of `v_rejected`.
        found: The order-free views.
        calm: The same views of a run in which nothing went wrong, of the records in the log.
        oracle: The oracle's, of the same.
        accounting: What `throughline status` says.
        tally: What the workers' own counters say.
    """

    attempts: Sequence[Attempt]
    account: Account
    log: Sequence[Logged]
    ranges: Mapping[Spot, tuple[int, int]]
    spans: Mapping[Spot, Sequence[tuple[int, int]]]
    refusals: Sequence[Refusal]
    found: Dump
    calm: Dump
    oracle: Dump
    accounting: Mapping[str, int]
    tally: Tally


@dataclass
class Verdict:
    """
    What is wrong, by kind, with the first cases in words.

    Attributes:
        lost: Acknowledged, and not there: not in the log, not in the views, or poison that was never rejected.
        phantom: There, and never sent.
        altered: There, with another content than was sent, or rejected for another reason.
        doubled: More than one row where there must be one.
        unlanded: Offsets that are neither landed nor rejected, and landed offsets that Kafka does not have.
        beside_calm: Rows that differ from the calm run's.
        beside_oracle: Rows that differ from the oracle's.
        miscounted: Numbers of `status` and of the workers' metrics that are not the checker's.
    """

    lost: int = 0
    phantom: int = 0
    altered: int = 0
    doubled: int = 0
    unlanded: int = 0
    beside_calm: int = 0
    beside_oracle: int = 0
    miscounted: int = 0
    told: list[str] = field(default_factory=list)

    @property
    def is_clean(self) -> bool:
        """Whether nothing is wrong."""
        return not any(value for value in vars(self).values() if isinstance(value, int))

    def find(self, kind: str, cases: Iterable[object]) -> None:
        """Count cases of one kind."""
        listed = list(cases)
        setattr(self, kind, getattr(self, kind) + len(listed))
        self.told += [f"{kind}: {case}" for case in listed[:MOST_TOLD]]


def judge(evidence: Evidence, naming: Naming) -> Verdict:
    """Lay everything beside everything."""
    verdict = Verdict()
    _judge_log(evidence, verdict)
    _judge_touchpoints(evidence, naming, verdict)
    _judge_refusals(evidence, verdict)
    _judge_offsets(evidence, verdict)
    for view, names in VIEWS.items():
        rows = Counter(tuple(str(json.loads(line)[name]) for name in names) for line in evidence.found[view])
        verdict.find("doubled", (f"{view} {' '.join(name)}" for name, times in rows.items() if times > 1))
    for kind, expected, found in (
        ("beside_calm", evidence.calm, evidence.found),
        ("beside_oracle", evidence.oracle, judged_part(evidence.found)),
    ):
        verdict.find(kind, differences(expected, found))
    _judge_numbers(evidence, verdict)
    return verdict


def present(evidence: Evidence) -> list[Attempt]:
    """Return the attempts that are in the log, each once, in the order of their numbers."""
    return [evidence.attempts[number] for number in sorted({record.number for record in evidence.log})]


def logged(log: Iterable[Logged], attempts: Sequence[Attempt]) -> tuple[Counter[str], dict[str, Counter[str]]]:
    """Return the records of a log by topic, and the poison among them by topic and reason."""
    records: Counter[str] = Counter()
    poison: dict[str, Counter[str]] = {}
    for record in log:
        topic = record.place[0]
        records[topic] += 1
        reason = attempts[record.number].reason if 0 <= record.number < len(attempts) else None
        if reason is not None:
            poison.setdefault(topic, Counter())[reason] += 1
    return records, poison


def _judge_log(evidence: Evidence, verdict: Verdict) -> None:
    """Compare the ledger with Kafka's log: the broker is a witness, not a judge."""
    times = Counter(record.number for record in evidence.log)
    verdict.find(
        "lost", (f"attempt {n} is not in the log" for n in sorted(evidence.account.acknowledged - times.keys()))
    )
    verdict.find("phantom", (f"attempt {n} was never made" for n in sorted(times.keys() - evidence.account.attempted)))
    known = [record for record in evidence.log if 0 <= record.number < len(evidence.attempts)]
    changed = [record for record in known if record.value != evidence.attempts[record.number].value]
    verdict.find("altered", (f"{record.place} holds other bytes than were sent" for record in changed))


def _judge_touchpoints(evidence: Evidence, naming: Naming, verdict: Verdict) -> None:
    there = present(evidence)
    acknowledged = evidence.account.acknowledged
    sent = _names((a for a in evidence.attempts if a.number in evidence.account.attempted), naming)
    promised = _names((a for a in there if a.number in acknowledged), naming)
    expected = {json.loads(line)["event_uid"]: line for line in evidence.oracle["v_touchpoints"]}
    found: dict[str, str] = {}
    for line in judged_part(evidence.found)["v_touchpoints"]:
        found[json.loads(line)["event_uid"]] = line
    verdict.find("lost", (f"touchpoint {name}" for name in sorted(promised - found.keys())))
    verdict.find("phantom", (f"touchpoint {name}" for name in sorted(found.keys() - sent)))
    both = sorted(found.keys() & expected.keys())
    verdict.find("altered", (f"touchpoint {name}" for name in both if found[name] != expected[name]))


def _names(attempts: Iterable[Attempt], naming: Naming) -> set[str]:
    """Return the event_uid of all touchpoints among attempts."""
    facts = facts_of((attempt.event for attempt in attempts if attempt.event is not None), naming)
    return {uuid_text(uid) for uid, _ in facts.touchpoints}


def _judge_refusals(evidence: Evidence, verdict: Verdict) -> None:
    expected = {
        record.place: evidence.attempts[record.number]
        for record in evidence.log
        if 0 <= record.number < len(evidence.attempts) and evidence.attempts[record.number].event is None
    }
    places = Counter(refusal.place for refusal in evidence.refusals)
    verdict.find("lost", (f"{place} was not rejected" for place in sorted(expected.keys() - places.keys())))
    verdict.find("phantom", (f"{place} was rejected" for place in sorted(places.keys() - expected.keys())))
    verdict.find("doubled", (f"v_rejected {place}" for place, times in places.items() if times > 1))
    for refusal in evidence.refusals:
        attempt = expected.get(refusal.place)
        if attempt and (attempt.reason, attempt.value) != (refusal.reason, refusal.payload):
            verdict.find("altered", [f"{refusal.place} rejected as {refusal.reason}, expected {attempt.reason}"])


def _judge_offsets(evidence: Evidence, verdict: Verdict) -> None:
    for spot, (low, high) in sorted(evidence.ranges.items()):
        spans = evidence.spans.get(spot, ())
        landed = {offset for first, end in spans for offset in range(first, end)}
        missing = sorted(set(range(low, high)) - landed)
        verdict.find("unlanded", (f"{spot[0]}:{spot[1]}:{offset}" for offset in missing))
        verdict.find(
            "unlanded", (f"{spot[0]}:{spot[1]}:{o} is landed, not in Kafka" for o in sorted(landed) if o >= high)
        )


def _judge_numbers(evidence: Evidence, verdict: Verdict) -> None:
    """Compare what the product says of itself with the checker's counts."""
    stored = len(evidence.oracle["v_touchpoints"])
    poison = sum(evidence.attempts[record.number].event is None for record in evidence.log if record.number >= 0)
    expected: dict[str, Any] = {
        "received": len(evidence.log),
        "stored": stored,
        "rejected": poison,
        "duplicate": len(evidence.log) - stored - poison,
        "lost": 0,
        "in_flight": 0,
        "unaccounted": 0,
    }
    said = {name: evidence.accounting.get(name) for name in expected}
    wrong = [f"{name} is {said[name]}, counted {number}" for name, number in expected.items() if said[name] != number]
    verdict.find("miscounted", [*wrong, *miscounted(evidence.tally, *logged(evidence.log, evidence.attempts))])

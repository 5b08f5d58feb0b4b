"""
What is sent: one list of attempts from a seed, with repetitions, lateness, shuffles and poison of every kind.

The load and the checker make the list each for themselves, so that the ledger needs nothing but numbers.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from random import Random
from typing import Any

from pipeline.cli.topics_plan import BATCH_ROOM_BYTES
from pipeline.config_kafka import KafkaSettings
from pipeline.contracts.reasons import Reason
from pipeline.contracts.times import LATEST_MS
from pipeline.contracts.touchpoint import encode_touchpoint, parse_touchpoint
from pipeline.contracts.wire import HEADER_BYTES
from tests.chaos import registry
from tests.convergence.history import History
from tests.convergence.orders import runs_of
from tests.streaming.samples import encoded, event, golden, identity, statement, topic_of

# The runs of `make convergence` that come up to 90 days late and in no order; both repeat three of ten.
ORDERS = (2, 3)
POISON_SHARE, LARGE_SHARE = 0.02, 0.2
_ALICE = {"kind": "customer_id", "value": "alice"}
_FAR = LATEST_MS - 1
LARGEST_BYTES = KafkaSettings().max_record_bytes
_WEB, _ORDERS, _ACCOUNTS, _FEEDBACK = (
    topic_of(name) for name in ("web.page_viewed", "order.placed", "account.signed_in", "survey.declined")
)


@dataclass(frozen=True)
class Attempt:
    """
    One record that is to be sent.

    Attributes:
        number: Its place in the list; the record carries it as a header.
        topic: Where to.
        key: Its key.
        value: Its bytes; None: a tombstone.
        event: The touchpoint it holds; None: it is poison.
        reason: Why it will be rejected, where it is poison.
    """

    number: int
    topic: str
    key: bytes
    value: bytes | None
    event: Mapping[str, Any] | None
    reason: Reason | None


@dataclass(frozen=True)
class Load:
    """
    A load by its numbers; equal numbers are equal lists.

    Attributes:
        seed: Of everything drawn.
        people: People of the history.
        events: Distinct contents of it.
        is_framed: Whether what goes to one of the topics names its schema by an id of the registry.
    """

    seed: int
    people: int
    events: int
    is_framed: bool = False

    @cached_property
    def attempts(self) -> list[Attempt]:
        """Everything that is to be sent, in order."""
        random = Random(self.seed)
        contents = History(self.seed, self.people, self.events).make()
        run = runs_of(contents, self.seed)[random.choice(ORDERS)]
        made: list[Attempt] = []
        for touchpoint in (touchpoint for batch in run.batches for touchpoint in batch):
            if random.random() < POISON_SHARE:
                made.append(_poison(len(made), random))
            parsed = parse_touchpoint(touchpoint)
            # Of few people some statement may name one identifier twice; no producer of ours would send that.
            if not isinstance(parsed, dict):
                continue
            record = encode_touchpoint(parsed)
            value = record.value
            if self.is_framed and record.topic == registry.TOPIC:
                value = registry.head_of(len(made)) + value[HEADER_BYTES:]
            made.append(Attempt(len(made), record.topic, record.key, value, touchpoint, None))
        return made


def _poison(number: int, random: Random) -> Attempt:
    # A megabyte at a time: as many as of the others would be most of what a worker holds while nothing is landed.
    weights = [LARGE_SHARE if reason is Reason.TOO_LARGE else 1.0 for reason, _, _ in POISONS]
    ((reason, topic, make),) = random.choices(POISONS, weights)
    return Attempt(number, topic, f"poison-{number}".encode(), make(f"poison-{number}"), None, reason)


def _web(name: str, **changed: Any) -> bytes:
    return encoded(event(id=name, **changed))


def _other_type(name: str, real: str, claimed: str) -> bytes:
    return encoded(event(id=name, type=real)).replace(real.encode(), claimed.encode())


def _with_nobody(name: str) -> bytes:
    entry = encoded(event(id=name, identities=[identity("cookie_id", "ck-1")]))
    return entry.replace(b"\x02\x1a\x08ck-1\x00\x00\x00", b"\x00")


def _too_large(name: str) -> bytes:
    """A record that the broker takes, for it measures what is compressed, and landing does not."""
    return _web(name, context={"title": "x" * LARGEST_BYTES})


def _too_large_for_brokers(name: str) -> bytes:
    """What cannot be compressed: the broker refuses it, with what is in one batch with it."""
    return _web(name) + Random(name).randbytes(LARGEST_BYTES + BATCH_ROOM_BYTES)


POISONS: tuple[tuple[Reason, str, Callable[[str], bytes | None]], ...] = (
    (Reason.TOMBSTONE, _WEB, lambda _: None),
    (Reason.UNDECODABLE, _WEB, lambda name: _web(name)[:-1]),
    (Reason.UNDECODABLE, _WEB, lambda name: _web(name) + b"\x00"),
    # The length 2^63 - 1, and a number that never ends.
    (Reason.UNDECODABLE, _WEB, lambda name: _web(name)[:HEADER_BYTES] + b"\xfe" + b"\xff" * 8 + b"\x01"),
    (Reason.UNDECODABLE, _WEB, lambda name: _web(name)[:HEADER_BYTES] + b"\x80" * 12 + name.encode()),
    (Reason.UNDECODABLE, _WEB, lambda name: _web(name).replace(name.encode(), b"\xff" * len(name))),
    (Reason.UNKNOWN_SCHEMA, _WEB, lambda name: b"\xc3\x01" + b"\x07" * 8 + name.encode()),
    (Reason.WRONG_TOPIC, _WEB, lambda _: golden("order.placed")),
    (Reason.UNKNOWN_TYPE, _WEB, lambda name: _other_type(name, "web.page_viewed", "web.page_wieved")),
    (Reason.INVALID_VALUE, _WEB, lambda name: _web(name, revision=-1)),
    (Reason.INVALID_VALUE, _WEB, lambda name: _web(name, amount={"minor": 1, "currency": "EURO"})),
    (Reason.UNKNOWN_FIELD, _WEB, lambda name: _web(name, body={"query": "shoes"})),
    (Reason.FUTURE_TIME, _WEB, lambda name: _web(name, occurred_at=_FAR)),
    (Reason.NO_IDENTIFIER, _WEB, _with_nobody),
    (Reason.TOO_LARGE, _WEB, _too_large),
    (Reason.TOO_LARGE, _WEB, _too_large_for_brokers),
    (Reason.MISSING_FIELD, _ACCOUNTS, lambda name: encoded(event(id=name, type="custom.tracked"))),
    (Reason.BAD_STATEMENT, _ACCOUNTS, lambda name: encoded(statement("aliased", _ALICE, _ALICE, id=name))),
)

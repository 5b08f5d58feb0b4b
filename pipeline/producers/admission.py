"""
Whether a touchpoint may enter, judged one at a time: the same rules for files, the simulator and the collector.

The one rule: a refusal is a value that names every fault, never an exception. What the schemas say is judged by
`pipeline.contracts`; added here is what needs settings or a receipt: values that identify nobody, times ahead of the
receipt, and records that Kafka would not take. Landing judges all of this again, for records that came another way.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any, Final, NamedTuple

from pipeline.config import IdentitySettings
from pipeline.contracts.kinds import REFERENCE_KINDS
from pipeline.contracts.reasons import Problem, Reason
from pipeline.contracts.straight import Straight, write_straight
from pipeline.contracts.times import MAX_AHEAD_MS
from pipeline.contracts.touchpoint import EncodedTouchpoint, encode_touchpoint, parse_touchpoint
from pipeline.identity.normalise import normaliser

LARGEST_EVENT_BYTES: Final = 1_048_576
"""What one touchpoint may have as JSON."""

BYTE_ORDER_MARK: Final = b"\xef\xbb\xbf"
"""What some editors and spreadsheets write before UTF-8; passed over at the begin of a file or a request."""

# A record travels in a batch with a header of its own (61 bytes) beside lengths and offsets of the record: room for
# them, so that a broker with the same limit takes the batch.
_RECORD_ROOM_BYTES: Final = 128

_CONTENT_BYTES: Final = 16


class Admitted(NamedTuple):
    """
    A touchpoint that may enter.

    Attributes:
        content: Hash of everything but `sent_at` and `received_at`; equal for an event sent again.
    """

    event_id: str
    record: EncodedTouchpoint
    content: bytes


@dataclass(frozen=True, slots=True)
class Refused:
    """A touchpoint that may not enter, and all that is wrong with it; the id is None where it has none."""

    event_id: str | None
    problems: tuple[Problem, ...]


Frame = Callable[[EncodedTouchpoint], EncodedTouchpoint]
"""Gives a record another frame, as `pipeline.registry.framing` does."""


class Admission:
    """
    The judge at the door; keeps nothing from one touchpoint to the next.

    Args:
        identity: Which values identify nobody.
        max_record_bytes: Largest record that Kafka takes.
        keeps_receipt: Whether a `received_at` that a touchpoint brings is believed (files) or replaced (collector).
        frame: Gives records the frame of a schema registry, where there is one; what it raises goes to the caller.
    """

    def __init__(
        self, identity: IdentitySettings, max_record_bytes: int, *, keeps_receipt: bool, frame: Frame | None = None
    ) -> None:
        self._frame = frame
        self._normalise = normaliser(identity)
        self._most_bytes = max_record_bytes - _RECORD_ROOM_BYTES
        self._keeps_receipt = keeps_receipt

    def judge(self, value: object, received_at: int) -> Admitted | Refused:
        """
        Judge one touchpoint.

        Args:
            value: Decoded JSON.
            received_at: Moment of the receipt, epoch milliseconds.

        Returns:
            The record to produce, or everything that is wrong.
        """
        straight = write_straight(value, received_at, keeps_receipt=self._keeps_receipt)
        if straight is not None and self._is_fine(value, straight):
            record = straight.record if self._frame is None else self._frame(straight.record)
            return Admitted(value["id"], record, _hash(straight.content))  # type: ignore[index] # it has one
        return self._judge_carefully(value, received_at)

    def _is_fine(self, event: Any, straight: Straight) -> bool:  # noqa: ANN401 - decoded JSON
        """Tell whether nothing speaks against a plain touchpoint; what does is told by the careful judgement."""
        return (
            straight.occurred_at <= straight.received_at + MAX_AHEAD_MS
            and len(straight.record.key) + len(straight.record.value) <= self._most_bytes
            and self._names_somebody(event)
        )

    def _judge_carefully(self, value: object, received_at: int) -> Admitted | Refused:
        event = parse_touchpoint(value)
        if isinstance(event, list):
            return Refused(id_of(value), tuple(event))
        event_id = str(event["id"])
        if event["received_at"] is None or not self._keeps_receipt:
            event["received_at"] = received_at
        if problems := self._problems(event):
            return Refused(event_id, problems)
        record = encode_touchpoint(event)
        if (size := len(record.key) + len(record.value)) > self._most_bytes:
            return Refused(event_id, (too_large(size, self._most_bytes),))
        return Admitted(event_id, record if self._frame is None else self._frame(record), content_of(event))

    def _problems(self, event: Mapping[str, Any]) -> tuple[Problem, ...]:
        problems = []
        if event["occurred_at"] > event["received_at"] + MAX_AHEAD_MS:
            detail = "lies more than 24 hours after the receipt; check the sender's clock"
            problems.append(Problem(Reason.FUTURE_TIME, "/occurred_at", detail))
        if not self._names_somebody(event):
            detail = "no identifier names anybody: values like 0, null or anonymous are not counted"
            problems.append(Problem(Reason.NO_IDENTIFIER, "/identities", detail))
        return tuple(problems)

    def _names_somebody(self, event: Mapping[str, Any]) -> bool:
        # The first identity nearly always does, so the others are not even listed.
        for identity in event.get("identities") or ():
            if self._normalise.identifies(identity["kind"], identity["value"]):
                return True
        refs = event.get("refs") or {}
        return any(refs.get(kind) and self._normalise.identifies(kind, refs[kind]) for kind in REFERENCE_KINDS)


def content_of(event: Mapping[str, Any]) -> bytes:
    """Return the hash of an event's content: everything but when it was sent and received."""
    return _hash(encode_touchpoint({**event, "sent_at": None, "received_at": None}).value)


def _hash(content: bytes) -> bytes:
    return blake2b(content, digest_size=_CONTENT_BYTES).digest()


def too_large(size: int, most: int = LARGEST_EVENT_BYTES) -> Problem:
    """Return the fault of an event with that many bytes: of JSON, or of the record where Kafka sets the limit."""
    return Problem(Reason.TOO_LARGE, "", f"{size} bytes; a touchpoint has at most {most}")


def id_of(value: object) -> str | None:
    """Return the id of whatever was sent as a touchpoint; None where it has none."""
    event_id = value.get("id") if isinstance(value, dict) else None
    return event_id if isinstance(event_id, str) else None

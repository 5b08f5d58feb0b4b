"""
The Segment wire format over HTTP: one message, or a batch of them.

The rule owned here: what surrounds the messages of a batch (context, sentAt) holds for each that does not say
otherwise. The Content-Type says nothing: browsers send these bodies as text/plain to be spared a question beforehand.
"""

from collections.abc import Mapping, Sequence
from functools import partial
from http import HTTPStatus
from typing import Any, Final

from pipeline.contracts.reasons import Problem
from pipeline.producers.collector.answers import RequestRefused
from pipeline.producers.collector.apart import members
from pipeline.producers.collector.reading import (
    Arrival,
    Event,
    ReadEvents,
    Unreadable,
    checked,
    decoded,
    elements,
    read_apart,
    read_part,
)
from pipeline.producers.segment import Sender, to_touchpoint, vocabulary

_REMEMBERED_RECEIPTS: Final = 100_000

# The last word of an address → the kind of its messages; None: a batch, whose messages say it themselves. The letters
# are what Segment's browser and mobile clients use.
KINDS: Final[Mapping[str, str | None]] = {
    **dict.fromkeys(("batch", "import", "b")),
    **{word: word for word in ("track", "identify", "page", "screen", "group", "alias")},
    "t": "track",
    "i": "identify",
    "p": "page",
    "s": "screen",
    "g": "group",
    "a": "alias",
}
"""The addresses that clients of this format send to, below `/v1/`."""


def reader(default_currency: str, vocabularies: tuple[str, ...]) -> ReadEvents:
    """
    Return the reader of such bodies.

    Args:
        default_currency: Of money that names none.
        vocabularies: Whose event names are understood.
    """
    return partial(_read, default_currency, vocabularies, FirstReceipts(_REMEMBERED_RECEIPTS))


def written_key(body: bytes) -> str:
    """Return the write key inside a body, where browsers put it that cannot send a header; empty where none is."""
    value = decoded(body)
    if value is None:
        part = (members(body) or {}).get("writeKey")
        value = {"writeKey": part and decoded(part)}
    key = value.get("writeKey") if isinstance(value, dict) else None
    return key if isinstance(key, str) else ""


class FirstReceipts:
    """
    When messages that tell no time were received first, so that one that is sent again stays the same touchpoint.

    Bounded: of two halves the old one is forgotten when the young one is full.

    Args:
        capacity: Messages that are remembered at most.
    """

    def __init__(self, capacity: int) -> None:
        self._half = max(1, capacity // 2)
        self._young: dict[tuple[str, str], int] = {}
        self._old: dict[tuple[str, str], int] = {}

    def of(self, sender: str, message: object, received_at: int) -> int:
        """Return when this message was received first; now, where it tells its time or has no id to know it by."""
        if not isinstance(message, dict) or message.get("timestamp") or message.get("originalTimestamp"):
            return received_at
        message_id = message.get("messageId")
        if not isinstance(message_id, str):
            return received_at
        known = (sender, message_id)
        first = self._young.get(known, self._old.get(known, received_at))
        if known not in self._young:
            if len(self._young) >= self._half:
                self._old, self._young = self._young, {}
            self._young[known] = first
        return first


def _read(
    default_currency: str, vocabularies: tuple[str, ...], receipts: FirstReceipts, body: bytes, arrival: Arrival
) -> Sequence[Event]:
    value = decoded(body)
    kind = KINDS.get(arrival.kind)
    if value is None:
        messages = _messages_apart(body, arrival, is_batch=kind is None)
    else:
        messages = checked(_messages(value) if kind is None else [value], body, arrival)
    sender = Sender(arrival.key.name, default_currency, vocabulary(vocabularies))
    return [
        _event(message, sender, receipts.of(sender.source, message, arrival.received_at), kind) for message in messages
    ]


def _messages_apart(body: bytes, arrival: Arrival, *, is_batch: bool) -> Sequence[Event]:
    """Read the messages of a body that cannot be decoded as a whole."""
    around = members(body) if is_batch else None
    if around is None or "batch" not in around:
        return read_apart(body, arrival)
    context, sent_at = (read_part(around.get(name, b"null"), f"{name}: ") for name in ("context", "sentAt"))
    messages = elements(around["batch"], arrival)
    if isinstance(context, Unreadable):  # it says who they are, so nothing is known without it
        fault = context.problem
        problem = Problem(fault.reason, "/context" + fault.pointer, f"around the batch: {fault.detail}")
        return [each if isinstance(each, Unreadable) else Unreadable(_id_of(each), problem) for each in messages]
    return [_surrounded(each, context, None if isinstance(sent_at, Unreadable) else sent_at) for each in messages]


def _messages(value: object) -> list[object]:
    if isinstance(value, list):
        return value
    if not isinstance(value, dict):
        raise RequestRefused(HTTPStatus.BAD_REQUEST, 'a batch is a JSON object: {"batch": [messages]}')
    if "batch" not in value:
        return [value]
    batch = value["batch"]
    if not isinstance(batch, list):
        raise RequestRefused(HTTPStatus.BAD_REQUEST, "`batch` is a JSON array of messages")
    context, sent_at = value.get("context"), value.get("sentAt")
    if not context and not sent_at:
        return batch
    return [_surrounded(message, context, sent_at) for message in batch]


def _surrounded(message: object, context: object, sent_at: object) -> object:
    if not isinstance(message, dict):
        return message
    own = message.get("context")
    merged: dict[str, Any] = {"sentAt": sent_at, **message}
    if isinstance(context, dict):
        merged["context"] = {**context, **own} if isinstance(own, dict) else context
    return merged


def _event(message: Event, sender: Sender, received_at: int, kind: str | None) -> Event:
    if isinstance(message, Unreadable):
        return message
    touchpoint = to_touchpoint(message, sender, received_at, kind)
    if isinstance(touchpoint, Problem):
        return Unreadable(_id_of(message), touchpoint)
    return touchpoint


def _id_of(message: object) -> str | None:
    event_id = message.get("messageId") if isinstance(message, dict) else None
    return event_id if isinstance(event_id, str) else None

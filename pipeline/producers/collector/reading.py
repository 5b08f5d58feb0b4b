"""
From the body of a request to its events, in the native form.

The one rule: a line or an element that is no touchpoint is that event's fault; a request as a whole is refused only if
it has too many events or is no JSON at all.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, Final

import orjson

from pipeline.contracts.reasons import Problem, Reason
from pipeline.producers.admission import BYTE_ORDER_MARK, LARGEST_EVENT_BYTES, id_of, too_large
from pipeline.producers.collector.answers import RequestRefused
from pipeline.producers.collector.apart import between, cuts
from pipeline.producers.collector.keys import WriteKey
from pipeline.producers.repeated import has_repeated, problem_in, problem_of, repeated
from pipeline.producers.segment import Translated
from pipeline.producers.unread import fault_of_text


@dataclass(frozen=True, slots=True)
class Unreadable:
    """An event that is no touchpoint: its id where it has one, and why."""

    event_id: str | None
    problem: Problem


Event = object | Translated | Unreadable
"""Decoded JSON of one touchpoint, one made from another form, or why there is none."""


@dataclass(frozen=True, slots=True)
class Arrival:
    """
    What is known of a request beside its body.

    Attributes:
        key: Who sends.
        received_at: Moment of the receipt, epoch milliseconds.
        most_events: Events that it may have.
        headers: Its headers, names in lower case.
        kind: The last word of its address.
    """

    key: WriteKey
    received_at: int
    most_events: int
    headers: Mapping[str, str] = field(default_factory=dict)
    kind: str = ""


ReadEvents = Callable[[bytes, Arrival], Sequence[Event]]
"""Reads the events of a decoded body; refuses more than the arrival may have."""

_WHOLE_REQUEST: Final = LARGEST_EVENT_BYTES
_BRACKETS: Final = (b"[", b"{")


def read_json(body: bytes, arrival: Arrival) -> Sequence[Event]:
    """
    Read one touchpoint, or an array of them.

    Raises:
        RequestRefused: If it is no JSON (400), or there are too many events (413).
    """
    value = decoded(body)
    if value is None:
        return read_apart(body, arrival)
    events: list[object] = value if isinstance(value, list) else [value]
    sized = checked(events, body, arrival)
    return list(_unambiguous(sized, body, is_list=events is value)) if has_repeated(body, value) else sized


def read_lines(body: bytes, arrival: Arrival) -> Sequence[Event]:
    """
    Read JSON lines, each by itself; empty lines are passed over.

    Raises:
        RequestRefused: If there are too many events (413), or none (400).
    """
    lines = [line for line in body.removeprefix(BYTE_ORDER_MARK).split(b"\n") if line.strip()]
    check_number(len(lines), arrival.most_events)
    if not lines:
        raise RequestRefused(HTTPStatus.BAD_REQUEST, "no touchpoint in the request; send one JSON object a line")
    return [_line(line.strip()) for line in lines]


def decoded(body: bytes) -> Any:  # noqa: ANN401 - JSON
    """Decode a body as a whole; None where that cannot be done, and its events are to be told apart."""
    try:
        return orjson.loads(body.removeprefix(BYTE_ORDER_MARK))
    except orjson.JSONDecodeError:
        return None


def read_apart(body: bytes, arrival: Arrival) -> Sequence[Event]:
    """
    Read a body that cannot be decoded as a whole: an array part by part, anything else as one event.

    Raises:
        RequestRefused: If it is no JSON (400), or there are too many events (413).
    """
    text = body.removeprefix(BYTE_ORDER_MARK).strip()
    return elements(text, arrival) if text.startswith(b"[") else [read_part(text)]


def read_whole(body: bytes) -> Event:
    """
    Read a body that is one event and cannot be decoded.

    Raises:
        RequestRefused: If it is no JSON (400).
    """
    return read_part(body.removeprefix(BYTE_ORDER_MARK).strip())


def elements(text: bytes, arrival: Arrival) -> Sequence[Event]:
    """
    Read the events of an array part by part.

    Raises:
        RequestRefused: If it is no JSON array (400), or there are too many events (413).
    """
    places = cuts(text) if text.startswith(b"[") else None
    if places is None:
        raise RequestRefused(HTTPStatus.BAD_REQUEST, "not JSON, or no array of events")
    check_number(len(places) - 1, arrival.most_events)
    return [read_part(part, f"event {index}: ") for index, part in enumerate(between(text, places))]


def read_part(text: bytes, where: str = "") -> Event:
    """
    Read one event of a body that cannot be decoded as a whole.

    Args:
        text: Its JSON.
        where: What a refusal begins with.

    Raises:
        RequestRefused: If it is no JSON (400): then the body is none.
    """
    if text[:1] in _BRACKETS and cuts(text) is None:
        raise RequestRefused(HTTPStatus.BAD_REQUEST, f"{where}not JSON: what is opened is not closed")
    event = _line(text)
    if isinstance(event, Unreadable) and event.problem.reason is Reason.UNDECODABLE:
        raise RequestRefused(HTTPStatus.BAD_REQUEST, where + event.problem.detail)
    return event


def checked(events: list[object], body: bytes, arrival: Arrival) -> Sequence[Event]:
    """
    Return the events of a body, those that are too large as what they are.

    Raises:
        RequestRefused: If there are too many (413).
    """
    check_number(len(events), arrival.most_events)
    return events if len(body) <= _WHOLE_REQUEST else list(_sized(events))


def check_number(events: int, most: int) -> None:
    """
    Check the number of events of a request.

    Raises:
        RequestRefused: If there are too many (413).
    """
    if events > most:
        detail = f"{events} events; a request has at most {most}"
        raise RequestRefused(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, detail)


def _line(line: bytes) -> Event:
    try:
        value: object = orjson.loads(line)
    except orjson.JSONDecodeError as error:
        is_large = len(line) > LARGEST_EVENT_BYTES  # no slow reader for what is refused anyhow
        return Unreadable(None, too_large(len(line))) if is_large else Unreadable(*fault_of_text(line, error))
    if len(line) > LARGEST_EVENT_BYTES:
        return Unreadable(_any_id(value), too_large(len(line)))
    problem = problem_in(line, value)
    return value if problem is None else Unreadable(id_of(value), problem)


def _unambiguous(events: Sequence[Event], body: bytes, *, is_list: bool) -> Iterable[Event]:
    """Put in place of events in which a name stands twice what is wrong with them."""
    found = repeated(body.removeprefix(BYTE_ORDER_MARK))
    faults = {steps[:1] if is_list else (): steps[1:] if is_list else steps for steps in reversed(found)}
    for index, event in enumerate(events):
        steps = faults.get((index,) if is_list else (), faults.get(()) if is_list else None)
        yield event if steps is None or isinstance(event, Unreadable) else Unreadable(id_of(event), problem_of(steps))


def _sized(events: Iterable[object]) -> Iterable[Event]:
    for event in events:
        try:
            size = len(orjson.dumps(event))
        except orjson.JSONEncodeError:  # nested deeper than orjson writes; what it says is judged as it is
            size = 0
        if size > LARGEST_EVENT_BYTES:
            yield Unreadable(_any_id(event), too_large(size))
        else:
            yield event


def _any_id(event: object) -> str | None:
    """Return the id of an event of any form."""
    event_id = event.get("id") or event.get("messageId") if isinstance(event, dict) else None
    return event_id if isinstance(event_id, str) else None

"""
From the body of a request to its events, in the native form.

The one rule: a line or an element that is no touchpoint is that event's fault; a request as a whole is refused only if
it has too many events or is no JSON at all.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Final

import orjson

from pipeline.contracts.reasons import Problem
from pipeline.producers.admission import BYTE_ORDER_MARK, LARGEST_EVENT_BYTES, id_of, not_json, too_large
from pipeline.producers.collector.answers import RequestRefused
from pipeline.producers.collector.keys import WriteKey
from pipeline.producers.repeated import has_repeated, problem_in, problem_of, repeated
from pipeline.producers.segment import Translated


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


def read_json(body: bytes, arrival: Arrival) -> Sequence[Event]:
    """
    Read one touchpoint, or an array of them.

    Raises:
        RequestRefused: If it is no JSON (400), or there are too many events (413).
    """
    value = decoded(body)
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


def decoded(body: bytes) -> object:
    """
    Decode a body that is JSON as a whole.

    Raises:
        RequestRefused: If it is none (400).
    """
    try:
        value: object = orjson.loads(body.removeprefix(BYTE_ORDER_MARK))
    except orjson.JSONDecodeError as error:
        raise RequestRefused(HTTPStatus.BAD_REQUEST, not_json(body, error).detail) from error
    return value


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
    if len(line) > LARGEST_EVENT_BYTES:
        return Unreadable(None, too_large(len(line)))
    try:
        value: object = orjson.loads(line)
    except orjson.JSONDecodeError as error:
        return Unreadable(None, not_json(line, error))
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
            event_id = event.get("id") or event.get("messageId") if isinstance(event, dict) else None
            yield Unreadable(event_id if isinstance(event_id, str) else None, too_large(size))
        else:
            yield event

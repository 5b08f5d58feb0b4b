"""
CloudEvents 1.0 over HTTP: structured, batched and binary.

The rule owned here: `id`, `type`, `source` and `time` of a touchpoint come from the attributes of the event, everything
else of it stands inside `data`. Extensions are passed over. Faults are told where they stand in the structured form.
"""

import base64
import binascii
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any, Final
from urllib.parse import unquote

import orjson

from pipeline.contracts.reasons import Problem, Reason
from pipeline.producers.collector.answers import RequestRefused
from pipeline.producers.collector.reading import Arrival, Event, Unreadable, checked, decoded, read_apart, read_whole
from pipeline.producers.segment import Translated

STRUCTURED: Final = "application/cloudevents+json"
"""Media type of one event."""

BATCHED: Final = "application/cloudevents-batch+json"
"""Media type of an array of events."""

_ATTRIBUTES: Final = {"id": "id", "type": "type", "source": "source", "time": "occurred_at", "subject": "subject"}
_PLACES: Final = {"": "/data", **{f"/{ours}": f"/{theirs}" for theirs, ours in _ATTRIBUTES.items()}}
_VERSION: Final = "1.0"


def is_binary(headers: Mapping[str, str]) -> bool:
    """Tell whether the attributes of an event stand in the headers."""
    return "ce-specversion" in headers or "ce-id" in headers


def read_structured(body: bytes, arrival: Arrival) -> Sequence[Event]:
    """
    Read one event in the structured form.

    Raises:
        RequestRefused: If it is no JSON (400).
    """
    value = decoded(body)
    events = checked([value], body, arrival) if value is not None else [read_whole(body)]
    return [_translated(event) for event in events]


def read_batched(body: bytes, arrival: Arrival) -> Sequence[Event]:
    """
    Read an array of events.

    Raises:
        RequestRefused: If it is no JSON, or no array (400), or has too many events (413).
    """
    value = decoded(body)
    if value is None and body.lstrip().startswith(b"["):
        return [_translated(event) for event in read_apart(body, arrival)]
    if not isinstance(value, list):
        raise RequestRefused(HTTPStatus.BAD_REQUEST, f"{BATCHED} is a JSON array of events")
    return [_translated(event) for event in checked(value, body, arrival)]


def read_binary(body: bytes, arrival: Arrival) -> Sequence[Event]:
    """
    Read one event whose attributes are headers and whose data is the body.

    Raises:
        RequestRefused: If the data is no JSON (400).
    """
    attributes = {
        name[3:]: unquote(value.strip('"')) for name, value in arrival.headers.items() if name.startswith("ce-")
    }
    data = decoded(body) if body.strip() else {}
    if data is None and isinstance(data := read_whole(body), Unreadable):
        pointer = _PLACES[""] + data.problem.pointer
        return [Unreadable(attributes.get("id"), Problem(data.problem.reason, pointer, data.problem.detail))]
    (event,) = checked([{**attributes, "data": data}], body, arrival)
    return [_translated(event)]


def _translated(event: Event) -> Event:
    if isinstance(event, Unreadable):
        return event
    if not isinstance(event, dict):
        return Unreadable(None, Problem(Reason.WRONG_TYPE, "", "a CloudEvent is a JSON object"))
    event_id = event.get("id") if isinstance(event.get("id"), str) else None
    if event.get("specversion") != _VERSION:
        reason = Reason.MISSING_FIELD if event.get("specversion") is None else Reason.INVALID_VALUE
        return Unreadable(event_id, Problem(reason, "/specversion", f"a CloudEvent says specversion {_VERSION}"))
    data = _data(event)
    if isinstance(data, Problem):
        return Unreadable(event_id, data)
    for name in ("id", "type", "source"):
        if data.get(name) is not None and data[name] != event.get(name):
            detail = f"the attribute {name} says it; leave it out of the data"
            return Unreadable(event_id, Problem(Reason.UNKNOWN_FIELD, f"/data/{name}", detail))
    touchpoint = {**data, **{ours: event[name] for name, ours in _ATTRIBUTES.items() if event.get(name) is not None}}
    return Translated(touchpoint, _PLACES)


def _data(event: Mapping[str, Any]) -> dict[str, Any] | Problem:
    data = event.get("data")
    packed = event.get("data_base64")
    if data is None and isinstance(packed, str):
        try:
            data = orjson.loads(base64.b64decode(packed, validate=True))
        except (binascii.Error, ValueError):
            return Problem(Reason.UNDECODABLE, "/data_base64", "not JSON in base64")
        if not isinstance(data, dict):
            return Problem(Reason.WRONG_TYPE, "/data_base64", "the data of a touchpoint is a JSON object")
    if data is None:
        return {}
    return data if isinstance(data, dict) else Problem(Reason.WRONG_TYPE, "/data", "expected an object")

"""
What is wrong with a JSON text that the strict reader does not take.

The rule owned here: what JSON's grammar allows and no touchpoint may hold (half a surrogate pair, a number beyond all
numbers, brackets without end) is the fault of its place in the touchpoint, and the touchpoint keeps its id. Only what
is no JSON at all is undecodable.
"""

import json
import math
from typing import Any, Final, NoReturn

import orjson

from pipeline.contracts.reasons import Problem, Reason, pointer_to
from pipeline.producers.admission import BYTE_ORDER_MARK, id_of

DEEPEST_JSON: Final = 1_024
"""Levels of brackets that are read at all."""


def fault_of_text(text: bytes, error: orjson.JSONDecodeError) -> tuple[str | None, Problem]:
    """
    Return the id of a touchpoint that could not be read, where it can be had, and why it could not.

    Args:
        text: The JSON.
        error: Why the strict reader took offence.
    """
    try:
        value: object = json.loads(text.decode(), parse_constant=_refuse, parse_int=float)
    except RecursionError:
        is_closed = text.rstrip().endswith((b"]", b"}"))
        return None, _too_deep() if is_closed else _not_json(text, error)
    except ValueError:  # no UTF-8, or no JSON
        return None, _not_json(text, error)
    return _clean_id(value), _fault_in(value) or _too_deep()


def _not_json(text: bytes, error: orjson.JSONDecodeError) -> Problem:
    """Return the fault of bytes that are no JSON, with the place where reading stopped."""
    if text.startswith(BYTE_ORDER_MARK):
        detail = "a byte order mark (EF BB BF) stands here; only the first line of a file or a request may have one"
        return Problem(Reason.UNDECODABLE, "", detail)
    try:
        text.decode()
    except UnicodeDecodeError as fault:
        return Problem(Reason.UNDECODABLE, "", f"not UTF-8 at byte {fault.start}")
    return Problem(Reason.UNDECODABLE, "", f"not JSON: {error.msg} (column {error.colno})")


def _too_deep() -> Problem:
    return Problem(Reason.TOO_LARGE, "", f"nested deeper than {DEEPEST_JSON} levels")


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is no JSON")


def _clean_id(value: object) -> str | None:
    event_id = id_of(value)
    if event_id is None and isinstance(value, dict) and isinstance(value.get("messageId"), str):
        event_id = value["messageId"]
    return event_id if event_id is None or _is_text(event_id) else None


def _fault_in(value: object) -> Problem | None:
    """Return the first value that no reader of ours takes."""
    waiting: list[tuple[Any, tuple[str | int, ...]]] = [(value, ())]
    while waiting:
        value, steps = waiting.pop()
        if isinstance(value, str) and not _is_text(value):
            return Problem(Reason.INVALID_VALUE, pointer_to(*steps), "half a surrogate pair is no text")
        if isinstance(value, float) and math.isinf(value):
            return Problem(Reason.INVALID_VALUE, pointer_to(*steps), "not a finite number")
        if isinstance(value, dict):
            if not all(map(_is_text, value)):
                detail = "a name in here has half a surrogate pair, which is no text"
                return Problem(Reason.INVALID_VALUE, pointer_to(*steps), detail)
            waiting += [(item, (*steps, name)) for name, item in reversed(value.items())]
        elif isinstance(value, list):
            waiting += [(item, (*steps, index)) for index, item in reversed(list(enumerate(value)))]
    return None


def _is_text(value: str) -> bool:
    if value.isascii():
        return True
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True

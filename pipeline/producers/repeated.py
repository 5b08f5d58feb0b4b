"""
Names that stand twice in one JSON object.

JSON allows them, and readers differ in which of the two they take (RFC 8259, section 4): a sender who writes them
means one thing and is read as another. The rule owned here: such a touchpoint is refused with the place, never read as
either. Whoever has none pays for counting the colons and no more.
"""

import json
from collections.abc import Sequence
from typing import Any, Final

import orjson

from pipeline.contracts.reasons import Problem, Reason, pointer_to

Steps = tuple[str | int, ...]
"""The way to a place in decoded JSON."""

_ESCAPED_COLON: Final = b"\\u003"


def has_repeated(text: bytes, value: object) -> bool:
    """
    Tell whether a name may stand twice in one of the objects of a JSON text; `repeated` knows it for certain.

    What was read has a pair less for each, and so a colon less when it is written again. Those inside of texts are
    there both times, as long as none was written as an escape.

    Args:
        text: The JSON.
        value: What was read of it.
    """
    try:
        written = orjson.dumps(value)
    except orjson.JSONEncodeError:
        return True
    # Most files are written as they would be written again.
    return text != written and (text.count(b":") != written.count(b":") or _ESCAPED_COLON in text)


def repeated(text: bytes) -> list[Steps]:
    """Return where in a JSON text names stand for the second time; the whole, where it is nested beyond reading."""
    found: list[Steps] = []
    try:
        value: object = json.loads(text.decode(), object_pairs_hook=_Pairs, parse_int=str, parse_float=str)
    except RecursionError:
        return [()]
    waiting: list[tuple[object, Steps]] = [(value, ())]
    while waiting:
        value, steps = waiting.pop()
        if isinstance(value, _Pairs):
            found += [(*steps, name) for name in value.twice]
            waiting += [(item, (*steps, name)) for name, item in value.items()]
        elif isinstance(value, list):
            waiting += [(item, (*steps, index)) for index, item in enumerate(value)]
    return found


def problem_of(steps: Steps) -> Problem:
    """Return the fault of a touchpoint in which a name stands twice."""
    detail = "this name stands twice in its object; readers differ in which one they take, so send it once"
    return Problem(Reason.INVALID_VALUE, pointer_to(*steps), detail)


def problem_in(text: bytes, value: object) -> Problem | None:
    """Return the fault of a touchpoint by its text and what was read of it, None where no name stands twice."""
    if not has_repeated(text, value):
        return None
    found = repeated(text)
    return problem_of(found[0]) if found else None


class _Pairs(dict[str, Any]):
    """An object, and the names that stand in it more than once."""

    def __init__(self, pairs: Sequence[tuple[str, Any]]) -> None:
        super().__init__(pairs)
        seen: set[str] = set()
        self.twice: list[str] = []
        if len(self) != len(pairs):
            for name, _ in pairs:
                if name in seen:
                    self.twice.append(name)
                seen.add(name)

"""
Small patches for touchpoints as JSON: set, rename, cast, drop; one step a line.

The rule it owns: a step says what is to be, not how. Where there is nothing to rename, cast or drop, the touchpoint is
as wanted already; so one patch mends many records that differ, and mending twice changes nothing. What cannot be done
(a word cast to a number) is told, and nothing is sent.
"""

import json
import re
from collections.abc import Callable, Iterable, Mapping
from copy import deepcopy
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import pairwise
from typing import Any, Final

_WORD: Final = r"(?P<{}>/\S*)"
_FORMS: Final = {
    "set": re.compile(rf"set\s+{_WORD.format('at')}\s+(?P<value>.+)", re.DOTALL),
    "rename": re.compile(rf"rename\s+{_WORD.format('at')}\s+{_WORD.format('to')}"),
    "cast": re.compile(rf"cast\s+{_WORD.format('at')}\s+(?P<kind>\w+)"),
    "drop": re.compile(rf"drop\s+{_WORD.format('at')}"),
}
# Numbers below are seconds since 1970 (until the year 5138), from here on milliseconds (since 1973).
_LEAST_MILLIS: Final = 100_000_000_000
_ABSENT: Final = object()


class PatchError(ValueError):
    """A patch that is none, or that cannot be applied to a touchpoint; the message names the step."""


@dataclass(frozen=True, slots=True)
class Step:
    """
    One step of a patch.

    Attributes:
        text: As it was written.
        action: set, rename, cast or drop.
        at: JSON pointer of the value, taken apart.
        to: Where a renamed value goes.
        value: What is set.
        kind: What a value is cast to.
    """

    text: str
    action: str
    at: tuple[str, ...]
    to: tuple[str, ...] = ()
    value: Any = None
    kind: str = ""


def parse_steps(lines: Iterable[str]) -> tuple[Step, ...]:
    """
    Read steps; empty lines and lines that begin with # are passed over.

    Raises:
        PatchError: If a line is no step.
    """
    return tuple(_parse(line.strip()) for line in lines if line.strip() and not line.lstrip().startswith("#"))


def patched(touchpoint: Mapping[str, Any], steps: Iterable[Step]) -> dict[str, Any]:
    """
    Return a touchpoint with the steps applied in their order; the given one is not changed.

    Raises:
        PatchError: If a value cannot be cast, or a step goes through something that holds nothing.
    """
    made: dict[str, Any] = deepcopy(dict(touchpoint))
    for step in steps:
        try:
            _apply(made, step)
        except (TypeError, ValueError, IndexError, OverflowError) as error:
            raise PatchError(f"{step.text!r}: {error}") from error
    return made


def _parse(line: str) -> Step:
    action = line.partition(" ")[0]
    form = _FORMS.get(action)
    match = form.fullmatch(line) if form else None
    if match is None:
        raise PatchError(
            f"{line!r} is no step; steps are: set /pointer JSON, rename /pointer /pointer, cast /pointer "
            f"{'|'.join(CASTS)}, drop /pointer"
        )
    found = match.groupdict()
    value: Any = None
    if "value" in found:
        try:
            value = json.loads(found["value"])
        except ValueError:
            value = found["value"]  # text needs no quotes
    kind = found.get("kind", "")
    if kind and kind not in CASTS:
        raise PatchError(f"{line!r}: cast to one of {', '.join(CASTS)}")
    to = _taken_apart(found["to"]) if "to" in found else ()
    return Step(line, action, _taken_apart(found["at"]), to, value, kind)


def _taken_apart(pointer: str) -> tuple[str, ...]:
    steps = tuple(step.replace("~1", "/").replace("~0", "~") for step in pointer.split("/")[1:])
    if not all(steps):
        raise PatchError(f"{pointer!r} is no JSON pointer to a field, as /body/score or /identities/0/kind")
    return steps


def _apply(made: dict[str, Any], step: Step) -> None:
    if step.action == "set":
        _put(made, step.at, deepcopy(step.value))
        return
    value = _get(made, step.at)
    if value is _ABSENT:
        return
    if step.action == "cast":
        if value is not None:
            _put(made, step.at, CASTS[step.kind](value))
        return
    _remove(made, step.at)
    if step.action == "rename":
        _put(made, step.to, value)


def _get(inside: Any, at: tuple[str, ...]) -> Any:  # noqa: ANN401 - JSON
    for step in at:
        if isinstance(inside, dict):
            inside = inside.get(step, _ABSENT)
        elif isinstance(inside, list) and step.isdecimal() and int(step) < len(inside):
            inside = inside[int(step)]
        else:
            return _ABSENT
    return inside


def _put(inside: Any, at: tuple[str, ...], value: Any) -> None:  # noqa: ANN401 - JSON
    for step, following in pairwise(at):
        found = _get(inside, (step,))
        if found is _ABSENT or found is None:
            found = [] if following in ("-", "0") else {}
            _put(inside, (step,), found)
        inside = found
    last = at[-1]
    if isinstance(inside, dict):
        inside[last] = value
    elif isinstance(inside, list) and (last == "-" or int(last) == len(inside)):
        inside.append(value)
    elif isinstance(inside, list):
        inside[int(last)] = value
    else:
        raise TypeError(f"{last!r} cannot stand in {type(inside).__name__} {inside!r}")


def _remove(inside: Any, at: tuple[str, ...]) -> None:  # noqa: ANN401 - JSON
    parent = _get(inside, at[:-1])
    if isinstance(parent, dict):
        del parent[at[-1]]
    else:
        del parent[int(at[-1])]


def _to_flag(value: Any) -> bool:  # noqa: ANN401 - JSON
    if isinstance(value, bool):
        return value
    text = str(value).strip().lower()
    if text in ("true", "yes", "1", "t", "y"):
        return True
    if text in ("false", "no", "0", "f", "n"):
        return False
    raise ValueError(f"{value!r} is neither true nor false")


def _to_whole(value: Any) -> int:  # noqa: ANN401 - JSON
    number = float(str(value).strip())
    if not number.is_integer():
        raise ValueError(f"{value!r} is no whole number")
    return int(str(value)) if re.fullmatch(r"[+-]?\d+", str(value)) else int(number)


def _to_text(value: Any) -> str:  # noqa: ANN401 - JSON
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _to_time(value: Any) -> Any:  # noqa: ANN401 - JSON
    """Read an ISO 8601 time without offset as UTC, and a number of seconds; what is a time already stays."""
    if isinstance(value, int | float) or re.fullmatch(r"\d+(\.\d+)?", str(value)):
        number = float(value)
        return round(number * 1000) if number < _LEAST_MILLIS else round(number)
    moment = datetime.fromisoformat(str(value).strip())
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).isoformat()


CASTS: Final[Mapping[str, Callable[[Any], Any]]] = {
    "text": _to_text,
    "integer": _to_whole,
    "number": lambda value: float(str(value).strip()),
    "boolean": _to_flag,
    "time": _to_time,
    "list": lambda value: value if isinstance(value, list) else [value],
}
"""What a value can be cast to; each raises ValueError where it cannot."""

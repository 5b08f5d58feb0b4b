"""
Mapping files: what somebody else's rows are here, told in TOML.

The rule it owns: a mapping is checked whole when it is read (unknown options, unknown fields, unknown types), so that
a slip of the pen is one fault at the start and not one per row. What a row cannot give is absent; what it gives wrongly
is a problem of that row, named by the column. `docs/importing.md` tells the form.
"""

import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from hashlib import blake2b
from pathlib import Path
from typing import Any, Final

import orjson

from pipeline.contracts.kinds import KINDS
from pipeline.contracts.reasons import Problem, Reason
from pipeline.contracts.schemas import envelope_fields
from pipeline.contracts.types import touchpoint_types
from pipeline.producers.errors import InputError
from pipeline.producers.mapping_values import Absent, ValueRule, found_in, value_rule

_TOP: Final = frozenset({"source", "delimiter", "encoding", "fields", "touchpoint"})
_TOUCHPOINT: Final = frozenset({"type", "source", "when", "needs", "fields"})
_LISTS: Final = {"identities": "kind", "attributes": "key", "consent": "purpose"}
_DEMANDED: Final = ("occurred_at",)


@dataclass(frozen=True, slots=True)
class Translation:
    """A touchpoint made of a row, and which column fills which of its fields."""

    touchpoint: dict[str, Any]
    columns: Mapping[str, str]

    def place(self, pointer: str) -> str:
        """Return the column that a fault of the touchpoint comes from, or the pointer where none does."""
        known = max((each for each in self.columns if (pointer + "/").startswith(each + "/")), key=len, default=None)
        return pointer if known is None else self.columns[known]


@dataclass(frozen=True, slots=True)
class _Made:
    """What one kind of touchpoint is made of."""

    type: str
    source: str
    when: Mapping[str, tuple[str, ...]]
    needs: tuple[str, ...]
    fields: Mapping[str, ValueRule]

    def fits(self, row: Mapping[str, Any]) -> bool:
        return all(str(found_in(row, name)) in allowed for name, allowed in self.when.items()) and not any(
            found_in(row, name) in (None, "") for name in self.needs
        )

    def looks_at(self, where: str) -> Iterator[tuple[str, tuple[str, ...]]]:
        """Yield what looks at columns, and the columns of which it needs one."""
        yield from ((f"{where}: when", (name,)) for name in self.when)
        yield from ((f"{where}: needs", (name,)) for name in self.needs)
        for target, rule in self.fields.items():
            yield from ((f"{where}: {target}", wanted) for wanted in rule.looks_at)


@dataclass(frozen=True, slots=True)
class RowMapping:
    """
    A mapping that was read.

    Attributes:
        delimiter: Between the cells of a CSV file.
        encoding: Of a CSV file.
    """

    delimiter: str
    encoding: str
    made: tuple[_Made, ...]
    path: Path = Path()
    text: str = ""

    def check_columns(self, names: Sequence[str]) -> None:
        """
        Check that every column which the mapping looks at is there.

        Args:
            names: The columns of the rows.

        Raises:
            InputError: With every column that is not.
        """
        known = frozenset(names)
        faults = [
            f"line {self._line_of(wanted[0])}: {where}: the file has no column {' or '.join(map(repr, wanted))}"
            f" ({_nearest(wanted[0], names)})"
            for number, made in enumerate(self.made, 1)
            for where, wanted in made.looks_at(f"touchpoint {number} ({made.type})")
            if not known & set(wanted)
        ]
        if faults:
            raise InputError(f"{self.path}: " + "\n  ".join(dict.fromkeys(faults)))

    def _line_of(self, column: str) -> int:
        """Return the first line of the mapping that names a column."""
        named = re.compile(rf"""["'{{]{re.escape(column)}["'}}]|^\s*{re.escape(column)}\s*=""", re.MULTILINE)
        found = named.search(self.text)
        return self.text.count("\n", 0, found.start()) + 1 if found else 1

    def translate(self, row: object) -> Iterator[Translation | Problem]:
        """Yield the touchpoints of a row; none where nothing in the mapping fits it."""
        if not isinstance(row, Mapping):
            yield Problem(Reason.WRONG_TYPE, "", "a row is a JSON object")
            return
        for made in self.made:
            if made.fits(row):
                yield _translated(made, row)


def read_mapping(path: Path) -> RowMapping:
    """
    Read a mapping file.

    Raises:
        InputError: With every fault of it.
    """
    try:
        text = path.read_text(encoding="utf-8")
        told = tomllib.loads(text)
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}); name a mapping file") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: not TOML: {error}") from error
    faults = [f"{name}: no such option" for name in told if name not in _TOP]
    made = [
        _made(table, told, f"touchpoint {number}", faults) for number, table in enumerate(told.get("touchpoint", ()), 1)
    ]
    if not made:
        faults.append("no [[touchpoint]]: what is a row?")
    if faults:
        raise InputError(f"{path}: " + "\n  ".join(faults))
    delimiter, encoding = str(told.get("delimiter", ",")), str(told.get("encoding", "utf-8-sig"))
    return RowMapping(delimiter, encoding, tuple(made), path, text)


def _made(table: Mapping[str, Any], told: Mapping[str, Any], where: str, faults: list[str]) -> _Made:
    faults += [f"{where}: {name}: no such option" for name in table if name not in _TOUCHPOINT]
    type_name = str(table.get("type", ""))
    where = f"{where} ({type_name})"
    if type_name not in touchpoint_types():
        faults.append(f"{where}: no such type; `throughline schemas list` shows them")
    source = table.get("source", told.get("source"))
    if not isinstance(source, str) or not source:
        faults.append(f"{where}: no source: which system says so?")
    rules: dict[str, ValueRule] = {}
    for target, given in {**told.get("fields", {}), **table.get("fields", {})}.items():
        if (fault := _target_fault(target, type_name)) is not None:
            faults.append(f"{where}: {target}: {fault}")
            continue
        try:
            rules[target] = value_rule(given, is_time=target in ("occurred_at", "sent_at", "received_at"))
        except ValueError as error:
            faults.append(f"{where}: {target}: {error}")
    faults += [f"{where}: {name}: nothing gives it" for name in _DEMANDED if name not in rules]
    when = {name: _texts(value) for name, value in table.get("when", {}).items()}
    return _Made(type_name, str(source), when, tuple(table.get("needs", ())), rules)


def _target_fault(target: str, type_name: str) -> str | None:
    head, _, rest = target.partition(".")
    row = touchpoint_types().get(type_name)
    if head == "body":
        return None if row is None or rest in row.body else f"{type_name} has no such field"
    field = envelope_fields().get(head)
    if field is None or head in ("type", "source"):
        return "no such field"
    if head in _LISTS:
        if not rest:
            return f"name it as {head}.<{_LISTS[head]}>"
        return None if head != "identities" or rest in KINDS else f"a kind is one of {', '.join(KINDS)}"
    if head == "amount":
        return None if not rest else "give the amount as one value with its currency"
    if field.kind == "record":
        return None if rest in {part.name for part in field.fields} else "no such field"
    return "no such field" if rest else None


def _translated(made: _Made, row: Mapping[str, Any]) -> Translation | Problem:
    touchpoint: dict[str, Any] = {"type": made.type, "source": made.source}
    columns: dict[str, str] = {}
    for target, rule in made.fields.items():
        try:
            value = rule.read(row)
        except Absent:
            continue
        except (ValueError, OverflowError) as error:
            return Problem(Reason.INVALID_VALUE, rule.column, f"{target}: {error}")
        columns[_put(touchpoint, target, value)] = rule.column
    if "id" not in touchpoint:
        # The same row is the same event, however often it is imported.
        content = orjson.dumps([made.type, row], option=orjson.OPT_SORT_KEYS, default=str)
        touchpoint["id"] = "row-" + blake2b(content, digest_size=16).hexdigest()
    return Translation(touchpoint, columns)


def _put(touchpoint: dict[str, Any], target: str, value: object) -> str:
    """Put a value where its target says; returns the JSON pointer of the place."""
    head, _, rest = target.partition(".")
    if head == "identities":
        items = touchpoint.setdefault(head, [])
        items.append({"kind": rest, "value": str(value)})
        return f"/{head}/{len(items) - 1}"
    if head == "attributes":
        items = touchpoint.setdefault(head, [])
        items.append({"key": rest, "value": value if isinstance(value, str) else orjson.dumps(value).decode()})
        return f"/{head}/{len(items) - 1}"
    if head == "consent":
        items = touchpoint.setdefault(head, [])
        items.append({"purpose": rest, "granted": value})
        return f"/{head}/{len(items) - 1}"
    if rest:
        touchpoint.setdefault(head, {})[rest] = value
        return f"/{head}/{rest}"
    touchpoint[head] = value
    return f"/{head}"


def _texts(value: object) -> tuple[str, ...]:
    given: Sequence[object] = value if isinstance(value, list) else [value]
    return tuple(map(str, given))


def _nearest(column: str, names: Sequence[str]) -> str:
    near = get_close_matches(column, names, 1)
    return f"did you mean {near[0]!r}?" if near else f"it has {', '.join(names)[:200]}"

"""
How a mapping reads one value out of a row: from a column, made of several, looked up, cast.

An empty cell gives nothing. What is there and cannot be read as wanted raises ValueError with words for people.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from string import Formatter
from typing import Any, Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pipeline.producers.patching import CASTS
from pipeline.producers.segment.fitting import find, money

_OPTIONS: Final = frozenset(
    {
        "from",
        "value",
        "template",
        "map",
        "default",
        "as",
        "format",
        "zone",
        "unit",
        "currency",
        "currency_from",
        "decimal",
    }
)
_SOURCES: Final = ("from", "value", "template")
_UNITS: Final = {"s": 1000, "ms": 1}


class Absent(Exception):  # noqa: N818 - nothing is wrong
    """The row does not give this value."""


@dataclass(frozen=True, slots=True)
class ValueRule:
    """
    How one value is read.

    Attributes:
        column: What a fault of it is named by.
        read: Reads it out of a row; raises Absent, or ValueError where it is wrong.
        looks_at: The columns that it needs; of several in one place, one is enough.
    """

    column: str
    read: Callable[[Mapping[str, Any]], Any]
    looks_at: tuple[tuple[str, ...], ...] = ()


def value_rule(given: object, *, is_time: bool) -> ValueRule:
    """
    Make the rule of a value.

    Args:
        given: What the mapping says: a column, or a table of options.
        is_time: Whether the field takes a time.

    Raises:
        ValueError: If it says nothing that can be done.
    """
    options: Mapping[str, Any] = {"from": given} if isinstance(given, str | list) else _table(given)
    if unknown := sorted(set(options) - _OPTIONS):
        raise ValueError(f"no such option: {', '.join(unknown)}")
    named = [name for name in _SOURCES if name in options]
    if len(named) != 1:
        raise ValueError(f"give exactly one of {', '.join(_SOURCES)}")
    if "as" in options and options["as"] not in CASTS:
        raise ValueError(f"as: one of {', '.join(CASTS)}")
    if "currency" in options and money("1", str(options["currency"])) is None:
        raise ValueError(f"currency: {options['currency']!r} is no code of ISO 4217, as EUR")
    fetch, column = _fetch(options)
    convert = _convert(options, is_time=is_time)

    def read(row: Mapping[str, Any]) -> Any:  # noqa: ANN401 - JSON
        value = fetch(row)
        if isinstance(value, str):
            value = value.strip()
        if (table := options.get("map")) is not None and value is not None:
            value = table.get(str(value), options.get("default"))
        if value is None or value == "":
            value = options.get("default")
        if value is None or value == "":
            raise Absent
        return convert(value, row)

    return ValueRule(column, read, _looks_at(options))


def found_in(row: Mapping[str, Any], name: str) -> Any:  # noqa: ANN401 - JSON
    """Return a cell by its name, or by its path (`customer.mail`) inside a JSON row; None where there is none."""
    return row[name] if name in row else find(row, name)


def _table(given: object) -> Mapping[str, Any]:
    if not isinstance(given, dict):
        raise ValueError("name a column, or give a table of options")  # noqa: TRY004 - told with the mapping's faults
    return given


def _fetch(options: Mapping[str, Any]) -> tuple[Callable[[Mapping[str, Any]], Any], str]:
    if "value" in options:
        return (lambda _: options["value"]), "value"
    if "template" in options:
        template = str(options["template"])
        names = _named_in(template)
        return (lambda row: _filled(template, names, row)), template
    names = options["from"] if isinstance(options["from"], list) else [options["from"]]

    def first(row: Mapping[str, Any]) -> Any:  # noqa: ANN401 - JSON
        return next((value for name in names if (value := found_in(row, name)) not in (None, "")), None)

    return first, " or ".join(map(str, names))


def _named_in(template: str) -> list[str]:
    return [name for _, name, _, _ in Formatter().parse(template) if name is not None]


def _looks_at(options: Mapping[str, Any]) -> tuple[tuple[str, ...], ...]:
    places: list[tuple[str, ...]] = []
    if "from" in options:
        names = options["from"] if isinstance(options["from"], list) else [options["from"]]
        places.append(tuple(map(str, names)))
    if "template" in options:
        places += [(name,) for name in _named_in(str(options["template"]))]
    if "currency_from" in options:
        places.append((str(options["currency_from"]),))
    return tuple(places)


def _filled(template: str, names: list[str], row: Mapping[str, Any]) -> str | None:
    values = {name: found_in(row, name) for name in names}
    if any(value in (None, "") for value in values.values()):
        return None
    # All at once: what stands in a cell is no template.
    parts = Formatter().parse(template)
    return "".join(text + ("" if name is None else str(values[name])) for text, name, _, _ in parts)


def _convert(options: Mapping[str, Any], *, is_time: bool) -> Callable[[Any, Mapping[str, Any]], Any]:
    if "currency" in options or "currency_from" in options:
        return lambda value, row: _amount(value, row, options)
    if is_time or {"format", "zone", "unit"} & set(options):
        zone = _zone(options.get("zone"))
        unit = options.get("unit")
        if unit is not None and unit not in _UNITS:
            raise ValueError(f"unit: one of {', '.join(_UNITS)}")
        return lambda value, _: _time(value, options.get("format"), zone, unit)
    decimal = options.get("decimal", ".")
    cast = CASTS.get(options.get("as", ""))
    if cast is None:
        return lambda value, _: value
    if options["as"] in ("integer", "number"):
        return lambda value, _: cast(_plain_number(value, decimal))
    return lambda value, _: cast(value)


def _amount(value: object, row: Mapping[str, Any], options: Mapping[str, Any]) -> dict[str, Any]:
    currency = str(found_in(row, options["currency_from"]) or "") if "currency_from" in options else ""
    currency = currency.strip().upper() or str(options.get("currency", ""))
    found = money(_plain_number(value, options.get("decimal", ".")), currency)
    if found is None:
        raise ValueError(f"{value!r} {currency!r} is no amount of money")
    return {"minor": found[0], "currency": found[1]}


def _plain_number(value: object, decimal: str) -> object:
    """
    Return a number as written with a decimal point and without anything between thousands.

    Raises:
        ValueError: If what would stand between thousands does not: "12,50" is no 1250.
    """
    if not isinstance(value, str):
        return value
    text = re.sub(r"[\s'\u2019]", "", value)
    thousands = "." if decimal == "," else ","
    whole, _, fraction = text.partition(decimal)
    if thousands in fraction or (thousands in whole and not re.search(rf"{re.escape(thousands)}\d{{3}}$", whole)):
        raise ValueError(f'{value!r} has no thousands at its {thousands!r}; tell the decimal mark: decimal = ","')
    return f"{whole.replace(thousands, '')}.{fraction}" if fraction else whole.replace(thousands, "")


def _time(value: object, form: str | None, zone: ZoneInfo | None, unit: str | None) -> object:
    if unit is not None:
        return round(float(str(value)) * _UNITS[unit])
    if not isinstance(value, str):
        return value
    if form is not None:
        moment = datetime.strptime(value, form)  # noqa: DTZ007 - the zone is given below, or refused
    elif zone is not None:
        moment = datetime.fromisoformat(value)
    else:
        return value
    if moment.tzinfo is None:
        if zone is None:
            raise ValueError(f'{value!r} has no offset; give zone, as zone = "Europe/Berlin"')
        moment = moment.replace(tzinfo=zone)
    return moment.isoformat()


def _zone(name: str | None) -> ZoneInfo | None:
    if name is None:
        return None
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError) as error:
        raise ValueError(f"zone: there is no time zone {name!r}") from error

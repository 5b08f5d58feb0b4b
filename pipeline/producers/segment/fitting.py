"""
Making loose properties fit typed fields.

The rule owned here: a property either fits its field or is left alone, and what is left alone becomes an attribute.
Nothing is refused because a property has another type than we would like; nothing is guessed either.
"""

import hashlib
from collections.abc import Mapping
from functools import cache
from typing import Any, Final

from pipeline.contracts.currencies import CURRENCIES, minor_units
from pipeline.contracts.reading import Read, reader_of
from pipeline.contracts.reasons import Problem
from pipeline.contracts.schemas import AvroField
from pipeline.contracts.times import parse_rfc3339

# What senders call the parts of a line; the first that is there counts.
_LINE_NAMES: Final[Mapping[str, tuple[str, ...]]] = {
    "product_id": ("product_id", "item_id", "sku", "id"),
    "name": ("name", "item_name"),
    "category": ("category", "item_category"),
    "seller_id": ("seller_id",),
    "quantity": ("quantity",),
}
_LINE_PRICES: Final[Mapping[str, tuple[str, ...]]] = {
    "price_minor": ("price", "unit_price"),
    "shipping_minor": ("shipping",),
}
_MOST_MINOR: Final = (1 << 63) - 1


def find(properties: object, path: str) -> Any:  # noqa: ANN401 - whatever was sent
    """Return what stands at a dotted path, None where nothing does."""
    place = properties
    for step in path.split("."):
        if isinstance(place, dict):
            place = place.get(step)
        elif isinstance(place, list) and step.isdigit() and int(step) < len(place):
            place = place[int(step)]
        else:
            return None
    return place


def fit(value: Any, field: AvroField, currency: str) -> Any:  # noqa: ANN401 - whatever was sent
    """
    Return the value as the field wants it, or None where it does not fit.

    Args:
        value: The property.
        field: Where it should go.
        currency: Of prices in lines.
    """
    if field.name.endswith("_hash") and isinstance(value, str):
        return hashlib.sha256(value.encode("utf-8", "replace")).hexdigest()[:32]
    match field.kind:
        case "array<string>":
            return _texts(value)
        case "array<record>":
            return _lines(value, field, currency)
        case "record":
            return None
        case "string":
            value = text_of(value)
        case "boolean" if isinstance(value, str):
            value = {"true": True, "false": False}.get(value.strip().lower())
        case "enum" if isinstance(value, str):
            value = value.strip().lower().replace(" ", "_")
        case "int" | "long" | "double" if isinstance(value, str):
            value = _number(value)
    problems: list[Problem] = []
    fitted = _reader(field)(value, None, problems) if value is not None else None
    return None if problems else fitted


@cache
def _reader(field: AvroField) -> Read:
    return reader_of(field)


def money(value: object, currency: object) -> tuple[int, str] | None:
    """Return an amount in minor units with its currency, rounded half up; None where it is no money."""
    code = currency.strip().upper() if isinstance(currency, str) else None
    if code not in CURRENCIES or code is None:
        return None
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return None
    if isinstance(value, str) and (len(value) > 40 or _number(value) is None):
        return None
    try:
        minor = minor_units(value.strip() if isinstance(value, str) else value, code)
    except ArithmeticError:
        return None
    return (minor, code) if -_MOST_MINOR <= minor <= _MOST_MINOR else None


def moment(value: object) -> object:
    """Return a time as the contract wants it; one without an offset is taken for UTC, as these clients mean it."""
    if isinstance(value, str) and parse_rfc3339(value) is None and parse_rfc3339(value + "Z") is not None:
        return value + "Z"
    return value


def text_of(value: object) -> str | None:
    """Return a scalar as text, None for everything else."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value) if isinstance(value, int | float) else None


def _number(text: str) -> float | int | None:
    try:
        return int(text) if len(text) < 20 else float(text)
    except ValueError:
        pass
    try:
        return float(text)
    except ValueError:
        return None


def product_ids(items: object) -> list[str]:
    """Return the products that a list of lines names."""
    if not isinstance(items, list):
        return []
    found = [_first(item, _LINE_NAMES["product_id"]) if isinstance(item, dict) else item for item in items]
    return [text for each in found if (text := text_of(each))]


def says_more(items: object) -> bool:
    """Tell whether lines hold anything that our lines have no field for."""
    known = {name for names in (*_LINE_NAMES.values(), *_LINE_PRICES.values()) for name in names}
    return not isinstance(items, list) or any(not isinstance(item, dict) or set(item) - known for item in items)


def _texts(value: object) -> list[str] | None:
    if isinstance(value, str):
        return [value]
    if not isinstance(value, list):
        return None
    texts = [text_of(item) for item in value]
    if None in texts:
        return product_ids(value) or None
    return [text for text in texts if text is not None]


def _lines(value: object, field: AvroField, currency: str) -> list[dict[str, Any]] | None:
    if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
        return None
    parts = {part.name: part for part in field.fields}
    lines = []
    for item in value:
        line: dict[str, Any] = {}
        for name, names in _LINE_NAMES.items():
            if name in parts and (fitted := fit(_first(item, names), parts[name], currency)) is not None:
                line[name] = fitted
        for name, names in _LINE_PRICES.items():
            if name in parts and (amount := money(_first(item, names), currency)) is not None:
                line[name] = amount[0]
        lines.append(line)
    return lines


def _first(item: Mapping[str, Any], names: tuple[str, ...]) -> Any:  # noqa: ANN401 - whatever was sent
    return next((item[name] for name in names if item.get(name) is not None), None)

"""
What other systems call the things that happen, as data: one file a vocabulary, in `names/`.

The rule owned here: a name belongs to the first vocabulary that knows it, in the order that the settings give; a name
that none knows is nobody's fault and becomes `custom.tracked`. How a file is written is told at the top of
`names/segment.toml`.
"""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from types import MappingProxyType
from typing import Any, Final

VOCABULARIES: Final = ("segment", "ga4", "snowplow", "tracardi")
"""All vocabularies there are, in their usual order."""

_MONEY: Final = ("total", "revenue", "value")

Sources = Mapping[str, tuple[str, ...]]
"""Name of a field → the properties that may fill it, the first that is there; dots lead into objects and lists."""


@dataclass(frozen=True, slots=True)
class Naming:
    """
    What one name means here.

    Attributes:
        type: Our type.
        body: Properties that fill fields of the body under other names than their own.
        constants: Fields of the body that the name itself tells.
        refs: Properties that are references under other names than their own.
        context: Properties that tell about the page.
        amount: Properties that hold the money, the first that is there.
        channel: The channel where it is not the type's own.
    """

    type: str
    body: Sources
    constants: Mapping[str, Any]
    refs: Sources
    context: Sources
    amount: tuple[str, ...]
    channel: str | None


@cache
def vocabulary(order: tuple[str, ...] = VOCABULARIES) -> Mapping[str, Naming]:
    """
    Return what names mean: name in lower case → its meaning.

    Args:
        order: The vocabularies that count, the first beats the others.
    """
    found: dict[str, Naming] = {}
    for each in reversed(order):
        found |= _read(each)
    return MappingProxyType(found)


def plain(type_name: str) -> Naming:
    """Return the meaning of something that is called by our own name."""
    return Naming(type_name, {}, {}, {}, {}, _MONEY, None)


@cache
def _read(name: str) -> Mapping[str, Naming]:
    text = files("pipeline.producers.segment").joinpath("names", f"{name}.toml").read_text(encoding="utf-8")
    return {each.lower(): _naming(table) for each, table in tomllib.loads(text).items()}


def _naming(table: Mapping[str, Any]) -> Naming:
    return Naming(
        type=table["type"],
        body=_sources(table.get("body", {})),
        constants=table.get("set", {}),
        refs=_sources(table.get("refs", {})),
        context=_sources(table.get("context", {})),
        amount=tuple(table.get("amount", _MONEY)),
        channel=table.get("channel"),
    )


def _sources(table: Mapping[str, str | list[str]]) -> Sources:
    return {name: (given,) if isinstance(given, str) else tuple(given) for name, given in table.items()}

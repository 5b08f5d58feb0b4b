"""
Personas as data: which there are, and what makes a customer one of them.

One rule: a persona depends on the customer's own facts and on the time, never on other customers. So what somebody was
at any time can be told exactly, and nobody's persona changes because of a stranger. Everything that is wrong with a
declaration is told at once, with its place. Nothing is computed here: the views do.
"""

import re
import tomllib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib.resources import files
from typing import Any, Final

from pipeline.warehouse.declared_tables import read_tables

DAY_MS: Final = 86_400_000
LEAST, MOST = -(2**62), 2**62
"""Bounds that every value keeps."""
MOST_PERSONAS: Final = 100

_NAME = re.compile(r"[a-z][a-z0-9_]{0,39}")
_CURRENCY = re.compile(r"[A-Z]{3}")
_KEYS = ("name", "title", "meaning", "when")
_BOUNDS = ("at_least", "at_most")


@dataclass(frozen=True)
class Feature:
    """
    What a condition can be about.

    Args:
        name: Its name in a declaration.
        scale: What one of its unit is in the numbers that are compared.
        meaning: What it is, for people.
        is_time: Whether it grows by itself as time passes.
        is_money: Whether its bounds are given by currency.
    """

    name: str
    scale: int
    meaning: str
    is_time: bool = False
    is_money: bool = False


FEATURES: Final = (
    Feature("orders", 1, "Orders placed so far."),
    Feature(
        "days_since_order",
        DAY_MS,
        "Days since the last order; without an order no condition on it holds.",
        is_time=True,
    ),
    Feature("days_since_first_order", DAY_MS, "Days since the first order; without an order none holds.", is_time=True),
    Feature("days_since_touchpoint", DAY_MS, "Days since the last touchpoint.", is_time=True),
    Feature("days_known", DAY_MS, "Days since the first touchpoint.", is_time=True),
    Feature(
        "net_spent",
        1,
        "Orders less refunds so far in the main currency, in minor units; a currency without a bound never holds.",
        is_money=True,
    ),
    Feature("percent_returned", 1_000_000, "Orders of which something was sent back, of 100 orders; without one 0."),
    Feature("pain_points", 1, "Pain points so far."),
)
_BY_NAME: Final = {feature.name: feature for feature in FEATURES}


class PersonaError(Exception):
    """A declaration that cannot be used: every fault with its place, one a line."""


@dataclass(frozen=True)
class Condition:
    """
    Bounds of a feature, both included, for one currency where it is money.

    Args:
        feature: Name of the feature.
        currency: Currency that the bounds are in; empty for what is no money.
        least: Lower bound in the unit of comparison.
        most: Upper bound.
    """

    feature: str
    currency: str
    least: int
    most: int


@dataclass(frozen=True)
class Persona:
    """One persona: its stable name, its words, and conditions that must all hold."""

    name: str
    title: str
    meaning: str
    conditions: tuple[Condition, ...]

    @property
    def needed(self) -> int:
        """Number of features that it has conditions on."""
        return len({condition.feature for condition in self.conditions})

    def words(self) -> str:
        """Return the conditions as people read them."""
        return "; ".join(_words(condition) for condition in self.conditions) or "everybody else"


def default_personas() -> tuple[Persona, ...]:
    """Return the personas that the package brings."""
    return read_personas(files("pipeline.warehouse").joinpath("personas.toml").read_text(encoding="utf-8"))


def read_personas(text: str) -> tuple[Persona, ...]:
    """
    Read personas from TOML, in their order.

    Raises:
        PersonaError: If it is not TOML, names what is not known, or holds a persona that nobody can be.
    """
    try:
        personas, faults = read_tables(text, "persona", MOST_PERSONAS, _read_one)
    except tomllib.TOMLDecodeError as error:
        raise PersonaError(f"not TOML: {error}") from error
    faults += [] if faults else _faults_together(personas)
    if faults:
        raise PersonaError("\n".join(faults))
    return tuple(personas)


def _read_one(table: Any) -> tuple[Persona, list[str]]:  # noqa: ANN401 (whatever TOML holds)
    if not isinstance(table, dict):
        return Persona("", "", "", ()), ["must be a table"]
    faults = [f"{key}: unknown; known are {', '.join(_KEYS)}" for key in table if key not in _KEYS]
    texts = {}
    for key in ("name", "title", "meaning"):
        value = table.get(key)
        texts[key] = value if isinstance(value, str) else ""
        if not texts[key].strip():
            faults.append(f"{key}: a text is needed")
    if texts["name"] and not _NAME.fullmatch(texts["name"]):
        faults.append("name: lower-case letters, digits and _, at most 40, a letter first")
    when = table.get("when", {})
    conditions: list[Condition] = []
    if isinstance(when, dict):
        for name, bounds in when.items():
            made, wrong = _read_condition(name, bounds)
            conditions += made
            faults += [f"when.{name}{fault}" for fault in wrong]
    else:
        faults.append("when: must be a table of features")
    return Persona(**texts, conditions=tuple(conditions)), faults


def _read_condition(name: str, bounds: Any) -> tuple[list[Condition], list[str]]:  # noqa: ANN401
    feature = _BY_NAME.get(name)
    if feature is None:
        return [], [f": unknown; known are {', '.join(_BY_NAME)}"]
    if not isinstance(bounds, dict) or not bounds:
        return [], [": must have at_least, at_most or both"]
    faults = [f".{key}: unknown; known are at_least and at_most" for key in bounds if key not in _BOUNDS]
    by_currency: dict[str, dict[str, int]] = {}
    for key in _BOUNDS:
        for currency, value in _values(feature, bounds[key]) if key in bounds else ():
            if fault := _value_fault(feature, currency, value):
                faults.append(f".{key}: {fault}")
            else:
                by_currency.setdefault(currency, {})[key] = value
    made = []
    for currency, known in by_currency.items():
        least = known["at_least"] * feature.scale if "at_least" in known else LEAST if feature.is_money else 0
        most = known["at_most"] * feature.scale if "at_most" in known else MOST
        if least > most:
            faults.append(f": at_least is more than at_most{' in ' + currency if currency else ''}")
        made.append(Condition(name, currency, least, most))
    return made, faults


def _values(feature: Feature, value: Any) -> Iterator[tuple[str, Any]]:  # noqa: ANN401
    if feature.is_money and isinstance(value, dict) and value:
        yield from value.items()
    else:
        yield "", value


def _value_fault(feature: Feature, currency: str, value: object) -> str:
    if feature.is_money and not currency:
        return "money is given by currency, as { EUR = 10000 } in minor units"
    if currency and not _CURRENCY.fullmatch(currency):
        return f"{currency!r} is no currency of ISO 4217, as EUR"
    if not isinstance(value, int) or isinstance(value, bool):
        return "a whole number is needed"
    if abs(value) > 10**12 // min(feature.scale, 10**6) or (value < 0 and not feature.is_money):
        return f"{value} is out of range"
    return ""


def _faults_together(personas: Sequence[Persona]) -> list[str]:
    names = [persona.name for persona in personas]
    faults = [f"{name}: the name is given twice" for name in sorted({n for n in names if names.count(n) > 1})]
    if personas[-1].conditions:
        faults.append(f"{personas[-1].name}: the last persona is everybody else's and has no conditions")
    faults += [
        f"{persona.name}: has no conditions, so nobody comes to those after it"
        for persona in personas[:-1]
        if not persona.conditions
    ]
    seen: dict[frozenset[Condition], str] = {}
    for persona in personas:
        first = seen.setdefault(frozenset(persona.conditions), persona.name)
        if first != persona.name and persona.conditions:
            faults.append(f"{persona.name}: has the conditions of {first}, so nobody comes to it")
    return faults


def _words(condition: Condition) -> str:
    feature = _BY_NAME[condition.feature]
    bounds = [
        f"{sign} {bound // feature.scale:,}"
        for sign, bound, is_bound in (
            ("≥", condition.least, condition.least > (LEAST if feature.is_money else 0)),
            ("≤", condition.most, condition.most < MOST),
        )
        if is_bound
    ]
    unit = f" minor {condition.currency}" if condition.currency else ""
    return f"{condition.feature} {' and '.join(bounds) or 'known'}{unit}"

"""
Declared personas in the warehouse.

One rule: the newest declaration holds, whatever clocks say; without one those of the package do. The arrays that views
compute with are made here, from a declaration that was checked.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from clickhouse_connect.driver.client import Client

from pipeline.warehouse.errors import translated
from pipeline.warehouse.persona_rules import FEATURES, Persona
from pipeline.warehouse.tables.analysis import PERSONA_RULES

_NUMBER = {feature.name: number for number, feature in enumerate(FEATURES, 1)}
_NEXT = "greatest(now64(6, 'UTC'), (SELECT addMicroseconds(max(set_at), 1) FROM persona_rules))"


def persona_columns(personas: Sequence[Persona]) -> Mapping[str, list[Any]]:
    """Return the arrays of a row of `persona_rules`."""
    conditions = [(number, one) for number, persona in enumerate(personas, 1) for one in persona.conditions]
    return {
        "names": [persona.name for persona in personas],
        "titles": [persona.title for persona in personas],
        "meanings": [persona.meaning for persona in personas],
        "words": [persona.words() for persona in personas],
        "needed": [persona.needed for persona in personas],
        "condition_persona": [number for number, _ in conditions],
        "condition_feature": [_NUMBER[one.feature] for _, one in conditions],
        "condition_currency": [one.currency for _, one in conditions],
        "condition_least": [one.least for _, one in conditions],
        "condition_most": [one.most for _, one in conditions],
    }


def declare_personas(client: Client, document: str, personas: Sequence[Persona]) -> None:
    """
    Let these personas hold from now on; none: those of the package.

    Raises:
        WarehouseUnavailable: If the warehouse does not answer.
    """
    types = {column.name: column.type for column in PERSONA_RULES.columns}
    values: dict[str, Any] = {"document": document, **persona_columns(personas)}
    places = ", ".join(f"{{{name}:{types[name]}}}" for name in values)
    with translated():
        client.command(
            f"INSERT INTO persona_rules (set_at, {', '.join(values)}) SELECT {_NEXT}, {places}", parameters=values
        )

"""
The table of touchpoint types, read from `schemas/types.toml`.

A new type is one row there and, where it has fields of its own, one edit of its family's schema; no code names types
one by one. What a field looks like is the schema's business, not this table's.
"""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import MappingProxyType

from pipeline.contracts.folder import SchemaFileError, schemas_folder

FAMILIES: tuple[str, ...] = (
    "web",
    "marketing",
    "social",
    "support",
    "orders",
    "deliveries",
    "returns",
    "feedback",
    "accounts",
)
"""Families of types: each has one schema and one topic."""

STATEMENT_TYPES: tuple[str, ...] = ("identity.aliased", "identity.unlinked")
"""Types that say something about identifiers instead of being a contact."""


@dataclass(frozen=True, slots=True)
class TouchpointType:
    """One row of the table: what a type is and what its touchpoints carry."""

    name: str
    family: str
    stage: str
    channel: str
    direction: str
    body: tuple[str, ...]
    required: tuple[str, ...]
    doc: str


@cache
def touchpoint_types() -> Mapping[str, TouchpointType]:
    """Return every type by name, in the table's order."""
    return read_types(schemas_folder() / "types.toml")


def read_types(path: Path) -> Mapping[str, TouchpointType]:
    """Read a table of types, today's or that of a released version."""
    with path.open("rb") as file:
        try:
            rows = tomllib.load(file)
        except ValueError as error:
            raise SchemaFileError(f"{path}: not TOML: {error}") from error
    return MappingProxyType(
        {
            name: TouchpointType(
                name=name,
                family=row["family"],
                stage=row["stage"],
                channel=row["channel"],
                direction=row["direction"],
                body=tuple(row["body"]),
                required=tuple(row["required"]),
                doc=row["doc"],
            )
            for name, row in rows.items()
        }
    )


def family_of(type_name: str) -> str | None:
    """Return the family of a type, or None where no such type exists."""
    row = touchpoint_types().get(type_name)
    return row.family if row else None

"""
What differs between two versions of the schemas, in words: nothing is judged here.

A schema is laid flat: the path of every field with what it holds. So a change deep inside a record is told as that
field, and the order of fields is no difference.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from pipeline.contracts.evolution import Schema
from pipeline.contracts.releases import SchemaSet
from pipeline.contracts.types import TouchpointType


@dataclass(frozen=True, slots=True)
class Difference:
    """One change: where, whether something was added, removed or changed, and what it was and is."""

    where: str
    change: str
    was: str = ""
    now: str = ""


def differences(released: SchemaSet, today: SchemaSet) -> Iterator[Difference]:
    """Tell how today's schemas and types differ from those of a release."""
    for name in dict.fromkeys((*released.schemas, *today.schemas)):
        flats = [dict(flat_fields(version.schemas.get(name, {}))) for version in (released, today)]
        yield from _mapping_differences(f"{name}: ", flats[0], flats[1])
    rows = [{name: _row(row) for name, row in version.types.items()} for version in (released, today)]
    yield from _mapping_differences("types.toml: ", rows[0], rows[1])


def flat_fields(schema: Schema, path: str = "") -> Iterator[tuple[str, str]]:
    """Yield the path of every field of a schema and what it holds."""
    inner = _inside(schema)
    for field in inner.get("fields", ()):
        place = f"{path}{field['name']}"
        default = f" = {json.dumps(field['default'])}" if "default" in field else ""
        yield place, _shown(field["type"]) + default
        yield from flat_fields(field["type"], f"{place}/")


def _inside(schema: Schema) -> Mapping[str, Any]:
    """Return the record that a type is made of; empty where it is of none."""
    if isinstance(schema, list):
        return next((found for branch in schema if (found := _inside(branch))), {})
    if not isinstance(schema, dict):
        return {}
    if schema.get("type") == "array":
        return _inside(schema["items"])
    return schema if "fields" in schema else _inside(schema.get("type"))


def _shown(schema: Schema) -> str:
    if isinstance(schema, list):
        return " or ".join(_shown(branch) for branch in schema)
    if isinstance(schema, str):
        return schema
    match schema["type"]:
        case "enum":
            return f"enum {schema['name']} ({', '.join(schema['symbols'])})"
        case "record":
            return f"record {schema['name']}"
        case "array":
            return f"array of {_shown(schema['items'])}"
        case kind:
            return str(schema.get("logicalType") or _shown(kind))


def _row(row: TouchpointType) -> str:
    required = f", required {', '.join(row.required)}" if row.required else ""
    return f"{row.family}, {row.stage}, {row.channel}, {row.direction}, body {', '.join(row.body) or 'none'}{required}"


def _mapping_differences(prefix: str, was: Mapping[str, str], now: Mapping[str, str]) -> Iterator[Difference]:
    for name in dict.fromkeys((*was, *now)):
        if name not in was:
            yield Difference(prefix + name, "added", now=now[name])
        elif name not in now:
            yield Difference(prefix + name, "removed", was=was[name])
        elif was[name] != now[name]:
            yield Difference(prefix + name, "changed", was[name], now[name])

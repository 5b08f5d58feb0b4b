"""
Whether one version of a schema may follow another: records of each must be readable by the other, for ever.

The rule it owns: FULL compatibility in Avro's words (either side may be the writer), and beside it the house's own:
what was released stays. A field, a symbol or a type of touchpoint is only ever added, because what was sent with it is
still to be read as it was meant. Nothing is read or written here.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from pipeline.contracts.types import TouchpointType

Schema = Any
"""An Avro schema as decoded JSON: a name, a list (union) or an object."""

_PRIMITIVES = frozenset({"null", "boolean", "int", "long", "float", "double", "bytes", "string"})


@dataclass(frozen=True, slots=True)
class Finding:
    """
    One thing that may not be so.

    Attributes:
        where: Schema or table, and the field: `orders: body/coupon`.
        rule: Name of the rule, from a closed list.
        detail: What was found.
        remedy: What to do instead.
    """

    where: str
    rule: str
    detail: str
    remedy: str

    def __str__(self) -> str:
        """Read as one line."""
        return f"{self.where}: {self.rule}: {self.detail}; {self.remedy}"


def schema_findings(name: str, released: Schema, today: Schema) -> list[Finding]:
    """
    Compare a released schema with today's.

    Args:
        name: What the schema is called, for the findings.
        released: The released schema.
        today: The schema that is to follow it.

    Returns:
        Everything that breaks readers of either side; empty when records of each are readable by the other.
    """
    return list(_compare(f"{name}: ", (released, today), (_names(released), _names(today))))


def type_findings(released: Mapping[str, TouchpointType], today: Mapping[str, TouchpointType]) -> Iterator[Finding]:
    """Compare the released rows of the table of types with today's."""
    for name, was in released.items():
        where = f"types.toml: {name}"
        row = today.get(name)
        if row is None:
            yield Finding(where, "type_removed", "a released type is gone", "keep the row: its records are in topics")
            continue
        if row.family != was.family:
            detail = f"moved from family {was.family} to {row.family}"
            yield Finding(where, "family_changed", detail, "leave it where it is, or give the new one another name")
        for field in was.body:
            if field not in row.body:
                remedy = "keep it in the row, or records that carry it would be refused as unknown_field"
                yield Finding(f"{where}: {field}", "field_removed", "a released field is gone from the row", remedy)
        for field in row.required:
            if field not in was.required:
                remedy = "leave it optional, or give the stricter touchpoint a type of its own"
                yield Finding(f"{where}: {field}", "field_required", "became required", remedy)


def _compare(where: str, pair: tuple[Schema, Schema], names: tuple[Mapping[str, Schema], ...]) -> Iterator[Finding]:
    (was, was_null), (now, now_null) = (_without_null(_resolved(side, names[at])) for at, side in enumerate(pair))
    if was_null != now_null:
        detail = "null is allowed on one side only"
        yield Finding(_place(where), "nullability_changed", detail, "leave it as it was released; add a new field")
    kinds = tuple(_kind(side) for side in (was, now))
    if kinds[0] != kinds[1]:
        detail = f"was {kinds[0]}, is {kinds[1]}"
        yield Finding(_place(where), "type_changed", detail, "leave it as it was released; add a field of another name")
    elif kinds[0] == "record":
        yield from _compare_records(where, (was, now), names)
    elif kinds[0] == "enum":
        yield from _compare_enums(where, was, now)
    elif kinds[0] == "array":
        yield from _compare(f"{where}[]/", (was["items"], now["items"]), names)


def _compare_records(
    where: str, pair: tuple[Schema, Schema], names: tuple[Mapping[str, Schema], ...]
) -> Iterator[Finding]:
    yield from _compare_names(where, *pair)
    was, now = ({field["name"]: field for field in side["fields"]} for side in pair)
    for name, field in was.items():
        if name not in now:
            remedy = "keep it and say in its doc that it is out of use"
            yield Finding(f"{where}{name}", "field_removed", "a released field is gone", remedy)
            continue
        if "default" in field and "default" not in now[name]:
            remedy = "give the default back: writers may leave the field out"
            yield Finding(f"{where}{name}", "default_removed", "the released default is gone", remedy)
        yield from _compare(f"{where}{name}/", (field["type"], now[name]["type"]), names)
    for name, field in now.items():
        if name not in was and "default" not in field:
            detail = "a new field has no default, so records written before it cannot be read"
            yield Finding(f"{where}{name}", "default_missing", detail, 'make it nullable with "default": null')


def _compare_enums(where: str, was: Schema, now: Schema) -> Iterator[Finding]:
    yield from _compare_names(where, was, now)
    gone = [symbol for symbol in was["symbols"] if symbol not in now["symbols"]]
    added = [symbol for symbol in now["symbols"] if symbol not in was["symbols"]]
    if gone:
        detail = f"released symbols are gone: {', '.join(gone)}"
        yield Finding(_place(where), "symbol_removed", detail, "keep them: records carry them")
    elif was["symbols"] != now["symbols"][: len(was["symbols"])]:
        detail = "released symbols stand in another order"
        yield Finding(_place(where), "symbols_reordered", detail, "add new symbols at the end")
    if added and "default" not in was:
        detail = f"new symbols ({', '.join(added)}), and released readers have no default for them"
        yield Finding(_place(where), "default_missing", detail, "add a field of another name")
    if was.get("default") != now.get("default"):
        detail = f"the default symbol was {was.get('default')}, is {now.get('default')}"
        yield Finding(_place(where), "default_changed", detail, "leave the default symbol as it was released")


def _compare_names(where: str, was: Schema, now: Schema) -> Iterator[Finding]:
    before, after = (str(side["name"]).rpartition(".")[2] for side in (was, now))
    if before != after:
        detail = f"the {was['type']} {before} is called {after} now"
        yield Finding(_place(where), "name_changed", detail, "give it its released name back")


def _kind(schema: Schema) -> str:
    """Return what readers must agree on: the type with its logical type, or what a union holds."""
    if isinstance(schema, list):
        return "union of " + ", ".join(_kind(branch) for branch in schema)
    if isinstance(schema, str):
        return schema
    kind = schema["type"]
    if not isinstance(kind, str):
        return _kind(kind)
    logical = schema.get("logicalType")
    if kind == "map":
        return f"map of {_kind(schema['values'])}"
    if kind == "fixed":
        return f"fixed of {schema['size']} bytes"
    return f"{kind} ({logical})" if logical else kind


def _without_null(schema: Schema) -> tuple[Schema, bool]:
    """Return what a nullable union holds, and whether it allows null."""
    if not isinstance(schema, list) or "null" not in schema:
        return schema, False
    others = [branch for branch in schema if branch != "null"]
    return (others[0] if len(others) == 1 else others), True


def _resolved(schema: Schema, names: Mapping[str, Schema]) -> Schema:
    if isinstance(schema, str) and schema not in _PRIMITIVES:
        return names.get(schema.rpartition(".")[2], schema)
    if isinstance(schema, list):
        return [_resolved(branch, names) for branch in schema]
    return schema


def _names(schema: Schema) -> dict[str, Schema]:
    """Return every named type of a schema by its name without namespace."""
    found: dict[str, Schema] = {}
    waiting = [schema]
    while waiting:
        node = waiting.pop()
        if isinstance(node, dict):
            if "name" in node and node.get("type") in ("record", "enum", "fixed"):
                found[str(node["name"]).rpartition(".")[2]] = node
            waiting += node.values()
        elif isinstance(node, list):
            waiting += node
    return found


def _place(where: str) -> str:
    return where.rstrip("/ ").rstrip(":")

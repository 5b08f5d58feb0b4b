"""
What a schema and the table of types must keep to, so that every reader can read them and reading is safe.

The rule it owns: nothing enters that could crash or flood a reader (a schema that contains itself, items of no width)
or that the columnar decoder and the views cannot show. Versions are not compared here.
"""

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping
from typing import Any

from pipeline.contracts.evolution import Finding, Schema
from pipeline.contracts.kinds import ANY_STAGE, CHANNELS, DIRECTIONS, STAGES
from pipeline.contracts.types import FAMILIES, TouchpointType

MOST_SYMBOLS = 64
MOST_BODY_FIELDS = 64

_SCALARS = frozenset({"boolean", "int", "long", "double", "string", "bytes"})
_TYPE_NAME = re.compile(r"[a-z][a-z0-9_]*\.[a-z][a-z0-9_]*")


def schema_faults(name: str, schema: Schema) -> list[Finding]:
    """
    Find what a schema may not hold.

    Args:
        name: What the schema is called, for the findings.
        schema: The schema as JSON.

    Returns:
        One finding per fault.
    """
    return list(_Walk(name).faults(schema, f"{name}: ", ()))


def family_faults(schemas: Mapping[str, Schema]) -> Iterator[Finding]:
    """Find where the families' schemas disagree: about the envelope, or about what a body field of one name holds."""
    envelopes = {
        family: [field for field in schema["fields"] if field["name"] != "body"] for family, schema in schemas.items()
    }
    first = next(iter(schemas))
    for family, envelope in envelopes.items():
        if envelope != envelopes[first]:
            detail = f"its envelope is not that of {first}"
            remedy = "make the same edit in all nine files: the envelope is one"
            yield Finding(family, "envelope_differs", detail, remedy)
    uses: dict[str, dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
    for family, schema in schemas.items():
        for field in _body_of(schema):
            uses[field["name"]][_column_kind(field["type"])].append(family)
        if len(_body_of(schema)) > MOST_BODY_FIELDS:
            detail = f"{len(_body_of(schema))} fields; at most {MOST_BODY_FIELDS} are told apart on landing"
            yield Finding(f"{family}: body", "too_many_fields", detail, "use attributes for what is rare")
    for name, kinds in uses.items():
        if len(kinds) > 1:
            told = "; ".join(f"{kind} in {', '.join(families)}" for kind, families in kinds.items())
            remedy = "give it one type everywhere or another name: the views show one column a name"
            yield Finding(f"body/{name}", "column_disagrees", told, remedy)


def table_faults(rows: Mapping[str, TouchpointType], schemas: Mapping[str, Schema]) -> Iterator[Finding]:
    """Find rows of the table of types that name what does not exist."""
    domains: dict[str, str] = {}
    for name, row in rows.items():
        where = f"types.toml: {name}"
        if _TYPE_NAME.fullmatch(name) is None:
            yield Finding(where, "bad_name", "a type is named <domain>.<verb>", "use small letters, digits and _")
        lists = {"stage": (*STAGES, ANY_STAGE), "channel": CHANNELS, "direction": DIRECTIONS, "family": FAMILIES}
        for column, allowed in lists.items():
            value = getattr(row, column)
            if value not in allowed:
                yield Finding(where, f"unknown_{column}", f"{value!r}", f"one of {', '.join(allowed)}")
        if row.family not in schemas:
            continue
        home = domains.setdefault(name.partition(".")[0], row.family)
        if home != row.family:
            detail = f"family {row.family}, but types of its domain belong to {home}"
            yield Finding(where, "domain_divided", detail, f"put it into {home}, or give it another first word")
        known = {field["name"] for field in _body_of(schemas[row.family])}
        for field in row.body:
            if field not in known:
                remedy = f"add the field at the end of the body in {row.family}.avsc, nullable with default null"
                yield Finding(f"{where}: {field}", "unknown_field", "its family's schema has no such field", remedy)
        for field in row.required:
            if field not in row.body:
                yield Finding(f"{where}: {field}", "unknown_field", "required, but not in body", "add it to body")
        if not row.doc.endswith("."):
            yield Finding(where, "doc_missing", "a type says in one sentence what happened", "write its doc")


class _Walk:
    """Walks through one schema; knows the names that were used."""

    def __init__(self, schema_name: str) -> None:
        self._schema_name = schema_name
        self._named: set[str] = set()

    def faults(self, schema: Schema, where: str, within: tuple[str, ...]) -> Iterator[Finding]:
        place = where.rstrip("/ ").rstrip(":")
        if isinstance(schema, list):
            others = [branch for branch in schema if branch != "null"]
            if len(others) != 1 or schema[0] != "null" or len(schema) != 2:
                remedy = "use [null, one other type]: the columnar decoder reads no other union"
                yield Finding(place, "wide_union", f"a union of {len(schema)}", remedy)
            for branch in others:
                yield from self.faults(branch, where, within)
        elif isinstance(schema, str):
            if schema.rpartition(".")[2] in within:
                remedy = "lists of ids instead of nested values: a few bytes would exhaust a reader's stack"
                yield Finding(place, "recursive", f"{schema} contains itself", remedy)
            elif schema not in _SCALARS:
                remedy = f"use one of {', '.join(sorted(_SCALARS))}; write a named type out where it is used"
                yield Finding(place, "unreadable_type", f"{schema!r}", remedy)
        else:
            yield from self._complex(schema, where, within)

    def _complex(self, schema: Mapping[str, Any], where: str, within: tuple[str, ...]) -> Iterator[Finding]:
        place = where.rstrip("/ ").rstrip(":")
        match schema.get("type"):
            case "record":
                yield from self._record(schema, where, within)
            case "enum":
                yield from self._enum(schema, place)
            case "array":
                if _width(schema["items"], ()) == 0:
                    remedy = "give the items a field with a width: a few bytes would become a million items"
                    yield Finding(place, "zero_width_items", "items that take no bytes", remedy)
                elif isinstance(schema["items"], list) or _is_array(schema["items"]):
                    remedy = "wrap the item in a record"
                    yield Finding(place, "unreadable_type", "an array of arrays or of nullable items", remedy)
                else:
                    yield from self.faults(schema["items"], f"{where}[]/", within)
            case "map" | "fixed" as kind:
                remedy = "use an array of {key, value} for a map, bytes or text for fixed"
                yield Finding(place, "unreadable_type", f"a {kind}; the columnar decoder has none", remedy)
            case inner:
                yield from self.faults(inner, where, within)

    def _record(self, schema: Mapping[str, Any], where: str, within: tuple[str, ...]) -> Iterator[Finding]:
        name = str(schema["name"]).rpartition(".")[2]
        yield from self._name(schema, where.rstrip("/ ").rstrip(":"))
        if not schema["fields"]:
            remedy = "give it a field: a value of no width repeats for ever at no cost"
            yield Finding(where.rstrip("/ ").rstrip(":"), "no_fields", f"{name} has no fields", remedy)
        for field in schema["fields"]:
            place = f"{where}{field['name']}"
            if not str(field.get("doc", "")).endswith("."):
                yield Finding(place, "doc_missing", "a field says in one sentence what it means", "write its doc")
            if isinstance(field["type"], list) and field.get("default", "") is not None:
                remedy = 'write "default": null'
                yield Finding(place, "default_missing", "nullable without default null", remedy)
            yield from self.faults(field["type"], f"{place}/", (*within, name))

    def _enum(self, schema: Mapping[str, Any], place: str) -> Iterator[Finding]:
        yield from self._name(schema, place)
        if schema.get("default") not in schema["symbols"]:
            remedy = "name the symbol that stands for those a reader does not know"
            yield Finding(place, "default_missing", f"the enum {schema['name']} has no default symbol", remedy)
        if len(schema["symbols"]) > MOST_SYMBOLS:
            yield Finding(place, "too_many_symbols", f"{len(schema['symbols'])}", f"at most {MOST_SYMBOLS}, or text")

    def _name(self, schema: Mapping[str, Any], place: str) -> Iterator[Finding]:
        name = str(schema["name"]).rpartition(".")[2]
        if name in self._named:
            remedy = f"call it otherwise within {self._schema_name}: every named type is written out once"
            yield Finding(place, "named_twice", f"{name} is declared twice", remedy)
        self._named.add(name)


def _width(schema: Schema, within: tuple[str, ...]) -> int:
    """Return 0 for a type whose values take no bytes, else 1."""
    if schema == "null":
        return 0
    if isinstance(schema, dict):
        if schema.get("type") == "record" and schema["name"] not in within:
            deeper = (*within, schema["name"])
            return max((_width(field["type"], deeper) for field in schema["fields"]), default=0)
        if schema.get("type") == "fixed":
            return min(1, int(schema["size"]))
        if isinstance(schema.get("type"), dict) or schema.get("type") == "null":
            return _width(schema["type"], within)
    return 1


def _is_array(schema: Schema) -> bool:
    return isinstance(schema, dict) and schema.get("type") == "array"


def _body_of(schema: Schema) -> list[Mapping[str, Any]]:
    for field in schema["fields"]:
        if field["name"] == "body":
            branches = field["type"] if isinstance(field["type"], list) else [field["type"]]
            record = next(branch for branch in branches if branch != "null")
            fields: list[Mapping[str, Any]] = record["fields"]
            return fields
    return []


def _column_kind(schema: Schema) -> str:
    """Return what decides the type of a view's column."""
    if isinstance(schema, list):
        schema = next(branch for branch in schema if branch != "null")
    if isinstance(schema, str):
        return schema
    if schema.get("type") == "array":
        items = schema["items"]
        return f"array of {items if isinstance(items, str) else 'records'}"
    if schema.get("type") == "enum":
        return "string"
    return str(schema.get("logicalType") or schema["type"])

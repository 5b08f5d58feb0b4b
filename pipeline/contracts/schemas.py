"""
The Avro schemas: read once from `schemas/`, found by family, name or fingerprint.

The files are the single source of truth; what this module returns is only another look at them. Times stay integers:
`parsed` has no logical types, so that a time of any size passes through and is judged by its value.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal

import fastavro
from fastavro.schema import fingerprint as avro_fingerprint
from fastavro.schema import to_parsing_canonical_form

from pipeline.contracts.folder import schemas_folder
from pipeline.contracts.types import FAMILIES

__all__ = [
    "AvroField",
    "FieldKind",
    "WriterSchema",
    "body_fields",
    "envelope_fields",
    "family_schema",
    "fields_of",
    "internal_schema",
    "schema_by_fingerprint",
    "schemas_folder",
    "touchpoint_schemas",
    "writer_schema",
]

FieldKind = Literal[
    "string",
    "int",
    "long",
    "double",
    "boolean",
    "bytes",
    "timestamp",
    "enum",
    "record",
    "array<string>",
    "array<record>",
]


@dataclass(frozen=True, slots=True)
class WriterSchema:
    """
    A schema that records are written with.

    Attributes:
        name: Family of a touchpoint schema, file name of an internal one.
        fingerprint: CRC-64-AVRO of the parsing canonical form, as it stands on the wire (little-endian).
        schema: The schema as JSON.
        parsed: The same for fastavro, without logical types.
        canonical: The parsing canonical form.
    """

    name: str
    fingerprint: bytes
    schema: Mapping[str, Any]
    parsed: Any
    canonical: str

    @property
    def is_touchpoint(self) -> bool:
        """Whether it describes touchpoints of a family."""
        return self.name in FAMILIES


@dataclass(frozen=True, slots=True)
class AvroField:
    """
    A field of a schema in the words that JSON checks, tables and documentation need.

    Attributes:
        name: Name.
        kind: Logical kind.
        doc: What it means.
        nullable: Whether null is allowed.
        has_default: Whether it may be left out.
        symbols: Symbols of an enum.
        fields: Fields of a record or of an array's records.
        takes_text: Whether JSON may give the number as text.
    """

    name: str
    kind: FieldKind
    doc: str
    nullable: bool
    has_default: bool
    symbols: tuple[str, ...] = ()
    fields: tuple["AvroField", ...] = ()
    takes_text: bool = False


@cache
def writer_schema(family: str) -> WriterSchema:
    """
    Return the schema of a family.

    Raises:
        KeyError: If there is no such family.
    """
    if family not in FAMILIES:
        raise KeyError(family)
    return _read(schemas_folder() / f"{family}.avsc")


@cache
def internal_schema(name: str) -> WriterSchema:
    """Return a schema of records that the workers write, as `stitch_dirty`."""
    return _read(schemas_folder() / "internal" / f"{name}.avsc")


def family_schema(family: str) -> Mapping[str, Any]:
    """Return the schema of a family as JSON."""
    return writer_schema(family).schema


def schema_by_fingerprint(fingerprint: bytes) -> WriterSchema | None:
    """Return the touchpoint schema with this fingerprint, today's or an earlier one, or None where we know none."""
    return _by_fingerprint().get(fingerprint)


def touchpoint_schemas(folder: Path) -> Mapping[bytes, WriterSchema]:
    """
    Read all schemas that touchpoints are or were written with.

    Args:
        folder: Holds `<family>.avsc` and, below `earlier/`, `<family>.<number>.avsc` of schemas since replaced: their
            records are still in topics.

    Returns:
        The schemas by fingerprint.
    """
    files = [folder / f"{family}.avsc" for family in FAMILIES] + sorted((folder / "earlier").glob("*.avsc"))
    schemas = (_read(file) for file in files)
    return MappingProxyType({schema.fingerprint: schema for schema in schemas})


def fields_of(schema: WriterSchema) -> tuple[AvroField, ...]:
    """Return the fields of a schema, in order."""
    return tuple(_field(field) for field in schema.schema["fields"])


@cache
def envelope_fields() -> Mapping[str, AvroField]:
    """Return the fields that every touchpoint has, in order; all families agree on them."""
    return MappingProxyType(
        {field.name: field for field in fields_of(writer_schema(FAMILIES[0])) if field.name != "body"}
    )


@cache
def body_fields(family: str) -> Mapping[str, AvroField]:
    """Return the fields of a family's body, in order: the union of those of its types."""
    (body,) = (field for field in fields_of(writer_schema(family)) if field.name == "body")
    return MappingProxyType({field.name: field for field in body.fields})


@cache
def _by_fingerprint() -> Mapping[bytes, WriterSchema]:
    return touchpoint_schemas(schemas_folder())


def _read(file: Path) -> WriterSchema:
    schema = json.loads(file.read_text(encoding="utf-8"))
    canonical = to_parsing_canonical_form(schema)
    return WriterSchema(
        name=file.name.partition(".")[0],
        fingerprint=bytes.fromhex(avro_fingerprint(canonical, "CRC-64-AVRO")),
        schema=MappingProxyType(schema),
        parsed=fastavro.parse_schema(_without_logical_types(schema)),
        canonical=canonical,
    )


def _without_logical_types(schema: Mapping[str, Any]) -> dict[str, Any]:
    def drop(node: dict[str, Any]) -> dict[str, Any]:
        node.pop("logicalType", None)
        return node

    plain: dict[str, Any] = json.loads(json.dumps(dict(schema)), object_hook=drop)
    return plain


def _field(field: Mapping[str, Any]) -> AvroField:
    avro = field["type"]
    nullable = isinstance(avro, list)
    if isinstance(avro, list):
        (avro,) = (branch for branch in avro if branch != "null")
    kind, inner = _kind_of(avro)
    return AvroField(
        name=field["name"],
        kind=kind,
        doc=field.get("doc", ""),
        nullable=nullable,
        has_default="default" in field,
        symbols=tuple(inner.get("symbols", ())),
        fields=tuple(_field(part) for part in inner.get("fields", ())),
        takes_text=field.get("accepts") == "numeric text",
    )


def _kind_of(avro: str | dict[str, Any]) -> tuple[FieldKind, Mapping[str, Any]]:
    """Return the logical kind of an Avro type, and the record or enum that it is made of."""
    if isinstance(avro, str):
        avro = {"type": avro}
    match avro:
        case {"type": "long", "logicalType": "timestamp-millis" | "timestamp-micros"}:
            return "timestamp", {}
        case {"type": "string" | "int" | "long" | "double" | "boolean" | "bytes" | "enum" | "record" as kind}:
            return kind, avro
        case {"type": "array", "items": "string"}:
            return "array<string>", {}
        case {"type": "array", "items": {"type": "record"} as record}:
            return "array<record>", record
    raise ValueError(f"the schemas may not use {avro!r}: the columnar decoder does not read it")

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

from pipeline.contracts.folder import SchemaFileError, schemas_folder
from pipeline.contracts.types import FAMILIES

__all__ = [
    "AvroField",
    "FieldKind",
    "WriterSchema",
    "body_fields",
    "envelope_fields",
    "family_schema",
    "fields_by_name",
    "fields_of",
    "internal_schema",
    "internal_schema_by_fingerprint",
    "read_schema",
    "released_folders",
    "schema_by_fingerprint",
    "schema_of",
    "schemas_folder",
    "touchpoint_schemas",
    "versions_of",
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
        symbol_default: The symbol that stands for those that are not known.
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
    symbol_default: str = ""


@cache
def writer_schema(family: str) -> WriterSchema:
    """
    Return the schema of a family.

    Raises:
        KeyError: If there is no such family.
    """
    if family not in FAMILIES:
        raise KeyError(family)
    return read_schema(schemas_folder() / f"{family}.avsc")


@cache
def internal_schema(name: str) -> WriterSchema:
    """Return a schema of records that the workers write, as `stitch_dirty`."""
    return read_schema(schemas_folder() / "internal" / f"{name}.avsc")


def family_schema(family: str) -> Mapping[str, Any]:
    """Return the schema of a family as JSON."""
    return writer_schema(family).schema


def schema_by_fingerprint(fingerprint: bytes) -> WriterSchema | None:
    """Return the touchpoint schema with this fingerprint, today's or a released one, or None where we know none."""
    return _by_fingerprint().get(fingerprint)


def touchpoint_schemas(folder: Path) -> Mapping[bytes, WriterSchema]:
    """
    Read all schemas that touchpoints are or were written with.

    Args:
        folder: Holds `<family>.avsc` and, below `released/<number>/`, those of every released version: their records
            are still in topics.

    Returns:
        The schemas by fingerprint.
    """
    files = [file for family in FAMILIES for file in versions_of(folder, f"{family}.avsc")]
    schemas = (read_schema(file) for file in files)
    return MappingProxyType({schema.fingerprint: schema for schema in schemas})


def versions_of(folder: Path, name: str) -> list[Path]:
    """Return the files of that name: of every released version, oldest first, and today's at the end."""
    released = released_folders(folder)
    return [file for version in released if (file := version / name).is_file()] + [folder / name]


def released_folders(folder: Path) -> list[Path]:
    """Return the folders of the released versions, `released/1`, `released/2`, …, in their order."""
    found = [version for version in (folder / "released").glob("*") if version.name.isdecimal()]
    return sorted(found, key=lambda version: int(version.name))


def internal_schema_by_fingerprint(name: str, fingerprint: bytes) -> WriterSchema | None:
    """Return the version of an internal schema with this fingerprint, today's or a released one."""
    return _internal_by_fingerprint(name).get(fingerprint)


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
def fields_by_name(family: str) -> Mapping[str, AvroField]:
    """Return the fields of a family's schema, those of the envelope and `body`."""
    return MappingProxyType({field.name: field for field in fields_of(writer_schema(family))})


@cache
def body_fields(family: str) -> Mapping[str, AvroField]:
    """Return the fields of a family's body, in order: the union of those of its types."""
    (body,) = (field for field in fields_of(writer_schema(family)) if field.name == "body")
    return MappingProxyType({field.name: field for field in body.fields})


@cache
def _by_fingerprint() -> Mapping[bytes, WriterSchema]:
    return touchpoint_schemas(schemas_folder())


@cache
def _internal_by_fingerprint(name: str) -> Mapping[bytes, WriterSchema]:
    schemas = (read_schema(file) for file in versions_of(schemas_folder(), f"internal/{name}.avsc"))
    return MappingProxyType({schema.fingerprint: schema for schema in schemas})


def read_schema(file: Path) -> WriterSchema:
    """Read one schema; it is called as its file."""
    try:
        schema = json.loads(file.read_text(encoding="utf-8"))
    except ValueError as error:
        raise SchemaFileError(f"{file}: not JSON: {error}") from error
    return schema_of(file.name.partition(".")[0], schema)


def schema_of(name: str, schema: dict[str, Any]) -> WriterSchema:
    """Make a writer schema of decoded JSON; its types must be known to Avro."""
    canonical = to_parsing_canonical_form(schema)
    return WriterSchema(
        name=name,
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
        symbol_default=inner.get("default", ""),
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

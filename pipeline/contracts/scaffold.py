"""
A new type of touchpoint, as text: the row for the table of types and the fields for the schema of its family.

The files stay as people wrote them: a row is put behind the last one of the family, fields at the end of the body.
Nothing is written here.
"""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass

from pipeline.contracts.types import TouchpointType

_AVRO = {
    "string": '"string"',
    "int": '"int"',
    "long": '"long"',
    "double": '"double"',
    "boolean": '"boolean"',
    "timestamp": '{"type": "long", "logicalType": "timestamp-millis"}',
    "array<string>": '{"type": "array", "items": "string"}',
}
KINDS_OF_FIELDS = (*_AVRO, "enum(a|b|c)")
"""What a field of a new type may hold."""

_END_OF_BODY = "\n    ]}]}\n"
_ENUM = re.compile(r"enum\(([a-z][a-z0-9_]*(?:\|[a-z][a-z0-9_]*)*)\)")


@dataclass(frozen=True, slots=True)
class NewField:
    """A field that the family does not have yet."""

    name: str
    kind: str
    doc: str


def row_text(row: TouchpointType) -> str:
    """Return the row of a type as it stands in `types.toml`."""
    cells = {
        "family": row.family,
        "stage": row.stage,
        "channel": row.channel,
        "direction": row.direction,
        "body": list(row.body),
        "required": list(row.required),
        "doc": row.doc,
    }
    told = ", ".join(f"{name} = {json.dumps(value, ensure_ascii=False)}" for name, value in cells.items())
    return f'"{row.name}" = {{ {told} }}\n'


def with_row(table: str, row: TouchpointType) -> str:
    """Return the text of `types.toml` with a row more, behind the last one of its family."""
    lines = table.splitlines(keepends=True)
    of_family = [at for at, line in enumerate(lines) if f'family = "{row.family}"' in line]
    at = of_family[-1] + 1 if of_family else len(lines)
    return "".join([*lines[:at], row_text(row), *lines[at:]])


def with_fields(schema: str, fields: Sequence[NewField], prefix: str) -> str:
    """
    Return the text of a family's schema with fields more at the end of its body.

    Args:
        schema: The text.
        fields: The fields, each nullable with default null.
        prefix: Begin of the names of their enums, which must be used once in a schema.

    Raises:
        ValueError: If a kind is none, or the text does not end as the schemas do.
    """
    body, end, rest = schema.rpartition(_END_OF_BODY)
    if not end:
        raise ValueError(f"the body does not end with {_END_OF_BODY.strip()!r} on a line of its own")
    return body + "".join(f",\n      {_field_text(field, prefix)}" for field in fields) + end + rest


def _field_text(field: NewField, prefix: str) -> str:
    name = json.dumps(field.name)
    doc = json.dumps(field.doc, ensure_ascii=False)
    return f'{{"name": {name}, "type": ["null", {_avro_of(field, prefix)}], "default": null, "doc": {doc}}}'


def _avro_of(field: NewField, prefix: str) -> str:
    if (match := _ENUM.fullmatch(field.kind)) is not None:
        symbols = [*dict.fromkeys((*match[1].split("|"), "other"))]
        title = prefix + field.name.title().replace("_", "")
        enum = {"type": "enum", "name": title, "default": "other", "doc": field.doc, "symbols": symbols}
        return json.dumps(enum, ensure_ascii=False)
    if field.kind not in _AVRO:
        raise ValueError(f"{field.kind!r} is none of {', '.join(KINDS_OF_FIELDS)}")
    return _AVRO[field.kind]

"""The reference page of touchpoints, rendered from the schemas and the table of types."""

import json
from collections.abc import Iterable

from pipeline.contracts.examples import example_of
from pipeline.contracts.schemas import AvroField, body_fields, envelope_fields
from pipeline.contracts.topics import topic_of_family
from pipeline.contracts.types import FAMILIES, TouchpointType, touchpoint_types

_INTRODUCTION = """# Touchpoints

Every field and every type that may be sent. The [schemas](../schemas.md) are the source of this page. Names are those
of the JSON form and of Avro alike; times are RFC 3339 or epoch milliseconds in JSON.
"""


def render_touchpoints() -> str:
    """Return the page of the envelope and of all types."""
    parts = [_INTRODUCTION, "## The envelope\n", _fields(envelope_fields().values(), ())]
    for family in FAMILIES:
        rows = [row for row in touchpoint_types().values() if row.family == family]
        parts.append(f"## {family}\n\nTopic `{topic_of_family(family)}`, schema `schemas/{family}.avsc`.\n")
        parts += [_type(row) for row in rows]
    return "\n".join(parts)


def _type(row: TouchpointType) -> str:
    fields = body_fields(row.family)
    stage = "no stage" if row.stage == "any" else f"stage {row.stage}"
    told = f"### {row.name}\n\n{row.doc} Of {stage}; by default channel {row.channel}, {row.direction}.\n"
    table = _fields((fields[name] for name in row.body), row.required) if row.body else "No fields of its own.\n"
    shown = json.dumps(example_of(row.name), ensure_ascii=False, indent=1)
    return f"{told}\n{table}\n<details><summary>Example</summary>\n\n```json\n{shown}\n```\n\n</details>\n"


def _fields(fields: Iterable[AvroField], required: tuple[str, ...]) -> str:
    lines = ["| field | type | meaning |", "|---|---|---|"]
    lines += [line for field in fields for line in _lines(field, "", is_required=field.name in required)]
    return "\n".join(lines) + "\n"


def _lines(field: AvroField, prefix: str, *, is_required: bool) -> list[str]:
    is_demanded = is_required or not (field.nullable or field.has_default)
    needed = ", required" if is_demanded else ""
    doc = field.doc.replace("|", "\\|")
    lines = [f"| `{prefix}{field.name}` | {_kind(field)}{needed} | {doc} |"]
    within = f"{prefix}{field.name}{'[]' if field.kind == 'array<record>' else ''}."
    for part in field.fields:
        lines += _lines(part, within, is_required=False)
    return lines


def _kind(field: AvroField) -> str:
    match field.kind:
        case "enum":
            return "one of " + ", ".join(field.symbols)
        case "array<string>":
            return "list of string"
        case "array<record>":
            return "list"
        case "record":
            return "object"
        case "timestamp":
            return "time"
        case kind:
            return kind

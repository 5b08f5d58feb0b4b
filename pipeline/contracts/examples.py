"""
An example of every type: the one written by hand, or one made from the fields of the type.

The rule it owns: a type of which somebody wrote only a row and a schema still has an example, with every field of its
own in it, so that releases, documentation and tests need no third thing.
"""

import json
from collections.abc import Mapping
from typing import Any

from pipeline.contracts.folder import schemas_folder
from pipeline.contracts.kinds import KINDS
from pipeline.contracts.schemas import AvroField, body_fields
from pipeline.contracts.types import STATEMENT_TYPES, touchpoint_types

_TIME = "2026-03-01T10:04:00.000Z"


def example_of(type_name: str) -> dict[str, Any]:
    """
    Return a believable touchpoint of a type as JSON.

    Raises:
        KeyError: If there is no such type.
    """
    row = touchpoint_types()[type_name]
    written = schemas_folder() / "examples" / f"{type_name}.json"
    if written.is_file():
        shown: dict[str, Any] = json.loads(written.read_text(encoding="utf-8"))
        return shown
    fields = body_fields(row.family)
    made: dict[str, Any] = {
        "id": f"example-{type_name}",
        "type": type_name,
        "source": "example",
        "occurred_at": _TIME,
        "identities": [{"kind": "email", "value": "ada@example.org"}],
    }
    if row.body:
        made["body"] = {name: sample(fields[name]) for name in row.body}
    if type_name in STATEMENT_TYPES:
        made["body"] |= {side: {"kind": "customer_id", "value": f"c-{side}"} for side in ("a", "b")}
    return made


def sample(field: AvroField) -> Any:  # noqa: ANN401 - whatever the field holds
    """Return a value that a field takes, as JSON."""
    plain: Mapping[str, Any] = {
        "string": field.name.replace("_", "-"),
        "bytes": field.name,
        "int": 3,
        "long": 3,
        "double": 1.5,
        "boolean": True,
        "timestamp": _TIME,
        "array<string>": [f"{field.name}-1", f"{field.name}-2"],
    }
    match field.kind:
        case "enum":
            return KINDS[0] if field.symbols == KINDS else field.symbols[0]
        case "record":
            return {part.name: sample(part) for part in field.fields}
        case "array<record>":
            return [{part.name: sample(part) for part in field.fields}]
        case kind:
            return plain[kind]

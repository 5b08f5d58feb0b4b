"""
Render the typed builders of touchpoints from the schemas: one module a family, one function a type.

Rendered rather than made at run time, so that editors complete the names and type checkers see a wrong one.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from keyword import iskeyword

from pipeline.contracts.schemas import AvroField, body_fields, envelope_fields
from pipeline.contracts.types import FAMILIES, TouchpointType, touchpoint_types

FOLDER = "pipeline/producers/touchpoints"
MADE_BY = "# Rendered by `make render` from the schemas; edit the schemas instead.\n"
LONGEST_LINE = 120

_SCALARS = {"string": "str", "boolean": "bool", "int": "int", "long": "int", "double": "float", "timestamp": "Time"}
_RECORDS = {"refs": "Refs", "context": "Context", "amount": "Amount"}
_ITEMS = {"identities": "Identity", "consent": "Consent", "attributes": "Attribute"}
_OURS = ("type", "received_at")


def render_builders() -> Mapping[str, str]:
    """Return every module: path within the repository → text."""
    modules = {f"{FOLDER}/envelope.py": render_envelope(), f"{FOLDER}/__init__.py": render_index()}
    return modules | {f"{FOLDER}/{family}.py": render_family(family) for family in FAMILIES}


def function_of(row: TouchpointType) -> str:
    """Return the name of a type's builder: `order.placed` → `order_placed`."""
    return row.name.replace(".", "_")


def render_envelope() -> str:
    """Return the module with what every touchpoint may say."""
    lines = [
        '"""What every touchpoint may say beside its body; the names are those of the JSON form."""',
        "",
        "from collections.abc import Sequence",
        "from datetime import datetime",
        "from typing import Literal, Required, TypedDict",
        "",
        "Time = datetime | str | int",
        '"""A moment: an aware datetime, RFC 3339 or epoch milliseconds."""',
        "",
    ]
    fields = envelope_fields()
    for name, title in {**_RECORDS, **_ITEMS}.items():
        field = fields[name]
        lines += ["", *_table(title, field.doc, field.fields, must=True), ""]
    own = [field for field in fields.values() if field.name not in _OURS]
    return (
        MADE_BY + "\n".join([*lines, "", *_table("Envelope", "What every touchpoint may say.", own, must=False)]) + "\n"
    )


def render_family(family: str) -> str:
    """Return the module with the builders of one family."""
    rows = [row for row in touchpoint_types().values() if row.family == family]
    fields = body_fields(family)
    records = [field for field in fields.values() if field.kind in ("record", "array<record>")]
    blocks = [list(_table(_record_name(field), field.doc, field.fields, must=True)) for field in records]
    tables: dict[tuple[tuple[str, ...], tuple[str, ...]], str] = {}
    for row in rows:
        shape = (row.body, row.required)
        if shape not in tables:
            tables[shape] = _camel(row.name) + "Fields"
            own = [fields[name] for name in row.body]
            doc = f"What `{row.name}` and its like may say."
            blocks.append(list(_table(tables[shape], doc, own, must=False, base="Envelope", required=row.required)))
    blocks += [
        [
            f"def {function_of(row)}(**fields: Unpack[{tables[row.body, row.required]}]) -> Touchpoint:",
            f'    """{row.doc}"""',
            f'    return build("{row.name}", fields)',
        ]
        for row in rows
    ]
    body = "\n\n\n".join("\n".join(block) for block in blocks)
    head = [f'"""Touchpoints of the family `{family}`: one builder a type."""', "", *_imports(body)]
    return MADE_BY + "\n".join(head) + "\n\n\n" + body + "\n"


def render_index() -> str:
    """Return the package's own module, which names all builders."""
    lines = ['"""Builders of touchpoints, one a type; and the identifiers that they take."""', ""]
    exported = []
    imports = []
    for family in FAMILIES:
        names = sorted(function_of(row) for row in touchpoint_types().values() if row.family == family)
        exported += names
        imports.append((f"pipeline.producers.touchpoints.{family}", names))
    building = ["Touchpoint", "cookie_id", "customer_id", "device_id", "email", "loyalty_id", "money", "phone"]
    imports.append(("pipeline.producers.touchpoints.building", building))
    for module, names in sorted(imports):
        flat = f"from {module} import {', '.join(names)}"
        if len(flat) <= LONGEST_LINE:
            lines.append(flat)
        else:
            lines += [f"from {module} import (", *(f"    {name}," for name in names), ")"]
    exported += building
    ordered = sorted(exported, key=lambda name: (name[0].islower(), name))
    lines += ["", "__all__ = [", *(f'    "{name}",' for name in ordered), "]"]
    return MADE_BY + "\n".join(lines) + "\n"


def _imports(body: str) -> Iterator[str]:
    if "Sequence[" in body:
        yield "from collections.abc import Sequence"
    typing = [
        name for name in ("Literal", "Required", "TypedDict", "Unpack") if f"{name}[" in body or f"({name}" in body
    ]
    yield f"from typing import {', '.join(typing)}"
    yield ""
    yield "from pipeline.producers.touchpoints.building import Touchpoint, build"
    envelope = [name for name in ("Envelope", "Time") if f"({name}" in body or f": {name}" in body]
    yield f"from pipeline.producers.touchpoints.envelope import {', '.join(envelope)}"


def _table(
    title: str,
    doc: str,
    fields: Iterable[AvroField],
    *,
    must: bool,
    base: str = "TypedDict",
    required: tuple[str, ...] = (),
) -> Iterator[str]:
    """Render a TypedDict, every field with its meaning as a comment."""
    yield f"class {title}({base}, total=False):"
    yield f'    """{doc}"""'
    yield ""
    for field in fields:
        kind = _type_of(field)
        if field.name in required or (must and not field.nullable and not field.has_default):
            kind = f"Required[{kind}]"
        line = f"    {_name_of(field)}: {kind}"
        if len(line) + len(field.doc) + 4 > LONGEST_LINE:
            yield from _comment(field.doc)
            yield line
        else:
            yield f"{line}  # {field.doc}"


def _comment(text: str) -> Iterator[str]:
    line = "    #"
    for word in text.split():
        if len(line) + len(word) + 1 > LONGEST_LINE:
            yield line
            line = "    #"
        line += f" {word}"
    yield line


def _type_of(field: AvroField) -> str:
    match field.kind:
        case "enum":
            symbols = ", ".join(json.dumps(symbol) for symbol in field.symbols)
            return f"Literal[{symbols}]" if len(field.symbols) < 8 else "str"
        case "array<string>":
            return "Sequence[str]"
        case "record":
            return _RECORDS.get(field.name) or _record_name(field)
        case "array<record>":
            return f"Sequence[{_ITEMS.get(field.name) or _record_name(field)}]"
    return _SCALARS[field.kind]


def _name_of(field: AvroField) -> str:
    return field.name + "_" if iskeyword(field.name) else field.name


def _record_name(field: AvroField) -> str:
    return {"lines": "Line", "a": "FirstIdentifier", "b": "SecondIdentifier"}.get(field.name, _camel(field.name))


def _camel(name: str) -> str:
    return "".join(part.capitalize() for part in name.replace(".", "_").split("_"))

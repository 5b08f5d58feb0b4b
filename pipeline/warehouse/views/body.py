"""
Typed columns of the touchpoints' bodies, made from the schemas.

One rule: a field that a schema gains becomes a column without a line of code here. The column is named as its field;
where bodies disagree on the ClickHouse type, or the envelope has the name already, each domain (`order` of
`order.placed`) gets a column of its own with the domain before the name.
"""

from collections import defaultdict
from collections.abc import Collection
from dataclasses import dataclass

from pipeline.contracts.schemas import AvroField, body_fields
from pipeline.contracts.types import touchpoint_types
from pipeline.warehouse.ddl import quote_text
from pipeline.warehouse.declarations import ViewColumn
from pipeline.warehouse.tables.bodies import body_of
from pipeline.warehouse.tables.types import MILLIS

_SCALARS = {
    "string": "String",
    "enum": "String",
    "int": "Int32",
    "long": "Int64",
    "double": "Float64",
    "boolean": "Bool",
    "bytes": "String",
}


@dataclass(frozen=True)
class _Use:
    """One field in the bodies of one domain."""

    domain: str
    field: AvroField
    types: tuple[str, ...]


def body_columns(taken: Collection[str]) -> tuple[ViewColumn, ...]:
    """
    Return the columns of all body fields, by name.

    Args:
        taken: Names that the view has already.

    Returns:
        Columns over `touchpoints AS t`.
    """
    columns = []
    for name, uses in sorted(_uses().items()):
        if name not in taken and len({clickhouse_type(use.field) for use in uses}) == 1:
            columns.append(_column(name, uses))
        else:
            columns.extend(_column(f"{use.domain}_{name}", [use]) for use in uses)
    return tuple(columns)


def clickhouse_type(field: AvroField) -> str:
    """Return the ClickHouse type of a body field: scalars Nullable, lists as arrays, identifiers as their key."""
    if field.kind == "timestamp":
        return f"Nullable({MILLIS})"
    if field.kind == "array<string>":
        return "Array(String)"
    if field.kind == "array<record>":
        return f"Array(Tuple({_parts(field)}))"
    if _is_identifier(field):
        return "Nullable(UUID)"
    if field.kind == "record":
        return f"Tuple({_parts(field)})"
    return f"Nullable({_SCALARS[field.kind]})"


def _is_identifier(field: AvroField) -> bool:
    """Whether the field names an identifier; LAND stores its ident_key in the place of its value."""
    return field.kind == "record" and {part.name for part in field.fields} >= {"kind", "value"}


def _parts(field: AvroField) -> str:
    # Times within records stay what the body holds: milliseconds since 1970.
    types = ("Nullable(Int64)" if part.kind == "timestamp" else clickhouse_type(part) for part in field.fields)
    return ", ".join(f"{part.name} {type_}" for part, type_ in zip(field.fields, types, strict=True))


def _uses() -> dict[str, list[_Use]]:
    """Return for every field name its use per domain, in the order of the type table."""
    types: dict[tuple[str, str], list[str]] = defaultdict(list)
    fields: dict[tuple[str, str], AvroField] = {}
    for row in touchpoint_types().values():
        domain = row.name.partition(".")[0]
        for name in row.body:
            types[name, domain].append(row.name)
            fields[name, domain] = body_fields(row.family)[name]
    uses: dict[str, list[_Use]] = defaultdict(list)
    for (name, domain), field in fields.items():
        uses[name].append(_Use(domain, field, tuple(types[name, domain])))
    return uses


def _column(name: str, uses: list[_Use]) -> ViewColumn:
    field = uses[0].field
    docs = list(dict.fromkeys(use.field.doc.rstrip(".") for use in uses if use.field.doc))
    types = tuple(dict.fromkeys(type_ for use in uses for type_ in use.types))
    carriers = ", ".join(types)
    comment = f"{' / '.join(docs)}. From {carriers}." if docs else f"From {carriers}."
    domain = uses[0].domain if name != field.name else None
    return ViewColumn(name, clickhouse_type(field), comment, _expression(field, domain, body_of(types)))


def _expression(field: AvroField, domain: str | None, body: str) -> str:
    """Extract a field from where the body is, of one domain's types only where one is given."""
    name = quote_text(field.name)
    if domain is not None:
        body = f"if(startsWith(t.type, {quote_text(domain + '.')}), {body}, '')"
    if field.kind == "timestamp":
        return f"fromUnixTimestamp64Milli(JSONExtract({body}, {name}, 'Nullable(Int64)'), 'UTC')"
    if _is_identifier(field):
        return f"JSONExtract({body}, {name}, 'ident_key', 'Nullable(UUID)')"
    return f"JSONExtract({body}, {name}, {quote_text(clickhouse_type(field))})"

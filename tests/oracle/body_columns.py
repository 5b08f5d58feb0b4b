"""The typed columns that bodies become in v_touchpoints: named as their field, or with their domain before it."""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from pipeline.contracts.schemas import AvroField, body_fields
from pipeline.contracts.types import touchpoint_types

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class BodyColumn:
    """A column, the field it shows, and the domain it is about (empty: all)."""

    name: str
    field: AvroField
    domain: str


def body_columns(taken: set[str]) -> list[BodyColumn]:
    """Return the columns of all body fields; names of the envelope are taken."""
    uses: dict[str, dict[str, AvroField]] = defaultdict(dict)
    for row in touchpoint_types().values():
        for name in row.body:
            uses[name][row.name.partition(".")[0]] = body_fields(row.family)[name]
    columns = []
    for name, by_domain in uses.items():
        if name not in taken and len({_shape(field) for field in by_domain.values()}) == 1:
            columns.append(BodyColumn(name, next(iter(by_domain.values())), ""))
        else:
            columns += [BodyColumn(f"{domain}_{name}", field, domain) for domain, field in by_domain.items()]
    return columns


def shown(column: BodyColumn, type_name: str, body: Mapping[str, Any]) -> Any:
    """Return what the column shows of a body."""
    value = body.get(column.field.name)
    if column.domain and type_name.partition(".")[0] != column.domain:
        value = None
    if column.field.kind == "array<record>":
        return [{part.name: item.get(part.name) for part in column.field.fields} for item in value or []]
    if column.field.kind == "array<string>":
        return value or []
    if value is not None and column.field.kind == "timestamp":
        return time_text(value)
    return uuid_text(value) if isinstance(value, bytes) else value


def stored_body(touchpoint: Mapping[str, Any]) -> dict[str, Any]:
    """Return the body as an object; a side of a statement is its kind and key."""
    body = dict(touchpoint["body"])
    for side, kind in touchpoint["side_kinds"].items():
        body[side] = {"kind": kind, "ident_key": uuid_text(body[side])}
    return body


def time_text(milliseconds: int) -> str:
    """Return a time as ClickHouse writes a DateTime64(3)."""
    moment = (EPOCH + timedelta(milliseconds=milliseconds)).replace(tzinfo=None)
    return moment.isoformat(sep=" ", timespec="milliseconds")


def uuid_text(key: bytes) -> str:
    """Return a key as ClickHouse writes a UUID."""
    return str(UUID(bytes=key))


def _shape(field: AvroField) -> tuple[Any, ...]:
    kind = "string" if field.kind == "enum" else field.kind
    return kind, tuple((part.name, _shape(part)) for part in field.fields)

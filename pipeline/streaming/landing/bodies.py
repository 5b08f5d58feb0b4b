"""
Bodies as they are stored: compact JSON of the type's own fields that are not null, made type by type.

Times are epoch milliseconds. The a and b of a statement about identity are stored as kind and ident_key, never as the
values that were sent. How a text is escaped or a fraction printed is polars' choice among JSON's spellings; nothing is
hashed from it (`content`).
"""

import uuid
from collections.abc import Mapping, Sequence
from typing import TypeAlias

import polars as pl

from pipeline.contracts.kinds import KINDS
from pipeline.contracts.schemas import body_fields
from pipeline.contracts.types import STATEMENT_TYPES, touchpoint_types
from pipeline.streaming.decode.events import BODY

TypedBodies: TypeAlias = Sequence[tuple[str, str, pl.DataFrame]]
"""Family, type, and `row` and flat body columns of the events of that type."""

_NO_BODIES = pl.DataFrame(schema={"row": pl.UInt32, "body": pl.String})
_SIDES = ("a", "b")


def encode_bodies(bodies: TypedBodies, statements: pl.DataFrame) -> pl.DataFrame:
    """
    Encode the bodies of events.

    Args:
        bodies: The bodies by type (`by_type`), of events whose fields are their type's own.
        statements: row, a, a_kind, b, b_kind of the statements among them.

    Returns:
        row, body (JSON); in no particular order.
    """
    encoded = [_NO_BODIES]
    for family, type_name, rows in bodies:
        own = rows.select("row", *(pl.col(BODY + name).alias(name) for name in used_fields(family, type_name, rows)))
        if type_name in STATEMENT_TYPES:
            own = own.drop(_SIDES).join(_stored_sides(statements), on="row").select(own.columns)
        encoded.append(own.select("row", body=_json(own.drop("row"))))
    return pl.concat(encoded)


def by_type(bodies: Mapping[str, pl.DataFrame]) -> TypedBodies:
    """Split the bodies of families by the type of their event; a field that none of a family's has costs nothing."""
    typed = []
    for family, frame in bodies.items():
        if frame.is_empty():
            continue
        used = frame.select(column for column in frame if column.null_count() < frame.height)
        typed += [(family, str(name), rows) for (name,), rows in used.partition_by("type", as_dict=True).items()]
    return typed


def used_fields(family: str, type_name: str, rows: pl.DataFrame) -> Sequence[str]:
    """Return the body fields of a type that any of its rows has, in the order of its family's schema."""
    own = touchpoint_types()[type_name].body
    has_any = {column.name for column in rows if column.null_count() < rows.height}
    return [name for name in body_fields(family) if name in own and BODY + name in has_any]


def _json(own: pl.DataFrame) -> pl.Expr:
    """Return the JSON objects of rows, of their fields that are not null."""
    used = own.columns
    if not used:
        return pl.lit("{}")
    if not any(own[name].null_count() for name in used):
        return pl.struct(used).struct.json_encode()
    members = [
        pl.when(pl.col(name).is_not_null()).then(
            pl.struct(name).struct.json_encode().str.strip_prefix("{").str.strip_suffix("}")
        )
        for name in used
    ]
    return pl.concat_str(pl.lit("{"), pl.concat_str(members, separator=",", ignore_nulls=True), pl.lit("}"))


def _stored_sides(statements: pl.DataFrame) -> pl.DataFrame:
    columns = ["row", "a", "a_kind", "b", "b_kind"]
    lines = [
        {
            "row": row,
            "a": {"kind": KINDS[a_kind], "ident_key": str(uuid.UUID(bytes=a))},
            "b": {"kind": KINDS[b_kind], "ident_key": str(uuid.UUID(bytes=b))},
        }
        for row, a, a_kind, b, b_kind in statements.select(columns).iter_rows()
    ]
    side = pl.Struct({"kind": pl.String, "ident_key": pl.String})
    return pl.DataFrame(lines, schema={"row": pl.UInt32, "a": side, "b": side})

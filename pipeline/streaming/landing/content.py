"""
The canonical content of a touchpoint: the bytes whose hash tells one content of an event from another.

It covers everything that was sent but sent_at and received_at, and no coordinates. It depends on nothing else: not on
the batch, the order of columns, the writer's version of the schema, or how a library prints fractions or JSON. It is
UTF-8 text, made so:

- first the envelope: `_ENVELOPE` in that order, one after each U+001E;
- then, in the schema's order, each field of the type's own body that is not null: name, U+001D, value, U+001E.

Values: text as it is; whole numbers and times in decimal; flags 0 or 1; fractions as the decimal of their 64 bits read
as a signed whole number; kinds of identifiers as their rank; an absent value as nothing, so that it equals empty text.
A list is its items, each followed by U+001F; a record within a list or body is its parts with U+001D between them.
U+001C to U+001F inside sent text are preceded by U+001C. A field that the envelope gets later is appended like a body
field, only where it is not null, so that old events keep their content.
"""

from collections.abc import Sequence
from itertools import chain

import numpy as np
import polars as pl

from pipeline.contracts.schemas import AvroField, body_fields, envelope_fields
from pipeline.streaming.decode.events import BODY
from pipeline.streaming.landing.bodies import TypedBodies, used_fields

_PART_END, _FIELD_END, _ITEM_END = "\x1d", "\x1e", "\x1f"
_FIRST_CONTROL = 0x1C
_PIECE_BYTES = 65_536
_CONTROLS = "[\x1c-\x1f]"
_ESCAPED = "\x1c$0"

_ENVELOPE: tuple[str, ...] = (
    "id",
    "type",
    "source",
    "subject",
    "occurred_at",
    "revision",
    "withdraws",
    "channel",
    "direction",
    "identities",
    "refs.order_id",
    "refs.shipment_id",
    "refs.return_id",
    "refs.ticket_id",
    "refs.conversation_id",
    "refs.subscription_id",
    "refs.survey_id",
    "refs.product_ids",
    "refs.campaign",
    "session_id",
    "context.url",
    "context.referrer",
    "context.title",
    "context.user_agent",
    "context.ip",
    "context.locale",
    "context.utm_source",
    "context.utm_medium",
    "context.utm_campaign",
    "context.utm_term",
    "context.utm_content",
    "consent",
    "amount.minor",
    "amount.currency",
    "attributes",
)


def canonical_content(envelopes: pl.DataFrame, bodies: TypedBodies) -> pl.Series:
    """
    Return the canonical content of events.

    Args:
        envelopes: Flat columns of the envelope.
        bodies: The bodies of the same events by type (`by_type`).

    Returns:
        One text per line of `envelopes`, in their order.
    """
    content = _content(envelopes, bodies, is_escaped=False)
    # A text in which a sender used our control characters has more of them than its form explains.
    if _count_controls(content["text"]) == content["controls"].sum():
        return content["text"]
    is_odd = content["text"].str.count_matches(_CONTROLS) != content["controls"]
    odd = content.filter(is_odd).select("row")
    of_odd = [(family, name, rows.join(odd, on="row", how="semi")) for family, name, rows in bodies]
    mended = _content(envelopes.join(odd, on="row", how="semi"), of_odd, is_escaped=True)
    return content.join(mended, on="row", how="left", maintain_order="left").select(
        pl.coalesce("text_right", "text").alias("text")
    )["text"]


def _count_controls(texts: pl.Series) -> int:
    """Count our control characters in all texts together (in UTF-8 no other character has these bytes)."""
    data = texts.to_arrow(compat_level=pl.CompatLevel.oldest()).buffers()[2]
    letters = np.frombuffer(memoryview(data or b""), dtype=np.uint8)
    # Pieces that stay in the processor's cache are counted in a third of the time.
    pieces = (letters[start : start + _PIECE_BYTES] for start in range(0, len(letters), _PIECE_BYTES))
    return sum(int(np.count_nonzero(piece - np.uint8(_FIRST_CONTROL) < 4)) for piece in pieces)


def _content(envelopes: pl.DataFrame, bodies: TypedBodies, *, is_escaped: bool) -> pl.DataFrame:
    """Return row, text, and the control characters that its form has; events as in `envelopes`, sorted by row."""
    fields = _envelope_fields()
    pieces: list[pl.Expr] = []
    counts: list[pl.Expr] = [pl.lit(len(_ENVELOPE), pl.UInt32), pl.col("body_controls")]
    ends = ""
    for name in _ENVELOPE:
        ends += _FIELD_END
        if _is_absent(envelopes[name]):
            continue
        text, controls = _value(pl.col(name), fields[name], is_escaped=is_escaped)
        pieces += [pl.lit(ends), text.fill_null("")]
        counts += [] if controls is None else [controls]
        ends = ""
    parts = [_body_content(family, type_name, rows, is_escaped=is_escaped) for family, type_name, rows in bodies]
    in_order = pl.concat(parts).sort("row")
    return envelopes.with_columns(in_order["body_text"], in_order["body_controls"]).select(
        "row",
        text=pl.concat_str(*pieces, pl.lit(ends), "body_text"),
        controls=pl.sum_horizontal(counts).cast(pl.UInt32),
    )


def _is_absent(column: pl.Series) -> bool:
    """Say whether a column is null or an empty list in every row: such a field costs nothing."""
    if column.null_count() == column.len():
        return True
    return isinstance(column.dtype, pl.List) and not column.list.len().sum()


def _body_content(family: str, type_name: str, rows: pl.DataFrame, *, is_escaped: bool) -> pl.DataFrame:
    texts: list[pl.Expr] = []
    counts: list[pl.Expr] = []
    for name in used_fields(family, type_name, rows):
        column = pl.col(BODY + name)
        text, controls = _value(column, body_fields(family)[name], is_escaped=is_escaped)
        texts.append(pl.concat_str(pl.lit(name + _PART_END), text, pl.lit(_FIELD_END)))
        counts.append(column.is_not_null().cast(pl.UInt32) * 2)
        if controls is not None:
            counts.append(controls)
    if not texts:
        return rows.select("row", body_text=pl.lit(""), body_controls=pl.lit(0, pl.UInt32))
    return rows.select(
        "row",
        body_text=pl.concat_str(texts, ignore_nulls=True),
        body_controls=pl.sum_horizontal(counts).cast(pl.UInt32),
    )


def _envelope_fields() -> dict[str, AvroField]:
    flat: dict[str, AvroField] = {}
    for name, field in envelope_fields().items():
        flat[name] = field
        flat |= {f"{name}.{part.name}": part for part in field.fields}
    return flat


def _value(given: pl.Expr, field: AvroField, *, is_escaped: bool) -> tuple[pl.Expr, pl.Expr | None]:
    """Return a value's text (null stays null) and how many control characters its form has (None: none)."""
    match field.kind:
        case "record":
            parts = pl.concat_str(*_parts(given, field.fields, is_escaped=is_escaped))
            return pl.when(given.is_not_null()).then(parts), given.is_not_null().cast(pl.UInt32) * (
                len(field.fields) - 1
            )
        case "array<string>":
            return _list(given, [_text(pl.element(), is_escaped=is_escaped)]), _count(given, 1)
        case "array<record>":
            item = _parts(pl.element(), field.fields, is_escaped=is_escaped)
            return _list(given, item), _count(given, len(field.fields))
        case "string":
            return _text(given, is_escaped=is_escaped), None
        case "boolean":
            # Those of identities are still in wire form: 0 and -1.
            return given.cast(pl.Int8).abs().cast(pl.String), None
        case "double":
            return given.reinterpret(dtype=pl.Int64).cast(pl.String), None
        case _:
            return given.cast(pl.String), None


def _parts(given: pl.Expr, fields: Sequence[AvroField], *, is_escaped: bool) -> list[pl.Expr]:
    parts = [_value(given.struct.field(part.name), part, is_escaped=is_escaped)[0].fill_null("") for part in fields]
    return [parts[0], *chain.from_iterable((pl.lit(_PART_END), part) for part in parts[1:])]


def _list(given: pl.Expr, item: Sequence[pl.Expr]) -> pl.Expr:
    return given.list.eval(pl.concat_str(*item, pl.lit(_ITEM_END))).list.join("")


def _count(given: pl.Expr, controls: int) -> pl.Expr:
    return given.list.len().fill_null(0) * controls


def _text(given: pl.Expr, *, is_escaped: bool) -> pl.Expr:
    return given.str.replace_all(_CONTROLS, _ESCAPED) if is_escaped else given

"""
The canonical content of a touchpoint: the bytes whose hash tells one content of an event from another.

It covers everything that was sent but sent_at and received_at, and no coordinates. It depends on nothing else: not on
the batch, the order of columns, the writer's version of the schema, or how a library prints fractions or JSON. It is
UTF-8 text, made so:

- first the envelope: each of `_ENVELOPE`, in that order, followed by U+001E;
- then, in the schema's order, each field of the type's own body that is not null: name, U+001D, value, U+001E.

Values: text as it is; whole numbers and times in decimal; flags 0 or 1; fractions as the decimal of their 64 bits read
as a signed whole number; kinds of identifiers as their rank; an absent value as nothing, so that it equals empty text.
A list is its items, each followed by U+001F; a record within a list or body is its parts, each followed by U+001D.
U+001C to U+001F inside sent text are preceded by U+001C. A field that the envelope gets later is appended like a body
field, only where it is not null, so that old events keep their content.
"""

from collections.abc import Mapping, Sequence

import polars as pl

from pipeline.contracts.schemas import AvroField, body_fields, envelope_fields
from pipeline.streaming.decode.events import BODY
from pipeline.streaming.landing.bodies import own_fields, rows_by_type

_PART_END, _FIELD_END, _ITEM_END = "\x1d", "\x1e", "\x1f"
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


def canonical_content(envelopes: pl.DataFrame, bodies: Mapping[str, pl.DataFrame]) -> pl.Series:
    """
    Return the canonical content of events.

    Args:
        envelopes: Flat columns of the envelope.
        bodies: `row`, `type` and flat body columns by family, of the same events.

    Returns:
        One text per line of `envelopes`, in their order.
    """
    content = _content(envelopes, bodies, is_escaped=False)
    # A text in which a sender used our control characters has more of them than its form explains.
    is_odd = content["text"].str.count_matches(_CONTROLS) != content["controls"]
    if not is_odd.any():
        return content["text"]
    odd = content.filter(is_odd).select("row")
    of_odd = {family: frame.join(odd, on="row", how="semi") for family, frame in bodies.items()}
    mended = _content(envelopes.join(odd, on="row", how="semi"), of_odd, is_escaped=True)
    return content.join(mended, on="row", how="left", maintain_order="left").select(
        pl.coalesce("text_right", "text").alias("text")
    )["text"]


def _content(envelopes: pl.DataFrame, bodies: Mapping[str, pl.DataFrame], *, is_escaped: bool) -> pl.DataFrame:
    """Return row, text, and the control characters that its form has."""
    fields = _envelope_fields()
    used = {name: _value(pl.col(name), fields[name], is_escaped=is_escaped) for name in _ENVELOPE}
    texts = [text.fill_null("") for text, _ in used.values()]
    ends = pl.lit(len(_ENVELOPE), pl.UInt32)
    envelope = envelopes.select(
        "row",
        text=pl.concat_str([piece for text in texts for piece in (text, pl.lit(_FIELD_END))]),
        controls=ends + pl.sum_horizontal(controls for _, controls in used.values() if controls is not None),
    )
    parts = [
        _body_content(family, type_name, rows, is_escaped=is_escaped)
        for family, frame in bodies.items()
        for type_name, rows in rows_by_type(frame)
    ]
    if not parts:
        return envelope
    return envelope.join(pl.concat(parts), on="row", how="left", maintain_order="left").select(
        "row",
        text=pl.concat_str("text", "body_text"),
        controls=pl.col("controls") + pl.col("body_controls"),
    )


def _body_content(family: str, type_name: str, rows: pl.DataFrame, *, is_escaped: bool) -> pl.DataFrame:
    texts: list[pl.Expr] = []
    counts: list[pl.Expr] = []
    for name in own_fields(family, type_name):
        column = pl.col(BODY + name)
        if rows[BODY + name].null_count() == rows.height:
            continue
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
            parts = _parts(given, field.fields, is_escaped=is_escaped)
            return pl.when(given.is_not_null()).then(parts), given.is_not_null().cast(pl.UInt32) * len(field.fields)
        case "array<string>":
            return _list(given, _text(pl.element(), is_escaped=is_escaped)), _count(given, 1)
        case "array<record>":
            parts = _parts(pl.element(), field.fields, is_escaped=is_escaped)
            return _list(given, parts), _count(given, 1 + len(field.fields))
        case "string":
            return _text(given, is_escaped=is_escaped), None
        case "boolean":
            return given.cast(pl.Int8).cast(pl.String), None
        case "double":
            return given.reinterpret(dtype=pl.Int64).cast(pl.String), None
        case _:
            return given.cast(pl.String), None


def _parts(given: pl.Expr, fields: Sequence[AvroField], *, is_escaped: bool) -> pl.Expr:
    pieces: list[pl.Expr] = []
    for part in fields:
        text, _ = _value(given.struct.field(part.name), part, is_escaped=is_escaped)
        pieces += [text.fill_null(""), pl.lit(_PART_END)]
    return pl.concat_str(pieces)


def _list(given: pl.Expr, item: pl.Expr) -> pl.Expr:
    return given.list.eval(pl.concat_str(item, pl.lit(_ITEM_END))).list.join("")


def _count(given: pl.Expr, controls: int) -> pl.Expr:
    return given.list.len().fill_null(0) * controls


def _text(given: pl.Expr, *, is_escaped: bool) -> pl.Expr:
    return given.str.replace_all(_CONTROLS, _ESCAPED) if is_escaped else given

"""
The frames that go into stitching and come out of it, column by column.

One rule: a column is named and typed here and nowhere else. `FACTS_SCHEMA` is what the read of a block's facts
returns, `STITCHED_SCHEMA` is table `stitched` without its `version` and `rules_version`. UUIDs are 16 big-endian
bytes, kinds their rank, and an absent text is "" (never null); only what `NULLABLE_FACTS` names may be null.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

import polars as pl

TIME: Final = pl.Datetime("ms", "UTC")

# (body field, type): what is read from the bodies; null where a type has no such field.
EVIDENCE_FIELDS: Final[tuple[tuple[str, pl.DataType], ...]] = (
    ("promised_delivery_at", TIME),
    ("promised_until", TIME),
    ("delivered_at", TIME),
    ("effective_at", TIME),
    ("wait_s", pl.Float64()),
    ("score", pl.Float64()),
    ("scale_min", pl.Float64()),
    ("scale_max", pl.Float64()),
    ("rating", pl.Float64()),
    ("scale", pl.Float64()),
    ("x", pl.Float64()),
    ("y", pl.Float64()),
    ("transfers", pl.Int64()),
    ("resolved", pl.Boolean()),
    ("handoff", pl.Boolean()),
    ("public_reply", pl.Boolean()),
    ("ok", pl.Boolean()),
    ("voluntary", pl.Boolean()),
    ("instrument", pl.String()),
    ("party", pl.String()),
    ("text_hash", pl.String()),
    ("thread_id", pl.String()),
    ("from", pl.String()),
    ("reason", pl.String()),
    ("status", pl.String()),
    ("condition", pl.String()),
    ("category", pl.String()),
    ("severity", pl.String()),
    ("regulator_ref", pl.String()),
    ("element", pl.String()),
    ("code", pl.String()),
    ("carrier", pl.String()),
)

# What else only the pain-point rules and trade read; `product_id` is the first of the products that the touchpoint
# names, `calendar` the attribute that names a business calendar.
EVIDENCE_COLUMNS: Final[tuple[str, ...]] = (
    "source",
    "direction",
    "return_id",
    "subscription_id",
    "product_id",
    "calendar",
    "campaign",
)

# Products of an order that was placed, also those that only its lines name; of every other touchpoint none.
ORDERED_PRODUCTS: Final = "ordered_products"

FACTS_SCHEMA: Final[Mapping[str, pl.DataType]] = MappingProxyType(
    {
        "ident_key": pl.Binary(),
        "event_uid": pl.Binary(),
        "content_version": pl.Binary(),
        "occurred_at": TIME,
        "type": pl.String(),
        "channel": pl.String(),
        "order_id": pl.String(),
        "shipment_id": pl.String(),
        "ticket_id": pl.String(),
        "conversation_id": pl.String(),
        "url": pl.String(),
        "channel_group": pl.String(),
        "utm_source": pl.String(),
        "utm_medium": pl.String(),
        "utm_campaign": pl.String(),
        "amount_minor": pl.Int64(),
        "currency": pl.String(),
        **dict.fromkeys(EVIDENCE_COLUMNS, pl.String()),
        **dict(EVIDENCE_FIELDS),
        ORDERED_PRODUCTS: pl.List(pl.String()),
    }
)

NULLABLE_FACTS: Final = frozenset({"amount_minor", *(name for name, _ in EVIDENCE_FIELDS)})

IDENTITIES_SCHEMA: Final[Mapping[str, pl.DataType]] = MappingProxyType(
    {"ident_key": pl.Binary(), "kind": pl.Int8(), "customer_uid": pl.Binary(), "shared": pl.Boolean()}
)

IDENTIFIER: Final = pl.Struct({"kind": pl.Int8(), "ident_key": pl.Binary()})
MONEY: Final = pl.Struct({"currency": pl.String(), "minor": pl.Int64()})

STEP_COLUMNS: Final[Mapping[str, pl.DataType]] = MappingProxyType(
    {
        "step_event_uid": pl.Binary(),
        "step_occurred_at": TIME,
        "step_type": pl.String(),
        "step_channel": pl.String(),
        "step_journey": pl.UInt32(),
        "step_visit": pl.UInt32(),
    }
)

VISIT_COLUMNS: Final[Mapping[str, pl.DataType]] = MappingProxyType(
    {
        "visit_id": pl.Binary(),
        "visit_journey": pl.UInt32(),
        "visit_started_at": TIME,
        "visit_ended_at": TIME,
        "visit_touchpoints": pl.UInt32(),
        "visit_channel": pl.String(),
        "visit_entry_url": pl.String(),
        "visit_exit_url": pl.String(),
        "visit_channel_group": pl.String(),
        "visit_utm_source": pl.String(),
        "visit_utm_medium": pl.String(),
        "visit_utm_campaign": pl.String(),
    }
)

JOURNEY_COLUMNS: Final[Mapping[str, pl.DataType]] = MappingProxyType(
    {
        "journey_id": pl.Binary(),
        "journey_started_at": TIME,
        "journey_ended_at": TIME,
        "journey_first_step": pl.UInt32(),
        "journey_touchpoints": pl.UInt32(),
        "journey_visits": pl.UInt32(),
        "journey_orders": pl.UInt32(),
        "journey_revenue": pl.List(MONEY),
    }
)

PAIN_COLUMNS: Final[Mapping[str, pl.DataType]] = MappingProxyType(
    {
        "pain_point_id": pl.Binary(),
        "pain_kind": pl.String(),
        "pain_severity": pl.String(),
        "pain_journey": pl.UInt32(),
        "pain_occurred_at": TIME,
        "pain_due_at": TIME,
        "pain_order_id": pl.String(),
        "pain_ticket_id": pl.String(),
        "pain_evidence": pl.List(pl.Binary()),
        "pain_detail": pl.String(),
        "pain_rule_version": pl.UInt32(),
    }
)

TRADE_COLUMNS: Final[Mapping[str, pl.DataType]] = MappingProxyType(
    {
        "trade_event_uid": pl.Binary(),
        "trade_occurred_at": TIME,
        "trade_type": pl.String(),
        "trade_channel": pl.String(),
        "trade_order_id": pl.String(),
        "trade_shipment_id": pl.String(),
        "trade_said_at": TIME,
        "trade_amount_minor": pl.Int64(),
        "trade_currency": pl.String(),
        "trade_campaign": pl.String(),
        "trade_carrier": pl.String(),
        "trade_products": pl.List(pl.String()),
        "trade_counts": pl.UInt8(),
        "trade_sent_back_at": TIME,
    }
)

STITCHED_SCHEMA: Final[Mapping[str, pl.DataType]] = MappingProxyType(
    {
        "ident_key": pl.Binary(),
        "kind": pl.Int8(),
        "customer_uid": pl.Binary(),
        "shared": pl.Boolean(),
        "is_anchor": pl.Boolean(),
        "identifiers": pl.List(IDENTIFIER),
        "first_seen_at": TIME,
        "last_seen_at": TIME,
        "touchpoints": pl.UInt32(),
        "orders": pl.UInt32(),
        "revenue": pl.List(MONEY),
        **{
            name: pl.List(inner)
            for columns in (STEP_COLUMNS, VISIT_COLUMNS, JOURNEY_COLUMNS, PAIN_COLUMNS, TRADE_COLUMNS)
            for name, inner in columns.items()
        },
    }
)


def conform(frame: pl.DataFrame, columns: Mapping[str, pl.DataType]) -> pl.DataFrame:
    """Return exactly these columns of the frame, in their types."""
    return frame.select(pl.col(name).cast(dtype) for name, dtype in columns.items())


def empty_facts() -> pl.DataFrame:
    """Return facts without rows, in the schema that `stitch` reads."""
    return pl.DataFrame(schema=dict(FACTS_SCHEMA))


def conform_facts(frame: pl.DataFrame) -> pl.DataFrame:
    """
    Bring facts into the schema that `stitch` reads.

    Epoch milliseconds become times, an absent text is filled, other columns are dropped.

    Args:
        frame: Columns of `FACTS_SCHEMA`, in any order; of text, lists and what may be null, those that nobody has
            may be missing.

    Returns:
        Exactly the columns of `FACTS_SCHEMA`.
    """
    absent = [
        pl.lit(None, dtype=dtype).alias(name)
        for name, dtype in FACTS_SCHEMA.items()
        if name not in frame.columns and (dtype == pl.String or name in NULLABLE_FACTS)
    ]
    if ORDERED_PRODUCTS not in frame.columns:
        absent.append(pl.lit([], dtype=FACTS_SCHEMA[ORDERED_PRODUCTS]).alias(ORDERED_PRODUCTS))
    columns = []
    for name, dtype in FACTS_SCHEMA.items():
        column = pl.col(name).cast(dtype)
        columns.append(column.fill_null("") if dtype == pl.String and name not in NULLABLE_FACTS else column)
    return frame.with_columns(absent).select(columns)

"""The simulated shop as facts, with everybody known from the start: pain points without broker and warehouse."""

from datetime import datetime
from typing import Any

import polars as pl

from pipeline.contracts.types import touchpoint_types
from pipeline.producers.simulator import Entry, Simulation
from pipeline.stitching.frames import EVIDENCE_FIELDS, FACTS_SCHEMA, conform_facts
from tests.stitching.facts import Fact, fact

_REFS = ("order_id", "shipment_id", "ticket_id", "conversation_id", "return_id", "subscription_id")


def facts_of(shop: Simulation) -> pl.DataFrame:
    """Return the touchpoints as STITCH reads them; the subject is the person."""
    schema: dict[str, pl.DataType] = {
        name: pl.Int64() if isinstance(dtype, pl.Datetime) else dtype for name, dtype in FACTS_SCHEMA.items()
    }
    facts = [_fact(entry) for entry in shop.entries()]
    return conform_facts(pl.DataFrame(facts, schema=schema, orient="row", strict=False))


def identities_of(facts: pl.DataFrame) -> pl.DataFrame:
    """Return every person as a customer of one identifier."""
    return facts.select("ident_key").unique(maintain_order=True).with_columns(
        kind=pl.lit(0, pl.Int8), customer_uid=pl.col("ident_key"), shared=pl.lit(value=False)
    )  # fmt: skip


def uid_of(event_id: str) -> bytes:
    """Return the bytes under which an event appears."""
    return bytes.fromhex(event_id.replace("-", ""))


def _fact(entry: Entry) -> Fact:
    touchpoint = entry.touchpoint
    row = touchpoint_types()[touchpoint["type"]]
    refs, body, amount = (touchpoint.get(name, {}) for name in ("refs", "body", "amount"))
    times = {name for name, dtype in EVIDENCE_FIELDS if isinstance(dtype, pl.Datetime)}
    evidence: dict[str, Any] = {name: body.get(name) for name, _ in EVIDENCE_FIELDS if name in row.body}
    evidence |= {name: _milliseconds(evidence[name]) for name in times & set(evidence) if evidence[name] is not None}
    named: dict[str, Any] = {
        "event_uid": uid_of(touchpoint["id"]),
        "channel": touchpoint.get("channel") or row.channel,
        "direction": touchpoint.get("direction") or row.direction,
        "source": touchpoint["source"],
        "product_id": (refs.get("product_ids") or [""])[0],
        "url": touchpoint.get("context", {}).get("url", ""),
        "amount_minor": amount.get("minor"),
        "currency": amount.get("currency", ""),
    }
    named |= {name: refs.get(name, "") for name in _REFS}
    who = entry.person.to_bytes(16, "big")
    return fact(who, 0, entry.at, touchpoint["type"], **named, **evidence)


def _milliseconds(text: str) -> int:
    return round(datetime.fromisoformat(text).timestamp() * 1000)

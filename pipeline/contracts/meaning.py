"""
What a touchpoint must mean beyond its shape; one set of rules for JSON and Avro.

The rules see an event in the form that `parse_touchpoint` makes. Values that identify nobody are the business of the
identity rules, and how far ahead of its receipt a time may lie that of landing: both need settings or coordinates.
"""

import math
import unicodedata
from collections.abc import Iterator, Mapping
from typing import Any

from pipeline.contracts.currencies import CURRENCIES
from pipeline.contracts.kinds import KIND_RANK, REFERENCE_KINDS
from pipeline.contracts.reasons import Problem, Reason, pointer_to
from pipeline.contracts.schemas import AvroField, body_fields
from pipeline.contracts.times import is_storable
from pipeline.contracts.types import STATEMENT_TYPES, TouchpointType

_NAMES = ("id", "type", "source")
_ENVELOPE_TIMES = ("occurred_at", "sent_at", "received_at")
_OUT_OF_RANGE = "times lie between the years 1900 and 2299"


def identifiers_of(event: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return the identifiers of an event as sent, (kind, value), strongest kind first: identities and references."""
    found = [(identity["kind"], identity["value"]) for identity in event["identities"]]
    refs = event["refs"]
    if refs:
        found += [(kind, refs[kind]) for kind in REFERENCE_KINDS if refs.get(kind)]
    return sorted(set(found), key=lambda identifier: (KIND_RANK[identifier[0]], identifier[1]))


def check_envelope(event: Mapping[str, Any]) -> Iterator[Problem]:
    """Find what the envelope's values may not be; what is absent is not judged here."""
    for name in _NAMES:
        if event.get(name) == "":
            yield Problem(Reason.INVALID_VALUE, f"/{name}", "must not be empty")
    revision = event.get("revision")
    if revision is not None and revision < 0:
        yield Problem(Reason.INVALID_VALUE, "/revision", "must not be negative")
    amount = event.get("amount")
    if amount and amount.get("currency") is not None and amount["currency"] not in CURRENCIES:
        yield Problem(Reason.INVALID_VALUE, "/amount/currency", "not a currency code of ISO 4217, as EUR")


def check_identifiers(event: Mapping[str, Any]) -> Iterator[Problem]:
    """Find out whether the event names nobody."""
    if event.get("identities"):
        return
    refs = event.get("refs")
    if not (refs and any(refs.get(kind) for kind in REFERENCE_KINDS)):
        yield Problem(Reason.NO_IDENTIFIER, "/identities", "names nobody: give an identity, or an id in refs")


def check_statement(row: TouchpointType, event: Mapping[str, Any]) -> Iterator[Problem]:
    """Find what may not be said about identity, or by whom."""
    if row.name not in STATEMENT_TYPES:
        if event.get("withdraws"):
            yield Problem(Reason.BAD_STATEMENT, "/withdraws", "only statements about identity can be withdrawn")
        return
    body = event.get("body") or {}
    first, second = body.get("a"), body.get("b")
    for name, side in (("a", first), ("b", second)):
        if not side:
            continue
        if not _same_text(side.get("value")):
            yield Problem(Reason.BAD_STATEMENT, f"/body/{name}/value", "must not be empty")
        if row.name == "identity.aliased" and side.get("kind") not in (None, "customer_id"):
            yield Problem(Reason.BAD_STATEMENT, f"/body/{name}/kind", "only two customer_ids can be one person")
    if (
        first
        and second
        and first.get("kind") == second.get("kind")
        and _same_text(first.get("value")) == _same_text(second.get("value"))
    ):
        yield Problem(Reason.BAD_STATEMENT, "/body/b", "the same identifier as a: this says nothing")


def check_body(row: TouchpointType, body: Mapping[str, Any]) -> Iterator[Problem]:
    """Find fields of a decoded body that are not the type's own, and those that are missing."""
    for name in body:
        if name not in row.body:
            detail = f"{row.name} has no such field"
            yield Problem(Reason.UNKNOWN_FIELD, pointer_to("body", name), detail)
    for name in row.required:
        if name not in body:
            yield Problem(Reason.MISSING_FIELD, f"/body/{name}", "this field is required")


def check_values(row: TouchpointType, event: Mapping[str, Any]) -> Iterator[Problem]:
    """Find decoded times that the warehouse cannot hold, and numbers that are none."""
    for name in _ENVELOPE_TIMES:
        if event[name] is not None and not is_storable(event[name]):
            yield Problem(Reason.INVALID_VALUE, f"/{name}", _OUT_OF_RANGE)
    yield from _check_record(event["body"] or {}, body_fields(row.family), "/body")


def _check_record(record: Mapping[str, Any], fields: Mapping[str, AvroField], pointer: str) -> Iterator[Problem]:
    for name, value in record.items():
        field = fields[name]
        if field.kind == "timestamp" and not is_storable(value):
            yield Problem(Reason.INVALID_VALUE, f"{pointer}/{name}", _OUT_OF_RANGE)
        elif field.kind == "double" and not math.isfinite(value):
            yield Problem(Reason.INVALID_VALUE, f"{pointer}/{name}", "not a finite number")
        elif field.kind == "array<record>":
            parts = {part.name: part for part in field.fields}
            for index, item in enumerate(value):
                yield from _check_record(item, parts, f"{pointer}/{name}/{index}")


def _same_text(value: str | None) -> str | None:
    """Return a value as the identity rules begin to compare it."""
    return unicodedata.normalize("NFKC", value).strip() if value is not None else None

"""
Names of identifiers, touchpoints and contents, read from the contract and written down a second time.

Only `phonenumbers` itself is shared with the fast implementation: the contract names it as the judge of phone numbers.
"""

import hashlib
import struct
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import phonenumbers

from pipeline.contracts.schemas import AvroField, body_fields, envelope_fields
from pipeline.contracts.types import touchpoint_types
from tests.oracle.identity import RANKS

CONTENT_FIELDS = (
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
ESCAPE, BETWEEN, FIELD_END, ITEM_END = "\x1c", "\x1d", "\x1e", "\x1f"


@dataclass(frozen=True)
class Naming:
    """
    What names depend on.

    Attributes:
        hash_key: The secret.
        blocklist: Values that identify nobody, beside all zeros.
        phone_region: Region of national phone numbers; empty: none.
    """

    hash_key: bytes
    blocklist: Iterable[str]
    phone_region: str

    def normal(self, kind: str, value: str) -> str | None:
        """Return the one spelling of a value; None: it identifies nobody."""
        text = unicodedata.normalize("NFKC", value).strip()
        if self._is_nobody(text):
            return None
        if kind == "email":
            return text.lower()
        if kind == "phone":
            text = self._phone(text)
            return None if self._is_nobody(text) else text
        return text

    def ident_key(self, kind: str, value: str) -> bytes | None:
        """Return the key of a value as sent; None: it identifies nobody."""
        text = self.normal(kind, value)
        return None if text is None else self._hashed(b"tl.identifier", 16, sized(kind) + sized(text))

    def event_uid(self, source: str, event_id: str, occurred_at: int, subject: bytes) -> bytes:
        """Return the name of a touchpoint."""
        tail = f"{occurred_at}:{subject.hex()}".encode()
        return self._hashed(b"tl.event", 16, sized(source) + sized(event_id) + tail)

    def content_rank(self, event: Mapping[str, Any]) -> tuple[int, bytes]:
        """Return what decides between several contents of one touchpoint: the greatest wins."""
        return event["revision"], self._hashed(b"tl.content", 6, content(event).encode())

    def _is_nobody(self, text: str) -> bool:
        blocked = {unicodedata.normalize("NFKC", value).strip().casefold() for value in self.blocklist}
        return set(text) <= {"0"} or text.casefold() in blocked

    def _phone(self, text: str) -> str:
        try:
            number = phonenumbers.parse("+" + text[2:] if text.startswith("00") else text, self.phone_region or None)
        except phonenumbers.NumberParseException:
            return text
        return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)

    def _hashed(self, purpose: bytes, size: int, message: bytes) -> bytes:
        key = self.hash_key
        if len(key) > 64:
            key = hashlib.blake2b(key, digest_size=64).digest()
        return hashlib.blake2b(message, digest_size=size, key=key, person=purpose).digest()


def sized(text: str) -> bytes:
    """Return the text after its length, so that no two texts run together."""
    encoded = text.encode("utf-8", "surrogatepass")
    return str(len(encoded)).encode() + b":" + encoded


def content(event: Mapping[str, Any]) -> str:
    """Return everything that was sent but sent_at and received_at, as one text."""
    fields = envelope_fields()
    text = ""
    for path in CONTENT_FIELDS:
        outer, _, inner = path.partition(".")
        field, value = fields[outer], event[outer]
        if inner:
            (field,) = (part for part in field.fields if part.name == inner)
            value = None if value is None else value.get(inner)
        text += FIELD_END + ("" if value is None else _text(value, field))
    row = touchpoint_types()[event["type"]]
    for name, field in body_fields(row.family).items():
        value = (event["body"] or {}).get(name)
        if name in row.body and value is not None:
            text += name + BETWEEN + _text(value, field) + FIELD_END
    return text


def _text(value: Any, field: AvroField) -> str:
    if field.kind == "record":
        return BETWEEN.join(
            "" if value.get(part.name) is None else _text(value[part.name], part) for part in field.fields
        )
    if field.kind == "array<record>":
        record = AvroField(field.name, "record", "", nullable=False, has_default=False, fields=field.fields)
        return "".join(_text(item, record) + ITEM_END for item in value)
    if field.kind == "array<string>":
        return "".join(_escaped(item) + ITEM_END for item in value)
    if field.kind == "boolean":
        return "1" if value else "0"
    if field.kind == "double":
        (bits,) = struct.unpack("<q", struct.pack("<d", value))
        return str(bits)
    if field.kind == "enum" and list(field.symbols) == RANKS:
        return str(RANKS.index(value))
    return _escaped(value) if isinstance(value, str) else str(value)


def _escaped(text: str) -> str:
    return "".join(ESCAPE + letter if letter in (ESCAPE, BETWEEN, FIELD_END, ITEM_END) else letter for letter in text)

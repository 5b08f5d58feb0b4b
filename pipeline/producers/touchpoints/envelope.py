# Rendered by `make render` from the schemas; edit the schemas instead.
"""What every touchpoint may say beside its body; the names are those of the JSON form."""

from collections.abc import Sequence
from datetime import datetime
from typing import Literal, Required, TypedDict

Time = datetime | str | int
"""A moment: an aware datetime, RFC 3339 or epoch milliseconds."""


class Refs(TypedDict, total=False):
    """Business objects it belongs to."""

    order_id: str  # Order.
    shipment_id: str  # Shipment of an order.
    return_id: str  # Return of goods.
    ticket_id: str  # Support ticket.
    conversation_id: str  # Chat, call or mail thread.
    subscription_id: str  # Subscription.
    survey_id: str  # Survey.
    product_ids: Sequence[str]  # Products.
    campaign: str  # Marketing campaign.


class Context(TypedDict, total=False):
    """Circumstances of the contact."""

    url: str  # Address of the page.
    referrer: str  # Address of the page before.
    title: str  # Title of the page.
    user_agent: str  # Browser or app as it names itself; only its family is stored.
    ip: str  # Network address of the customer; not stored.
    locale: str  # Language and region, as `de-DE`.
    utm_source: str  # Campaign source; null: read from the url.
    utm_medium: str  # Campaign medium; null: read from the url.
    utm_campaign: str  # Campaign name; null: read from the url.
    utm_term: str  # Campaign search term; null: read from the url.
    utm_content: str  # Campaign variant; null: read from the url.


class Amount(TypedDict, total=False):
    """Money of the touchpoint: paid, refunded, ordered."""

    minor: Required[int]  # In minor units of the currency (cents) by ISO 4217.
    currency: Required[str]  # ISO 4217 code.


class Identity(TypedDict, total=False):
    """Who it was; the references of the same name count as identifiers too."""

    kind: Required[str]  # What sort of identifier, strongest first.
    value: Required[str]  # The identifier as the source knows it; it is normalised on landing.
    hashed: bool  # The source hashed the value before sending it.
    verified: bool  # The source checked that it belongs to the customer.


class Consent(TypedDict, total=False):
    """What the customer agreed to at the time."""

    purpose: Required[str]  # Purpose, as `marketing`.
    granted: Required[bool]  # Agreed or refused.


class Attribute(TypedDict, total=False):
    """What has no field of its own."""

    key: Required[str]  # Name.
    value: Required[str]  # Value as text.


class Envelope(TypedDict, total=False):
    """What every touchpoint may say."""

    id: str  # Made by the producer and the same on every retry and correction; UUIDv7 recommended.
    source: str  # System that says so; with the id it names the touchpoint.
    subject: str  # Business object it is about, as `order:123` (CloudEvents subject); informative.
    occurred_at: Time  # When it happened, in the producer's word; never altered, orders everything.
    sent_at: Time  # When the producer sent it, by the clock that made occurred_at; tells the clock skew.
    revision: int  # Corrections carry the same id, occurred_at and subject and a greater revision; the greatest wins.
    # Identity statements only: id of the earlier statement of this source, type and pair that is taken back.
    withdraws: str
    channel: str  # Where it happened; null: the default of its type.
    direction: Literal["inbound", "outbound", "system"]  # Who turned to whom; null: the default of its type.
    identities: Sequence[Identity]  # Who it was; the references of the same name count as identifiers too.
    refs: Refs  # Business objects it belongs to.
    session_id: str  # Session as the producer counts it; ours are the visits.
    context: Context  # Circumstances of the contact.
    consent: Sequence[Consent]  # What the customer agreed to at the time.
    amount: Amount  # Money of the touchpoint: paid, refunded, ordered.
    attributes: Sequence[Attribute]  # What has no field of its own.

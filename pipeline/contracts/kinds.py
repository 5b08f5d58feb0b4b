"""
The closed lists of the envelope: kinds of identifiers, channels, directions, stages.

The order of KINDS is the rank of CONTRACT's identifier table, strongest first, and the rank is the code under which a
kind is stored and sent. The schemas repeat the lists; a test holds both together.
"""

from collections.abc import Mapping
from types import MappingProxyType

KINDS: tuple[str, ...] = (
    "customer_id",
    "loyalty_id",
    "email",
    "phone",
    "ticket_requester",
    "social_handle",
    "order_id",
    "shipment_id",
    "return_id",
    "ticket_id",
    "conversation_id",
    "subscription_id",
    "device_id",
    "cookie_id",
    "other",
)
"""Kinds of identifiers, strongest first."""

KIND_RANK: Mapping[str, int] = MappingProxyType({kind: rank for rank, kind in enumerate(KINDS)})
"""Rank of every kind: its place in KINDS."""

REFERENCE_KINDS: tuple[str, ...] = (
    "order_id",
    "shipment_id",
    "return_id",
    "ticket_id",
    "conversation_id",
    "subscription_id",
)
"""Fields of `refs` that are identifiers of their own (survey_id, product_ids and campaign identify nobody)."""

CHANNELS: tuple[str, ...] = (
    "web",
    "app",
    "email",
    "phone",
    "chat",
    "sms",
    "social",
    "store",
    "post",
    "marketplace",
    "bot",
    "other",
)
"""Channels of contact."""

INTERACTIVE_CHANNELS: tuple[str, ...] = ("web", "app", "chat", "bot")
"""Channels whose touchpoints make visits."""

DIRECTIONS: tuple[str, ...] = ("inbound", "outbound", "system")
"""Who turned to whom; inbound is the customer to the business."""

STAGES: tuple[str, ...] = (
    "discover",
    "consider",
    "buy",
    "receive",
    "use",
    "support",
    "return",
    "stay",
    "advocate",
    "leave",
)
"""Stages of a customer's life, in their usual order."""

ANY_STAGE = "any"
"""Stage of a type that belongs to none."""

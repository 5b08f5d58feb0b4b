# Rendered by `make render` from the schemas; edit the schemas instead.
"""Touchpoints of the family `deliveries`: one builder a type."""

from typing import Literal, Unpack

from pipeline.producers.touchpoints.building import Touchpoint, build
from pipeline.producers.touchpoints.envelope import Envelope, Time


class DeliveryShippedFields(Envelope, total=False):
    """What `delivery.shipped` and its like may say."""

    carrier: str  # Carrier.
    tracking_no: str  # Tracking number of the carrier.
    promised_from: Time  # Delivery promised from.
    promised_until: Time  # Delivery promised until.


class DeliveryStatusChangedFields(Envelope, total=False):
    """What `delivery.status_changed` and its like may say."""

    # Where the shipment stands.
    status: Literal["in_transit", "out_for_delivery", "attempted", "delayed", "lost", "damaged", "other"]
    eta: Time  # Delivery expected at.
    carrier: str  # Carrier.
    tracking_no: str  # Tracking number of the carrier.


class DeliveryDeliveredFields(Envelope, total=False):
    """What `delivery.delivered` and its like may say."""

    delivered_at: Time  # Handed over at; null: occurred_at.
    proof: str  # Proof of delivery, as `signature`.
    condition: str  # Condition of the parcel.
    carrier: str  # Carrier.
    tracking_no: str  # Tracking number of the carrier.


def delivery_shipped(**fields: Unpack[DeliveryShippedFields]) -> Touchpoint:
    """A shipment left."""
    return build("delivery.shipped", fields)


def delivery_status_changed(**fields: Unpack[DeliveryStatusChangedFields]) -> Touchpoint:
    """A shipment moved, was delayed or lost."""
    return build("delivery.status_changed", fields)


def delivery_delivered(**fields: Unpack[DeliveryDeliveredFields]) -> Touchpoint:
    """A shipment was handed over."""
    return build("delivery.delivered", fields)

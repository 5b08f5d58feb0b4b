# Rendered by `make render` from the schemas; edit the schemas instead.
"""Touchpoints of the family `orders`: one builder a type."""

from collections.abc import Sequence
from typing import TypedDict, Unpack

from pipeline.producers.touchpoints.building import Touchpoint, build
from pipeline.producers.touchpoints.envelope import Envelope, Time


class Line(TypedDict, total=False):
    """What was ordered."""

    product_id: str  # Product.
    name: str  # Name of the product.
    category: str  # Category of the product.
    seller_id: str  # Seller, where the shop is a marketplace.
    quantity: float  # How many or how much.
    price_minor: int  # Price of one, in minor units of the currency of `amount`.
    shipping_minor: int  # Shipping of this line, in minor units of the currency of `amount`.


class OrderPlacedFields(Envelope, total=False):
    """What `order.placed` and its like may say."""

    lines: Sequence[Line]  # What was ordered.
    promised_delivery_at: Time  # Delivery promised by.
    coupon: str  # Coupon that was used.


class OrderChangedFields(Envelope, total=False):
    """What `order.changed` and its like may say."""

    reason: str  # Why the order was changed or cancelled.
    by: str  # Who changed or cancelled it, as customer, shop or payment.


class PaymentMadeFields(Envelope, total=False):
    """What `payment.made` and its like may say."""

    method: str  # Way of payment.
    instalments: int  # Number of instalments.


class PaymentFailedFields(Envelope, total=False):
    """What `payment.failed` and its like may say."""

    code: str  # Code of the failure.
    method: str  # Way of payment.


def order_placed(**fields: Unpack[OrderPlacedFields]) -> Touchpoint:
    """An order was placed; its total is the amount."""
    return build("order.placed", fields)


def order_changed(**fields: Unpack[OrderChangedFields]) -> Touchpoint:
    """An order was changed."""
    return build("order.changed", fields)


def order_cancelled(**fields: Unpack[OrderChangedFields]) -> Touchpoint:
    """An order was cancelled."""
    return build("order.cancelled", fields)


def payment_made(**fields: Unpack[PaymentMadeFields]) -> Touchpoint:
    """A payment went through."""
    return build("payment.made", fields)


def payment_failed(**fields: Unpack[PaymentFailedFields]) -> Touchpoint:
    """A payment was declined."""
    return build("payment.failed", fields)

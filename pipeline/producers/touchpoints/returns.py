# Rendered by `make render` from the schemas; edit the schemas instead.
"""Touchpoints of the family `returns`: one builder a type."""

from collections.abc import Sequence
from typing import Literal, TypedDict, Unpack

from pipeline.producers.touchpoints.building import Touchpoint, build
from pipeline.producers.touchpoints.envelope import Envelope


class Line(TypedDict, total=False):
    """What goes back."""

    product_id: str  # Product.
    name: str  # Name of the product.
    category: str  # Category of the product.
    seller_id: str  # Seller, where the shop is a marketplace.
    quantity: float  # How many or how much.
    price_minor: int  # Price of one, in minor units of the currency of `amount`.
    shipping_minor: int  # Shipping of this line, in minor units of the currency of `amount`.


class ReturnRequestedFields(Envelope, total=False):
    """What `return.requested` and its like may say."""

    lines: Sequence[Line]  # What goes back.
    # Why it goes back.
    reason: Literal["not_as_described", "damaged", "too_late", "wrong_item", "changed_mind", "fit", "other"]


class ReturnReceivedFields(Envelope, total=False):
    """What `return.received` and its like may say."""

    condition: str  # Condition of the goods.
    restockable: bool  # The goods can be sold again.


class RefundIssuedFields(Envelope, total=False):
    """What `refund.issued` and its like may say."""

    method: str  # Way of the refund.


def return_requested(**fields: Unpack[ReturnRequestedFields]) -> Touchpoint:
    """The customer wants to send goods back."""
    return build("return.requested", fields)


def return_received(**fields: Unpack[ReturnReceivedFields]) -> Touchpoint:
    """Goods came back."""
    return build("return.received", fields)


def refund_issued(**fields: Unpack[RefundIssuedFields]) -> Touchpoint:
    """Money went back; how much is the amount."""
    return build("refund.issued", fields)

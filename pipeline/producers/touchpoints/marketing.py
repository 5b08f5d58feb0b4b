# Rendered by `make render` from the schemas; edit the schemas instead.
"""Touchpoints of the family `marketing`: one builder a type."""

from typing import Unpack

from pipeline.producers.touchpoints.building import Touchpoint, build
from pipeline.producers.touchpoints.envelope import Envelope


class MarketingImpressionFields(Envelope, total=False):
    """What `marketing.impression` and its like may say."""

    campaign: str  # Campaign of the advert.
    creative: str  # Picture or text shown.
    placement: str  # Where it was shown.
    # What the contact cost the advertiser, as the platform reports it; informative, not the customer's money.
    cost: float


class MarketingUnsubscribedFields(Envelope, total=False):
    """What `marketing.unsubscribed` and its like may say."""

    list: str  # Mailing list that was left.


def marketing_impression(**fields: Unpack[MarketingImpressionFields]) -> Touchpoint:
    """An advert was shown."""
    return build("marketing.impression", fields)


def marketing_clicked(**fields: Unpack[MarketingImpressionFields]) -> Touchpoint:
    """An advert was clicked."""
    return build("marketing.clicked", fields)


def marketing_unsubscribed(**fields: Unpack[MarketingUnsubscribedFields]) -> Touchpoint:
    """A mailing list was left."""
    return build("marketing.unsubscribed", fields)

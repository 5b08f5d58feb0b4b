# Rendered by `make render` from the schemas; edit the schemas instead.
"""Touchpoints of the family `social`: one builder a type."""

from typing import Unpack

from pipeline.producers.touchpoints.building import Touchpoint, build
from pipeline.producers.touchpoints.envelope import Envelope


class SocialMentionedFields(Envelope, total=False):
    """What `social.mentioned` and its like may say."""

    network: str  # Network, as `instagram`.
    action: str  # What was done, as like, share, comment or follow.
    sentiment: str  # Mood of the mention: positive, neutral, negative.
    reach: int  # How many may have seen it.


def social_mentioned(**fields: Unpack[SocialMentionedFields]) -> Touchpoint:
    """The business was mentioned."""
    return build("social.mentioned", fields)


def social_interacted(**fields: Unpack[SocialMentionedFields]) -> Touchpoint:
    """A post of the business was liked, shared, answered."""
    return build("social.interacted", fields)

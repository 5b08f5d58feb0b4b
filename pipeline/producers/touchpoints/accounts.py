# Rendered by `make render` from the schemas; edit the schemas instead.
"""Touchpoints of the family `accounts`: one builder a type."""

from collections.abc import Sequence
from typing import Required, TypedDict, Unpack

from pipeline.producers.touchpoints.building import Touchpoint, build
from pipeline.producers.touchpoints.envelope import Envelope, Time


class FirstIdentifier(TypedDict, total=False):
    """First identifier of the statement."""

    kind: Required[str]  # What sort of identifier.
    value: Required[str]  # The identifier as the source knows it.


class SecondIdentifier(TypedDict, total=False):
    """Second identifier of the statement."""

    kind: Required[str]  # What sort of identifier.
    value: Required[str]  # The identifier as the source knows it.


class AccountRegisteredFields(Envelope, total=False):
    """What `account.registered` and its like may say."""

    method: str  # Way of signing up or in.


class AccountGroupedFields(Envelope, total=False):
    """What `account.grouped` and its like may say."""

    method: str  # Way of signing up or in.
    group_id: str  # Company or household that the account joined.


class SubscriptionStartedFields(Envelope, total=False):
    """What `subscription.started` and its like may say."""

    plan: str  # Plan of the subscription.
    period: str  # Billing period, as `month`.
    trial: bool  # Free of charge for now.


class SubscriptionCancelledFields(Envelope, total=False):
    """What `subscription.cancelled` and its like may say."""

    reason: str  # Why it was cancelled, merged or kept apart.
    effective_at: Time  # The subscription ends at.
    voluntary: bool  # The customer wanted it.


class LoyaltyPointsChangedFields(Envelope, total=False):
    """What `loyalty.points_changed` and its like may say."""

    delta: float  # Points won or lost.
    balance: float  # Points after it.
    tier: str  # Loyalty tier after it.


class ConsentChangedFields(Envelope, total=False):
    """What `consent.changed` and its like may say."""

    purposes: Sequence[str]  # Purposes whose consent changed; the consent itself is in the envelope.


class UsageUsedFields(Envelope, total=False):
    """What `usage.used` and its like may say."""

    feature: str  # What was used.
    quantity: float  # How many or how much.


class IdentityAliasedFields(Envelope, total=False):
    """What `identity.aliased` and its like may say."""

    a: Required[FirstIdentifier]  # First identifier of the statement.
    b: Required[SecondIdentifier]  # Second identifier of the statement.
    reason: str  # Why it was cancelled, merged or kept apart.


class CustomTrackedFields(Envelope, total=False):
    """What `custom.tracked` and its like may say."""

    name: Required[str]  # Name of the event as the producer calls it.


def account_registered(**fields: Unpack[AccountRegisteredFields]) -> Touchpoint:
    """An account was made."""
    return build("account.registered", fields)


def account_signed_in(**fields: Unpack[AccountRegisteredFields]) -> Touchpoint:
    """Somebody signed in."""
    return build("account.signed_in", fields)


def account_identified(**fields: Unpack[AccountRegisteredFields]) -> Touchpoint:
    """A visitor became known."""
    return build("account.identified", fields)


def account_grouped(**fields: Unpack[AccountGroupedFields]) -> Touchpoint:
    """An account joined a company or household."""
    return build("account.grouped", fields)


def subscription_started(**fields: Unpack[SubscriptionStartedFields]) -> Touchpoint:
    """A subscription began."""
    return build("subscription.started", fields)


def subscription_renewed(**fields: Unpack[SubscriptionStartedFields]) -> Touchpoint:
    """A subscription went on."""
    return build("subscription.renewed", fields)


def subscription_paused(**fields: Unpack[SubscriptionStartedFields]) -> Touchpoint:
    """A subscription was paused."""
    return build("subscription.paused", fields)


def subscription_changed(**fields: Unpack[SubscriptionStartedFields]) -> Touchpoint:
    """A subscription was changed."""
    return build("subscription.changed", fields)


def subscription_cancelled(**fields: Unpack[SubscriptionCancelledFields]) -> Touchpoint:
    """A subscription was cancelled."""
    return build("subscription.cancelled", fields)


def loyalty_points_changed(**fields: Unpack[LoyaltyPointsChangedFields]) -> Touchpoint:
    """Loyalty points were won or lost."""
    return build("loyalty.points_changed", fields)


def loyalty_tier_changed(**fields: Unpack[LoyaltyPointsChangedFields]) -> Touchpoint:
    """The loyalty tier changed."""
    return build("loyalty.tier_changed", fields)


def consent_changed(**fields: Unpack[ConsentChangedFields]) -> Touchpoint:
    """The customer agreed to or refused a purpose."""
    return build("consent.changed", fields)


def usage_used(**fields: Unpack[UsageUsedFields]) -> Touchpoint:
    """The product or service was used."""
    return build("usage.used", fields)


def identity_aliased(**fields: Unpack[IdentityAliasedFields]) -> Touchpoint:
    """Two accounts are one person."""
    return build("identity.aliased", fields)


def identity_unlinked(**fields: Unpack[IdentityAliasedFields]) -> Touchpoint:
    """Two identifiers are not one person."""
    return build("identity.unlinked", fields)


def custom_tracked(**fields: Unpack[CustomTrackedFields]) -> Touchpoint:
    """What has no type yet, under the producer's own name."""
    return build("custom.tracked", fields)

"""
The caps of identity as data (CONTRACT: Identifiers, the table and «Shared»).

The rule owned here: how many distinct neighbours of one kind an identifier of another kind may have, and what becomes
of it beyond. Towards a stronger kind the identifier itself is shared, towards a weaker or its own kind just those
links die. Towards orders, shipments and their like there is no cap, not even from their own kind.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

import polars as pl

from pipeline.config import IdentitySettings
from pipeline.contracts.kinds import KIND_RANK, KINDS

ACCOUNT_RANK: Final = KIND_RANK["customer_id"]
_ACCOUNTS: Final = frozenset({"customer_id", "loyalty_id"})
_CONTACTS: Final = frozenset({"email", "phone"})
_DEVICES: Final = frozenset({"device_id", "cookie_id", "other"})
_PERSONAL: Final = frozenset({"email", "phone", "loyalty_id", "ticket_requester", "social_handle"})
_BUSINESS: Final = frozenset(
    {"order_id", "shipment_id", "return_id", "ticket_id", "conversation_id", "subscription_id"}
)
_OTHERS: Final = frozenset(KINDS) - _ACCOUNTS - _CONTACTS


class Effect(StrEnum):
    """What happens to an identifier beyond a cap."""

    SHARED = "shared"
    LINKS_DIE = "links_die"


@dataclass(frozen=True, slots=True)
class Cap:
    """The most distinct neighbours of one kind, and what happens beyond."""

    limit: int
    effect: Effect


@dataclass(frozen=True, slots=True)
class _Rule:
    kinds: frozenset[str]
    neighbours: frozenset[str]
    setting: str


_TOWARDS_STRONGER: Final[tuple[_Rule, ...]] = (
    _Rule(frozenset({"loyalty_id"}), frozenset({"customer_id"}), "cap_loyalty_accounts"),
    _Rule(_CONTACTS, _ACCOUNTS, "cap_contact_accounts"),
    _Rule(frozenset({"phone"}), frozenset({"email"}), "cap_phone_emails"),
    _Rule(_OTHERS, _ACCOUNTS, "cap_other_accounts"),
    _Rule(_OTHERS, _CONTACTS, "cap_other_contacts"),
)
_TOWARDS_WEAKER: Final[tuple[_Rule, ...]] = (
    _Rule(frozenset(KINDS), _DEVICES, "cap_weaker_devices"),
    _Rule(frozenset(KINDS), _PERSONAL, "cap_weaker_contacts"),
)
_TOWARDS_OWN: Final[tuple[_Rule, ...]] = (_Rule(frozenset(KINDS), frozenset(KINDS) - _BUSINESS, "cap_same_kind"),)


def cap_towards(kind_rank: int, neighbour_rank: int, settings: IdentitySettings) -> Cap | None:
    """
    Return the cap of one kind towards another.

    Args:
        kind_rank: Rank of the identifier's kind.
        neighbour_rank: Rank of the kind of the neighbours that are counted.
        settings: The limits.

    Returns:
        The cap, or None where any number is fine.
    """
    kind, neighbour = KINDS[kind_rank], KINDS[neighbour_rank]
    if neighbour_rank < kind_rank:
        rules, effect = _TOWARDS_STRONGER, Effect.SHARED
    elif neighbour_rank > kind_rank:
        rules, effect = _TOWARDS_WEAKER, Effect.LINKS_DIE
    else:
        rules, effect = _TOWARDS_OWN, Effect.LINKS_DIE
    for rule in rules:
        if kind in rule.kinds and neighbour in rule.neighbours:
            return Cap(getattr(settings, rule.setting), effect)
    return None


def cap_table(settings: IdentitySettings) -> pl.DataFrame:
    """Return every cap as a row: kind, neighbour_kind (ranks), most (neighbours), shares (Boolean)."""
    rows = []
    for kind in range(len(KINDS)):
        for neighbour in range(len(KINDS)):
            cap = cap_towards(kind, neighbour, settings)
            if cap is not None:
                rows.append((kind, neighbour, cap.limit, cap.effect is Effect.SHARED))
    schema = {"kind": pl.Int8, "neighbour_kind": pl.Int8, "most": pl.Int64, "shares": pl.Boolean}
    return pl.DataFrame(rows, schema=schema, orient="row")

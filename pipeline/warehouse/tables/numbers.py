"""
Columns of `touchpoints` that ClickHouse makes of ids when a row is written: what touchpoints are told apart by.

One rule: each is a function of the row alone (type, direction, ids), so rows that landed before a column was declared
answer as if they had it. An id is a text, which every question that tells by it would unpack and hash for millions of
touchpoints; its number is 0 wherever nothing is told by it, and then costs next to nothing.
"""

from collections.abc import Mapping
from typing import Final

from pipeline.warehouse.ddl import quote_text
from pipeline.warehouse.declarations import DerivedColumn

CHATS: Final = ("support.chat_started", "support.chat_message", "support.chat_ended")
CALLS_AND_CHATS: Final = ("support.call_ended", *CHATS)
"""Contacts with support that are told apart by conversation; the others are by ticket or thread."""

OCCASIONS: Final[Mapping[str, str]] = {
    "order.placed": "order_id",
    "delivery.shipped": "order_id",
    "support.chat_started": "conversation_id",
    "support.chat_message": "conversation_id",
    "support.chat_ended": "conversation_id",
    "support.email_received": "ticket_id",
    "support.ticket_created": "ticket_id",
    "support.ticket_solved": "ticket_id",
    "support.ticket_reopened": "ticket_id",
}
"""Id by which touchpoints of a type are one occasion of pain."""

BOUGHT: Final = ("order.placed", "return.requested", "review.published")
"""Types that tell of a product bought."""

_MAIL: Final = ("support.email_received", "support.ticket_created")


def id_number(text: str, empty: str = "") -> str:
    """Return the number that stands for an id, 0 where it (or `empty`) is empty: numbers group quicker than texts."""
    return f"if({empty or text} = '', toUInt128(0), reinterpretAsUInt128(sipHash128({text})))"


def number_columns() -> tuple[DerivedColumn, ...]:
    """Return the columns."""
    return (
        DerivedColumn(
            "occasion_number",
            "UInt128",
            "Number of the order, conversation or ticket by which touchpoints of some types are one occasion of pain; "
            "0: none.",
            _occasion(),
        ),
        DerivedColumn(
            "bought_number",
            "UInt128",
            "Number of order and first product of what is bought, sent back or reviewed; 0: none.",
            f"if({_typed(BOUGHT)} AND (order_id != '') AND ((product_ids[1]) != ''), "
            "reinterpretAsUInt128(sipHash128(order_id, '\\t', product_ids[1])), toUInt128(0))",
        ),
        DerivedColumn(
            "contact_number",
            "UInt128",
            "Number of the conversation or ticket, else of the touchpoint, where a customer turned to support; 0: no "
            "such touchpoint.",
            _contact(),
        ),
    )


def _occasion() -> str:
    types: dict[str, list[str]] = {}
    for name, id_ in OCCASIONS.items():
        types.setdefault(id_, []).append(name)
    cases = ", ".join(f"{_typed(names)}, {id_}" for id_, names in types.items())
    return id_number(f"multiIf({cases}, '')")


def _contact() -> str:
    """Say what a contact is; messages and the end of a chat are only of a conversation that they name."""
    chat = ("support.chat_message", "support.chat_ended")
    none = (
        f"({_typed((*CALLS_AND_CHATS, *_MAIL), 'NOT IN')}) OR (direction = 'outbound') "
        f"OR ({_typed(chat)} AND (conversation_id = ''))"
    )
    told = f"if({_typed(_MAIL)}, ticket_id, conversation_id)"
    return (
        f"multiIf({none}, toUInt128(0), {told} = '', reinterpretAsUInt128(event_uid), "
        f"reinterpretAsUInt128(sipHash128({told})))"
    )


def _typed(names: tuple[str, ...] | list[str], how: str = "IN") -> str:
    return f"(type {how} ({', '.join(map(quote_text, names))}))"

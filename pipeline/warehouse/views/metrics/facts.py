"""
What several metrics start from: orders, contacts of customers with support, and who the customer is.

The rule owned here: an order is a distinct order_id of order.placed, dated and described by the first; a contact is
what the pain point `repeat_contact` calls one. An order stands for itself; whoever counts customers joins them.
"""

from typing import Final

from pipeline.warehouse.views.expressions import ABSENT_UUID, ACTIVE_RULES
from pipeline.warehouse.views.metrics.declaration import campaign, typed

FIRST: Final = "tuple(t.occurred_at, UUIDToNum(t.event_uid))"
"""What orders touchpoints: time, ties by event_uid as text."""

CUSTOMER: Final = f"ifNull(nullIf(w.customer_uid, {ABSENT_UUID}), t.ident_key)"

SUBJECT: Final = "t.ident_key"
"""Whom a touchpoint `t` is about, until `with_customers` says which customer that is."""

_CHAT: Final = ("support.chat_started", "support.chat_message", "support.chat_ended")
_CONTACTS: Final = ("support.call_ended", *_CHAT, "support.email_received", "support.ticket_created")


def products_of(lines: str) -> str:
    """Return the products of an order `t`, from its lines as `LINES`."""
    return f"arrayFilter(p -> p != '', arrayDistinct(arrayConcat(t.product_ids, tupleElement({lines}, 1))))"


PRODUCTS: Final = "t.body_products"
"""Products of an order."""


def joined_customers(subject: str = "ident_key") -> str:
    """Return the join of `touchpoints AS t`, or of what has a subject by another name, with the customers as `w`."""
    return (
        "LEFT ANY JOIN\n    (\n"
        f"        SELECT ident_key, customer_uid FROM {{db}}.stitched FINAL WHERE rules_version = {ACTIVE_RULES}\n"
        f"    ) AS w ON t.{subject} = w.ident_key"
    )


def with_customers(rows: str) -> str:
    """
    Return rows in which `customer` is a subject, each with the customer that it belongs to instead.

    It is the last step, on few rows of few columns: joined to touchpoints it would cost as much as to read them.
    """
    return (
        f"SELECT t.* REPLACE (ifNull(nullIf(w.customer_uid, {ABSENT_UUID}), t.customer) AS customer)\n"
        f"FROM\n({rows}\n) AS t\n{joined_customers('customer')}"
    )


def id_number(text: str, empty: str = "") -> str:
    """Return the number that stands for an id, 0 where it (or `empty`) is empty: numbers group quicker than texts."""
    return f"if({empty or text} = '', toUInt128(0), reinterpretAsUInt128(sipHash128({text})))"


def first_of_each(ordered: str) -> str:
    """Return the first touchpoint of each order, from an array of (at, uid, `id_number` of the order, …) in order."""
    return f"arrayFilter((x, n) -> n = 1, {ordered}, arrayEnumerateUniq({ordered}.3))"


def orders(said: str) -> str:
    """
    Return every order: `placed`, of its first touchpoint, (at, uid, and further values).

    Args:
        said: These values, expressions of a touchpoint `t`.
    """
    return f"""
    SELECT min(tuple(t.occurred_at, UUIDToNum(t.event_uid), {said})) AS placed
    FROM {{db}}.touchpoints AS t FINAL
    WHERE {typed("order.placed")} AND t.order_id != ''
    GROUP BY {id_number("t.order_id")}"""


def contacts(*said: str) -> str:
    """
    Return every contact that customers began: customer, unsolved; at and uid of its beginning, and what is asked of it.

    Args:
        said: Which of channel, campaign and products are asked: what is not asked need not be read.

    Messages of one thread, ticket or conversation become one row first: far fewer are then told apart.
    """
    is_mail = (
        "t.type NOT IN ('support.call_ended', 'support.chat_started', 'support.chat_message', 'support.chat_ended')"
    )
    expressions = {"channel": "t.channel", "campaign": campaign(), "products": "arrayDistinct(t.product_ids)"}
    asked = "".join(f", {expressions[name]}" for name in said)
    named = "".join(f"first.{place} AS {name}, " for place, name in enumerate(said, 4))
    matter = "if(ticket != '', ticket, its_ticket)"
    about = id_number(f"concat('ticket:', {matter})", matter)
    return f"""
    SELECT customer, first.1 AS at, first.3 AS uid, {named}unsolved
    FROM
    (
        SELECT customer, first, unsolved, ticket != '' AND is_ticket_only
            AND min(is_ticket_only) OVER (PARTITION BY customer, {id_number("ticket")}) = 0 AS is_shadow
        FROM
        (
            SELECT customer, max(ticket) AS ticket, max(unsolved) AS unsolved, min(first) AS first,
                min(is_ticket_only) AS is_ticket_only
            FROM
            (
                SELECT *, if(thread = 0, '', minIf(ticketed, thread != 0 AND ticketed.3 != '')
                        OVER (PARTITION BY customer, thread).3) AS its_ticket,
                    multiIf(NOT is_mail, own, {about} != 0, {about}, thread != 0, thread, own) AS key
                FROM
                (
                    SELECT {CUSTOMER} AS customer, {is_mail} AS is_mail,
                        {id_number("concat('thread:', t.body_thread_id)", "t.body_thread_id")} AS thread,
                        multiIf(NOT is_mail, if(t.conversation_id = '', reinterpretAsUInt128(t.event_uid),
                            reinterpretAsUInt128(sipHash128(t.conversation_id))),
                            t.ticket_id != '', reinterpretAsUInt128(sipHash128(t.ticket_id)),
                            thread != 0, 0, reinterpretAsUInt128(t.event_uid)) AS own,
                        max(t.ticket_id) AS ticket, max(t.body_unresolved) AS unsolved,
                        minIf(tuple(t.occurred_at, UUIDToNum(t.event_uid), t.ticket_id), t.ticket_id != '') AS ticketed,
                        min(tuple(t.occurred_at, UUIDToNum(t.event_uid), t.event_uid{asked})) AS first,
                        min(t.type = 'support.ticket_created') AS is_ticket_only
                    FROM {{db}}.touchpoints AS t FINAL
                    {joined_customers()}
                    WHERE {typed(*_CONTACTS)} AND t.direction != 'outbound'
                        AND (t.type NOT IN ('support.chat_message', 'support.chat_ended') OR t.conversation_id != '')
                    GROUP BY customer, is_mail, thread, own
                )
            )
            GROUP BY customer, is_mail, key
        )
    )
    WHERE NOT is_shadow"""

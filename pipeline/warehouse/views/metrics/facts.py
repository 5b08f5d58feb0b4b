"""
What several metrics start from: orders, contacts of customers with support, and who the customer is.

The rule owned here: an order is a distinct order_id of order.placed, dated and described by the first; a contact is
what the pain point `repeat_contact` calls one. An order stands for itself; whoever counts customers joins them.
"""

from typing import Final

from pipeline.warehouse.views.expressions import ABSENT_UUID, ACTIVE_RULES
from pipeline.warehouse.views.metrics.declaration import campaign, field, typed

FIRST: Final = "tuple(t.occurred_at, UUIDToNum(t.event_uid))"
"""What orders touchpoints: time, ties by event_uid as text."""

CUSTOMER: Final = f"ifNull(nullIf(w.customer_uid, {ABSENT_UUID}), t.ident_key)"

SUBJECT: Final = "t.ident_key"
"""Whom a touchpoint `t` is about, until `with_customers` says which customer that is."""

_CHAT: Final = ("support.chat_started", "support.chat_message", "support.chat_ended")
_CONTACTS: Final = ("support.call_ended", *_CHAT, "support.email_received", "support.ticket_created")

LINES: Final = "Array(Tuple(product_id String))"
"""What is read of the lines of an order, as a type."""


def products_of(lines: str) -> str:
    """Return the products of an order `t`, from its lines as `LINES`."""
    return f"arrayFilter(p -> p != '', arrayDistinct(arrayConcat(t.product_ids, tupleElement({lines}, 1))))"


PRODUCTS: Final = products_of(f"JSONExtract(t.body, 'lines', '{LINES}')")
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


def id_number(text: str) -> str:
    """Return the number that stands for an id, 0 for an empty one: numbers group quicker than texts."""
    return f"if({text} = '', toUInt128(0), reinterpretAsUInt128(sipHash128({text})))"


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


def contacts() -> str:
    """Return every contact that customers began: customer, unsolved; at, uid, channel, … of its beginning."""
    is_mail = "type NOT IN ('support.call_ended', 'support.chat_started', 'support.chat_message', 'support.chat_ended')"
    own = "if(matter = '', concat('#', toString(uid)), matter)"
    key = f"multiIf(NOT {is_mail}, if(conversation = '', concat('#', toString(uid)), conversation), {own})"
    thread_ticket = (
        "if(thread = '', '', minIf(tuple(at, UUIDToNum(uid), ticket), thread != '' AND ticket != '') "
        "OVER (PARTITION BY customer, thread).3)"
    )
    named = f"""
            SELECT {CUSTOMER} AS customer, t.occurred_at AS at, t.event_uid AS uid, toString(t.type) AS type,
                t.channel AS channel, {campaign()} AS campaign, arrayDistinct(t.product_ids) AS products,
                t.conversation_id AS conversation,
                t.ticket_id AS ticket, JSONExtractString(t.body, 'thread_id') AS thread,
                ifNull({field("resolved", "Bool")}, true) = false AS unsolved
            FROM {{db}}.touchpoints AS t FINAL
            {joined_customers()}
            WHERE {typed(*_CONTACTS)} AND t.direction != 'outbound'
                AND (t.type NOT IN ('support.chat_message', 'support.chat_ended') OR t.conversation_id != '')"""
    return f"""
    SELECT customer, first.1 AS at, first.3 AS uid, first.4 AS channel, first.5 AS campaign, first.6 AS products,
        unsolved
    FROM
    (
        SELECT *, ticket != '' AND is_ticket_only
            AND min(is_ticket_only) OVER (PARTITION BY customer, ticket) = 0 AS is_shadow
        FROM
        (
            SELECT customer, maxIf(ticket, ticket != '') AS ticket, max(unsolved) AS unsolved,
                min(tuple(at, UUIDToNum(uid), uid, channel, campaign, products)) AS first,
                min(type = 'support.ticket_created') AS is_ticket_only
            FROM
            (
                SELECT *, multiIf(ticket != '', concat('ticket:', ticket), its_ticket != '',
                        concat('ticket:', its_ticket), thread != '', concat('thread:', thread), '') AS matter,
                    {is_mail} AS is_mail, {key} AS key
                FROM (SELECT *, {thread_ticket} AS its_ticket FROM ({named}
                ))
            )
            GROUP BY customer, is_mail, key
        )
    )
    WHERE NOT is_shadow"""

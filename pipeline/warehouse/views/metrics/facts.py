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

_CHAT: Final = ("support.chat_started", "support.chat_message", "support.chat_ended")
_CONTACTS: Final = ("support.call_ended", *_CHAT, "support.email_received", "support.ticket_created")

LINES: Final = "Array(Tuple(product_id String))"
"""What is read of the lines of an order, as a type."""


def products_of(lines: str) -> str:
    """Return the products of an order `t`, from its lines as `LINES`."""
    return f"arrayFilter(p -> p != '', arrayDistinct(arrayConcat(t.product_ids, tupleElement({lines}, 1))))"


PRODUCTS: Final = products_of(f"JSONExtract(t.body, 'lines', '{LINES}')")
"""Products of an order."""


def joined_customers() -> str:
    """Return the join of `touchpoints AS t` with the customers, as `w`."""
    return (
        "LEFT ANY JOIN\n    (\n"
        f"        SELECT ident_key, customer_uid FROM {{db}}.stitched FINAL WHERE rules_version = {ACTIVE_RULES}\n"
        "    ) AS w ON t.ident_key = w.ident_key"
    )


def orders(customer: str = "") -> str:
    """Return every order: order_id, at, channel, campaign, products; who placed it where a customer is named."""
    who, join = (f"argMin({customer}, {FIRST}) AS customer,", joined_customers()) if customer else ("", "")
    return f"""
    SELECT {who} t.order_id AS order_id, min(t.occurred_at) AS at, argMin(t.channel, {FIRST}) AS channel,
        argMin({campaign()}, {FIRST}) AS campaign, argMin({PRODUCTS}, {FIRST}) AS products
    FROM {{db}}.touchpoints AS t FINAL
    {join}
    WHERE {typed("order.placed")} AND t.order_id != ''
    GROUP BY t.order_id"""


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

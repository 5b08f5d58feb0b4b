"""
What several metrics start from: orders, contacts of customers with support, and who the customer is.

The rule owned here: an order is a distinct order_id of order.placed, dated and described by the first; a contact is
what the pain point `repeat_contact` calls one. An order stands for itself; whoever counts customers joins them.
"""

from typing import Final

from pipeline.warehouse.ddl import quote_text
from pipeline.warehouse.tables.numbers import CALLS_AND_CHATS, id_number
from pipeline.warehouse.views.expressions import ABSENT_UUID, ACTIVE_RULES, milliseconds_of, number_of, rank_of
from pipeline.warehouse.views.metrics.declaration import campaign, typed

FIRST: Final = "tuple(t.occurred_at, UUIDToNum(t.event_uid))"
"""What orders touchpoints: time, ties by event_uid as text."""

CUSTOMER: Final = f"ifNull(nullIf(w.customer_uid, {ABSENT_UUID}), t.ident_key)"

SUBJECT: Final = "t.ident_key"
"""Whom a touchpoint `t` is about, until `with_customers` says which customer that is."""


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
    WHERE {typed("order.placed")} AND t.occasion_number != 0
    GROUP BY t.occasion_number"""


def contacts(*said: str) -> str:
    """
    Return every contact that customers began: customer, unsolved; at and uid of its beginning, and what is asked of it.

    Args:
        said: Which of channel, campaign and products are asked: what is not asked need not be read.

    Messages of one thread, ticket or conversation become one row first: far fewer are then told apart. What is first
    is told by numbers (`rank_of`): the engine keeps the least of tuples as values of any type.
    """
    named = "".join(f", {name}" for name in said)
    first = "".join(f", argMin({name}, begins) AS {name}" for name in said)
    about = id_number("concat('ticket:', ticket)", "ticket")
    return f"""
    SELECT customer, fromUnixTimestamp64Milli({milliseconds_of("began")}, 'UTC') AS at,
        reinterpretAsUUID({number_of("toUInt128(began)")}) AS uid{named}, unsolved
    FROM
    (
        SELECT *, about != 0 AND is_ticket_only
            AND min(is_ticket_only) OVER (PARTITION BY customer, about) = 0 AS is_shadow
        FROM
        (
            SELECT customer, {id_number("max(ticket)")} AS about, max(unsolved) AS unsolved{first},
                min(begins) AS began, min(is_ticket_only) AS is_ticket_only
            FROM
            (
                SELECT *, multiIf(NOT is_mail, own, about != 0, about, thread != 0, thread, own) AS key
                FROM
                (
                    SELECT *, multiIf(ticket != '', {about}, thread = 0, 0,
                        argMinIf(ticketed, ticketed_at, ticketed != 0) OVER (PARTITION BY customer, thread)) AS about
                    FROM
                    ({_messages(said)}
                    )
                )
            )
            GROUP BY customer, is_mail, key
        )
    )
    WHERE NOT is_shadow"""


def _messages(said: tuple[str, ...]) -> str:
    """Return what customers wrote and said, one row for each thread, ticket or conversation."""
    is_mail = f"t.type NOT IN ({', '.join(map(quote_text, CALLS_AND_CHATS))})"
    expressions = {"channel": "t.channel", "campaign": campaign(), "products": "arrayDistinct(t.product_ids)"}
    asked = "".join(f", {expressions[name]} AS {name}" for name in said)
    first = "".join(f", argMin({name}, rank) AS {name}" for name in said)
    rank = rank_of("toUnixTimestamp64Milli(t.occurred_at)", number_of("reinterpretAsUInt128(t.event_uid)"))
    return f"""
                    SELECT customer, is_mail, thread, own, max(ticket_id) AS ticket, max(is_unsolved) AS unsolved,
                        minIf(rank, about != 0) AS ticketed_at, argMinIf(about, rank, about != 0) AS ticketed,
                        min(rank) AS begins, min(is_ticket) AS is_ticket_only{first}
                    FROM
                    (
                        SELECT {CUSTOMER} AS customer, {is_mail} AS is_mail, {rank} AS rank, t.ticket_id AS ticket_id,
                            {id_number("concat('ticket:', t.ticket_id)", "t.ticket_id")} AS about,
                            {id_number("concat('thread:', t.body_thread_id)", "t.body_thread_id")} AS thread,
                            if(is_mail AND thread != 0 AND about = 0, toUInt128(0), t.contact_number) AS own,
                            t.body_unresolved AS is_unsolved, t.type = 'support.ticket_created' AS is_ticket{asked}
                        FROM {{db}}.touchpoints AS t FINAL
                        {joined_customers()}
                        WHERE t.contact_number != 0
                    )
                    GROUP BY customer, is_mail, thread, own"""

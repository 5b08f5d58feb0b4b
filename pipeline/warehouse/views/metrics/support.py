"""What support takes: contacts, first-contact resolution, waits, first replies, resolution."""

from typing import Final

from pipeline.contracts.kinds import CHANNELS
from pipeline.stitching.trade import FIRST_OF_ORDER
from pipeline.warehouse.ddl import quote_text
from pipeline.warehouse.tables.bodies import body_of
from pipeline.warehouse.tables.numbers import CALLS_AND_CHATS, id_number
from pipeline.warehouse.views.expressions import ANCHORS
from pipeline.warehouse.views.metrics.business_hours import CALENDAR, open_time_between, open_time_of_customers
from pipeline.warehouse.views.metrics.declaration import (
    Metric,
    Rows,
    campaign,
    day,
    dims,
    field,
    of_customers,
    typed,
)
from pipeline.warehouse.views.metrics.facts import (
    CUSTOMER,
    FIRST,
    PRODUCTS,
    contacts,
    joined_customers,
    orders,
)
from pipeline.warehouse.views.metrics.statistics import WILSON_SOURCE, quantiles, rate, share
from pipeline.warehouse.views.trade import touchpoints_of_trade

_RANKS: Final = "interval: Conover, Practical Nonparametric Statistics, 3.2"
_DESKS: Final = "as help desks count it, in calendar hours"
_PRODUCTS: Final = "arrayDistinct(t.product_ids)"
_THREADED: Final = ("support.email_received", "support.email_sent", "support.call_ended")
TICKETED: Final = tuple(f"support.ticket_{verb}" for verb in ("created", "updated", "solved", "reopened"))
MESSAGES: Final = (*_THREADED, *TICKETED)
ASKS: Final = "type IN ('support.email_received', 'support.ticket_created') AND direction != 'outbound'"
ANSWERS: Final = (
    "type IN ('support.email_sent', 'support.ticket_solved') OR (type = 'support.ticket_updated' AND is_public) "
    "OR (type = 'support.call_ended' AND direction = 'outbound')"
)
# Of messages with at, uid (as number), thread and ticket.
ITS_TICKET: Final = (
    "if(thread = '', '', minIf(tuple(at, uid, ticket), thread != '' AND ticket != '') OVER (PARTITION BY thread).3)"
)
MATTER: Final = (
    "multiIf(ticket != '', concat('ticket:', ticket), its_ticket != '', concat('ticket:', its_ticket), "
    "thread != '', concat('thread:', thread), '')"
)
"""What a message is about: the ticket, else the thread."""


def support_metrics() -> tuple[Metric, ...]:
    """Return the metrics of contacts with support."""
    return (*_contact_metrics(), *_time_metrics(), *_business_metrics())


def _contact_metrics() -> tuple[Metric, ...]:
    return (
        Metric(
            name="first_contact_resolution",
            title="First-contact resolution",
            unit="share",
            statistic=share(),
            definition="Share of matters settled by their first contact: not said to be unresolved, and not followed "
            "by a contact that repeats it; first contacts of the last 7 days are not judged yet.",
            source=f"Matters without a repeat within a window, here that of repeat_contact; {WILSON_SOURCE}",
            dimensions=("channel", "campaign", "product"),
            **_of_contacts(
                "NOT unsolved AND uid NOT IN (SELECT e[1] FROM repeats)",
                "uid NOT IN (SELECT e[-1] FROM repeats) AND at <= now64(3, 'UTC') - INTERVAL 7 DAY",
            ),
        ),
        Metric(
            name="repeat_contact_rate",
            title="Repeat-contact rate",
            unit="share",
            statistic=share(),
            definition="Share of contacts that repeat an earlier one, as the pain point repeat_contact says.",
            source=f"docs/pain-points.md, repeat_contact; {WILSON_SOURCE}",
            dimensions=("channel", "campaign", "product"),
            **_of_contacts("uid IN (SELECT e[-1] FROM repeats)", "1"),
        ),
        Metric(
            name="contacts_per_100_orders",
            title="Contacts per 100 orders",
            unit="contacts per 100 orders",
            statistic=rate(100),
            definition="Contacts with support, by their channel, per 100 orders of the same period on all channels; by "
            "product: contacts that name it, per 100 orders of it.",
            source="Contact rate of contact centres; interval: Byar's, in Breslow and Day, Statistical Methods in "
            "Cancer Research II, 1987, 2.3",
            dimensions=("channel", "product"),
            rows=_per_orders(),
            customers=_per_orders_of_customers(),
        ),
    )


def _time_metrics() -> tuple[Metric, ...]:
    return (
        Metric(
            name="wait",
            title="Wait for an answer",
            unit="seconds",
            statistic=quantiles(1000, 500, 900, 990),
            definition="Seconds that a call or chat waited for an answer.",
            source=f"Average speed of answer, as quantiles; {_RANKS}",
            dimensions=("channel", "campaign", "product", "queue"),
            rows=_waits(),
            customers=of_customers("first.1", "hit", _waited(CUSTOMER)),
        ),
        Metric(
            name="first_reply",
            title="First reply time",
            unit="hours",
            statistic=quantiles(3_600_000, 500, 900, 990),
            definition="Hours by the calendar from the first message of a ticket or thread to the first answer that "
            "the customer sees.",
            source=f"{_DESKS}; {_RANKS}",
            dimensions=("channel", "campaign", "product"),
            rows=_time_between(_replied()),
            customers=_time_of_customers(_replied(CUSTOMER)),
        ),
        Metric(
            name="resolution",
            title="Resolution time",
            unit="hours",
            statistic=quantiles(3_600_000, 500, 900, 990),
            definition="Hours by the calendar from the opening of a ticket to the solution that nothing reopened.",
            source=f"Full resolution time {_DESKS}; {_RANKS}",
            dimensions=("channel", "campaign", "product"),
            rows=_time_between(_resolved()),
            customers=_time_of_customers(_resolved(CUSTOMER)),
        ),
    )


def _business_metrics() -> tuple[Metric, ...]:
    return tuple(
        Metric(
            name=f"{name}_business",
            title=f"{title} in business hours",
            unit="business hours",
            statistic=quantiles(3_600_000, 500, 900, 990),
            definition=f"Opening hours of the business calendar from {span}.",
            source=f"{_DESKS.replace('calendar', 'business')}; {_RANKS}",
            dimensions=("channel", "campaign", "product"),
            rows=open_time_between(rows()),
            customers=open_time_of_customers(rows(CUSTOMER)),
        )
        for name, title, span, rows in (
            (
                "first_reply",
                "First reply time",
                "the first message of a ticket or thread to the first answer that the customer sees",
                _replied,
            ),
            (
                "resolution",
                "Resolution time",
                "the opening of a ticket to the solution that nothing reopened",
                _resolved,
            ),
        )
    )


def _of_contacts(hit: str, condition: str) -> Rows:
    """Return the rows of a metric of contacts, by the dimensions and by customer."""
    # Who repeats whom is found by the rule itself, so a merge and the settings of the rule hold here too.
    repeats = (
        "SELECT e FROM {db}.stitched AS s FINAL ARRAY JOIN s.pain_kind AS k, s.pain_evidence AS e "
        f"WHERE {ANCHORS} AND k = 'repeat_contact'"
    )
    told = f"toInt64({hit})"
    rows = (
        f"SELECT {day('at')}, {dims('products', channel='channel', campaign='campaign')} AS dims,\n"
        f"    {told} AS hit, 1 AS base\nFROM\n({contacts('channel', 'campaign', 'products')}\n)\nWHERE {condition}"
    )
    known = f"WITH repeats AS ({repeats})\n"
    return {"rows": known + rows, "customers": known + of_customers("at", told, contacts(), condition)}


def _per_orders() -> str:
    channels = ", ".join(f"('channel', {quote_text(channel)})" for channel in CHANNELS)
    return (
        f"SELECT {day('at')}, {dims('products', channel='channel')} AS dims, toInt64(1) AS hit,\n"
        f"    toInt64(0) AS base\nFROM\n({contacts('channel', 'products')}\n)\nUNION ALL\n"
        f"SELECT {day('placed.1')}, arrayConcat([('all', ''), {channels}], arrayMap(p -> ('product', p), placed.3)),\n"
        f"    toInt64(0), toInt64(1)\nFROM\n({orders(PRODUCTS)}\n)"
    )


def _per_orders_of_customers() -> str:
    """Return contacts and orders by customer: what somebody was at the contact, and became by the order."""
    first = touchpoints_of_trade(("occurred_at", "event_uid", "order_id", "counts"))
    return f"""SELECT at AS dated, at, customer, toInt64(1) AS hit, toInt64(0) AS base
FROM
({contacts()}
)
UNION ALL
SELECT placed.1 AS dated, placed.1 AS at, placed.3 AS customer, toInt64(0) AS hit, toInt64(1) AS base
FROM
(
    SELECT min(tuple(t_occurred_at, UUIDToNum(t_event_uid), s.ident_key)) AS placed
    {first} AND bitAnd(t_counts, {FIRST_OF_ORDER}) != 0
    GROUP BY {id_number("t_order_id")}
)"""


def _waits() -> str:
    return f"""SELECT {day("first.1")},
    {dims("first.5", channel="first.3", campaign="first.4", queue="queue")} AS dims, hit, 1 AS base
FROM
({_waited()}
)"""


def _waited(customer: str = "") -> str:
    """Select every wait: first (at, uid, channel, campaign, products, who where a customer is named), queue, hit."""
    who, join = _who(customer)
    return f"""
    SELECT min(tuple(t.occurred_at, UUIDToNum(t.event_uid), t.channel, {campaign()}, {_PRODUCTS}{who})) AS first,
        {_named(customer, "first.6")}
        max(JSONExtractString({body_of(CALLS_AND_CHATS)}, 'queue')) AS queue,
        toInt64(round(1000 * max({field("wait_s", "Float64", *CALLS_AND_CHATS)}))) AS hit
    FROM {{db}}.touchpoints AS t FINAL
    {join}
    WHERE {typed(*CALLS_AND_CHATS)} AND JSONHas({body_of(CALLS_AND_CHATS)}, 'wait_s')
    GROUP BY t.type = 'support.call_ended', if(t.conversation_id = '', toString(t.event_uid), t.conversation_id)"""


def _who(customer: str) -> tuple[str, str]:
    """Return one more value of a tuple and the join that it needs; nothing where no customer is asked for."""
    return (f", {customer}", joined_customers()) if customer else ("", "")


def _named(customer: str, place: str) -> str:
    return f"{place} AS customer," if customer else ""


def _messages(types: tuple[str, ...], customer: str = "") -> str:
    """Select the messages of tickets and threads, each with its matter: the ticket, else the thread."""
    _, join = _who(customer)
    return f"""
        SELECT *, {MATTER} AS matter
        FROM
        (
            SELECT *, {ITS_TICKET} AS its_ticket
            FROM
            (
                SELECT t.occurred_at AS at, UUIDToNum(t.event_uid) AS uid, toString(t.type) AS type,
                    t.channel AS channel, {f"{customer} AS asker," if customer else ""}
                    {campaign()} AS campaign, {_PRODUCTS} AS products, t.direction AS direction, t.ticket_id AS ticket,
                    t.body_thread_id AS thread, {CALENDAR} AS calendar, t.source AS source,
                    t.body_public_reply AS is_public
                FROM {{db}}.touchpoints AS t FINAL
                {join}
                WHERE {typed(*types)}
            )
        )
        WHERE matter != ''"""


def _replied(customer: str = "") -> str:
    """Select who asked (at, uid, channel, campaign, calendar, source, products), and when it was answered."""
    own = ", asker" if customer else ""
    return f"""
    SELECT minIf(tuple(at, uid, channel, campaign, calendar, source, products{own}), {ASKS}) AS began,
        {_named(customer, "began.8")} countIf({ASKS}) AS asks,
        arrayFilter(a -> a >= began.1, arraySort(groupArrayIf(at, {ANSWERS}))) AS answers, answers[1] AS ended
    FROM ({_messages(MESSAGES, customer)}
    )
    GROUP BY matter
    HAVING asks > 0 AND length(answers) > 0"""


def _resolved(customer: str = "") -> str:
    """Select what was opened (at, uid, channel, campaign, calendar, source, products), and when it was settled."""
    who, join = _who(customer)
    solved, reopened = "t.type = 'support.ticket_solved'", "t.type = 'support.ticket_reopened'"
    return f"""
    SELECT minIf(tuple(t.occurred_at, UUIDToNum(t.event_uid), t.channel, {campaign()}, {CALENDAR}, t.source,
            {_PRODUCTS}{who}), t.type = 'support.ticket_created') AS began, {_named(customer, "began.8")}
        countIf(t.type = 'support.ticket_created') AS opens,
        maxIf({FIRST}, {reopened}) AS last_reopened, countIf({reopened}) AS reopenings,
        arraySort(groupArrayIf({FIRST}, {solved})) AS all_solved,
        arrayFilter(s -> reopenings = 0 OR s > last_reopened, all_solved) AS standing, standing[1].1 AS ended
    FROM {{db}}.touchpoints AS t FINAL
    {join}
    WHERE {typed(*TICKETED)} AND t.ticket_id != ''
    GROUP BY t.ticket_id
    HAVING opens > 0 AND length(standing) > 0 AND ended >= began.1"""


def _time_of_customers(spans: str) -> str:
    return of_customers("began.1", "toInt64(dateDiff('millisecond', began.1, ended))", spans)


def _time_between(spans: str) -> str:
    return f"""SELECT {day("began.1")},
    {dims("began.7", channel="began.3", campaign="began.4")} AS dims,
    toInt64(dateDiff('millisecond', began.1, ended)) AS hit, 1 AS base
FROM
({spans}
)"""

"""
`v_pain_chances`: every occasion on which something could have hurt, and whether it did.

The rule owned here: what the base of a rate is. A pain point needs an occasion (a parcel that was shipped can come
late, a call can wait), and each occasion counts once, on the day on which it began, whatever came of it later.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from pipeline.warehouse.ddl import quote_text
from pipeline.warehouse.declarations import View, view_columns_of
from pipeline.warehouse.tables.types import LOW, MILLIS
from pipeline.warehouse.views.expressions import ACTIVE_RULES, ANCHORS
from pipeline.warehouse.views.metrics.declaration import typed
from pipeline.warehouse.views.metrics.facts import CUSTOMER, contacts, joined_customers

_TEXT: Final = "tupleElement(said, '{}')"
# One look at each body for all of its fields.
_SAID: Final = ", ".join(f"{name} String" for name in ("carrier", "code", "group", "instrument", "method", "queue"))
_ORDER: Final = "t.order_id"
_UID: Final = "toString(t.event_uid)"
_CUSTOMERS_DAY: Final = f"concat(toString({CUSTOMER}), ' ', toString(toDate(t.occurred_at)))"
_PRODUCT: Final = "t.product_ids[1]"
_ORDERED: Final = f"concat(t.order_id, '\\t', {_PRODUCT})"
_CALLS: Final = ("support.call_ended", "support.chat_ended")
_CHAT: Final = ("support.chat_started", "support.chat_message", "support.chat_ended")
_TICKETS: Final = (
    "support.email_received",
    "support.ticket_created",
    "support.ticket_solved",
    "support.ticket_reopened",
)


@dataclass(frozen=True, slots=True)
class Chance:
    """
    What could hurt, and how often it could.

    Attributes:
        kind: Kind of the pain point.
        step: What an occasion is, in words.
        opens: Types of touchpoints that are an occasion.
        key: What makes touchpoints one occasion; empty: none.
        segments: Expression by name: what occasions are told apart by; empty: not told.
        causes: As segments, but known of those that hurt only; their base is every occasion.
        shows: Further types that can show that it hurt.
        of_order: Whether every pain point of the order counts, rather than those that its touchpoints are evidence of.
        also: Kinds that count as this one.
    """

    kind: str
    step: str
    opens: tuple[str, ...]
    key: str
    segments: Mapping[str, str]
    causes: Mapping[str, str]
    shows: tuple[str, ...] = ()
    of_order: bool = False
    also: tuple[str, ...] = ()


# Beyond the last touchpoint of all nothing can be said to be missing: the facts end there.
_HORIZON: Final = (
    f"(SELECT max(last_seen_at) FROM {{db}}.stitched FINAL WHERE rules_version = {ACTIVE_RULES} AND is_anchor)"
)
_CONTACT: Final = {"channel": "t.channel", "queue": _TEXT.format("queue")}
_PARCEL: Final = {"carrier": _TEXT.format("carrier")}
_FLAW_SHOWN: Final = ("return.requested", "review.published")

CHANCES: Final[tuple[Chance, ...]] = (
    Chance(
        "late_delivery",
        "a parcel shipped",
        ("delivery.shipped",),
        _ORDER,
        _PARCEL,
        {},
        of_order=True,
        also=("missed_promise",),
    ),
    Chance("damaged_or_lost", "a parcel shipped", ("delivery.shipped",), _ORDER, _PARCEL, {}, of_order=True),
    Chance("stalled_return", "a return received", ("return.received",), _UID, {"channel": "t.channel"}, {}),
    Chance(
        "failed_payment",
        "a day on which a customer paid or tried to",
        ("payment.made", "payment.failed"),
        _CUSTOMERS_DAY,
        {"method": _TEXT.format("method")},
        {"code": _TEXT.format("code")},
    ),
    Chance("long_wait", "a call or chat", _CALLS, _UID, _CONTACT, {}),
    Chance("transferred", "a call or chat", _CALLS, _UID, _CONTACT, {}),
    Chance("unresolved_contact", "a call or chat", _CALLS, _UID, _CONTACT, {}),
    Chance("bot_loop", "a chat", _CHAT, "t.conversation_id", {}, {}),
    Chance("reopened_ticket", "a ticket", _TICKETS[1:2], "t.ticket_id", {"queue": _TEXT.format("group")}, {}, _TICKETS),
    Chance("slow_reply", "a ticket", _TICKETS[1:2], "t.ticket_id", {"queue": _TEXT.format("group")}, {}, _TICKETS),
    Chance("product_flaw", "a product bought", ("order.placed",), _ORDERED, {"product": _PRODUCT}, {}, _FLAW_SHOWN),
    Chance("complaint", "an order", ("order.placed",), _ORDER, {"channel": "t.channel"}, {}, of_order=True),
    Chance("low_score", "an answer", ("survey.answered",), _UID, {"instrument": _TEXT.format("instrument")}, {}),
    Chance("bad_review", "a review", ("review.published",), _UID, {"product": _PRODUCT}, {}),
    Chance(
        "abandoned_checkout",
        "a day on which a customer checked out",
        ("checkout.step_reached",),
        _CUSTOMERS_DAY,
        {"device": "t.device_class"},
        {},
    ),
    Chance(
        "churned",
        "a subscription renewed or cancelled",
        ("subscription.renewed", "subscription.cancelled"),
        _UID,
        {},
        {},
    ),
)
"""
Everything that is watched, but for what hurts on pages, where an occasion is a day on which a customer visited, and
for repeat_contact, where it is a contact as the metrics count them.
"""

ON_PAGES: Final = ("rage_click", "ui_error")
CONTACTS: Final = "repeat_contact"


def chances_view() -> View:
    """Declare `v_pain_chances`."""
    return View(
        name="v_pain_chances",
        comment="Every occasion on which something could have hurt, and whether it did: the base of every rate.",
        columns=view_columns_of(
            [
                ("kind", LOW, "c.kind", "Kind of the pain point."),
                ("occurred_at", MILLIS, "c.at", "When the occasion began."),
                ("customer_uid", "UUID", "c.customer", "The customer."),
                ("event_uid", "UUID", "c.uid", "Touchpoint to read: what shows that it hurt, else what began it."),
                ("hurt", "Bool", "c.hurt", "Whether it hurt."),
                ("segments", "Map(String, String)", "CAST(c.segments, 'Map(String, String)')", "What it was, by name."),
                (
                    "causes",
                    "Map(String, String)",
                    "CAST(c.causes, 'Map(String, String)')",
                    "What is known only of occasions that hurt, as the code of a failed payment.",
                ),
            ]
        ),
        source=f"FROM\n(\n{_occasions()}\nUNION ALL\n{_contacts()}\nUNION ALL\n{_pages()}\n) AS c",
        question="How often did each kind of occasion hurt?",
        example="SELECT kind, count() AS occasions, countIf(hurt) AS hurting, round(hurting / occasions, 3) AS share\n"
        "FROM v_pain_chances\nGROUP BY kind\nORDER BY share DESC, kind",
    )


def _occasions() -> str:
    types = sorted({name for chance in CHANCES for name in (*chance.opens, *chance.shows)})
    of_order = [kind for chance in CHANCES if chance.of_order for kind in (chance.kind, *chance.also)]
    pains = "FROM {db}.stitched AS s FINAL ARRAY JOIN s.pain_kind AS kind, s.pain_due_at AS due"
    due = f"(isNull(due) OR due <= {_HORIZON})"
    shown = (
        f"SELECT uid, groupUniqArray(toString(kind)) AS kinds {pains}, s.pain_evidence AS evidence\n"
        f"        ARRAY JOIN evidence AS uid WHERE {ANCHORS} AND {due} GROUP BY uid"
    )
    ordered = (
        f"SELECT order_id, groupUniqArray(toString(kind)) AS kinds {pains}, s.pain_order_id AS order_id\n"
        f"        WHERE {ANCHORS} AND {due} AND order_id != '' AND kind IN ({_texts(of_order)}) GROUP BY order_id"
    )
    first = "tuple(at_, UUIDToNum(uid_))"
    return f"""    SELECT kind, minIf(at_, opens) AS at, argMinIf(customer_, {first}, opens) AS customer,
        if(hurt, argMinIf(uid_, {first}, hurts), argMinIf(uid_, {first}, opens)) AS uid,
        max(hurts) AS hurt, argMinIf(segments_, {first}, opens) AS segments,
        if(hurt, argMinIf(causes_, {first}, hurts), []) AS causes
    FROM
    (
        SELECT JSONExtract(t.body, 'Tuple({_SAID})') AS said, t.occurred_at AS at_, {CUSTOMER} AS customer_,
            t.event_uid AS uid_,
            arrayJoin({_watched()}) AS c, c.1 AS kind, c.2 AS key, c.3 AS opens, c.4 AS hurts,
            arrayFilter(x -> x.2 != '', c.5) AS segments_, arrayFilter(x -> x.2 != '', c.6) AS causes_
        FROM {{db}}.touchpoints AS t FINAL
        {joined_customers()}
        LEFT ANY JOIN
        (
        {shown}
        ) AS e ON e.uid = t.event_uid
        LEFT ANY JOIN
        (
        {ordered}
        ) AS o ON o.order_id = t.order_id
        WHERE {typed(*types)}
    )
    WHERE key != '' AND NOT startsWith(key, '\\t') AND NOT endsWith(key, '\\t')
    GROUP BY kind, key
    HAVING max(opens)"""


def _watched() -> str:
    """Return the occasions that a touchpoint belongs to: (kind, key, whether it begins it, hurts, segments, causes)."""
    by_types: dict[tuple[str, ...], list[str]] = {}
    for chance in CHANCES:
        said = [chance.kind, *chance.also]
        hurts = f"hasAny({'o' if chance.of_order else 'e'}.kinds, [{_texts(said)}])"
        opens = typed(*chance.opens)
        parts = (quote_text(chance.kind), chance.key, opens, hurts, _pairs(chance.segments), _pairs(chance.causes))
        by_types.setdefault(tuple(dict.fromkeys((*chance.opens, *chance.shows))), []).append(f"({', '.join(parts)})")
    arrays = (f"if({typed(*types)}, [{', '.join(parts)}], [])" for types, parts in by_types.items())
    return f"arrayConcat({', '.join(arrays)})"


def _contacts() -> str:
    repeats = (
        "SELECT e[-1] FROM {db}.stitched AS s FINAL ARRAY JOIN s.pain_kind AS k, s.pain_evidence AS e "
        f"WHERE {ANCHORS} AND k = '{CONTACTS}'"
    )
    return f"""    SELECT '{CONTACTS}' AS kind, at, customer, uid, uid IN ({repeats}) AS hurt,
        arrayFilter(x -> x.2 != '', {_pairs({"channel": "channel"})}) AS segments,
        CAST([], 'Array(Tuple(String, String))') AS causes
    FROM
    (
    {contacts()}
    )"""


def _pages() -> str:
    days = "arrayDistinct(arrayMap(x -> toDate(x), s.visit_started_at))"
    uid = (
        "arrayFirst(x -> x.1 = kind AND toDate(x.2) = day, arrayZip(s.pain_kind, s.pain_occurred_at, s.pain_evidence))"
    )
    first = "arrayFirst((u, x) -> x = at, s.step_event_uid, s.step_occurred_at)"
    begins = "arrayMin(arrayFilter(x -> toDate(x) = day, s.visit_started_at))"
    return f"""    SELECT kind, {begins} AS at, s.ident_key AS customer,
        if(notEmpty({uid}.3), {uid}.3[1], {first}) AS uid, notEmpty({uid}.3) AS hurt,
        CAST([], 'Array(Tuple(String, String))') AS segments, CAST([], 'Array(Tuple(String, String))') AS causes
    FROM {{db}}.stitched AS s FINAL
    ARRAY JOIN {days} AS day
    ARRAY JOIN [{_texts(ON_PAGES)}] AS kind
    WHERE {ANCHORS}"""


def _pairs(values: Mapping[str, str]) -> str:
    pairs = ", ".join(f"({quote_text(name)}, toString({value}))" for name, value in values.items())
    return f"CAST([{pairs}], 'Array(Tuple(String, String))')"


def _texts(texts: list[str] | tuple[str, ...]) -> str:
    return ", ".join(map(quote_text, texts))

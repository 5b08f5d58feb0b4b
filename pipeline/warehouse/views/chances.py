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
from pipeline.warehouse.tables.bodies import TOLD_BY
from pipeline.warehouse.tables.numbers import BOUGHT, CHATS, OCCASIONS, id_number
from pipeline.warehouse.tables.types import LOW, MILLIS
from pipeline.warehouse.views.expressions import ACTIVE_RULES, ANCHORS, milliseconds_of, number_of, rank_of
from pipeline.warehouse.views.metrics.declaration import typed
from pipeline.warehouse.views.metrics.facts import CUSTOMER, contacts, joined_customers

_CUSTOMER: Final = f"reinterpretAsUInt128({CUSTOMER})"
_UID: Final = "t.number"
_ORDER: Final = "order_id"
_CONVERSATION: Final = "conversation_id"
_TICKET: Final = "ticket_id"
_ORDERED: Final = "t.ordered"
_CUSTOMERS_DAY: Final = f"bitXor({_CUSTOMER}, toUInt128(toUInt16(toDate(t.at))))"
_KEYS: Final = ("t.named", _UID, _CUSTOMERS_DAY, _ORDERED)
_PRODUCT: Final = "t.product_ids[1]"
_CALLS: Final = ("support.call_ended", "support.chat_ended")
_TICKETS: Final = (
    "support.email_received",
    "support.ticket_created",
    "support.ticket_solved",
    "support.ticket_reopened",
)


def said(name: str) -> str:
    """Return the field of the body by which touchpoints `t` of some types are told apart."""
    assert name in TOLD_BY.values(), name
    return "t.body_told_by"


@dataclass(frozen=True, slots=True)
class Chance:
    """
    What could hurt, and how often it could.

    Attributes:
        kind: Kind of the pain point.
        step: What an occasion is, in words.
        opens: Types of touchpoints that are an occasion.
        key: Id, as `OCCASIONS` has it for the types, or number that makes touchpoints one occasion; 0: none.
        by_channel: Whether occasions are told apart by the channel they began on.
        told_by: Name and expression of what else they are told apart by; one expression for each type that opens.
        cause: Name and expression of what is known of those that hurt only; their base is every occasion.
        shows: Further types that can show that it hurt.
        of_order: Whether every pain point of the order counts, rather than those that its touchpoints are evidence of.
        also: Kinds that count as this one.
    """

    kind: str
    step: str
    opens: tuple[str, ...]
    key: str
    by_channel: bool = False
    told_by: tuple[str, str] = ("", "")
    cause: tuple[str, str] = ("", "")
    shows: tuple[str, ...] = ()
    of_order: bool = False
    also: tuple[str, ...] = ()


# Beyond the last touchpoint of all nothing can be said to be missing: the facts end there.
_HORIZON: Final = (
    f"(SELECT max(last_seen_at) FROM {{db}}.stitched FINAL WHERE rules_version = {ACTIVE_RULES} AND is_anchor)"
)
_CARRIER: Final = ("carrier", said("carrier"))
_QUEUE: Final = ("queue", said("queue"))
_GROUP: Final = ("queue", said("group"))
_FLAW_SHOWN: Final = ("return.requested", "review.published")

CHANCES: Final[tuple[Chance, ...]] = (
    Chance(
        "late_delivery",
        "a parcel shipped",
        ("delivery.shipped",),
        _ORDER,
        told_by=_CARRIER,
        of_order=True,
        also=("missed_promise",),
    ),
    Chance("damaged_or_lost", "a parcel shipped", ("delivery.shipped",), _ORDER, told_by=_CARRIER, of_order=True),
    Chance("stalled_return", "a return received", ("return.received",), _UID, by_channel=True),
    Chance(
        "failed_payment",
        "a day on which a customer paid or tried to",
        ("payment.made", "payment.failed"),
        _CUSTOMERS_DAY,
        told_by=("method", said("method")),
        cause=("code", "t.body_code"),
    ),
    Chance("long_wait", "a call or chat", _CALLS, _UID, by_channel=True, told_by=_QUEUE),
    Chance("transferred", "a call or chat", _CALLS, _UID, by_channel=True, told_by=_QUEUE),
    Chance("unresolved_contact", "a call or chat", _CALLS, _UID, by_channel=True, told_by=_QUEUE),
    Chance("bot_loop", "a chat", CHATS, _CONVERSATION),
    Chance("reopened_ticket", "a ticket", _TICKETS[1:2], _TICKET, told_by=_GROUP, shows=_TICKETS),
    Chance("slow_reply", "a ticket", _TICKETS[1:2], _TICKET, told_by=_GROUP, shows=_TICKETS),
    Chance(
        "product_flaw",
        "a product bought",
        ("order.placed",),
        _ORDERED,
        told_by=("product", _PRODUCT),
        shows=_FLAW_SHOWN,
    ),
    Chance("complaint", "an order", ("order.placed",), _ORDER, by_channel=True, of_order=True),
    Chance("low_score", "an answer", ("survey.answered",), _UID, told_by=("instrument", said("instrument"))),
    Chance("bad_review", "a review", ("review.published",), _UID, told_by=("product", _PRODUCT)),
    Chance(
        "abandoned_checkout",
        "a day on which a customer checked out",
        ("checkout.step_reached",),
        _CUSTOMERS_DAY,
        told_by=("device", "t.device_class"),
    ),
    Chance("churned", "a subscription renewed or cancelled", ("subscription.renewed", "subscription.cancelled"), _UID),
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
    """
    Return the occasions that touchpoints are.

    Which types are watched for which kind comes by a join, so that a reader who asks for one kind has the others left
    out before they cost anything. An occasion is a number (a hash, where it is told by texts), and so is the rank of a
    touchpoint in it: time above, event_uid below. Least ranks are found by far more quickly than arrays by tuples.
    Twelve bytes of an occasion's number fit into one word with its kind, and tell a thousand million occasions apart.
    """
    named = {chance.kind: chance.told_by[0] for chance in CHANCES if chance.told_by[0]}
    causes = {chance.kind: chance.cause[0] for chance in CHANCES if chance.cause[0]}
    by_channel = [chance.kind for chance in CHANCES if chance.by_channel]
    segments = (
        f"[(if(kind IN ({_texts(by_channel)}), 'channel', ''), toString(argMinIf(channel, rank, opens))), "
        f"({_looked_up('kind', named)}, argMinIf(said, rank, opens))]"
    )
    cause = f"[({_looked_up('kind', causes)}, if(hurt, argMinIf(cause, rank, hurts), ''))]"
    uid = number_of("toUInt128(if(hurt, minIf(rank, hurts), minIf(rank, opens)))")
    return f"""    SELECT toString(kind) AS kind,
        fromUnixTimestamp64Milli({milliseconds_of("minIf(rank, opens)")}, 'UTC') AS at,
        argMinIf(customer, rank, opens) AS customer, reinterpretAsUUID({uid}) AS uid, max(hurts) AS hurt,
        arrayFilter(x -> x.1 != '' AND x.2 != '', {segments}) AS segments,
        arrayFilter(x -> x.1 != '' AND x.2 != '', {cause}) AS causes
    FROM
    (
        SELECT kind, opens, key, customer, channel, said, cause,
            {rank_of("toUnixTimestamp64Milli(at)", "number")} AS rank,
            {_marked("kind", "if(of_order, key, number)")} IN
            (
{_hurts()}
            ) AS hurts
        FROM
        (
            SELECT m.kind AS kind, m.opens AS opens, m.of_order AS of_order, {CUSTOMER} AS customer,
                t.channel AS channel, t.said AS said, t.cause AS cause, t.at AS at, t.number AS number,
                {_key()} AS key
            FROM
            (
{_watched()}
            ) AS t
            {joined_customers()}
            INNER JOIN
            (
                SELECT toLowCardinality(w.1) AS type, CAST(w.2, '{_kinds()}') AS kind, w.3 AS opens, w.4 AS of_order,
                    w.5 AS keyed_by
                FROM (SELECT arrayJoin([{_asked()}]) AS w)
            ) AS m ON m.type = t.type
        )
        WHERE key != 0
    )
    GROUP BY kind, toUInt64(key), toUInt32(bitShiftRight(key, 64))
    HAVING max(opens)"""


def _watched() -> str:
    """Return the touchpoints that are watched, with all that tells one occasion from another."""
    types = sorted({name for chance in CHANCES for name in (*chance.opens, *chance.shows)})
    return f"""                SELECT t.type AS type, t.ident_key AS ident_key, t.occurred_at AS at,
                    {number_of("reinterpretAsUInt128(t.event_uid)")} AS number,
                    t.occasion_number AS named, t.bought_number AS ordered,
                    t.channel AS channel, {_by_type("told_by")} AS said, {_by_type("cause")} AS cause
                FROM {{db}}.touchpoints AS t FINAL
                WHERE {typed(*types)}"""


def _hurts() -> str:
    """Return what hurt by now: kind and order where every pain point of an order counts, else kind and touchpoint."""
    also = {kind: chance.kind for chance in CHANCES for kind in chance.also}
    shown = f"arrayMap(u -> {number_of('reinterpretAsUInt128(u)')}, evidence)"
    numbers = f"if(k IN ({_texts(_of_order())}), [{id_number('o')}], {shown})"
    return f"""                SELECT {_marked(f"CAST(k, '{_kinds()}')", f"arrayJoin({numbers})")}
                FROM
                (
                    SELECT transform(toString(kind), [{_texts(tuple(also))}], [{_texts(tuple(also.values()))}],
                        toString(kind)) AS k, s.pain_order_id AS o, s.pain_evidence AS evidence
                    FROM {{db}}.stitched AS s FINAL
                    ARRAY JOIN s.pain_kind AS kind, s.pain_due_at AS due, s.pain_order_id, s.pain_evidence
                    WHERE {ANCHORS} AND (isNull(due) OR due <= {_HORIZON})
                )
                WHERE k IN ({_texts([chance.kind for chance in CHANCES])})"""


def _marked(kind: str, number: str) -> str:
    """Return a number of 128 bits with its kind in it: one number is looked up quicker than two things."""
    return f"bitXor(bitShiftLeft(toUInt128(toUInt8({kind})), 120), toUInt128({number}))"


def _keyed_by(chance: Chance) -> int:
    """Return the place in `_KEYS` of what tells a chance's occasions apart."""
    types = (*chance.opens, *chance.shows)
    if chance.key in OCCASIONS.values():
        assert all(OCCASIONS[name] == chance.key for name in types), chance
        return _KEYS.index("t.named")
    assert chance.key != _ORDERED or set(types) <= set(BOUGHT), chance
    return _KEYS.index(chance.key)


def _key() -> str:
    cases = ", ".join(f"m.keyed_by = {place}, {key}" for place, key in enumerate(_KEYS[1:], 1))
    return f"multiIf({cases}, t.named)"


def _asked() -> str:
    rows = [
        f"('{name}', '{chance.kind}', {name in chance.opens}, {chance.of_order}, {_keyed_by(chance)})"
        for chance in CHANCES
        for name in dict.fromkeys((*chance.opens, *chance.shows))
    ]
    return ", ".join(rows)


def _of_order() -> list[str]:
    return [chance.kind for chance in CHANCES if chance.of_order]


def _kinds() -> str:
    return f"Enum8({_texts([chance.kind for chance in CHANCES])})".replace("'", "\\'")


def _by_type(what: str) -> str:
    """Return what a touchpoint's type says of what it opens: the expression of `told_by`, or of `cause`."""
    types: dict[str, list[str]] = {}
    for chance in CHANCES:
        types.setdefault(getattr(chance, what)[1], []).extend(chance.opens)
    cases = ", ".join(f"{typed(*dict.fromkeys(names))}, {said}" for said, names in types.items() if said)
    return f"multiIf({cases}, '')"


def _looked_up(key: str, values: Mapping[str, str]) -> str:
    return f"transform({key}, [{_texts(tuple(values))}], [{_texts(tuple(values.values()))}], '')"


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
    {contacts("channel")}
    )"""


def _pages() -> str:
    """
    Return the days on which customers visited.

    What hurt on them becomes numbers (kind above the day) before rows are multiplied: these are found by far quicker.
    """
    marked = f"65536 * indexOf([{_texts(ON_PAGES)}], k) + toUInt16(toDate(x))"
    shown = "arrayFirst((e, k, x) -> k = kind AND toDate(x) = day, pain_evidence, pain_kind, pain_occurred_at)"
    return f"""    SELECT kind, arrayMin(arrayFilter(x -> toDate(x) = day, visit_started_at)) AS at,
        ident_key AS customer,
        if(hurt, {shown}[1], arrayFirst((u, x) -> x = at, step_event_uid, step_occurred_at)) AS uid,
        has(marks, 65536 * place + toUInt16(day)) AS hurt,
        CAST([], 'Array(Tuple(String, String))') AS segments, CAST([], 'Array(Tuple(String, String))') AS causes
    FROM
    (
        SELECT ident_key, visit_started_at, step_event_uid, step_occurred_at,
            pain_kind, pain_occurred_at, pain_evidence,
            arrayDistinct(arrayMap(x -> toDate(x), visit_started_at)) AS days,
            arrayMap((k, x) -> {marked}, pain_kind, pain_occurred_at) AS marks
        FROM {{db}}.stitched AS s FINAL
        WHERE {ANCHORS}
    )
    ARRAY JOIN days AS day
    ARRAY JOIN [{_texts(ON_PAGES)}] AS kind, {list(range(1, len(ON_PAGES) + 1))} AS place"""


def _pairs(values: Mapping[str, str]) -> str:
    pairs = ", ".join(f"({quote_text(name)}, toString({value}))" for name, value in values.items())
    return f"CAST([{pairs}], 'Array(Tuple(String, String))')"


def _texts(texts: list[str] | tuple[str, ...]) -> str:
    return ", ".join(map(quote_text, texts))

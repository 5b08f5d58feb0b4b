"""
`v_touchpoints`: every touchpoint with its customer, visit and journey, and every body field as a typed column.

Visit and journey are found by time: those of one customer do not overlap, so the last one begun by then holds the
touchpoint if it has not ended before. That joins as many rows as there are journeys and visits, not as there are
touchpoints. A visit lies within its journey and brings it along, so both are found at once; a journey counts as begun
just before the visit that begins with it.
"""

from pipeline.contracts.kinds import INTERACTIVE_CHANNELS
from pipeline.contracts.types import STATEMENT_TYPES
from pipeline.warehouse.ddl import quote_text
from pipeline.warehouse.declarations import View, ViewColumn, view_columns_of
from pipeline.warehouse.tables.types import IDENTIFIERS, LOW, MILLIS
from pipeline.warehouse.views.body import body_columns
from pipeline.warehouse.views.expressions import ABSENT_UUID, ACTIVE_RULES, null_if_empty, stage_of

_TEXT = "Nullable(String)"


def _moment(at: str) -> str:
    """Return a time as an odd number, so that what begins at the same time but comes before it has room."""
    return f"2 * toUnixTimestamp64Milli({at}) + 1"


# NULLs of a reader's own join_use_nulls = 1 fall through to the same answers.
_CUSTOMER = f"ifNull(nullIf(w.customer_uid, {ABSENT_UUID}), t.ident_key)"

# Of the last journey begun by then, as a touchpoint finds it on its customer's row.
_LAST_BEGUN = "arrayLastIndex(x -> x <= t.occurred_at, j.journey_started_at)"

_JOURNEYS_AND_VISITS = f"""
    SELECT s.ident_key AS customer_uid, began, journey, journey_ended, visit, visit_ended
    FROM {{db}}.stitched AS s FINAL
    ARRAY JOIN
        arrayConcat(arrayMap(at -> {_moment("at")}, s.visit_started_at),
            arrayMap(at -> {_moment("at")} - 1, s.journey_started_at)) AS began,
        arrayConcat(arrayMap(j -> s.journey_id[j], s.visit_journey), s.journey_id) AS journey,
        arrayConcat(arrayMap(j -> s.journey_ended_at[j], s.visit_journey), s.journey_ended_at) AS journey_ended,
        arrayConcat(s.visit_id, arrayMap(j -> {ABSENT_UUID}, s.journey_id)) AS visit,
        arrayConcat(s.visit_ended_at, s.journey_ended_at) AS visit_ended
    WHERE s.rules_version = {ACTIVE_RULES} AND s.is_anchor"""


def _customers() -> str:
    """Join to at most one row: a touchpoint that is not stitched yet stays, and none is shown twice."""
    return f"""LEFT ANY JOIN
(
    SELECT ident_key, customer_uid FROM {{db}}.stitched FINAL WHERE rules_version = {ACTIVE_RULES}
) AS w ON t.ident_key = w.ident_key"""


def touchpoint_columns(*names: str) -> str:
    """Return such columns of `v_touchpoints` as a SELECT of `touchpoints AS t` has them, any that need no join."""
    expressions = {column.name: column.expression for column in touchpoints_view().columns}
    return ", ".join(f"{expressions[name]} AS {name}" for name in names)


def in_journeys(rows: str) -> str:
    """
    Return a few touchpoints with `customer_uid` and `journey_id`.

    Each finds its journey on its customer's row, of which nothing is read if nobody asks for the journey.

    Args:
        rows: SELECT that has `ident_key`, `occurred_at` and `type` of them.
    """
    journey = _journey(f"j.journey_ended_at[{_LAST_BEGUN}]", f"j.journey_id[{_LAST_BEGUN}]")
    return f"""
SELECT t.*, {_CUSTOMER} AS customer_uid, {journey} AS journey_id
FROM ({rows}) AS t
{_customers()}
LEFT ANY JOIN
(
    SELECT s.ident_key AS customer_uid, s.journey_id AS journey_id, s.journey_started_at AS journey_started_at,
        s.journey_ended_at AS journey_ended_at
    FROM {{db}}.stitched AS s FINAL
    WHERE s.rules_version = {ACTIVE_RULES} AND s.is_anchor
) AS j ON w.customer_uid = j.customer_uid"""


def touchpoints_view() -> View:
    """Declare `v_touchpoints`."""
    contract = _contract_columns()
    extra = _extra_columns()
    body = body_columns([column.name for column in (*contract, *extra)])
    return View(
        name="v_touchpoints",
        comment="Every touchpoint once, with its customer, visit and journey; body fields as typed columns.",
        columns=(*contract, *body, *extra),
        source=f"FROM {{db}}.touchpoints AS t FINAL\n{_customers()}\nASOF LEFT JOIN\n({_JOURNEYS_AND_VISITS}\n) AS j "
        f"ON w.customer_uid = j.customer_uid AND {_moment('t.occurred_at')} >= j.began",
        question="How do customers turn to support?",
        example="SELECT channel, type, count() AS touchpoints, uniqExact(customer_uid) AS customers\n"
        "FROM v_touchpoints\nWHERE stage = 'support' AND direction = 'inbound'\n"
        "GROUP BY channel, type\nORDER BY touchpoints DESC\nLIMIT 10",
    )


def _counts() -> str:
    return f"t.type NOT IN ({', '.join(quote_text(name) for name in STATEMENT_TYPES)})"


def _journey(ended: str, journey: str) -> str:
    return f"if({ended} >= t.occurred_at AND {_counts()}, nullIf({journey}, {ABSENT_UUID}), NULL)"


def _contract_columns() -> tuple[ViewColumn, ...]:
    interactive = ", ".join(quote_text(name) for name in INTERACTIVE_CHANNELS)
    is_in_visit = f"j.visit_ended >= t.occurred_at AND t.channel IN ({interactive}) AND {_counts()}"
    visit = f"if({is_in_visit}, nullIf(j.visit, {ABSENT_UUID}), NULL)"
    # A campaign is the same thing wherever it is named.
    campaign = "coalesce(nullIf(t.campaign, ''), JSONExtract(t.body, 'campaign', 'Nullable(String)'))"
    return view_columns_of(
        [
            ("event_uid", "UUID", "t.event_uid", "Hash of source, event_id, occurred_at and the strongest identifier."),
            ("event_id", "String", "t.event_id", "The producer's id of the event."),
            ("source", LOW, "t.source", "System that produced the event."),
            ("type", LOW, "t.type", "What happened, `<domain>.<verb>`."),
            ("stage", LOW, stage_of("t.type"), "Stage of the customer's life it belongs to; any: to none."),
            ("channel", LOW, "t.channel", "Where it happened: web, app, email, phone, …"),
            ("direction", LOW, "t.direction", "Who began it: inbound (customer), outbound (business) or system."),
            ("occurred_at", MILLIS, "t.occurred_at", "When it happened, in the producer's word."),
            ("received_at", MILLIS, "t.received_at", "When the pipeline first took it."),
            (
                "customer_uid",
                "UUID",
                _CUSTOMER,
                "The customer; until it is stitched (seconds), the touchpoint's own strongest identifier.",
            ),
            (
                "journey_id",
                "Nullable(UUID)",
                _journey("j.journey_ended", "j.journey"),
                "The journey; NULL for identity statements and until stitched.",
            ),
            ("visit_id", "Nullable(UUID)", visit, "The visit; NULL outside web, app, chat and bot."),
            ("order_id", _TEXT, null_if_empty("t.order_id"), "Order it refers to."),
            ("shipment_id", _TEXT, null_if_empty("t.shipment_id"), "Shipment it refers to."),
            ("return_id", _TEXT, null_if_empty("t.return_id"), "Return it refers to."),
            ("ticket_id", _TEXT, null_if_empty("t.ticket_id"), "Support ticket it refers to."),
            ("conversation_id", _TEXT, null_if_empty("t.conversation_id"), "Conversation it refers to."),
            ("subscription_id", _TEXT, null_if_empty("t.subscription_id"), "Subscription it refers to."),
            ("survey_id", _TEXT, null_if_empty("t.survey_id"), "Survey it refers to."),
            ("campaign", _TEXT, campaign, "Campaign it refers to; where only the body names one, that."),
            ("url", _TEXT, null_if_empty("t.url"), "Address of the page."),
            ("referrer", _TEXT, null_if_empty("t.referrer"), "Address of the page before."),
            ("amount_minor", "Nullable(Int64)", "t.amount_minor", "Money in minor units of its currency."),
            ("currency", _TEXT, null_if_empty("t.currency"), "Currency of amount_minor, ISO 4217."),
            (
                "attributes",
                "Map(String, String)",
                "mapFromArrays(t.attributes.key, t.attributes.value)",
                "What the producer sent beside the fields that we know.",
            ),
        ]
    )


def _extra_columns() -> tuple[ViewColumn, ...]:
    return view_columns_of(
        [
            ("title", _TEXT, null_if_empty("t.title"), "Title of the page."),
            ("product_ids", "Array(String)", "t.product_ids", "Products it refers to."),
            ("session_id", _TEXT, null_if_empty("t.session_id"), "The producer's own session; visits ignore it."),
            ("locale", _TEXT, null_if_empty("t.locale"), "Language and region of the customer's program."),
            ("utm_source", _TEXT, null_if_empty("t.utm_source"), "Campaign parameter utm_source."),
            ("utm_medium", _TEXT, null_if_empty("t.utm_medium"), "Campaign parameter utm_medium."),
            ("utm_campaign", _TEXT, null_if_empty("t.utm_campaign"), "Campaign parameter utm_campaign."),
            ("utm_term", _TEXT, null_if_empty("t.utm_term"), "Campaign parameter utm_term."),
            ("utm_content", _TEXT, null_if_empty("t.utm_content"), "Campaign parameter utm_content."),
            ("channel_group", _TEXT, null_if_empty("t.channel_group"), "Marketing channel group."),
            ("referrer_domain", _TEXT, null_if_empty("t.referrer_domain"), "Registered name of the page before."),
            ("user_agent_family", _TEXT, null_if_empty("t.user_agent_family"), "Family of the browser or app."),
            ("device_class", _TEXT, null_if_empty("t.device_class"), "Class of the device."),
            ("is_bot", "Bool", "t.is_bot", "Whether the user agent is a known robot."),
            ("revision", "UInt32", "t.revision", "Correction number given by the producer; 0 is the first."),
            ("sent_at", f"Nullable({MILLIS})", "t.sent_at", "When the producer says it sent it."),
            ("clock_skew_ms", "Nullable(Int64)", "t.clock_skew_ms", "received_at − sent_at in milliseconds."),
            (
                "consent",
                "Map(String, Bool)",
                "mapFromArrays(t.consent.purpose, t.consent.granted)",
                "Consent that travelled with the event, by purpose.",
            ),
            (
                "ident_key",
                "UUID",
                "t.ident_key",
                "The strongest identifier on the touchpoint; filters on it are quick.",
            ),
            ("identifiers", IDENTIFIERS, "t.identities", "Identifiers on the touchpoint, strongest first, as keys."),
            ("body", "String", "t.body", "The type's own fields as JSON, as stored; times in milliseconds."),
        ]
    )

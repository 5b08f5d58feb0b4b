"""
Columns of `touchpoints` that ClickHouse makes of the body when a row is written: what is asked of all touchpoints.

One rule: each is a function of type and body (and the products beside it) and of nothing else, so rows that landed
before a column was declared answer as if they had it: ClickHouse works it out as it reads them. Bodies are three fifths
of what a question over all touchpoints would unpack; a column that is empty in nearly all rows costs next to nothing.
"""

from collections.abc import Collection, Mapping
from typing import Final

from pipeline.warehouse.ddl import quote_text
from pipeline.warehouse.declarations import DerivedColumn
from pipeline.warehouse.tables.types import LOW

TOLD_BY: Final[Mapping[str, str]] = {
    "delivery.shipped": "carrier",
    "payment.made": "method",
    "payment.failed": "method",
    "support.call_ended": "queue",
    "support.chat_ended": "queue",
    "support.ticket_created": "group",
    "survey.answered": "instrument",
}
"""Field of the body by which touchpoints of a type are told apart."""

ASKED: Final = (
    "survey.sent", "survey.answered", "survey.declined", "review.published", "return.requested",
    "support.call_ended", "support.chat_started", "support.chat_message", "support.chat_ended",
)  # fmt: skip
"""Types whose bodies many questions read: few touchpoints, so that their bodies lie in a column of their own too."""

LINES: Final = "Array(Tuple(product_id String))"
"""What is read of the lines of an order, as a type."""


def body_of(types: Collection[str]) -> str:
    """Return where the bodies of touchpoints `t` of such types are read with the least effort."""
    return "t.body_asked" if types and set(types) <= set(ASKED) else "t.body"


def body_columns() -> tuple[DerivedColumn, ...]:
    """Return the columns."""
    of_support = "startsWith(type, 'support.')"
    return (
        DerivedColumn(
            "body_thread_id",
            "String",
            "thread_id of a contact with support; empty: none.",
            f"if({of_support}, JSONExtractString(body, 'thread_id'), '')",
        ),
        DerivedColumn(
            "body_unresolved",
            "Bool",
            "Whether a contact with support is said not to be resolved.",
            f"{of_support} AND ifNull(NOT JSONExtract(body, 'resolved', 'Nullable(Bool)'), false)",
        ),
        DerivedColumn(
            "body_public_reply",
            "Bool",
            "Whether the customer sees what changed a ticket.",
            "(type = 'support.ticket_updated') AND ifNull(JSONExtract(body, 'public_reply', 'Nullable(Bool)'), false)",
        ),
        DerivedColumn(
            "body_told_by",
            LOW,
            "Carrier of a parcel shipped, method of a payment, queue of a call or chat that ended, group of a ticket, "
            "instrument of an answer; empty: none.",
            _told_by(),
        ),
        DerivedColumn(
            "body_code",
            LOW,
            "Code of a failed payment; empty: none.",
            "if(type = 'payment.failed', JSONExtractString(body, 'code'), '')",
        ),
        DerivedColumn(
            "body_products",
            "Array(String)",
            "Products of an order, its lines included.",
            "if(type = 'order.placed', arrayFilter(p -> (p != ''), arrayDistinct(arrayConcat(product_ids, "
            f"tupleElement(JSONExtract(body, 'lines', {quote_text(LINES)}), 1)))), [])",
        ),
        DerivedColumn(
            "body_score",
            "Nullable(Int64)",
            "Answer or rating in thousandths of its scale; NULL: none, or not on the scale.",
            _score(),
        ),
        DerivedColumn(
            "body_asked",
            "String",
            "Body of a survey, a review, a return that was requested, a call or a chat; empty: of another type.",
            f"if(type IN ({', '.join(map(quote_text, ASKED))}), body, '')",
        ),
    )


def _told_by() -> str:
    types: dict[str, list[str]] = {}
    for type_, name in TOLD_BY.items():
        types.setdefault(name, []).append(type_)
    cases = ", ".join(
        f"type IN ({', '.join(map(quote_text, names))}), JSONExtractString(body, {quote_text(name)})"
        for name, names in types.items()
    )
    return f"multiIf({cases}, '')"


def _score() -> str:
    def number(name: str) -> str:
        return f"JSONExtract(body, {quote_text(name)}, 'Nullable(Float64)')"

    instrument = "JSONExtractString(body, 'instrument')"
    answered = (
        number("score"),
        f"ifNull({number('scale_min')}, if({instrument} = 'nps', 0, 1))",
        f"ifNull({number('scale_max')}, multiIf({instrument} = 'nps', 10, {instrument} = 'ces', 7, 5))",
    )
    reviewed = (number("rating"), "1", f"ifNull({number('scale')}, 5)")

    def in_thousandths(score: str, low: str, high: str) -> str:
        return (
            f"if(({high} > {low}) AND ({score} >= {low}) AND ({score} <= {high}), "
            f"toInt64(round((1000 * ({score} - {low})) / ({high} - {low}))), NULL)"
        )

    return (
        f"multiIf(type = 'survey.answered', {in_thousandths(*answered)}, "
        f"type = 'review.published', {in_thousandths(*reviewed)}, NULL)"
    )

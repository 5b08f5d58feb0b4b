"""What follows a complaint: the next score, and the next order."""

from typing import Final

from pipeline.stitching.pain.low_score import DEFAULT_SCALES
from pipeline.warehouse.ddl import quote_text
from pipeline.warehouse.tables.bodies import body_of
from pipeline.warehouse.views.metrics.declaration import Metric, Rows, day, dims, of_customers, typed
from pipeline.warehouse.views.metrics.facts import CUSTOMER, joined_customers
from pipeline.warehouse.views.metrics.statistics import STUDENT_SOURCE, WILSON_SOURCE, mean, share

WINDOW: Final = "INTERVAL 90 DAY"
_SURVEY: Final = "survey.answered"
# One look at each body for all of its fields.
_ANSWER: Final = (
    f"JSONExtract({body_of([_SURVEY])}, 'Tuple(instrument String, score Nullable(Float64), "
    "scale_min Nullable(Float64), scale_max Nullable(Float64))')"
)


def recovery_metrics() -> tuple[Metric, ...]:
    """Return the metrics of what follows complaints."""
    return (
        Metric(
            name="recovery_score",
            title="Recovery: score after a complaint",
            unit="points from 0 to 100",
            statistic=mean(1000),
            definition="Mean of the first survey answer within 90 days of a complaint, brought to 0 to 100; apart for "
            "complaints that had been resolved by then and others.",
            source=f"Service recovery: Hart, Heskett, Sasser, Harvard Business Review 7/1990; {STUDENT_SOURCE}",
            dimensions=("complaint", "channel", "product"),
            **_complaints(_SURVEY, "notEmpty(scores)", "scores[1].3", "resolved_at <= scores[1].1"),
            apart=("", "complaint"),
        ),
        Metric(
            name="recovery_repurchase",
            title="Recovery: order after a complaint",
            unit="share",
            statistic=share(),
            definition="Share of complaints after which the customer ordered within 90 days; apart for those resolved "
            "within that time and others. Complaints of the last 90 days are not judged yet.",
            source=f"Service recovery: Hart, Heskett, Sasser, Harvard Business Review 7/1990; {WILSON_SOURCE}",
            dimensions=("complaint", "channel", "product"),
            **_complaints(
                "order.placed",
                f"complaint.1 <= now64(3, 'UTC') - {WINDOW}",
                f"toInt64(arrayExists(o -> o > complaint.1 AND o <= complaint.1 + {WINDOW}, ordered))",
                f"resolved_at <= complaint.1 + {WINDOW}",
            ),
            apart=("", "complaint"),
        ),
    )


def _complaints(followed_by: str, condition: str, hit: str, resolved: str) -> Rows:
    """Return the rows of a metric of what followed complaints, by the dimensions and by customer."""
    which = "[('complaint', if(is_resolved, 'resolved', 'not resolved'))]"
    said = f"arrayConcat({dims('complaint.6', channel='complaint.3')}, {which})"
    source = _resolved_or_not(followed_by, resolved)
    return {
        "rows": f"SELECT {day('complaint.1')}, {said} AS dims, {hit} AS hit, 1 AS base\n"
        f"FROM\n({source}\n)\nWHERE {condition}",
        "customers": of_customers("complaint.1", hit, source, condition, f"arrayConcat([('', '')], {which})"),
    }


def _resolved_or_not(followed_by: str, resolved: str) -> str:
    """Select every complaint (at, uid, channel, ticket, order, products) with what followed, and its customer."""
    low, high = (f"ifNull(answer.{place}, {_usual(end)})" for end, place in enumerate((3, 4)))
    score = "ifNull(answer.2, -1e9)"
    is_answer = f"{high} > {low} AND {score} BETWEEN {low} AND {high}"
    points = f"toInt64(if({is_answer}, round(100000 * ({score} - {low}) / ({high} - {low})), -1))"
    same = (
        "(r.3 != '' AND r.3 = complaint.4) OR (r.4 != '' AND r.4 = complaint.5) "
        "OR ((r.3 = '' OR complaint.4 = '') AND (r.4 = '' OR complaint.5 = ''))"
    )
    return f"""
    SELECT customer, complaint, ordered, arrayFirst(r -> r.1 >= complaint.1 AND ({same}), resolutions) AS resolution,
        resolution.1 AS resolved_at, notEmpty(resolution.2) AND {resolved} AS is_resolved,
        arrayFilter(a -> a.1 > complaint.1 AND a.1 <= complaint.1 + {WINDOW}, answers) AS scores
    FROM
    (
        SELECT customer, arrayJoin(arraySort(groupArrayIf(tuple(at, uid, channel, ticket, order_id, products),
                type = 'complaint.raised'))) AS complaint,
            arraySort(groupArrayIf(tuple(at, uid, ticket, order_id), type = 'complaint.resolved')) AS resolutions,
            arraySort(groupArrayIf(tuple(at, uid, points), type = '{_SURVEY}' AND points >= 0)) AS answers,
            groupArrayIf(at, type = 'order.placed') AS ordered
        FROM
        (
            SELECT {CUSTOMER} AS customer, t.occurred_at AS at, UUIDToNum(t.event_uid) AS uid, toString(t.type) AS type,
                t.channel AS channel, t.ticket_id AS ticket, t.order_id AS order_id,
                arrayDistinct(t.product_ids) AS products,
                {_ANSWER} AS answer, answer.1 AS instrument, {points} AS points
            FROM {{db}}.touchpoints AS t FINAL
            {joined_customers()}
            WHERE {typed("complaint.raised", "complaint.resolved", followed_by)}
        )
        GROUP BY customer
    )"""


def _usual(end: int) -> str:
    """Return the least (0) or greatest (1) answer of an instrument where the answer names none."""
    usual = {"nps": (0.0, 10.0), **DEFAULT_SCALES}
    known = ", ".join(f"instrument = {quote_text(name)}, {scale[end]}" for name, scale in usual.items())
    return f"multiIf({known}, 0)"

"""What the demo asks the warehouse; each query is one that an analyst could type."""

from dataclasses import dataclass
from typing import Any

from pipeline.cli.clickhouse import Warehouse
from pipeline.cli.incidents import tell_incidents

Row = dict[str, Any]

EXAMPLES = 1
MOST_INCIDENTS = 10

_TOTALS = """
SELECT
    (SELECT count() FROM v_touchpoints) AS touchpoints,
    (SELECT uniqExact(channel) FROM v_touchpoints) AS channels,
    (SELECT count() FROM v_identities) AS identifiers,
    (SELECT count() FROM v_customers) AS customers,
    (SELECT count() FROM v_visits) AS visits,
    (SELECT count() FROM v_journeys) AS journeys,
    (SELECT sum(orders) FROM v_customers) AS orders,
    (SELECT sumMap(revenue) FROM v_customers) AS revenue,
    (SELECT count() FROM v_pain_points) AS pain_points
"""

# Somebody to whom much happened on many channels, but not so much that nobody reads it.
_PROTAGONIST = """
SELECT toString(j.customer_uid) AS customer_uid
FROM v_journeys AS j JOIN v_customers AS c ON c.customer_uid = j.customer_uid
WHERE j.pain_points > 0 AND j.orders > 0 AND j.touchpoints BETWEEN 14 AND 40 AND c.touchpoints BETWEEN 14 AND 50
    AND hasAny(j.path, ['support.call_ended', 'support.chat_ended']) AND has(j.path, 'survey.answered')
    AND hasAny(j.path, ['content.read', 'marketing.clicked', 'site.searched'])
ORDER BY length(j.channels) DESC, c.pain_points DESC, j.touchpoints, toString(j.journey_id)
LIMIT 1
"""

# The steps that tell one kind of journey from another; page views and status changes are left out.
_PATHS = """
WITH ['marketing.clicked', 'content.read', 'site.searched', 'product.viewed', 'cart.item_added', 'payment.failed',
      'order.placed', 'delivery.delivered', 'support.chat_ended', 'support.call_ended', 'complaint.raised',
      'return.requested', 'refund.issued', 'survey.answered', 'review.published'] AS milestones
SELECT arrayDistinct(arrayFilter(step -> has(milestones, step), path)) AS way,
       count() AS journeys, uniqExact(customer_uid) AS customers, sum(orders) AS orders,
       round(avg(date_diff('hour', started_at, ended_at)) / 24, 1) AS days, sum(pain_points) AS pain_points
FROM v_journeys
WHERE length(way) > 1
GROUP BY way ORDER BY journeys DESC, toString(way) LIMIT 8
"""

_PAINS = """
SELECT kind, count() AS found, uniqExact(customer_uid) AS customers,
       countIf(severity = 'high') AS high, countIf(severity = 'medium') AS medium, countIf(severity = 'low') AS low,
       anyHeavy(detail) AS example
FROM v_pain_points GROUP BY kind ORDER BY found DESC, kind
"""

_FAN = """
SELECT toString(customer_uid) AS customer_uid, countIf(type = 'order.placed') AS orders,
       countIf(type = 'review.published') AS reviews, countIf(type LIKE 'referral.%') AS referrals,
       countIf(type = 'social.mentioned') AS mentions
FROM v_touchpoints GROUP BY customer_uid
HAVING orders > 0 ORDER BY referrals + reviews + mentions + orders DESC, customer_uid LIMIT 1
"""


@dataclass(frozen=True)
class Findings:
    """Everything that the demo shows, as rows."""

    totals: Row
    protagonist: str
    paths: list[Row]
    pains: list[Row]
    incidents: list[Row]
    fan: Row


def find(warehouse: Warehouse) -> Findings:
    """Ask everything that the demo shows."""
    protagonists = warehouse.rows(_PROTAGONIST)
    fans = warehouse.rows(_FAN)
    return Findings(
        totals=warehouse.rows(_TOTALS)[0],
        protagonist=protagonists[0]["customer_uid"] if protagonists else "",
        paths=warehouse.rows(_PATHS),
        pains=warehouse.rows(_PAINS),
        incidents=tell_incidents(warehouse, EXAMPLES)[:MOST_INCIDENTS],
        fan=fans[0] if fans else {},
    )

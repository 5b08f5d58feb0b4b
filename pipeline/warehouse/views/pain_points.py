"""`v_pain_points`: the frictions found in the facts, each with the touchpoints that show it."""

from pipeline.stitching.pain import RULES
from pipeline.warehouse.declarations import View, view_columns_of
from pipeline.warehouse.tables.types import LOW, MILLIS
from pipeline.warehouse.views.expressions import ANCHORS, null_if_empty

_TEXT = "Nullable(String)"


def pain_points_view() -> View:
    """Declare `v_pain_points`; an absence shows from its due time on."""
    fields = ["kind", "severity", "journey", "occurred_at", "due_at", "order_id", "ticket_id", "evidence"]
    fields += ["detail", "rule_version"]
    arrays = ", ".join(["s.pain_point_id AS a_id", *(f"s.pain_{name} AS a_{name}" for name in fields)])
    return View(
        name="v_pain_points",
        comment="Pain points: frictions found in the facts, with their evidence; absences from when they are due.",
        columns=view_columns_of(
            [
                ("pain_point_id", "UUID", "a_id", "The pain point."),
                ("kind", LOW, "a_kind", f"What hurt: {', '.join(rule.kind for rule in RULES)}."),
                ("severity", LOW, "a_severity", "low, medium or high, by the bands of the rule."),
                ("customer_uid", "UUID", "s.ident_key", "The customer."),
                ("journey_id", "UUID", "s.journey_id[a_journey]", "The journey in which its last evidence lies."),
                (
                    "occurred_at",
                    MILLIS,
                    "a_occurred_at",
                    "When it hurt; what did not happen in time hurts when it was due.",
                ),
                ("order_id", _TEXT, null_if_empty("a_order_id"), "Order it concerns."),
                ("ticket_id", _TEXT, null_if_empty("a_ticket_id"), "Support ticket it concerns."),
                (
                    "evidence",
                    "Array(UUID)",
                    "a_evidence",
                    "event_uid of the touchpoints that show it, in order of time.",
                ),
                ("detail", "String", "a_detail", "What happened, in a sentence."),
                ("rule_version", "UInt32", "a_rule_version", "Version of the rule that found it."),
            ]
        ),
        source=(
            f"FROM {{db}}.stitched AS s FINAL\nARRAY JOIN {arrays}\n"
            f"WHERE {ANCHORS} AND (isNull(a_due_at) OR a_due_at <= now64(3, 'UTC'))"
        ),
        question="What hurts, and is it getting worse?",
        example="SELECT toMonday(occurred_at) AS week, kind, count() AS pain_points,\n"
        "    uniqExact(customer_uid) AS customers\n"
        "FROM v_pain_points\nGROUP BY week, kind\nORDER BY week, pain_points DESC",
    )

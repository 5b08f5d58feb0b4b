"""Pain points: frictions found in the facts of a customer, each with the touchpoints that show it."""

from pipeline.stitching.pain.rule_table import EVIDENCE_TYPES, RULES, PainRule, pain_points_of

__all__ = ["EVIDENCE_TYPES", "RULES", "PainRule", "pain_points_of"]

"""The rules of stitching, handed in whole: what a visit, a journey and a pain point is."""

from dataclasses import dataclass, field
from datetime import timedelta

from pipeline.config import StitchingSettings
from pipeline.config_pain import PainPointSettings


@dataclass(frozen=True, slots=True)
class StitchRules:
    """
    Everything but the facts that the results depend on.

    Attributes:
        visit_gap: Longest silence within a visit, inclusive; at most `journey_gap`.
        journey_gap: Longest silence within a journey, inclusive.
        pain_points: Thresholds of the pain-point rules.
    """

    visit_gap: timedelta = timedelta(minutes=30)
    journey_gap: timedelta = timedelta(days=30)
    pain_points: PainPointSettings = field(default_factory=PainPointSettings)

    @classmethod
    def from_settings(cls, stitching: StitchingSettings, pain_points: PainPointSettings) -> "StitchRules":
        """Return the rules that the settings name."""
        return cls(visit_gap=stitching.visit_gap, journey_gap=stitching.journey_gap, pain_points=pain_points)

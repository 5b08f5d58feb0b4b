"""What an incident is at least, as data."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class IncidentRules:
    """
    When a stretch of days is called an incident.

    Attributes:
        level: Chance of one false incident or more among everything that is looked at together.
        longest_days: Longest stretch; what lasts longer is no incident but a new normal.
        baseline_days: Days before and after a stretch with which it is compared.
        least_cases: Least cases within.
        least_hits: Least hits within.
        least_customers: Least customers hit.
        least_baseline_cases: Least cases of the days around.
        least_odds_ratio: Least ratio of the odds within to those around.
        same_cause: Share of the customers hit from which on they make an incident a part of those that hit them too.
    """

    level: float = 0.01
    longest_days: int = 28
    baseline_days: int = 56
    least_cases: int = 8
    least_hits: int = 5
    least_customers: int = 5
    least_baseline_cases: int = 10
    least_odds_ratio: float = 3.0
    same_cause: float = 0.5

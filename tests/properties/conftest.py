"""The deep profile of these tests, `make properties`: new chances each time, also where hypothesis sees CI."""

from hypothesis import HealthCheck, settings

settings.register_profile(
    "deep", max_examples=2000, deadline=None, derandomize=False, suppress_health_check=list(HealthCheck)
)

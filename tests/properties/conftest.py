"""The deep profile of these tests: `make properties`."""

from hypothesis import HealthCheck, settings

settings.register_profile("deep", max_examples=2000, deadline=None, suppress_health_check=list(HealthCheck))

"""How many examples: few in `make test`, twenty times as many in `make properties`."""

from hypothesis import HealthCheck, settings

ORDINARY = 100  # Hypothesis's own default; the deep profile names more


def examples(few: int) -> settings:
    """Return settings for a property that takes a while: `few` examples, or as many times more as the profile says."""
    profile = settings.default
    times = max(1, profile.max_examples // ORDINARY) if profile else 1
    return settings(max_examples=few * times, deadline=None, suppress_health_check=list(HealthCheck))

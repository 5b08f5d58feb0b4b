"""
LAND: facts into the warehouse, identifiers announced; knows neither Faust nor Kafka's client.

`Landing.land` is all that an agent needs.
"""

from pipeline.streaming.landing.landing import Landing, LandOutcome, Origin

__all__ = ["LandOutcome", "Landing", "Origin"]

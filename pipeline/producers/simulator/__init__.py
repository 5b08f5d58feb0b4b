"""A seeded small shop: believable people on all channels, planted stories, and the truth about both."""

from pipeline.producers.simulator.journal import Entry, Touchpoint
from pipeline.producers.simulator.live import LiveStream
from pipeline.producers.simulator.shop import DEFAULT_DAYS, Simulation, simulate, truth_as_json
from pipeline.producers.simulator.stories import PlantedStory

__all__ = [
    "DEFAULT_DAYS",
    "Entry",
    "LiveStream",
    "PlantedStory",
    "Simulation",
    "Touchpoint",
    "simulate",
    "truth_as_json",
]

"""The Kafka topics: one per family of touchpoints, and those that the workers write."""

from pipeline.contracts.types import FAMILIES

_PREFIX = "touchpoints."

TOUCHPOINT_TOPICS: tuple[str, ...] = tuple(_PREFIX + family for family in FAMILIES)
"""Topics that producers write, in the order of FAMILIES."""

STITCH_DIRTY = "stitch.dirty"
"""Identifiers whose customer is to be computed anew (internal)."""

JOURNEYS_UPDATED = "journeys.updated"
"""Journeys as they now stand (public)."""

CX_SIGNALS = "cx.signals"
"""Frictions and changes worth acting on (public)."""


def topic_of_family(family: str) -> str:
    """
    Return the topic of a family.

    Raises:
        KeyError: If there is no such family.
    """
    if family not in FAMILIES:
        raise KeyError(family)
    return _PREFIX + family


def family_of_topic(topic: str) -> str | None:
    """Return the family whose touchpoints a topic holds, or None where it holds none."""
    family = topic.removeprefix(_PREFIX)
    return family if topic in TOUCHPOINT_TOPICS else None

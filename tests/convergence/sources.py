"""Touchpoints of others: the simulator's shop and the Olist orders, in three orders."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from random import Random
from typing import Any

from pipeline.producers.olist import OlistFolder
from pipeline.producers.simulator.shop import simulate

Event = Mapping[str, Any]
# Long past: what is open or due no longer depends on when it is asked.
UNTIL = datetime(2025, 3, 1, tzinfo=UTC)


def simulated(seed: int, customers: int) -> list[Event]:
    """Return the touchpoints of a simulated shop in the order in which it sends them."""
    return list(simulate(seed, customers, end=UNTIL))


def olist(folder: Path) -> list[Event]:
    """Return the touchpoints of the Olist files, in theirs."""
    return list(OlistFolder(folder).touchpoints())


def three_ways(events: Sequence[Event], seed: int) -> Iterator[tuple[str, list[Event]]]:
    """Yield the same touchpoints forwards, backwards and shuffled."""
    yield "forwards", list(events)
    yield "backwards", list(reversed(events))
    yield "shuffled", Random(seed).sample(list(events), len(events))

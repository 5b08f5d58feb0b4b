"""Orders of arrival and batchings of one history, all made from a seed."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from random import Random
from typing import Any

from tests.convergence.history import DAY_MS, MINUTE_MS

Event = Mapping[str, Any]
Kills = Mapping[int, str]
DUPLICATES = 0.3
LATEST_DAYS = 90


@dataclass(frozen=True)
class Run:
    """
    One way for a history to arrive.

    Attributes:
        name: What it is called.
        batches: The files that are imported, one after the other.
        land: How many landing workers.
        stitch: How many stitching workers.
        kills: Worker to kill after the import of the batch of that number; -1: while all else is waited for.
    """

    name: str
    batches: Sequence[Sequence[Event]]
    land: int
    stitch: int
    kills: Kills


def runs_of(events: Sequence[Event], seed: int) -> list[Run]:
    """Return five runs of a history: each holds every content, and every third one once more."""
    random = Random(seed)
    ways: list[tuple[str, Callable[[Event], Any], int, int, int, Kills]] = [
        ("forwards in one file", lambda event: event["occurred_at"], 1, 1, 1, {}),
        ("backwards", lambda event: -event["occurred_at"], 6, 1, 1, {1: "land-1", 2: "land-1", 4: "stitch-1"}),
        (
            "as late as it comes",
            lambda event: event["occurred_at"] + _lateness_ms(random),
            8,
            1,
            2,
            {1: "stitch-1", 3: "stitch-2", 5: "stitch-1", -1: "stitch-2"},
        ),
        ("shuffled", lambda _: random.random(), 6, 2, 2, {1: "land-1", 2: "stitch-1", 4: "land-2", -1: "stitch-1"}),
        ("by source, last written first", lambda event: (event["source"], -event["occurred_at"]), 4, 1, 1, {}),
    ]
    runs = []
    for name, key, files, land, stitch, kills in ways:
        sent = [*events, *random.sample(list(events), round(len(events) * DUPLICATES))]
        random.shuffle(sent)
        sent.sort(key=key)
        runs.append(Run(name, _cut(sent, files, random), land, stitch, kills))
    return runs


def _lateness_ms(random: Random) -> int:
    """Draw how much later than it happened a touchpoint comes: mostly minutes, sometimes up to 90 days."""
    drawn = random.random()
    if drawn < 0.7:
        return random.randrange(10 * MINUTE_MS)
    return random.randrange(DAY_MS if drawn < 0.9 else LATEST_DAYS * DAY_MS)


def _cut(sent: Sequence[Event], files: int, random: Random) -> list[Sequence[Event]]:
    """Cut at random places, so that some batches are tiny and some huge."""
    cuts = sorted(random.sample(range(1, len(sent)), files - 1))
    return [sent[start:end] for start, end in zip([0, *cuts], [*cuts, len(sent)], strict=True)]

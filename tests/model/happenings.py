"""
What may happen to a schedule, and how often: chances per step, and what is on at all.

The rule owned here: a schedule does not get a little of everything, but much of some things (drawn from its seed), for
a fault that always comes with all others hides what it does alone. Without the sweep no announcement is ever lost: then
the fast path must converge by itself.
"""

from dataclasses import dataclass, replace
from random import Random


@dataclass(frozen=True, slots=True)
class Happenings:
    """
    Chances per step, and circumstances.

    Attributes:
        crash: A worker dies; another takes its place.
        stall: A worker stands still for long, its partitions mostly go to others: later it is a zombie.
        rebalance: Partitions are dealt anew.
        unavailable: A call to the warehouse fails, done or not (per call).
        lose: An announcement is forgotten by the broker (per record).
        merge: A table merges some of its parts.
        clock: A machine's clock steps, forwards or back.
        sweep: A worker sweeps.
        rewind: A group's offset is set back: delivered again.
        stick: Chance that whoever did the last step does the next one as well.
        commit: Chance that what is finished is committed after a batch.
        skew_us: How far clocks differ and step.
        tick_us: How much time passes at a step, at most.
        has_sweep: Whether anybody sweeps, in the end too.
        changes_rules: Whether workers of rules_version 2 come to stand beside the old ones.
        steps: How long this goes on.
        stalls_before: Steps before which a worker often stalls.
        crashes_before: Steps before which a worker often dies.
    """

    crash: float = 0.0
    stall: float = 0.0
    rebalance: float = 0.0
    unavailable: float = 0.0
    lose: float = 0.0
    merge: float = 0.0
    clock: float = 0.0
    sweep: float = 0.0
    rewind: float = 0.0
    stick: float = 0.5
    commit: float = 0.8
    skew_us: int = 0
    tick_us: int = 1_000
    has_sweep: bool = True
    changes_rules: bool = False
    steps: int = 300
    stalls_before: tuple[str, ...] = ()
    crashes_before: tuple[str, ...] = ()


STEPS = (
    "landing_stamp",
    "insert_touchpoints",
    "insert_links",
    "insert_landed",
    "write",
    "commits",
    "register_version: insert",
    "links",
    "overlooked_neighbours",
    "facts",
    "insert_stitched",
    "publish",
)
"""Steps of the protocol that have something to lose."""


def draw(random: Random) -> Happenings:
    """Draw what happens in a schedule."""

    def sometimes(*rates: float) -> float:
        return random.choice([0.0, *rates])

    drawn = Happenings(
        crash=sometimes(0.01, 0.03),
        stall=sometimes(0.01, 0.04),
        rebalance=sometimes(0.01, 0.03),
        unavailable=sometimes(0.03, 0.1),
        lose=sometimes(0.4, 0.8),
        merge=sometimes(0.02, 0.1),
        clock=sometimes(0.02, 0.1),
        sweep=sometimes(0.01, 0.05),
        rewind=sometimes(0.005, 0.02),
        stick=random.choice([0.0, 0.5, 0.8, 0.95]),
        commit=random.choice([0.3, 0.8, 1.0]),
        skew_us=random.choice([0, 3_000, 20_000_000]),
        tick_us=random.choice([2, 1_000, 50_000]),
        has_sweep=random.random() < 0.7,
        changes_rules=random.random() < 0.3,
        steps=random.choice([120, 250, 500]),
        stalls_before=tuple(random.sample(STEPS, random.choice([0, 0, 1, 2]))),
        crashes_before=tuple(random.sample(STEPS, random.choice([0, 0, 0, 1]))),
    )
    return drawn if drawn.has_sweep else replace(drawn, lose=0.0, sweep=0.0)

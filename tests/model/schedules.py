"""
Running schedules by their seeds: the right protocol over all worlds, and each mutant over those that show it.

The rule owned here: a seed says everything. Neighbouring seeds share a world, so that what was computed once serves
them all; whether anything was remembered changes how long a schedule takes and nothing else.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import groupby
from random import Random
from typing import Final
from unittest.mock import patch

from pipeline.streaming import grouping, stitcher
from tests.model.happenings import draw
from tests.model.judging import Diverged
from tests.model.memory import Memory
from tests.model.mutants import MUTANTS, Mutant
from tests.model.pure import Decoded, remembered
from tests.model.script import Script
from tests.model.simulation import Simulation
from tests.model.workers import Gear, rows_of
from tests.model.worlds import EVERYTHING, SHAPES, world

SEEDS_PER_WORLD: Final = 50
SEEDS_PER_MUTANT_WORLD: Final = 5
MOST_SEEDS: Final = 1_000
Tell = Callable[[str], None]
_SHAPES: Final = tuple(SHAPES)


@dataclass(frozen=True, slots=True)
class Verdict:
    """What became of a schedule: how it diverged, or None."""

    seed: int
    diverged: str | None


def run_schedules(seeds: Iterable[int], tell: Tell | None = None) -> Iterator[Verdict]:
    """
    Run the protocol as it is.

    Args:
        seeds: Which schedules.
        tell: Told every step.
    """
    with remembered():
        for number, of_world in groupby(seeds, lambda seed: seed // SEEDS_PER_WORLD):
            made = world(number, _SHAPES[number % len(_SHAPES)])
            gear = Gear(Memory(rows_of), Decoded(made, made.rules[1].identity))
            for seed in of_world:
                random = Random(seed)
                yield _judged(seed, Simulation(made, random, draw(random), gear, tell))


def run_mutant(mutant: Mutant, seeds: Iterable[int], tell: Tell | None = None) -> Iterator[Verdict]:
    """Run a protocol that is wrong, over schedules that bring it to light."""
    with mutant.patching(), remembered():
        for number, of_world in groupby(seeds, lambda seed: seed // SEEDS_PER_MUTANT_WORLD):
            made = world(number, mutant.shape)
            made = replace(made, group=mutant.group or made.group, slice=EVERYTHING)
            gear = Gear(Memory(rows_of), Decoded(made, made.rules[1].identity), mutant.hands, mutant.commits_first)
            for seed in of_world:
                simulation = Simulation(made, Random(f"{mutant.name} {seed}"), mutant.happenings, gear, tell)
                simulation.warehouse = mutant.warehouse()
                simulation.script = Script(mutant.script)
                yield _judged(seed, simulation)


def run_block(block: tuple[int, int]) -> list[Verdict]:
    """Run the schedules from one seed up to another (in a process of its own)."""
    return list(run_schedules(range(*block)))


def first_caught(name: str) -> int | None:
    """Return the first seed that catches the mutant of this name; None: it survives (in a process of its own)."""
    (mutant,) = (mutant for mutant in MUTANTS if mutant.name == name)
    return next((verdict.seed for verdict in run_mutant(mutant, range(MOST_SEEDS)) if verdict.diverged), None)


def _judged(seed: int, simulation: Simulation) -> Verdict:
    try:
        with (
            patch.object(grouping, "_GROUP_IDENTIFIERS", simulation.world.group),
            patch.object(grouping, "_LOAD_IDENTIFIERS", simulation.world.load),
            patch.object(stitcher, "_SLICE_IDENTIFIERS", simulation.world.slice),
        ):
            simulation.run()
    except Diverged as verdict:
        return Verdict(seed, str(verdict))
    return Verdict(seed, None)

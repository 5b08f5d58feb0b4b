"""
`make model`: run schedules, then the gate of mutants, and say how many.

`python -m tests.model --seed N` replays one schedule and tells every step; with `--mutant NAME` one of that mutant.
"""

import argparse
import multiprocessing
import os
import sys
import time
from collections.abc import Sequence
from multiprocessing.pool import Pool
from typing import Final

from tests.model.mutants import MUTANTS, Mutant
from tests.model.schedules import MOST_SEEDS, SEEDS_PER_WORLD, first_caught, run_block, run_mutant, run_schedules

_SCHEDULES: Final = 10_000


def main(arguments: Sequence[str] | None = None) -> int:
    """Run what the command line asks for; 1 if a schedule diverged or a mutant survived."""
    parser = argparse.ArgumentParser(prog="python -m tests.model", description=__doc__)
    parser.add_argument("--schedules", type=int, default=_SCHEDULES, help="how many schedules (default %(default)s)")
    parser.add_argument("--seed", type=int, help="replay this schedule and tell every step")
    parser.add_argument("--mutant", help="with --seed: a schedule of this mutant; alone: the gate of this one only")
    parser.add_argument("--processes", type=int, default=os.cpu_count() or 1)
    asked = parser.parse_args(arguments)
    mutants = [mutant for mutant in MUTANTS if asked.mutant in (None, mutant.name)]
    if not mutants:
        parser.error(f"no mutant {asked.mutant!r}; there are: {', '.join(mutant.name for mutant in MUTANTS)}")
    if asked.seed is not None:
        return _replay(asked.seed, mutants[0] if asked.mutant else None)
    schedules = 0 if asked.mutant else asked.schedules
    began = time.monotonic()
    with multiprocessing.get_context("spawn").Pool(asked.processes) as pool:
        diverged = _count_diverged(pool, schedules)
        survivors = _survivors(pool, mutants)
    say(
        f"{schedules:,} schedules, {diverged} diverged; {len(mutants)} mutants, {len(mutants) - survivors} caught "
        f"({time.monotonic() - began:.0f} s)"
    )
    return 1 if diverged or survivors else 0


def say(text: str) -> None:
    """Write a line at once, so that a long run shows how far it is."""
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def _replay(seed: int, mutant: Mutant | None) -> int:
    runs = run_mutant(mutant, [seed], say) if mutant else run_schedules([seed], say)
    (verdict,) = runs
    say(f"seed {seed} converged" if verdict.diverged is None else f"seed {seed} diverged {verdict.diverged}")
    return 0 if verdict.diverged is None else 1


def _count_diverged(pool: Pool, schedules: int) -> int:
    blocks = [(first, min(first + SEEDS_PER_WORLD, schedules)) for first in range(0, schedules, SEEDS_PER_WORLD)]
    done = diverged = 0
    for verdicts in pool.imap(run_block, blocks):
        for verdict in verdicts:
            if verdict.diverged is not None:
                diverged += 1
                say(f"seed {verdict.seed} diverged {verdict.diverged}\n  replay: make model SEED={verdict.seed}")
        done += len(verdicts)
        if done % 1_000 < SEEDS_PER_WORLD:
            say(f"{done:,} of {schedules:,} schedules, {diverged} diverged")
    return diverged


def _survivors(pool: Pool, mutants: Sequence[Mutant]) -> int:
    survivors = 0
    for mutant, caught_at in zip(mutants, pool.imap(first_caught, [mutant.name for mutant in mutants]), strict=True):
        survivors += caught_at is None
        verdict = f"SURVIVED {MOST_SEEDS} schedules" if caught_at is None else f"caught at seed {caught_at}"
        say(f"  {mutant.name}: {verdict}")
    return survivors


if __name__ == "__main__":
    sys.exit(main())

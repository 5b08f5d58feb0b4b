"""
The limits that recoveries must keep, and the run that measures them: `python -m tests.chaos --recovery`.

They hold on a machine that does nothing else; a slow one is given other ones with `--limits`.
"""

from argparse import ArgumentTypeError
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

FAULTS = ("kill land", "kill stitch", "kill broker", "freeze warehouse:60", "kill broker")
REST_S = 15.0


@dataclass(frozen=True)
class Limits:
    """
    What a recovery may take.

    Attributes:
        first_row_s: From the kill of a worker to the first new row of its stage, at most.
        catch_up_rate: How much faster than records arrive landing catches up after that, at least.
        broker_back_s: From the broker's open port to the first new row of both stages, at most.
        frozen_growth: How much more memory, as a part, workers and warehouse take while it is frozen, at most.
        frozen_rebalances: How often each group is dealt its partitions anew meanwhile, at most.
        frozen_caught_up_s: From its thaw until both stages have caught up, at most.
    """

    first_row_s: float = 8.0
    catch_up_rate: float = 5.0
    broker_back_s: float = 5.0
    frozen_growth: float = 0.2
    frozen_rebalances: float = 1
    frozen_caught_up_s: float = 20.0


def limits(text: str) -> Limits:
    """Read limits from `first_row_s=12,frozen_caught_up_s=40`; those that are not named stay."""
    known = {one.name: one.default for one in fields(Limits)}
    given: dict[str, float] = {}
    for part in filter(None, (each.strip() for each in text.split(","))):
        name, _, number = part.partition("=")
        try:
            given[name] = float(number)
        except ValueError:
            given[name] = -1.0
        if name not in known or not given[name] >= 0:
            told = ", ".join(f"{each}={value:g}" for each, value in known.items())
            raise ArgumentTypeError(f"{part!r} is no limit; these are, with what they are unless said: {told}")
    return Limits(**given)


def passed(figures: Iterable[Mapping[str, Any]], allowed: Limits) -> list[str]:
    """Return which limits the recoveries of a run passed, in words; what could not be measured is passed too."""
    return [f"{told['fault']}: {line}" for told in figures for line in _passed(told, allowed)]


def _passed(told: Mapping[str, Any], allowed: Limits) -> Iterator[str]:
    word, _, target = str(told["fault"]).partition(" ")
    if word == "kill" and target.startswith(("land", "stitch")):
        stage = target.partition("-")[0]
        yield from _above(told, [stage], "first_row_s", allowed.first_row_s)
        rate = told["land"]["catch_up_rate"]
        if stage == "land" and (rate is None or rate < allowed.catch_up_rate):
            yield f"landing caught up at {_number(rate)} times the rate of arrival, at least {allowed.catch_up_rate:g}"
    elif word == "kill" and target.startswith("broker"):
        yield from _above(told, ["land", "stitch"], "first_row_s", allowed.broker_back_s)
    elif word == "freeze" and target == "warehouse":
        yield from _above(told, ["land", "stitch"], "caught_up_s", allowed.frozen_caught_up_s)
        for part, before in told["rss_before_mb"].items():
            peak = told["rss_peak_mb"].get(part, 0)
            if part.startswith(("land", "stitch", "warehouse")) and peak > before * (1 + allowed.frozen_growth):
                yield f"{part} grew from {before} to {peak} MB, at most by {allowed.frozen_growth:.0%}"
        for stage, times in told["rebalances"].items():
            if times > allowed.frozen_rebalances:
                yield f"{stage} was dealt its partitions anew {times} times, at most {allowed.frozen_rebalances:g}"


def _above(told: Mapping[str, Any], stages: Sequence[str], figure: str, most: float) -> Iterator[str]:
    for stage in stages:
        found = told[stage][figure]
        if found is None or found > most:
            yield f"{figure} of {stage} is {_number(found)}, at most {most:g}"


def _number(found: float | None) -> str:
    return "not before the next fault" if found is None else f"{found:g}"

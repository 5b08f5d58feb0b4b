"""
`make chaos` and `make chaos-night`: faults against real processes on Apache Kafka, and a checker that counts.

Progress goes to stderr; the last line on stdout is one of JSON. Exit code 1 if anything is lost, phantom, altered,
doubled, unlanded, miscounted or other than in a calm run, if a fault hit nothing, or a recovery passed a limit.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import click

from bench.arguments import WithDefaults, not_negative, positive, require_kafka, whole
from bench.servers import end_with_children
from pipeline.cli.errors import CommandError
from tests.chaos import limits
from tests.chaos.checker import Verdict
from tests.chaos.running import Plan, run
from tests.chaos.schedule import ALL, REST_S, absent_in, unfit_for, wrong_in

COUNTS = [name for name, value in vars(Verdict()).items() if isinstance(value, int)]


def say(text: str) -> None:
    """Tell how far we are."""
    click.echo(f"{time.strftime('%H:%M:%S')} {text}", err=True)


def faults(text: str) -> list[str]:
    """Return the faults that are named, in their order."""
    named = [fault.strip() for fault in text.split(",") if fault.strip()]
    if not named:
        raise argparse.ArgumentTypeError("no fault is named; give some, or leave it out to play those of the seed")
    if wrong := [f"{fault!r} {reason}" for fault in named if (reason := wrong_in(fault))]:
        raise argparse.ArgumentTypeError(f"{'; '.join(wrong)}; the faults are: {', '.join(sorted(ALL))}")
    return named


def keeping(text: str) -> Path:
    """Return the folder that logs and ledgers are left in, made now: a run of minutes must not end for want of it."""
    folder = Path(text)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            return folder
    except OSError as error:
        raise argparse.ArgumentTypeError(
            f"nothing can be left in {text!r} ({error.strerror}); name a folder that may be written"
        ) from error


def plan_of(seed: int, arguments: argparse.Namespace) -> Plan:
    """Return the run of a seed: even ones have two workers of each kind, every third three brokers, unless said."""
    one = arguments.recovery
    pairs = 2 if seed % 2 == 0 and not one else 1
    return Plan(
        seed=seed,
        rate=arguments.rate,
        land=arguments.land or pairs,
        stitch=arguments.stitch or pairs,
        nodes=arguments.brokers or (3 if seed % 3 == 0 and not one else 1),
        faults=arguments.faults or (limits.FAULTS if one else ()),
        rest_s=(limits.REST_S if one else REST_S) if arguments.rest is None else arguments.rest,
        keep=arguments.keep,
        limits=arguments.limits if one else None,
    )


def _result(plan: Plan) -> dict[str, Any]:
    """Run one seed; one that cannot come to its end is a fault of its own, and the next seeds are still played."""
    try:
        return run(plan, say)
    except (RuntimeError, OSError, subprocess.SubprocessError, CommandError) as error:
        say(f"  it did not come to an end: {error}")
        return {"seed": plan.seed, "clean": False, "hit_nothing": [], "passed": [], "error": str(error)}


def _word(result: dict[str, Any]) -> str:
    """Say how a seed went; only one that is clean and shows what it should is good."""
    words = [] if result["clean"] else ["NOT CLEAN"]
    words += [f"NOT SHOWN, for it hit nothing: {fault}" for fault in result["hit_nothing"]]
    words += [f"TOO SLOW: {limit}" for limit in result["passed"]]
    return "; ".join(words)


def _counts(result: dict[str, Any]) -> str:
    """Say what was counted: a word alone does not tell of how much it speaks."""
    if "error" in result:
        return ""
    counts = ", ".join(f"{name} {result[name]}" for name in COUNTS)
    return f" ({counts}; {result['acknowledged']:,} records acknowledged, {result['touchpoints']:,} touchpoints)"


def the_parser() -> argparse.ArgumentParser:
    """Return what reads the words of the command."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.chaos",
        description="Faults on Apache Kafka, and a checker. `docs/chaos.md` says how to read the result.",
        formatter_class=WithDefaults,
    )
    parser.add_argument("--seed", type=int, default=1, help="first seed")
    parser.add_argument("--seeds", type=whole(1), default=1, help="how many seeds, one after the other")
    parser.add_argument("--rate", type=positive, default=100.0, help="records a second")
    parser.add_argument("--land", type=whole(0), default=0, help="landing workers; 0: as the seed says")
    parser.add_argument("--stitch", type=whole(0), default=0, help="stitching workers; 0: as the seed says")
    parser.add_argument("--brokers", type=int, choices=[0, 1, 3], default=0, help="0: as the seed says")
    parser.add_argument("--faults", type=faults, default=[], help="these instead: `kill land,freeze warehouse:60`")
    parser.add_argument(
        "--rest",
        type=not_negative,
        default=None,
        help=f"seconds from the end of a fault to the next (default: {REST_S:g}, {limits.REST_S:g} with --recovery)",
    )
    parser.add_argument("--recovery", action="store_true", help="measure recoveries, and fail where one passes a limit")
    parser.add_argument("--limits", type=limits.limits, default=limits.Limits(), help="others: `first_row_s=12,…`")
    parser.add_argument("--keep", type=keeping, help="leave logs and ledgers in this folder")
    return parser


def main(words: Iterable[str]) -> int:
    """Run the seeds and print the result."""
    parser = the_parser()
    arguments = parser.parse_args([*words])
    require_kafka(parser, "faults need Apache Kafka")
    # Ended from outside it still stops what it started.
    end_with_children()
    plans = [plan_of(seed, arguments) for seed in range(arguments.seed, arguments.seed + arguments.seeds)]
    for plan in plans:
        if absent := [name for fault in plan.faults for name in absent_in(fault, (*plan.workers, *plan.brokers))]:
            there = ", ".join((*plan.workers, *plan.brokers))
            parser.error(f"argument --faults: seed {plan.seed} has no {', '.join(absent)}; there are {there}")
        if unfit := next(filter(None, (unfit_for(fault, plan.nodes) for fault in plan.faults)), ""):
            parser.error(f"argument --faults: seed {plan.seed}: {unfit}")
    results: list[dict[str, Any]] = []
    for plan in plans:
        results.append(_result(plan))
        say(f"seed {plan.seed}: {_word(results[-1]) or 'clean'}{_counts(results[-1])}")
    clean = all(result["clean"] for result in results)
    sums = {name: sum(result.get(name, 0) for result in results) for name in (*COUNTS, "acknowledged", "seconds")}
    click.echo(json.dumps({"clean": clean, **sums, "seeds": results}))
    return int(any(map(_word, results)))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

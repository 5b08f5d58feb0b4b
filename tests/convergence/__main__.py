"""
`make convergence`: the same touchpoints in other orders and batches, with workers killed, give the same bytes.

Three parts, each with real processes on the embedded tier: a history made to hurt in five runs against the oracle; the
simulator and, where it is found, the Olist data set forwards, backwards and shuffled; an unlink and its withdrawal.
Progress goes to stderr. The last line on stdout is JSON; the exit code is 1 if a single row differs.
"""

import argparse
import json
import os
import signal
import sys
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import click

from pipeline.config import OLIST_VARIABLE, IdentitySettings
from tests.convergence import sources
from tests.convergence.dump import Dump, differences, without_rows
from tests.convergence.expected import expected_dump, judged_part, oracle_rules
from tests.convergence.history import PHONE_REGION, History
from tests.convergence.inprocess import HASH_KEY
from tests.convergence.installation import Installation, installed
from tests.convergence.orders import Run, runs_of
from tests.convergence.unmerging import joined_people, unlink, withdrawal

Result = dict[str, Any]
IDENTITY = IdentitySettings.model_validate({"hash_key": HASH_KEY, "phone_region": PHONE_REGION})
ENVIRONMENT = {"THROUGHLINE_IDENTITY__PHONE_REGION": PHONE_REGION}
# A busy machine may take long; a stuck one is told all the same.
WAIT_S = "1500"
SIBLING = Path(__file__).parents[3] / "shared" / "data" / "olist"


def say(text: str) -> None:
    """Tell how far we are."""
    click.echo(f"{time.strftime('%H:%M:%S')} {text}", err=True)


def history(arguments: argparse.Namespace) -> Result:
    """Let one history arrive in five ways and hold every dump against the oracle's."""
    events = History(arguments.seed, arguments.people, arguments.events).make()
    say(f"history: {len(events)} contents of {arguments.people} people; asking the oracle")
    expected = expected_dump(events, oracle_rules(IDENTITY))
    first: Dump | None = None
    result: Result = {"contents": len(events), "people": arguments.people, "sent": 0, "kills": 0, "different": []}
    result["rows"] = {view: len(lines) for view, lines in expected.items()}
    for run in runs_of(events, arguments.seed)[: arguments.runs]:
        began = time.monotonic()
        with installed(land=run.land, stitch=run.stitch, settings=ENVIRONMENT) as installation:
            _arrive(installation, run)
            found = installation.dump()
        told = differences(expected, judged_part(found)) + (differences(first, found) if first else [])
        result["different"] += [f"{run.name}: {line}" for line in told]
        result["sent"] += sum(map(len, run.batches))
        result["kills"] += installation.kills
        first = first or found
        say(f"  {run.name}: {len(told)} differences, {installation.kills} kills, {time.monotonic() - began:.0f} s")
    return result


def _arrive(installation: Installation, run: Run) -> None:
    for number, batch in enumerate(run.batches):
        installation.feed(batch)
        if number in run.kills:
            installation.kill(run.kills[number])
    waiting = installation.begin("wait", "--timeout", WAIT_S)
    if -1 in run.kills:
        time.sleep(1.0)
        installation.kill(run.kills[-1])
    _, err = waiting.communicate()
    if waiting.returncode:
        raise RuntimeError(f"{run.name}: not everything became visible: {err.decode()}")


def same_from_sources(arguments: argparse.Namespace) -> Result:
    """Import the simulator's shop and the Olist orders forwards, backwards and shuffled."""
    found = {"simulator": sources.simulated(arguments.seed, arguments.customers)}
    folder = Path(os.environ.get(OLIST_VARIABLE) or SIBLING)  # noqa: TID251 (where a data set lies is no setting)
    if folder.is_dir():
        found["olist"] = sources.olist(folder)[: arguments.olist or None]
    else:
        say(f"Olist is left out: no data at {folder}; set {OLIST_VARIABLE}")
    result: Result = {"different": [], "touchpoints": {name: len(events) for name, events in found.items()}}
    for name, events in found.items():
        first: Dump | None = None
        for way, ordered in sources.three_ways(events, arguments.seed):
            began = time.monotonic()
            with installed() as installation:
                installation.feed(ordered)
                installation("wait", "--timeout", WAIT_S)
                dump = installation.dump()
            told = differences(first, dump) if first else []
            result["different"] += [f"{name} {way}: {line}" for line in told]
            first = first or dump
            say(f"  {name} {way}: {len(told)} differences, {time.monotonic() - began:.0f} s")
    return result


def unmerge(arguments: argparse.Namespace) -> Result:
    """Part two people whom a thousand touchpoints joined, and take that back."""
    events = joined_people(arguments.joined)
    rules = oracle_rules(IdentitySettings.model_validate({"hash_key": HASH_KEY}))
    dumps = []
    told: list[str] = []
    with installed() as installation:
        sent: list[Mapping[str, Any]] = []
        for more in (events, [unlink()], [withdrawal()]):
            sent += more
            installation.feed(more)
            installation("wait", "--timeout", WAIT_S)
            dumps.append(installation.dump())
            told += differences(expected_dump(sent, rules), judged_part(dumps[-1]))
    joined, parted, restored = dumps
    told += differences(joined, without_rows(restored, "v_touchpoints", "type", ("identity.unlinked",)))
    told += [
        f"{view} is not restated"
        for view in ("v_visits", "v_journeys", "v_pain_points")
        if parted[view] == joined[view]
    ]
    say(f"  unlink of {arguments.joined} joined touchpoints and its withdrawal: {len(told)} differences")
    return {"joined": len(events), "different": told}


PARTS: Mapping[str, Callable[[argparse.Namespace], Result]] = {
    "unmerge": unmerge,
    "history": history,
    "sources": same_from_sources,
}


def main(words: Iterable[str]) -> int:
    """Run the parts and print the result."""
    parser = argparse.ArgumentParser(prog="make convergence", description="The same answer whatever happens.")
    parser.add_argument("--seed", type=int, default=1, help="another number is another history")
    parser.add_argument("--events", type=int, default=50_000, help="distinct contents of the history")
    parser.add_argument("--people", type=int, default=2_000, help="people in it")
    parser.add_argument("--runs", type=int, default=5, help="ways to arrive")
    parser.add_argument("--customers", type=int, default=400, help="people of the simulator")
    parser.add_argument("--olist", type=int, default=0, help="most touchpoints of the Olist files; 0: all")
    parser.add_argument("--joined", type=int, default=1_000, help="touchpoints before the unlink")
    parser.add_argument("--only", choices=[*PARTS], action="append", help="just this part")
    arguments = parser.parse_args([*words])
    # Ended from outside it still stops what it started.
    signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))
    began = time.monotonic()
    results = {name: part(arguments) for name, part in PARTS.items() if name in (arguments.only or PARTS)}
    wrong = [line for result in results.values() for line in result["different"]]
    for line in wrong:
        click.echo(line)
    told = {name: {**result, "different": len(result["different"])} for name, result in results.items()}
    click.echo(json.dumps({"converged": not wrong, "seconds": round(time.monotonic() - began), **told}))
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

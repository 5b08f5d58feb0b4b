"""
How speed bends: `python -m bench.curves --only partitions customers`, `python -m bench.curves --draw`.

Each curve turns one thing and leaves the others at their middle. A point is one run, or the middle of several with
`--rounds`; its CPU time stands beside its speed, for that hardly depends on who else uses the machine. Results are
appended as JSON lines, one file a curve, and drawn from those: the newest line of each point counts.
"""

import argparse
import json
import statistics
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from bench.arguments import WithDefaults, require_kafka, whole
from bench.contestants import BROKERS, EMBEDDED, KAFKA
from bench.events import encoded_events
from bench.field import LEAST_EVENTS, Field, Setting
from bench.freshness import CUSTOMERS, Course, run_freshness
from bench.plots import Point, draw_curve
from bench.run import Result, origin, run_ours
from bench.servers import Servers, end_with_children

FOLDER = Path(__file__).parents[1] / "docs" / "benchmarks"
SPEED, FRESHNESS = ("landed_per_second", "stitched_per_second"), ("p50_seconds", "p99_seconds")
LAND_BATCH = "THROUGHLINE_LANDING__MAX_BATCH_RECORDS"
STITCH_BATCH = "THROUGHLINE_STITCHING__MAX_BATCH_KEYS"


@dataclass(frozen=True)
class Run:
    """
    One point to measure.

    Attributes:
        x: Where it stands on its curve.
        setting: Broker, partitions, workers, settings.
        events: How many wait.
        customers: How many people they are spread over.
        more_bytes: How much longer every event is made.
    """

    x: float
    setting: Setting
    events: int
    customers: int
    more_bytes: int = 0


@dataclass(frozen=True)
class Curve:
    """What a curve turns, and what its axis says."""

    title: str
    axis: str
    is_logarithmic: bool = True


CURVES = {
    "partitions": Curve("Partitions of a topic", "partitions"),
    "workers": Curve("Processes of each role", "processes", is_logarithmic=False),
    "customers": Curve("Distinct customers", "customers"),
    "per_customer": Curve("Events of a customer", "events of each customer"),
    "batch": Curve("Size of a batch", "records in one INSERT, identifiers in one stitch"),
    "event_size": Curve("Size of an event", "bytes added to each event"),
    "freshness": Curve("Freshness", "events offered a second"),
}


def runs(name: str, events: int, middle: Setting) -> Iterator[Run]:
    """Return the points of a curve."""
    usual = max(events // 10, 1)
    if name == "partitions":
        counts = (1, 2, 4, 8, 16) if middle.broker != EMBEDDED else (8, 16, 32)
        yield from (Run(count, replace(middle, partitions=count), events, usual) for count in counts)
    elif name == "workers":
        yield from (Run(count, replace(middle, workers=count), events, usual) for count in (1, 2))
    elif name == "customers":
        people = [count for count in (1_000, 10_000, 100_000, 1_000_000) if count <= events]
        yield from (Run(count, middle, events, count) for count in people)
    elif name == "per_customer":
        each = [count for count in (1, 10, 100, 1_000, 10_000, 100_000) if count <= events]
        yield from (Run(count, middle, events, events // count) for count in each)
    elif name == "batch":
        for size in (2_000, 10_000, 60_000):
            turned = {LAND_BATCH: str(size), STITCH_BATCH: str(size)}
            yield Run(size, replace(middle, more=turned), events, usual)
    elif name == "event_size":
        yield from (Run(more, middle, events, usual, more) for more in (0, 300, 1_000, 3_000))


def measure(run: Run, rounds: int) -> dict[str, Any]:
    """Measure a point."""
    with TemporaryDirectory(prefix="throughline-bench-") as folder, Servers(Path(folder)) as servers:
        made = encoded_events(run.events, run.customers, more_bytes=run.more_bytes)
        field = Field(servers, made, run.setting)
        results = [run_ours(field, ("land", "stitch")) for _ in range(rounds)]
    middle: Result = sorted(results, key=lambda result: result.stitched_per_second)[len(results) // 2]
    return {
        "events": run.events,
        "customers": run.customers,
        "partitions": run.setting.partitions,
        "workers": run.setting.workers,
        "landed_per_second": round(statistics.median(result.landed_per_second for result in results)),
        "stitched_per_second": round(middle.stitched_per_second),
        "cpu_us_per_event": {name: round(spent, 2) for name, spent in middle.cpu_us.items()},
    }


def measure_freshness(course: Course, setting: Setting) -> dict[str, Any]:
    """Measure how fresh journeys are at a rate."""
    fresh = run_freshness(course, setting)
    waits = fresh.waits
    return {
        "seconds": course.seconds,
        "customers": course.customers,
        "partitions": setting.partitions,
        "p50_seconds": round(waits.p50, 3),
        "p99_seconds": round(waits.p99, 3),
        "landed_p50_seconds": round(waits.landed_p50, 3),
        "landed_p99_seconds": round(waits.landed_p99, 3),
        "cores": fresh.cores,
    }


def keep(name: str, x: float, broker: str, rounds: int, measured: dict[str, Any]) -> None:
    """Append a point to the file of its curve."""
    line = json.dumps({"x": x, **origin(), "broker": broker, "rounds": rounds, **measured})
    FOLDER.mkdir(parents=True, exist_ok=True)
    with (FOLDER / f"{name}.jsonl").open("a", encoding="utf-8") as file:
        file.write(line + "\n")
    sys.stderr.write(f"{name}: {line}\n")


def newest(name: str) -> list[tuple[float, dict[str, Any]]]:
    """Return the newest line of each place of a curve, in the order of the axis."""
    found: dict[float, dict[str, Any]] = {}
    file = FOLDER / f"{name}.jsonl"
    for line in file.read_text(encoding="utf-8").splitlines() if file.is_file() else ():
        said = json.loads(line)
        found[said["x"]] = said
    return sorted(found.items())


def cpu_of(said: dict[str, Any]) -> dict[str, float]:
    """Return the CPU time of an event by role, workers of one role together."""
    spent = dict.fromkeys(("land", "stitch", "warehouse"), 0.0)
    for process, taken in said["cpu_us_per_event"].items():
        role = process.partition("-")[0]
        if role in spent:
            spent[role] += taken
    return spent


def draw() -> None:
    """Draw every curve that has points: its speed or freshness, and its CPU time."""
    for name, curve in CURVES.items():
        lines = newest(name)
        figures = FRESHNESS if name == "freshness" else SPEED
        unit = "seconds" if name == "freshness" else "events a second"
        pictures = {name: (unit, [Point(x, {figure: said[figure] for figure in figures}) for x, said in lines])}
        if name != "freshness":
            pictures[f"{name}-cpu"] = ("CPU µs an event", [Point(x, cpu_of(said)) for x, said in lines])
        for picture, (of, points) in pictures.items() if lines else ():
            svg = draw_curve(curve.title, curve.axis, of, points, is_logarithmic=curve.is_logarithmic)
            (FOLDER / f"{picture}.svg").write_text(svg, encoding="utf-8")


def main() -> None:
    """Measure the curves that are asked for, and draw all."""
    parser = argparse.ArgumentParser(prog="python -m bench.curves", description=__doc__, formatter_class=WithDefaults)
    add = parser.add_argument
    add("--only", nargs="+", choices=list(CURVES), default=list(CURVES), help="curves; default: all")
    add("--broker", choices=BROKERS, default=EMBEDDED, help="kafka needs `make kafka`")
    add("--partitions", type=whole(1), default=32, help="of each topic")
    add(
        "--events", type=whole(LEAST_EVENTS), default=200_000, help="events of a point; 1,000,000 for as many customers"
    )
    add("--at", type=whole(0), nargs="+", help="places of the curves; default: all that there are")
    add("--rounds", type=whole(1), default=1, help="runs of a point, of which the middle one is kept")
    add("--rates", type=whole(1), nargs="+", default=[100, 1_000, 5_000, 10_000], help="events a second, for freshness")
    add("--seconds", type=whole(1), default=20, help="how long freshness is measured at a rate")
    add("--customers", type=whole(1), default=CUSTOMERS, help="people of whom events are offered, for freshness")
    add("--draw", action="store_true", help="only draw what was measured before")
    given = parser.parse_args()
    if given.broker == KAFKA and not given.draw:
        require_kafka(parser)
    end_with_children()
    middle = Setting(given.broker, given.partitions)
    for name in () if given.draw else given.only:
        if name == "freshness":
            for rate in given.rates:
                course = Course(rate, given.seconds, given.customers)
                keep(name, rate, given.broker, 1, measure_freshness(course, middle))
        for run in runs(name, given.events, middle):
            if given.at and run.x not in given.at:
                continue
            keep(name, run.x, given.broker, given.rounds, measure(run, given.rounds))
    draw()


if __name__ == "__main__":
    main()

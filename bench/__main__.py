"""
Measure ours beside its peers on the same job, and how fresh journeys are.

All in one run on one machine. Rounds are interleaved (ours, bound, a peer, the next, ours, …) and medians are reported:
machines are noisy, ratios of one run less so. The last line is JSON; everything else goes to stderr.
"""

import argparse
import itertools
import json
import statistics
import sys
import time
from dataclasses import dataclass, field, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from clickhouse_connect.driver.exceptions import Error as DriverError
from confluent_kafka import KafkaException

from bench.arguments import WithDefaults, require_kafka, whole
from bench.contestants import BROKERS, EMBEDDED, KAFKA, OURS, PEERS
from bench.events import encoded_events
from bench.field import LEAST_EVENTS, Field, Setting, most_in_a_batch
from bench.freshness import Course, Freshness, run_freshness
from bench.peers.obtain import PeerMissing, command_of
from bench.run import Result, machine, origin, run_ours, run_peer
from bench.servers import Servers, end_with_children
from pipeline.config import SettingsError, environment_name, load_settings

ROLES = {"ours": ("land", "stitch"), "bound": ("land",)}
PARTITIONS = {"embedded": 32, "kafka": 8}
# Between two or three INSERTs lies what writing them took, and not what making them did.
ENOUGH_INSERTS = 5


@dataclass
class Comparison:
    """
    The runs so far.

    Attributes:
        broker: Which one all use.
        events: How many a run of ours has.
        results: Contestant → round → what it measured.
        absent: Who did not run, or failed, and why.
        is_whole: Whether all rounds came to their end, and everybody who could run was measured.
    """

    broker: str
    events: int
    results: dict[str, dict[int, Result]] = field(default_factory=dict)
    absent: dict[str, str] = field(default_factory=dict)
    is_whole: bool = True

    def admit(self, names: list[str]) -> list[str]:
        """Return who can run here, and say aloud who cannot."""
        able = []
        for name in names:
            reason = "" if name in ROLES else why_absent(name, self.broker, self.events)
            if reason:
                self.absent[name] = reason
                say(f"{name} cannot run here and is left out: {reason}")
            else:
                able.append(name)
        return able

    def run(self, lanes: Field, name: str, round_number: int) -> None:
        """Let a contestant run once; a peer that fails is left out of this round, aloud."""
        began = time.monotonic()
        try:
            result = run_ours(lanes, ROLES[name]) if name in ROLES else run_peer(lanes, name)
        except (RuntimeError, TimeoutError, ValueError) as error:
            if name in ROLES:
                raise
            self.absent[name] = str(error)
            self.is_whole = False
            say(f"round {round_number} {name} failed: {error}")
            return
        self.results.setdefault(name, {})[round_number] = result
        cpu = ", ".join(f"{part} {spent:.1f}" for part, spent in result.cpu_us.items())
        say(
            f"round {round_number} {name}: landed {result.landed_per_second:,.0f}/s, "
            f"stitched {result.stitched_per_second:,.0f}/s, {result.peak_pss_bytes >> 20} MiB, "
            f"CPU µs an event: {cpu}; took {time.monotonic() - began:.0f} s"
        )
        if name in PEERS:
            say(f"  its {result.visits[0]} visits would be {result.visits[1]} in the order of time")

    def median(self, name: str, figure: str) -> float:
        """Return the median of a figure over the rounds, 0 where nobody ran."""
        found = [getattr(result, figure) for result in self.results.get(name, {}).values()]
        return float(statistics.median(found)) if found else 0.0

    def ratio(self, name: str) -> float:
        """Return ours over theirs: the median of the ratios of each round."""
        ours, theirs = self.results.get("ours", {}), self.results[name]
        rounds = ours.keys() & theirs.keys()
        ratios = [ours[number].whole_per_second / theirs[number].whole_per_second for number in rounds]
        return round(statistics.median(ratios), 2) if ratios else 0.0

    def cpu_ratio(self, name: str) -> float | None:
        """Return theirs over ours in CPU time an event, of the medians; None if one is unknown."""
        ours, theirs = self.median("ours", "whole_cpu_us"), self.median(name, "whole_cpu_us")
        return round(theirs / ours, 2) if ours and theirs else None

    def few_inserts(self) -> dict[str, int]:
        """Return whose speed rests on few INSERTs, and on how many: those lie as close together as the work before."""
        least = {
            name: min(run.inserts for run in runs.values()) for name, runs in self.results.items() if name in PEERS
        }
        return {name: inserts for name, inserts in least.items() if inserts < ENOUGH_INSERTS}


def why_absent(name: str, broker: str, events: int) -> str:
    """Return why a peer cannot run here or not be measured, after getting what it needs; empty if it can."""
    peer = PEERS[name]
    if broker not in peer.brokers:
        return f"it does not run on the {broker} broker; use --broker kafka"
    if events < peer.least_events:
        return (
            f"it gets {peer.percent} % of the events and writes up to {peer.rows:,} at once, so that all of "
            f"{events:,} would come with its warm-up; give --events {peer.least_events} or more"
        )
    try:
        command_of(name)
    except PeerMissing as error:
        return str(error)
    return ""


def main() -> None:
    """Run the rounds and print the result."""
    parser = _parser()
    arguments = parser.parse_args()
    try:
        usual = load_settings().landing.max_batch_records
    except SettingsError as error:
        parser.error(str(error))
    if arguments.broker == KAFKA:
        require_kafka(parser)
    end_with_children()
    partitions = arguments.partitions or PARTITIONS[arguments.broker]
    batch = most_in_a_batch(arguments.events, usual)
    capped = {environment_name("landing", "max_batch_records"): str(batch)}
    setting = Setting(arguments.broker, partitions, arguments.workers, capped)
    say(
        f"{machine()}, {arguments.broker} broker with {partitions} partitions a topic, {arguments.workers} processes "
        f"each; {arguments.events} events of {arguments.customers} customers, {arguments.rounds} rounds; "
        f"LAND takes up to {batch} records at once"
    )
    comparison, fresh = Comparison(arguments.broker, arguments.events), None
    names = comparison.admit(arguments.contestants or [*OURS, *PEERS])
    if not names:
        parser.error(f"argument --only: none of these can run here; {'; '.join(comparison.absent.values())}")
    try:
        with TemporaryDirectory(prefix="throughline-bench-") as folder, Servers(Path(folder)) as servers:
            lanes = Field(servers, encoded_events(arguments.events, arguments.customers), setting)
            for number, name in itertools.product(range(1, arguments.rounds + 1), names):
                comparison.run(lanes, name, number)
        if arguments.seconds:
            fresh = run_freshness(Course(arguments.rate, arguments.seconds), replace(setting, more={}))
    except (KeyboardInterrupt, SystemExit, DriverError, KafkaException, RuntimeError, ValueError, OSError) as error:
        comparison.is_whole = False
        say(f"ended early, the last line has what was measured until then: {type(error).__name__} {error}"[:300])
    for name, inserts in comparison.few_inserts().items():
        say(f"{name} wrote what was measured with {inserts} INSERTs: its speed tells little; give more --events")
    if "ours" in comparison.results:
        say("seconds of our workers, last round: " + _spent(list(comparison.results["ours"].values())[-1]))
    sys.stdout.write(json.dumps(summary(comparison, arguments, fresh) | {"most_in_a_batch": batch}) + "\n")
    sys.exit(0 if comparison.is_whole else 1)


def summary(comparison: Comparison, arguments: argparse.Namespace, fresh: Freshness | None) -> dict[str, Any]:
    """Return what the last line says."""
    peers = [name for name in PEERS if name in comparison.results]
    said: dict[str, Any] = {
        **origin(),
        "broker": arguments.broker,
        "partitions": arguments.partitions or PARTITIONS[arguments.broker],
        "workers": arguments.workers,
        "events": arguments.events,
        "customers": arguments.customers,
        "rounds": arguments.rounds,
        "is_whole": comparison.is_whole,
        "landed_events_per_second": round(comparison.median("ours", "landed_per_second")),
        "stitched_events_per_second": round(comparison.median("ours", "stitched_per_second")),
        "bound_events_per_second": round(comparison.median("bound", "landed_per_second")),
        **{f"{name}_events_per_second": round(comparison.median(name, "landed_per_second")) for name in peers},
        "ratio": {name: comparison.ratio(name) for name in peers if "ours" in comparison.results},
        "cpu_ratio": {name: comparison.cpu_ratio(name) for name in peers if "ours" in comparison.results},
        "absent": comparison.absent,
        "few_inserts": comparison.few_inserts(),
        "peak_pss_bytes": round(
            max((run.peak_pss_bytes for run in comparison.results.get("ours", {}).values()), default=0)
        ),
        "rounds_events_per_second": {
            name: [round(run.whole_per_second) for run in runs.values()] for name, runs in comparison.results.items()
        },
        "cpu_us_per_event": {
            name: {part: round(spent, 2) for part, spent in list(runs.values())[-1].cpu_us.items()}
            for name, runs in comparison.results.items()
        },
    }
    if fresh:
        said |= {
            "freshness_events_per_second": fresh.rate,
            "freshness_p50_seconds": round(fresh.waits.p50, 3),
            "freshness_p99_seconds": round(fresh.waits.p99, 3),
        }
    return said


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__, formatter_class=WithDefaults)
    add = parser.add_argument
    add("--broker", choices=BROKERS, default=EMBEDDED, help="kafka needs `make kafka`, and admits all peers")
    add("--only", dest="contestants", nargs="+", choices=[*OURS, *PEERS], help="default: all")
    add(
        "--events",
        type=whole(LEAST_EVENTS),
        default=500_000,
        help=f"events of a run of ours, {LEAST_EVENTS:,} or more; slower peers get a share of them",
    )
    add("--customers", type=whole(1), default=50_000, help="people they are spread over")
    add("--partitions", type=whole(1), help="of each topic; default: 32 embedded, 8 on Apache Kafka")
    add(
        "--workers",
        type=whole(1),
        default=1,
        help="processes of each role of ours, and of peers that can share work",
    )
    add("--rounds", type=whole(1), default=3, help="how often each has its turn; medians are told")
    add("--rate", type=whole(1), default=1_000, help="events a second at which freshness is measured")
    add("--seconds", type=whole(0), default=30, help="how long freshness is measured; 0: not at all")
    return parser


def _spent(result: Result) -> str:
    parts = sorted(result.seconds.items(), key=lambda part: -part[1])
    return ", ".join(f"{name} {seconds:.1f}" for name, seconds in parts)


def say(line: str) -> None:
    """Write a line for people."""
    sys.stderr.write(line + "\n")
    sys.stderr.flush()


if __name__ == "__main__":
    main()

"""
Measure landed and fully stitched events a second against a stock Faust app, and how fresh journeys are.

All in one run on the embedded tier. Rounds are interleaved (ours, bound, peer, ours, …) and the median is reported:
machines are noisy, ratios less so. The last line is JSON; everything else goes to stderr.
"""

import argparse
import json
import statistics
import sys
from collections.abc import Callable

from bench.events import encoded_events
from bench.freshness import run_freshness
from bench.run import Result, machine, run_ours, run_stock_faust


def main() -> None:
    """Run the rounds and print the result."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--events", type=int, default=500_000, help="events of a run of ours")
    parser.add_argument("--customers", type=int, default=50_000, help="people they are spread over")
    parser.add_argument("--peer-events", type=int, default=30_000, help="events of a run of the peer, which is slower")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--rate", type=int, default=1_000, help="events a second at which freshness is measured")
    parser.add_argument("--seconds", type=int, default=30, help="how long freshness is measured")
    arguments = parser.parse_args()
    _say(f"{machine()}; {arguments.events} events of {arguments.customers} customers, {arguments.rounds} rounds")
    events = list(encoded_events(arguments.events, arguments.customers))
    peer_events = events[: arguments.peer_events]
    runs: dict[str, Callable[[], Result]] = {
        "ours": lambda: run_ours(events, ("land", "stitch")),
        "bound": lambda: run_ours(events, ("land",)),
        "faust": lambda: run_stock_faust(peer_events),
    }
    results: dict[str, list[Result]] = {name: [] for name in runs}
    for number in range(arguments.rounds):
        for name, run in runs.items():
            result = run()
            results[name].append(result)
            _say(
                f"round {number + 1} {name}: landed {result.landed_per_second:,.0f}/s, "
                f"stitched {result.stitched_per_second:,.0f}/s, {result.peak_pss_bytes >> 20} MiB"
            )
    _say("seconds of our workers, last round: " + _spent(results["ours"][-1]))
    fresh = run_freshness(arguments.rate, arguments.seconds)
    landed = _median(results["ours"], "landed_per_second")
    stitched = _median(results["ours"], "stitched_per_second")
    faust = _median(results["faust"], "landed_per_second")
    summary = {
        "machine": machine(),
        "events": arguments.events,
        "customers": arguments.customers,
        "rounds": arguments.rounds,
        "landed_events_per_second": round(landed),
        "stitched_events_per_second": round(stitched),
        "bound_events_per_second": round(_median(results["bound"], "landed_per_second")),
        "faust_events_per_second": round(faust),
        "ratio": {"faust": round(stitched / faust, 1)},
        "freshness_events_per_second": fresh.rate,
        "freshness_p50_seconds": round(fresh.p50, 3),
        "freshness_p99_seconds": round(fresh.p99, 3),
        "peak_pss_bytes": max(result.peak_pss_bytes for result in results["ours"]),
    }
    sys.stdout.write(json.dumps(summary) + "\n")


def _median(results: list[Result], figure: str) -> float:
    return float(statistics.median(getattr(result, figure) for result in results))


def _spent(result: Result) -> str:
    parts = sorted(result.seconds.items(), key=lambda part: -part[1])
    return ", ".join(f"{name} {seconds:.1f}" for name, seconds in parts)


def _say(line: str) -> None:
    sys.stderr.write(line + "\n")
    sys.stderr.flush()


if __name__ == "__main__":
    main()

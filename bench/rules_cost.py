"""
What the pain-point rules cost stitching: `python -m bench.rules_cost`.

One warehouse, the same facts: slice by slice every customer is stitched with all rules and without any, taking turns at
who goes first, each into results of its own, so that both write everything anew and a busy machine harms both alike.
Without rules no body of a touchpoint is read either, for only rules look into it. The ratio is that of the throughputs,
without over with: adding the rules costs 1 - 1 / ratio of it. The last line is JSON.
"""

import argparse
import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import psutil

from bench.arguments import whole
from bench.events import encoded_events
from bench.profile_work import Costs, Outside, chunks_of
from bench.run import origin
from bench.servers import Servers
from bench.shapes import IDENTITY
from pipeline.config import ClickHouseSettings, StitchingSettings
from pipeline.config_pain import PainPointSettings
from pipeline.stitching.pain import rule_table
from pipeline.streaming.landing import Landing, Origin
from pipeline.streaming.stitcher import StitchRulesOf, stitch_batch
from pipeline.warehouse import results
from pipeline.warehouse.connection import connect
from pipeline.warehouse.facts import FactStore
from pipeline.warehouse.migrate import migrate
from pipeline.warehouse.results import StitchStore

_SIDES: Final = ("with", "without")
_PARTS: Final = ("worker", "warehouse", "wall")
_NO_TYPE: Final = ("none",)


@contextmanager
def without_rules() -> Iterator[None]:
    """Stitch as if there were no rules: none is asked, and nothing is read for them."""
    changed = {
        (rule_table, "RULES"): (),
        (rule_table, "EVIDENCE_TYPES"): _NO_TYPE,
        (results, "EVIDENCE_TYPES"): _NO_TYPE,
    }
    kept = {place: getattr(*place) for place in changed}
    for place, value in changed.items():
        setattr(*place, value)
    try:
        yield
    finally:
        for place, value in kept.items():
            setattr(*place, value)


def measure(events: int, customers: int, slices: int) -> dict[str, dict[str, float]]:
    """Land everything, stitch it slice by slice on both sides; return the seconds by side and part."""
    with TemporaryDirectory(prefix="throughline-bench-") as folder, Servers(Path(folder)) as servers:
        ready = servers.warehouse()
        token = json.loads(Path(ready["credentials"]).read_text(encoding="utf-8"))["throughline"]
        address = ready["address"].removeprefix("http://")
        settings = ClickHouseSettings.model_validate({"url": f"http://throughline:{token}@{address}/rules"})
        migrate(connect(settings), metrics=False)
        costs, outside = Costs(psutil.Process(servers.processes["warehouse"].pid)), Outside()
        land = Landing(FactStore(connect(settings)), outside, IDENTITY, Origin("bench", 1_048_576)).land
        for chunks in chunks_of(list(encoded_events(events, customers)), 60_000):
            land(chunks)
        dirty = outside.dirty()
        stores = {
            side: StitchStore(connect(settings), number, timedelta(seconds=120))
            for number, side in enumerate(_SIDES, 1)
        }
        size = -(-len(dirty) // slices)
        for turn, first in enumerate(range(0, len(dirty), size)):
            for side in _SIDES if turn % 2 else reversed(_SIDES):
                rules = StitchRulesOf(
                    IDENTITY, StitchingSettings(rules_version=1 + _SIDES.index(side)), PainPointSettings()
                )
                keys = dirty[first : first + size]
                # The first slice warms both up and is not counted.
                with costs.of(side if turn else f"warm-up {side}"):
                    if side == "with":
                        stitch_batch(keys, stores[side], outside, rules, "bench")
                    else:
                        with without_rules():
                            stitch_batch(keys, stores[side], outside, rules, "bench")
        return {side: {part: round(costs.seconds[f"{side} {part}"], 3) for part in _PARTS} for side in _SIDES}


def main() -> None:
    """Measure and print the ratios."""
    parser = argparse.ArgumentParser(prog="python -m bench.rules_cost", description=__doc__)
    parser.add_argument("--events", type=whole(1), default=100_000)
    parser.add_argument("--customers", type=whole(1), default=10_000)
    parser.add_argument("--slices", type=whole(2), default=6, help="of which the first is not counted")
    arguments = parser.parse_args()
    seconds = measure(arguments.events, arguments.customers, arguments.slices)
    used = {side: seconds[side]["worker"] + seconds[side]["warehouse"] for side in _SIDES}
    ratio = {
        "cpu": round(used["with"] / used["without"], 3),
        "worker_cpu": round(seconds["with"]["worker"] / seconds["without"]["worker"], 3),
        "wall": round(seconds["with"]["wall"] / seconds["without"]["wall"], 3),
    }
    told = {**origin(), "events": arguments.events, "customers": arguments.customers, "seconds": seconds}
    sys.stdout.write(json.dumps({**told, "ratio": ratio}) + "\n")


if __name__ == "__main__":
    main()

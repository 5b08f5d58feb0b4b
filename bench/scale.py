"""
What a cluster carries, computed from measured costs: `python -m bench.scale --events-a-day 1e9 --stitch 24`.

Each part of the cluster can do so many events a second; the least of them is what the cluster carries, and its part is
what breaks first. The rule it owns: *every number is a measured cost or an assumption that is printed*. It knows no
network, no disks and no queues: a part is called full at the share of its CPU that `--utilisation` names.
"""

import argparse
import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.arguments import WithDefaults, positive, whole
from bench.costs import Cost, Costs

COSTS = Path(__file__).parents[1] / "docs" / "benchmarks" / "costs.json"
DAY_S = 86_400
GB = 1e9


@dataclass(frozen=True)
class Load:
    """
    What arrives.

    Attributes:
        events_a_day: On average.
        peak: The busiest minute over the average.
        history: Touchpoints that the customer of an event has, on average over the events.
        coalesced: Events of one customer that are stitched together; 1 when they are far apart.
    """

    events_a_day: float
    peak: float
    history: float
    coalesced: float

    @property
    def peak_a_second(self) -> float:
        """Events a second in the busiest minute."""
        return self.events_a_day / DAY_S * self.peak


@dataclass(frozen=True)
class Cluster:
    """
    What is there.

    Attributes:
        land: LAND workers.
        stitch: STITCH workers.
        partitions: Of the busiest topic, and of the dirty topic.
        shards: Warehouses, each with customers of its own.
        shard_cores: Cores of one.
        utilisation: Share of a core that may be used before it counts as full.
    """

    land: int
    stitch: int
    partitions: int
    shards: int
    shard_cores: int
    utilisation: float


@dataclass(frozen=True)
class Part:
    """
    One part of the cluster.

    Attributes:
        name: Which.
        carries: Events a second.
        turn: What to turn when it is full.
    """

    name: str
    carries: float
    turn: str


def read_costs(file: Path) -> Costs:
    """Read what `python -m bench.costs` printed."""
    said: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    typed: dict[str, Any] = {name: Cost(**value) if isinstance(value, dict) else value for name, value in said.items()}
    return Costs(**typed)


def stitch_cost(costs: Costs, load: Load) -> Cost:
    """Return what stitching costs for each event."""
    worker = costs.stitch_customer.worker_us + load.history * costs.stitch_touchpoint.worker_us
    warehouse = costs.stitch_customer.warehouse_us + load.history * costs.stitch_touchpoint.warehouse_us
    return Cost(worker / load.coalesced, warehouse / load.coalesced)


def parts(costs: Costs, load: Load, cluster: Cluster) -> list[Part]:
    """Return what every part carries, the one that breaks first at the top."""
    core_us = 1e6 * cluster.utilisation
    stitch = stitch_cost(costs, load)
    land_workers = min(cluster.land, cluster.partitions)
    stitch_workers = min(cluster.stitch, cluster.partitions)
    warehouse_us = costs.land_event.warehouse_us + stitch.warehouse_us
    found = [
        Part("LAND workers", land_workers * core_us / costs.land_event.worker_us, _more("LAND", cluster, cluster.land)),
        Part("STITCH workers", stitch_workers * core_us / stitch.worker_us, _more("STITCH", cluster, cluster.stitch)),
        Part(
            "CPU of the warehouse",
            cluster.shards * cluster.shard_cores * core_us / warehouse_us,
            "cores, then a longer THROUGHLINE_STITCHING__LINGER: events of a customer coalesce; then shards",
        ),
    ]
    return sorted(found, key=lambda part: part.carries)


def _more(role: str, cluster: Cluster, workers: int) -> str:
    if workers >= cluster.partitions:
        return f"partitions first: no more than one {role} worker reads one"
    return f"more {role} workers, up to one a partition; only partitions move to them"


def lines(costs: Costs, load: Load, cluster: Cluster) -> Iterator[str]:
    """Say what the cluster carries and what is full first."""
    core_us = 1e6 * cluster.utilisation
    peak, land, stitch = load.peak_a_second, costs.land_event, stitch_cost(costs, load)
    warehouse_us = land.warehouse_us + stitch.warehouse_us
    yield f"measured on {costs.machine}{costs.revision and f', revision {costs.revision}'}"
    yield f"load       {load.events_a_day:,.0f} events a day; at {load.peak:g} times the average {peak:,.0f}/s;"
    yield f"           {load.history:g} touchpoints a customer, {load.coalesced:g} events of one stitched together"
    yield f"cluster    {cluster.land} LAND, {cluster.stitch} STITCH, {cluster.partitions} partitions,"
    yield f"           {cluster.shards} shard(s) of {cluster.shard_cores} cores; full at {cluster.utilisation:.0%}"
    yield f"an event   LAND {land.worker_us:.1f} µs + warehouse {land.warehouse_us:.1f} µs;"
    yield f"           STITCH {stitch.worker_us:.1f} µs + warehouse {stitch.warehouse_us:.1f} µs"
    yield f"needs      {peak * land.worker_us / core_us:.1f} LAND, {peak * stitch.worker_us / core_us:.1f} STITCH,"
    yield f"           {peak * warehouse_us / core_us:.1f} cores of warehouse at peak"
    yield f"a day      {load.events_a_day * costs.record_bytes / GB:,.0f} GB in Kafka before replicas,"
    yield f"           {load.events_a_day * costs.fact_bytes / GB:,.0f} GB of facts and links"
    yield f"reads      {peak * load.history / load.coalesced:,.0f} touchpoints/s again at peak"
    found = parts(costs, load, cluster)
    for part in found:
        verdict = "FULL " if part.carries < peak else "holds"
        yield f"{verdict}      {part.name}: {part.carries:,.0f}/s, {part.carries / peak:.1f} × the peak"
    yield f"carries    {found[0].carries * DAY_S / load.peak:,.0f} events a day"
    yield f"first      {found[0].name}; turn: {found[0].turn}"


def main() -> int:
    """Print the calculation; exit 1 if the cluster does not carry the load."""
    parser = argparse.ArgumentParser(prog="python -m bench.scale", description=__doc__, formatter_class=WithDefaults)
    add = parser.add_argument
    add("--costs", type=Path, default=COSTS, help="a line of `python -m bench.costs`")
    add("--events-a-day", type=positive, default=1e9, help="what comes in a day")
    add("--peak", type=positive, default=3.0, help="the busiest minute over the average")
    add("--history", type=positive, default=50.0, help="touchpoints that a customer has")
    add(
        "--coalesced",
        type=positive,
        default=1.0,
        help="events of one customer that are stitched together",
    )
    add("--land", type=whole(1), default=4, help="LAND workers")
    add("--stitch", type=whole(1), default=24, help="STITCH workers")
    add("--partitions", type=whole(1), default=48, help="of each topic")
    add("--shards", type=whole(1), default=1, help="warehouses that know nothing of each other")
    add("--shard-cores", type=whole(1), default=32, help="cores of each warehouse")
    add("--utilisation", type=positive, default=0.6, help="share of a core that may be used")
    given = parser.parse_args()
    load = Load(given.events_a_day, given.peak, given.history, given.coalesced)
    cluster = Cluster(given.land, given.stitch, given.partitions, given.shards, given.shard_cores, given.utilisation)
    costs = read_costs(given.costs)
    for line in lines(costs, load, cluster):
        print(line)
    return 0 if parts(costs, load, cluster)[0].carries >= load.peak_a_second else 1


if __name__ == "__main__":
    sys.exit(main())

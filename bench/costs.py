"""
What the work costs in CPU time, per event and per customer: `python -m bench.costs`.

LAND and STITCH run in this process against a warehouse in its own, so the CPU time of both can be read apart and hardly
depends on who else uses the machine. Customers with few and with many touchpoints are stitched; the line through the
two says what a customer costs and what each of its touchpoints adds, for every touchpoint is read again. The last line
is JSON: `docs/benchmarks/costs.json` holds one, and `python -m bench.scale` computes with it.
"""

import argparse
import json
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import psutil

from bench.arguments import whole
from bench.run import machine, revision
from bench.servers import Servers
from bench.shapes import Shop, Touchpoint, page_view
from pipeline.config import ClickHouseSettings
from pipeline.warehouse.connection import connect
from pipeline.warehouse.migrate import migrate

FEW, MANY = 5, 50
BYTES = """
SELECT table, sum(bytes_on_disk) FROM system.parts WHERE active AND database = currentDatabase() GROUP BY table
"""


@dataclass(frozen=True)
class Cost:
    """CPU microseconds of one unit of work, in the worker and in the warehouse."""

    worker_us: float
    warehouse_us: float


@dataclass(frozen=True)
class Costs:
    """
    What was measured.

    Attributes:
        machine: Where.
        land_event: To land one event.
        stitch_customer: To stitch one customer, its touchpoints aside.
        stitch_touchpoint: For each touchpoint that the customer has.
        record_bytes: Of one event in Kafka.
        fact_bytes: Of one event on the warehouse's disk, its links among them.
        result_bytes: Of the results of one touchpoint there.
        revision: The commit that was measured; empty where nobody said.
    """

    machine: str
    land_event: Cost
    stitch_customer: Cost
    stitch_touchpoint: Cost
    record_bytes: float
    fact_bytes: float
    result_bytes: float
    revision: str = ""


class Clock:
    """Reads the CPU time of this process and of the warehouse."""

    def __init__(self, warehouse: int) -> None:
        self._warehouse = psutil.Process(warehouse)
        self._before = self._now()

    def lap(self, units: int) -> Cost:
        """Return what a unit cost since the last lap."""
        before, self._before = self._before, self._now()
        worker, warehouse = (1e6 * (now - then) / units for now, then in zip(self._before, before, strict=True))
        return Cost(worker, warehouse)

    def _now(self) -> tuple[float, float]:
        times = self._warehouse.cpu_times()
        return time.process_time(), times.user + times.system


def touchpoint(customer: int, turn: int) -> Touchpoint:
    """Make a touchpoint of a customer with a cookie; every third begins a new visit."""
    event = page_view(customer * 1_000 + turn, f"c-{customer}", turn * 11.0 + turn // 3 * 60)
    event["identities"][0]["value"] = f"u-{customer}"
    return event


def measure(servers: Servers, customers: int) -> Costs:
    """Land and stitch customers with few and with many touchpoints."""
    ready = servers.warehouse()
    token = json.loads(Path(ready["credentials"]).read_text(encoding="utf-8"))["throughline"]
    url = f"http://throughline:{token}@{ready['address'].removeprefix('http://')}/costs"
    settings = ClickHouseSettings.model_validate({"url": url})
    migrate(connect(settings))
    shop = Shop(settings)
    warm_up = [touchpoint(-1 - number, 0) for number in range(1_000)]
    shop.land(warm_up)
    shop.stitch()
    clock = Clock(servers.processes["warehouse"].pid)
    landed, few = _stitched(shop, clock, 0, customers, FEW)
    _, many = _stitched(shop, clock, customers, customers * FEW // MANY, MANY)
    slope = Cost(*((more - less) / (MANY - FEW) for more, less in zip(_pair(many), _pair(few), strict=True)))
    base = Cost(*(max(less - FEW * each, 0.0) for less, each in zip(_pair(few), _pair(slope), strict=True)))
    sizes = {str(table): int(size) for table, size in connect(settings).query(BYTES).result_rows}
    events = 2 * customers * FEW + len(warm_up)
    facts = sum(size for table, size in sizes.items() if table not in {"stitched", "identity_ledger"})
    results = sizes.get("stitched", 0) + sizes.get("identity_ledger", 0)
    per_event = (shop.bytes / events, facts / events, results / events)
    return Costs(machine(), landed, base, slope, *per_event, revision=revision())


def _stitched(shop: Shop, clock: Clock, first: int, customers: int, touchpoints: int) -> tuple[Cost, Cost]:
    """Return what landing one event and stitching one customer costs."""
    made = [touchpoint(first + number, turn) for turn in range(touchpoints) for number in range(customers)]
    records = shop.encoded(made)
    clock.lap(1)
    shop.land_records(records)
    landed = clock.lap(len(records.records))
    shop.stitch()
    return landed, clock.lap(customers)


def _pair(cost: Cost) -> tuple[float, float]:
    return cost.worker_us, cost.warehouse_us


def rounded(costs: Costs) -> dict[str, Any]:
    """Return the costs with as many digits as mean something."""
    said: dict[str, Any] = {}
    for name, value in asdict(costs).items():
        if isinstance(value, dict):
            said[name] = {part: round(number, 2) for part, number in value.items()}
        else:
            said[name] = round(value, 1) if isinstance(value, float) else value
    return said


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m bench.costs", description=__doc__)
    parser.add_argument("--customers", type=whole(1), default=5_000, help=f"those who have {FEW} touchpoints")
    arguments = parser.parse_args()
    with TemporaryDirectory(prefix="throughline-bench-") as folder, Servers(Path(folder)) as servers:
        sys.stdout.write(json.dumps(rounded(measure(servers, arguments.customers))) + "\n")


if __name__ == "__main__":
    main()

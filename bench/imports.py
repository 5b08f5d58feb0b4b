"""
Measure how many touchpoints a second `throughline import events` brings into Kafka from a file of JSON lines.

A simulated shop, written out several times over with new ids, goes to an embedded broker that nobody reads, so that
nothing but the import is measured. Numbers of processes take turns; the best round of each counts, because machines are
noisy, and beside it stands the CPU time that an event costs over all processes. The last line is JSON.
"""

import argparse
import json
import os
import sys
import tempfile
import threading
import time
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Self

import orjson
import psutil

from bench.arguments import whole
from bench.run import origin
from bench.servers import Servers
from pipeline.cli.feeding import open_importer
from pipeline.config import Settings, spare_collections
from pipeline.config_kafka import KafkaSettings
from pipeline.producers.blocks import import_blocks
from pipeline.producers.feeder import BULK_LINGER, Feeder
from pipeline.producers.importing import ImportReport
from pipeline.producers.parallel import import_in_parallel
from pipeline.producers.simulator.shop import simulate

END = datetime(2026, 3, 1, tzinfo=UTC)


def main() -> None:
    """Run the rounds and print the result."""
    parser = argparse.ArgumentParser(prog="python -m bench.imports", description=__doc__)
    parser.add_argument("--customers", type=whole(1), default=1_000, help="people of the simulated shop")
    parser.add_argument("--copies", type=whole(1), default=20, help="how often the shop is written out")
    parser.add_argument("--rounds", type=whole(1), default=3)
    parser.add_argument("--processes", type=whole(1), nargs="+", default=[1, len(os.sched_getaffinity(0)) + 1])
    arguments = parser.parse_args()
    spare_collections()  # as the command does
    best: dict[str, dict[str, float]] = {}
    with tempfile.TemporaryDirectory() as folder, Servers(Path(folder)) as servers:
        path = Path(folder) / "events.jsonl"
        _write(path, arguments.customers, arguments.copies)
        settings = Settings(kafka=KafkaSettings(bootstrap=servers.broker(8)["address"]))
        for _ in range(arguments.rounds):
            for number in arguments.processes:
                measured = _measure(path, settings, number)
                _say(f"{number} processes: {measured}, load {os.getloadavg()[0]:.1f}")
                known = best.get(str(number))
                if known is None or measured["events_per_second"] > known["events_per_second"]:
                    best[str(number)] = measured
    sys.stdout.write(json.dumps({**origin(), "by_processes": best}) + "\n")


def _write(path: Path, customers: int, copies: int) -> None:
    shop = list(simulate(1, customers, end=END))
    with path.open("wb") as file:
        for copy in range(copies):
            file.writelines(orjson.dumps({**event, "id": f"{event['id']}-{copy}"}) + b"\n" for event in shop)


def _measure(path: Path, settings: Settings, processes: int) -> dict[str, float]:
    began = time.perf_counter()
    with path.open("rb") as stream, Spent() as spent:
        if processes == 1:
            with Feeder(settings.kafka, linger=BULK_LINGER) as feeder:
                report = import_blocks(stream, open_importer(settings, feeder.send))
        else:
            report = import_in_parallel(stream, settings, processes, ImportReport())
    seconds = time.perf_counter() - began
    return {
        "events": report.accepted,
        "events_per_second": round(report.accepted / seconds),
        "cpu_microseconds": round(spent.seconds / report.accepted * 1e6, 1),
    }


class Spent:
    """CPU seconds of this process and of all that it starts meanwhile, which are looked at until they end."""

    _EVERY_S = 0.05

    def __enter__(self) -> Self:
        """Begin to look."""
        self._this = psutil.Process()
        self._others = {each.pid for each in self._this.children(recursive=True)}
        self._seen: dict[int, float] = {}
        self._began = time.process_time()
        self._is_over = threading.Event()
        self._looking = threading.Thread(target=self._look, daemon=True)
        self._looking.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Make the sum."""
        self._is_over.set()
        self._looking.join()
        self.seconds = time.process_time() - self._began + sum(self._seen.values())

    def _look(self) -> None:
        while not self._is_over.wait(self._EVERY_S):
            for each in self._this.children(recursive=True):
                if each.pid not in self._others:
                    with suppress(psutil.Error):
                        self._seen[each.pid] = sum(each.cpu_times()[:2])


def _say(text: str) -> None:
    sys.stderr.write(text + "\n")


if __name__ == "__main__":
    main()

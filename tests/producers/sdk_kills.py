"""
Kill the SDK again and again at random moments, and count what arrived: nothing lost, nothing twice.

`python -m tests.producers.sdk_kills --runs 50` (`make kills`) starts an installation, lets a program send through a
client with a spool, ends it with kill -9 at a random moment, starts it again where its last acknowledged touchpoint
was, and so on; in turn over HTTP and straight to Kafka. At the end every touchpoint must be in `v_touchpoints` exactly
once. The seed is printed; the moments of the kernel are not repeatable.
"""

import argparse
import json
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import uuid4

from tests.cli.conftest import Installation

PROGRAM = """
import sys
from datetime import timedelta
from pathlib import Path
from pipeline.producers import SendSettings, Throughline

address, key, spool, source, start = sys.argv[1:6]
settings = SendSettings(spool=Path(spool), kafka_max_lag_bytes=1_000_000, max_batch=20, linger=timedelta(0))
with Throughline(address, write_key=key, source=source, settings=settings) as t:
    print("ready", t.counters.recovered, flush=True)
    for number in range(int(start), int(sys.argv[6])):
        t.send({"id": f"{source}-{number}", "type": "web.page_viewed", "occurred_at": 1_772_359_440_000 + number,
                "identities": [{"kind": "cookie_id", "value": f"{source}-{number % 10}"}]})
        print(number, flush=True)
print("settled", flush=True)
"""

Rows = Callable[[str], list[dict[str, Any]]]


def kill_again_and_again(run: dict[str, Any], runs: int, seed: int, spool: Path) -> tuple[str, int]:
    """
    Send and be killed; the last program of all ends by itself.

    Args:
        run: What run.json says.
        runs: How often to kill.
        seed: Of the moments.
        spool: Where the programs keep what is on its way.

    Returns:
        The source of the touchpoints, and how many there are: numbered from 0 without a gap.
    """
    chance = random.Random(seed)
    source, following, torn = f"kills-{uuid4().hex[:12]}", 0, 0
    for _ in range(runs):
        address = run["collector"] if chance.random() < 0.5 else run["kafka"]
        program = _started(address, run["write_key"], spool, source, following, 10**9)
        assert program.stdout is not None
        torn += int(program.stdout.readline().split()[1]) > 0
        time.sleep(chance.uniform(0, 0.3))
        program.kill()
        # What was acknowledged is never sent again by this program; a touchpoint whose `send` was cut short is.
        acknowledged = [int(line) for line in program.stdout if line.endswith("\n")]
        following = max(acknowledged, default=following - 1) + 1
        program.wait()
    last = _started(run["collector"], run["write_key"], spool, source, following, following + 5)
    out, _ = last.communicate(timeout=120)
    assert out.endswith("settled\n"), out
    told = f"{runs} kills, {following + 5} touchpoints, {torn} times something was left in the spool"
    sys.stdout.write(f"seed {seed}: {told}\n")
    return source, following + 5


def faults(rows: Rows, source: str, expected: int) -> list[str]:
    """Return what is wrong with what arrived: ids that are not there, or there more than once."""
    found = {
        row["event_id"]: int(row["times"])
        for row in rows(f"SELECT event_id, count() AS times FROM v_touchpoints WHERE source = '{source}' GROUP BY 1")
    }
    wanted = {f"{source}-{number}" for number in range(expected)}
    lost = [f"{each} is lost" for each in sorted(wanted - found.keys())]
    return lost + [f"{each} is there {times} times" for each, times in found.items() if times > 1 or each not in wanted]


def _started(address: str, key: str, spool: Path, source: str, start: int, end: int) -> "subprocess.Popen[str]":
    arguments = [sys.executable, "-c", PROGRAM, address, key, str(spool), source, str(start), str(end)]
    return subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True)


def main() -> None:
    """Run it on an installation of its own."""
    from pipeline.cli.clickhouse import Warehouse

    parser = argparse.ArgumentParser(prog="python -m tests.producers.sdk_kills", description=__doc__)
    parser.add_argument("--runs", type=int, default=50)
    parser.add_argument("--seed", type=int, default=random.randrange(1 << 32))
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        throughline = Installation(Path(folder) / "data")
        started = throughline("up", "--detach")
        assert started.code == 0, started.err
        try:
            run = json.loads((throughline.folder / "run.json").read_text())
            source, expected = kill_again_and_again(run, arguments.runs, arguments.seed, Path(folder) / "spool")
            waited = throughline("wait", "--timeout", "120")
            assert waited.code == 0, waited.err
            found = faults(Warehouse(run["clickhouse"]).rows, source, expected)
        finally:
            throughline("down")
    sys.stdout.write(("\n".join(found) or "0 lost, 0 doubled") + "\n")
    sys.exit(1 if found else 0)


if __name__ == "__main__":
    main()

"""Merges go behind everybody who waits for the processor."""

import os
import sys
import time
from pathlib import Path

import pytest

from tests.embedded.http import query
from tests.embedded.servers import WarehouseServer

WITHIN_S = 10


def nicenesses(pid: int) -> dict[str, set[int]]:
    """Return the nicenesses of a process's threads, by the name of the thread."""
    found: dict[str, set[int]] = {}
    for thread in Path(f"/proc/{pid}/task").iterdir():
        name = (thread / "comm").read_text().strip()
        found.setdefault(name, set()).add(os.getpriority(os.PRIO_PROCESS, int(thread.name)))
    return found


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has priorities of threads")
def test_the_engines_merges_yield_and_nobody_else(warehouse: WarehouseServer) -> None:
    assert query(warehouse.url, "CREATE TABLE merged (a UInt8) ENGINE = MergeTree ORDER BY a").status == 200
    usual = os.getpriority(os.PRIO_PROCESS, warehouse.pid)
    behind = {min(usual + 10, 19)}
    deadline = time.monotonic() + WITHIN_S
    while (found := nicenesses(warehouse.pid)).get("MergeMutate") != behind and time.monotonic() < deadline:
        time.sleep(0.1)
    assert found.pop("MergeMutate") == behind
    # The engine's own watch over memory is ahead of everybody where it may be.
    assert max(max(others) for others in found.values()) == usual
    assert query(warehouse.url, "DROP TABLE merged").status == 200

"""
Time every documented query on five million touchpoints of 200,000 customers: `python -m bench.queries`.

A small simulated shop is landed and stitched for real; its rows are then copied inside the warehouse under other keys
until there are enough. Every `sql` block of the documents runs so many times; the median counts, and the CPU seconds of
the warehouse beside it, for machines are noisy. Slow ones go to stderr as they are found; the last line is JSON.
"""

import argparse
import json
import statistics
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from datetime import UTC, datetime
from hashlib import blake2b
from itertools import groupby
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

import psutil

from bench.arguments import whole
from bench.run import origin
from bench.servers import Servers
from bench.shapes import Shop
from pipeline.cli.clickhouse import Warehouse
from pipeline.cli.errors import CommandError
from pipeline.config import ClickHouseSettings
from pipeline.contracts.types import touchpoint_types
from pipeline.embedded.warehouse.credentials import INSIDE, OUTSIDE
from pipeline.producers.simulator import simulate
from pipeline.warehouse.connection import connect
from pipeline.warehouse.migrate import migrate
from tests.docs.pages import Block, all_blocks

ENOUGH_SECONDS: Final = 1.0
_COPIES_AT_ONCE: Final = 10
_REFS: Final = (
    "order_id",
    "shipment_id",
    "return_id",
    "ticket_id",
    "conversation_id",
    "subscription_id",
    "survey_id",
)
_STITCHED_REFS: Final = ("pain_order_id", "pain_ticket_id", "trade_order_id", "trade_shipment_id")
_KEY: Final = "reinterpretAsUUID(bitXor(reinterpretAsUInt128({}), made.2))"
_TEXT: Final = "if({0} = '', '', concat({0}, '-', toString(made.1)))"


_IDENTIFIERS: Final = f"arrayMap(i -> (i.1, {_KEY.format('i.2')}), {{}})"


def main() -> None:
    """Build the database, time the queries, print the result."""
    parser = argparse.ArgumentParser(prog="python -m bench.queries", description=__doc__)
    parser.add_argument(
        "--folder", type=Path, help="where to build, and what to use if it was built there; else a new one"
    )
    parser.add_argument("--customers", type=whole(1), default=2_000, help="people of the shop that is copied")
    parser.add_argument("--copies", type=whole(1), default=104, help="how often; 104 make five million touchpoints")
    parser.add_argument("--runs", type=whole(1), default=3)
    parser.add_argument("--only", default="", help="only blocks whose page or heading contains this")
    asked = parser.parse_args()
    with ExitStack() as stack:
        folder = asked.folder or Path(stack.enter_context(TemporaryDirectory(prefix="throughline-bench-")))
        folder.mkdir(parents=True, exist_ok=True)
        servers = stack.enter_context(Servers(folder))
        ready = servers.warehouse()
        tokens = json.loads(Path(ready["credentials"]).read_text(encoding="utf-8"))
        urls = {
            user: f"http://{user}:{token}@{ready['address'].removeprefix('http://')}/queries"
            for user, token in tokens.items()
        }
        if not (folder / "built").exists():
            build(urls[INSIDE], asked.customers, asked.copies)
            (folder / "built").touch()
        analyst = Warehouse(urls[OUTSIDE])
        warehouse = psutil.Process(servers.processes["warehouse"].pid)
        blocks = [block for block in all_blocks("sql") if asked.only in str(block)]
        results = list(timed(analyst, warehouse, blocks, asked.runs))
        sizes = analyst.rows("SELECT count() AS n, uniqExact(customer_uid) AS c FROM v_touchpoints")[0]
    slow = [row for row in results if row["seconds"] > ENOUGH_SECONDS]
    told = {**origin(), "touchpoints": int(sizes["n"]), "customers": int(sizes["c"]), "queries": results}
    sys.stdout.write(json.dumps({**told, "slow": len(slow)}) + "\n")


def build(url: str, customers: int, copies: int) -> None:
    """Land and stitch a shop, and copy its rows under other keys."""
    settings = ClickHouseSettings.model_validate({"url": url})
    client = connect(settings)
    migrate(client)
    shop = Shop(settings)
    end = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    by_family = sorted(simulate(1, customers, end=end), key=_family)
    for _, touchpoints in groupby(by_family, key=_family):
        shop.land(list(touchpoints))
    shop.stitch()
    copied_tables = (("touchpoints", _touchpoint()), ("stitched", _stitched()), ("identity_ledger", _ledger()))
    for table, _ in copied_tables:
        client.command(f"CREATE TABLE original_{table} AS {table}")
        final = "" if table == "identity_ledger" else "FINAL"
        client.command(f"INSERT INTO original_{table} SELECT * FROM {table} {final}")
    for first in range(1, copies, _COPIES_AT_ONCE):
        masks = [(copy, _mask(copy)) for copy in range(first, min(first + _COPIES_AT_ONCE, copies))]
        for table, replaced in copied_tables:
            copied = ", ".join(f"{expression} AS {name}" for name, expression in replaced.items())
            listed = ", ".join(f"({copy}, toUInt128('{mask}'))" for copy, mask in masks)
            client.command(
                f"INSERT INTO {table} SELECT o.* REPLACE ({copied}) FROM original_{table} AS o "
                f"ARRAY JOIN [{listed}] AS made"
            )


def _touchpoint() -> Mapping[str, str]:
    texts = {name: _TEXT.format(f"o.{name}") for name in _REFS}
    keys = {name: _KEY.format(f"o.{name}") for name in ("ident_key", "event_uid")}
    return {**keys, **texts, "identities": _IDENTIFIERS.format("o.identities")}


def _stitched() -> Mapping[str, str]:
    keys = {name: _KEY.format(f"o.{name}") for name in ("ident_key", "customer_uid")}
    lists = ("step_event_uid", "visit_id", "journey_id", "pain_point_id", "trade_event_uid")
    keys |= {name: f"arrayMap(i -> {_KEY.format('i')}, o.{name})" for name in lists}
    keys["pain_evidence"] = f"arrayMap(e -> arrayMap(i -> {_KEY.format('i')}, e), o.pain_evidence)"
    texts = {name: f"arrayMap(i -> {_TEXT.format('i')}, o.{name})" for name in _STITCHED_REFS}
    return {**keys, **texts, "identifiers": _IDENTIFIERS.format("o.identifiers")}


def _ledger() -> Mapping[str, str]:
    return {name: _KEY.format(f"o.{name}") for name in ("ident_key", "customer_uid", "cause_event_uid")}


def _mask(copy: int) -> int:
    return int.from_bytes(blake2b(str(copy).encode(), digest_size=16).digest())


def _family(touchpoint: Mapping[str, Any]) -> str:
    return touchpoint_types()[touchpoint["type"]].family


def timed(analyst: Warehouse, warehouse: psutil.Process, blocks: list[Block], runs: int) -> Iterator[Mapping[str, Any]]:
    """Run every block so often; yield its page, heading, median seconds and the CPU seconds of the warehouse."""
    for block in blocks:
        seconds, spent = [], []
        for _ in range(runs):
            before, began = sum(warehouse.cpu_times()[:2]), time.perf_counter()
            try:
                analyst.rows(block.text)
            except CommandError as error:
                sys.stderr.write(f"{block}: {error}\n")
                break
            seconds.append(time.perf_counter() - began)
            spent.append(sum(warehouse.cpu_times()[:2]) - before)
        if not seconds:
            continue
        median = statistics.median(seconds)
        row = {"query": str(block), "seconds": round(median, 3), "cpu_seconds": round(min(spent), 2)}
        if median > ENOUGH_SECONDS:
            sys.stderr.write(f"{row}\n")
        yield row


if __name__ == "__main__":
    main()

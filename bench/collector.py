"""
Measure the HTTP collector: events a second in batches, on one core, and the time to answer at half that load.

The collector and all threads of its Kafka client are bound to one core; the broker and the clients have the others. The
first run is a closed loop (every connection sends its next batch when it has its answer), the second an open one:
batches come at fixed moments whether or not earlier ones are answered, and the time to answer counts from that moment,
so that a stall is not hidden by clients that wait. The last line is JSON; everything else goes to stderr.
"""

import argparse
import asyncio
import itertools
import json
import os
import random
import socket
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import orjson
import psutil

from bench.arguments import positive, whole
from bench.run import origin
from bench.servers import Servers
from pipeline.config import environment_name

KEY = "bench"
RUN = """
import os, sys
os.sched_setaffinity(0, {int(sys.argv[1])})
from pipeline.config import load_settings
from pipeline.producers.collector import run_collector
sys.exit(run_collector(load_settings()))
"""
_AGENT = (
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Safari/537.36"
)


def main() -> None:
    """Run the collector and the clients, and print the result."""
    parser = argparse.ArgumentParser(prog="python -m bench.collector", description=__doc__)
    parser.add_argument("--seconds", type=positive, default=10, help="length of a run")
    parser.add_argument("--batch", type=whole(1), default=100, help="events in a request")
    parser.add_argument("--connections", type=whole(1), default=8)
    parser.add_argument("--rounds", type=whole(1), default=3, help="runs of each kind; the median is reported")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, Servers(Path(folder)) as servers:
        broker = servers.broker(partitions=8)
        cores = sorted(os.sched_getaffinity(0))
        address = start_collector(servers, broker["address"], cores[0])
        process = psutil.Process(servers.processes["collector"].pid)
        if len(cores) > 1:
            os.sched_setaffinity(0, set(cores[1:]))
        asyncio.run(measure(address, process, arguments))


def start_collector(servers: Servers, bootstrap: str, core: int, more: Mapping[str, str] | None = None) -> str:
    """Start a collector on one core, with more settings where there are any, and return its address."""
    settings = {
        **(more or {}),
        environment_name("kafka", "bootstrap"): bootstrap,
        environment_name("collector", "write_keys"): json.dumps({"bench": KEY}),
    }
    port = _free_port()
    settings[environment_name("collector", "port")] = str(port)
    servers.start("collector", [sys.executable, "-c", RUN, str(core)], settings)
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        try:
            with socket.create_connection(("127.0.0.1", port)):
                return f"127.0.0.1:{port}"
        except OSError:
            time.sleep(0.1)
    raise RuntimeError("the collector did not come up; see its log")


async def measure(address: str, process: psutil.Process, arguments: argparse.Namespace) -> None:
    """Run both kinds of load and print the figures."""
    batches = bodies(arguments.batch)
    await closed_loop(address, batches, arguments.connections, 2)
    rates, answered, costs = [], [], []
    for number in range(arguments.rounds):
        before = cpu_seconds(process)
        rates.append(await closed_loop(address, batches, arguments.connections, arguments.seconds) * arguments.batch)
        costs.append((cpu_seconds(process) - before) / (rates[-1] * arguments.seconds) * 1e6)
        pace = rates[-1] / arguments.batch / 2
        answered.append(await open_loop(address, batches, pace, arguments.connections * 2, arguments.seconds))
        p50, p99 = percentiles(answered[-1])
        cost = f"{rates[-1]:,.0f} events/s, {costs[-1]:.1f} us of CPU an event"
        say(f"round {number + 1}: {cost}; at half load p50 {p50:.1f} ms, p99 {p99:.1f} ms")
    summary = {
        **origin(),
        "batch": arguments.batch,
        "rounds": arguments.rounds,
        "collected_events_per_second": round(statistics.median(rates)),
        "cpu_us_per_event": round(statistics.median(costs), 1),
        "half_load_p50_ms": round(statistics.median(percentiles(each)[0] for each in answered), 1),
        "half_load_p99_ms": round(statistics.median(percentiles(each)[1] for each in answered), 1),
    }
    sys.stdout.write(json.dumps(summary) + "\n")


async def closed_loop(address: str, batches: Iterator[bytes], connections: int, seconds: float) -> float:
    """Send one batch after the other on each connection; returns requests a second."""
    stop = time.monotonic() + seconds
    done = 0

    async def send() -> None:
        nonlocal done
        connection = await Connection.open(address)
        while time.monotonic() < stop:
            await connection.post(next(batches))
            done += 1
        connection.close()

    began = time.monotonic()
    await asyncio.gather(*(send() for _ in range(connections)))
    return done / (time.monotonic() - began)


async def open_loop(
    address: str, batches: Iterator[bytes], requests_per_second: float, connections: int, seconds: float
) -> list[float]:
    """Send batches at fixed moments; returns the seconds from each moment to its answer."""
    due: asyncio.Queue[float | None] = asyncio.Queue()
    taken: list[float] = []

    async def send() -> None:
        connection = await Connection.open(address)
        while (moment := await due.get()) is not None:
            await connection.post(next(batches))
            taken.append(time.monotonic() - moment)
        connection.close()

    senders = [asyncio.create_task(send()) for _ in range(connections)]
    began = time.monotonic()
    for number in range(int(requests_per_second * seconds)):
        moment = began + number / requests_per_second
        await asyncio.sleep(max(0.0, moment - time.monotonic()))
        due.put_nowait(moment)
    for _ in senders:
        due.put_nowait(None)
    await asyncio.gather(*senders)
    return taken


class Connection:
    """One HTTP connection that is kept; just enough of HTTP to cost the client little."""

    def __init__(self, address: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._head = (
            f"POST /v1/touchpoints HTTP/1.1\r\nHost: {address}\r\nAuthorization: Bearer {KEY}\r\nContent-Length: "
        )
        self._reader = reader
        self._writer = writer

    @classmethod
    async def open(cls, address: str) -> "Connection":
        """Connect."""
        host, _, port = address.partition(":")
        return cls(address, *await asyncio.open_connection(host, int(port)))

    async def post(self, body: bytes) -> None:
        """
        Send a batch and wait for its receipts.

        Raises:
            RuntimeError: If it was not taken whole.
        """
        self._writer.write(f"{self._head}{len(body)}\r\n\r\n".encode() + body)
        head = await self._reader.readuntil(b"\r\n\r\n")
        length = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
        answer = await self._reader.readexactly(length)
        if b" 202 " not in head[:20] or b'"rejected":0,' not in answer[:80] or b'"duplicate":0,' not in answer[:80]:
            raise RuntimeError(f"not taken whole: {head[:60]!r} {answer[:200]!r}")

    def close(self) -> None:
        """Hang up."""
        self._writer.close()


def bodies(batch: int) -> Iterator[bytes]:
    """Make batches without end whose events are all different; made beforehand, only the ids change."""
    chance = random.Random(7)
    stock = [orjson.dumps([event(chance, number) for number in range(batch)]) for _ in range(50)]
    for number in itertools.count():
        yield stock[number % len(stock)].replace(b"~RUN~", b"%010d" % number)


def event(chance: random.Random, number: int) -> dict[str, Any]:
    """Return a touchpoint of a web shop and its neighbours: most are page views, as everywhere."""
    customer = chance.randrange(50_000)
    made: dict[str, Any] = {
        "id": f"~RUN~-{number}",
        "source": "shop",
        "occurred_at": f"2026-03-01T10:{chance.randrange(60):02}:00.{chance.randrange(1000):03}Z",
        "identities": [{"kind": "cookie_id", "value": f"c-{customer}"}],
    }
    draw = chance.random()
    if draw < 0.6:
        context = {"url": f"https://shop.example/p/{chance.randrange(5000)}", "user_agent": _AGENT, "locale": "de-DE"}
        return {**made, "type": "web.page_viewed", "context": context, "body": {"content_group": "shop"}}
    if draw < 0.8:
        return {**made, "type": "product.viewed", "body": {"product": f"p-{chance.randrange(5000)}"}}
    mail = {"kind": "email", "value": f"person{customer}@example.com"}
    if draw < 0.9:
        lines = [{"product_id": f"p-{chance.randrange(5000)}", "quantity": 1, "price_minor": 1999}]
        order = {"refs": {"order_id": f"o-{number}"}, "amount": {"minor": 1999, "currency": "EUR"}}
        return {**made, "type": "order.placed", "identities": [mail], **order, "body": {"lines": lines}}
    return {**made, "type": "support.call_ended", "identities": [mail], "body": {"wait_s": 40.5, "resolved": True}}


def cpu_seconds(process: psutil.Process) -> float:
    """Return the CPU time that a process has used, all its threads and the kernel for it."""
    times = process.cpu_times()
    return float(times.user + times.system)


def percentiles(seconds: list[float]) -> tuple[float, float]:
    """Return the median and the 99th percentile in milliseconds."""
    ordered = sorted(seconds)
    return ordered[len(ordered) // 2] * 1e3, ordered[int(len(ordered) * 0.99)] * 1e3


def say(line: str) -> None:
    """Tell the reader how it goes."""
    sys.stderr.write(line + "\n")
    sys.stderr.flush()


def _free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


if __name__ == "__main__":
    main()

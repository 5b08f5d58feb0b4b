"""
Measure what one write key that sends ten times its limit costs the others.

A collector with five keys: four send as fast as they are answered, one has a limit, a fiftieth of what they reach.
Slices of time without and with the greedy key take turns, so that whatever else the machine does falls on both. Told is
the middle ratio of all pairs, and as noise how far two neighbouring slices without the greedy key differ (the middle of
that too). The last line is JSON; the exit code is 1 if another key was refused more than one request in a hundred, or
if the ratio lies beyond the noise.
"""

import argparse
import asyncio
import json
import os
import statistics
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from itertools import pairwise
from pathlib import Path

from bench.arguments import positive, whole
from bench.collector import bodies, say, start_collector
from bench.run import origin
from bench.servers import Servers
from pipeline.config import environment_name

GREEDY = "greedy"
OTHERS = ("shop", "app", "desk", "carrier")
LEAST_ACCEPTED = 0.99
GREEDY_SENDERS = 4
REREAD_S = 4.0


def main() -> None:
    """Run the slices and print the result."""
    parser = argparse.ArgumentParser(prog="python -m bench.fairness", description=__doc__)
    parser.add_argument("--seconds", type=positive, default=1, help="length of a slice")
    parser.add_argument("--pairs", type=whole(1), default=20)
    parser.add_argument("--batch", type=whole(1), default=100, help="events in a request")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, Servers(Path(folder)) as servers:
        bootstrap = servers.broker(partitions=8)["address"]
        keys = Path(folder) / "keys.toml"
        write_keys(keys, 0)
        settings = {environment_name("collector", "keys_file"): str(keys)}
        address = start_collector(servers, bootstrap, min(os.sched_getaffinity(0)), settings)
        summary = asyncio.run(measure(address, keys, arguments))
    sys.stdout.write(json.dumps({**origin(), **summary}) + "\n")
    sys.exit(0 if summary["is_fair"] else 1)


def write_keys(file: Path, limit: float) -> None:
    """Write the file of keys, with the limit of the greedy one in events a second."""
    greedy = f'[{GREEDY}]\nkeys = ["{GREEDY}"]\nevents_per_second = {limit}\n'
    others = "".join(f'[{name}]\nkeys = ["{name}"]\n' for name in OTHERS)
    file.write_text(greedy + others, encoding="utf-8")


async def measure(address: str, keys: Path, arguments: argparse.Namespace) -> dict[str, object]:
    """Let slices without and with the greedy key take turns, and sum up."""
    batches = bodies(arguments.batch)
    reached = await _slice(address, batches, arguments)
    limit = reached[False, 202] * arguments.batch / arguments.seconds / 50
    write_keys(keys, limit)
    await asyncio.sleep(REREAD_S)
    alone: list[float] = []
    beside: list[float] = []
    answers: Counter[tuple[bool, int]] = Counter()
    for number in range(arguments.pairs):
        for is_greedy, rates in ((False, alone), (True, beside)):
            told = await _slice(address, batches, arguments, 10 * limit if is_greedy else 0)
            rates.append(told[False, 202] * arguments.batch / arguments.seconds)
            if is_greedy:
                answers += told
        say(f"pair {number + 1}: {alone[-1]:,.0f} events/s without, {beside[-1]:,.0f} with the greedy key")
    others, greedy = _total(answers, is_greedy=False), _total(answers, is_greedy=True)
    ratio = statistics.median(rate / rate_alone for rate, rate_alone in zip(beside, alone, strict=True))
    noise = statistics.median(abs(later / earlier - 1) for earlier, later in pairwise(alone))
    accepted = answers[False, 202] / others
    return {
        "others_accepted_share": round(accepted, 4),
        "others_events_per_second_without": round(statistics.median(alone)),
        "others_events_per_second_with": round(statistics.median(beside)),
        "ratio": round(ratio, 3),
        "noise": round(noise, 3),
        "greedy_over_its_limit": round(greedy * arguments.batch / arguments.seconds / arguments.pairs / limit, 1),
        "greedy_accepted_share": round(answers[True, 202] / greedy, 4),
        "is_fair": accepted >= LEAST_ACCEPTED and ratio >= 1 - max(noise, 0.02),
    }


async def _slice(
    address: str, batches: Iterator[bytes], arguments: argparse.Namespace, greedy_rate: float = 0
) -> "Counter[tuple[bool, int]]":
    """Send for a while; returns how often which status was answered, to the greedy key and to the others."""
    stop = time.monotonic() + arguments.seconds
    answers: Counter[tuple[bool, int]] = Counter()

    async def send(key: str, requests_per_second: float) -> None:
        began, sent = time.monotonic(), 0
        connection = None
        while time.monotonic() < stop:
            if requests_per_second:
                await asyncio.sleep(max(0.0, began + sent / requests_per_second - time.monotonic()))
            connection = connection or await asyncio.open_connection(*address.split(":"))
            sent += 1
            status, is_open = await _post(*connection, address, key, next(batches))
            answers[key == GREEDY, status] += 1
            if not is_open:
                connection[1].close()
                connection = None
        if connection is not None:
            connection[1].close()

    # Several at a time, so that it goes on while earlier requests wait for their answers.
    pace = greedy_rate / arguments.batch / GREEDY_SENDERS
    greedy = [send(GREEDY, pace) for _ in range(GREEDY_SENDERS if greedy_rate else 0)]
    await asyncio.gather(*(send(name, 0) for name in OTHERS), *greedy)
    return answers


async def _post(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, address: str, key: str, body: bytes
) -> tuple[int, bool]:
    """Send a batch; returns the status, and whether the connection goes on."""
    head = f"POST /v1/touchpoints HTTP/1.1\r\nHost: {address}\r\nAuthorization: Bearer {key}\r\n"
    writer.write(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)
    answer = await reader.readuntil(b"\r\n\r\n")
    length = int(answer.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
    with suppress(asyncio.IncompleteReadError):
        await reader.readexactly(length)
    return int(answer.split(b" ", 2)[1]), b"connection: close" not in answer.lower()


def _total(answers: "Counter[tuple[bool, int]]", *, is_greedy: bool) -> int:
    return sum(number for (whose, _), number in answers.items() if whose == is_greedy)


if __name__ == "__main__":
    main()

"""
Watching a run from outside: how far landing and stitching are, whether the broker is there, who takes how much memory.

It asks over the direct ways, so that faults between the parts do not blind it, with short time-outs, in threads of its
own. `recovery_of` turns the samples around one fault into the figures that are printed.
"""

import base64
import socket
import threading
import time
import urllib.request
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field
from http.client import HTTPException
from urllib.parse import urlsplit

import psutil

from pipeline.cli.errors import CommandError
from pipeline.cli.watermarks import Watermarks
from pipeline.config_kafka import KafkaSettings
from pipeline.contracts.topics import STITCH_DIRTY, TOUCHPOINT_TOPICS
from pipeline.streaming.announcing import land_group, stitch_group
from tests.chaos.counting import Scrape, keep_ends, read_metrics, scrape_of
from tests.chaos.field import Field

WAREHOUSE_S, KAFKA_S, MACHINE_S, WORKER_S = 0.25, 0.5, 0.2, 0.25
ASK_S = 3.0
# What arrived so recently may still be on its way: a batch lingers, commits come once a second.
# Without a fault the stages move at least so often.
LULL_S = 3.0
# A row that was written before a fault may be seen so much later.
SEEN_LATE_S = 0.5
FRESH_S = {"land": 1.5, "stitch": 3.0}
PROGRESS = """
    SELECT (SELECT sum(till) FROM (SELECT max(last_offset) + 1 AS till FROM landed GROUP BY topic, partition)),
        (SELECT toUnixTimestamp64Micro(max(version)) FROM stitched)
"""

Series = list[tuple[float, float]]


@dataclass
class Samples:
    """
    What was seen, each as (seconds since the first record, value).

    Attributes:
        landed: Sum of the landed offsets of all partitions.
        version: Newest version of a stitched row.
        sent: Sum of the ends of all touchpoint partitions.
        announced: The same of the dirty topic.
        stitched: Offsets of it that the stitching group has committed.
        port: 1 while the broker's port takes connections.
        memory: Resident bytes by part.
        cpu: Seconds of computing by part, of the process that it is at that time.
        committed: Offsets that the landing group had committed, by when that was asked.
        scrapes: What every worker's metrics said first and last in each of its lives.
        strangers: From when to when landing workers were there that nobody asked.
        began_at: When time began to count, in seconds since 1970.
        origin: The same on the monotonic clock.
    """

    landed: Series = field(default_factory=list)
    version: Series = field(default_factory=list)
    sent: Series = field(default_factory=list)
    announced: Series = field(default_factory=list)
    stitched: Series = field(default_factory=list)
    port: Series = field(default_factory=list)
    memory: dict[str, Series] = field(default_factory=dict)
    cpu: dict[str, Series] = field(default_factory=dict)
    committed: Series = field(default_factory=list)
    scrapes: dict[str, list[Scrape]] = field(default_factory=dict)
    strangers: list[tuple[float, float]] = field(default_factory=list)
    began_at: float = field(default_factory=time.time)
    origin: float = field(default_factory=time.monotonic)


@dataclass(frozen=True)
class Recovery:
    """
    How one stage came through one fault. Seconds count from the end of the fault; of the broker, from its open port.

    Attributes:
        standstill_s: The longest time without progress around the fault.
        first_row_s: Until the first new row after the standstill that the fault made; None: not before the next fault.
        caught_up_s: Until everything was done that had come; None: not before the next fault.
        catch_up_rate: Records a second between first row and caught up, over the arrival rate; None: not measurable.
    """

    standstill_s: float
    first_row_s: float | None
    caught_up_s: float | None
    catch_up_rate: float | None


@contextmanager
def watching(field_: Field) -> Iterator[Samples]:
    """Sample until the block ends; time counts from its begin."""
    samples, run = Samples(), field_.run
    looks = (
        (WAREHOUSE_S, _look_at_warehouse(field_.worker_url, samples)),
        (KAFKA_S, _look_at_kafka(run["kafka"], samples)),
        (KAFKA_S, look_at_commits(run["kafka"], samples)),
        (MACHINE_S, _look_at_machine(field_, run["kafka"], samples)),
        *(
            (WORKER_S, look_at_worker(name, address, samples))
            for name, address in zip(field_.layout.workers, run["metrics"], strict=False)
        ),
    )
    with looking(looks, samples.origin):
        yield samples


@contextmanager
def looking(looks: Iterable[tuple[float, Callable[[float], None]]], began: float) -> Iterator[None]:
    """
    Look again and again, in a thread for each, until the block ends.

    Args:
        looks: How long to pause, and what to call with the seconds since `began`.
        began: Reading of the monotonic clock.
    """
    stop = threading.Event()

    def repeat(pause_s: float, look: Callable[[float], None]) -> None:
        while not stop.wait(pause_s):
            # A part that is away at this moment answers at the next.
            with suppress(OSError, HTTPException, ValueError, CommandError, psutil.Error, KeyError):
                look(time.monotonic() - began)

    threads = [threading.Thread(target=repeat, args=look, daemon=True) for look in looks]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        stop.set()
        for thread in threads:
            thread.join(60)


def recovery_of(samples: Samples, stage: str, fault: tuple[float, float], until: float, rate: float) -> Recovery:
    """
    Return how a stage came through a fault (pure).

    Args:
        samples: What was seen.
        stage: land or stitch.
        fault: When it began and when it was over.
        until: When the next one began.
        rate: Records a second that arrive.
    """
    began, healed = fault
    moves = samples.landed if stage == "land" else samples.version
    standstill, _ = _standstill(moves, began, until, until)
    _, resumed = _standstill(moves, began, healed + SEEN_LATE_S, until)
    if resumed is None:
        return Recovery(round(standstill, 1), None, None, None)
    done, due = (samples.landed, samples.sent) if stage == "land" else (samples.stitched, samples.announced)
    caught = next(
        (t for t, value in done if resumed <= t <= until and value >= _at(due, t - FRESH_S[stage])),
        None,
    )
    catch_up = None
    if stage == "land" and caught is not None:
        # At least one step of sampling: faster than that cannot be seen.
        seconds = caught - resumed + WAREHOUSE_S
        catch_up = round((_at(done, caught) - _before(done, resumed)) / seconds / rate, 1)
    after = None if caught is None else round(max(0.0, caught - healed), 1)
    return Recovery(round(standstill, 1), round(max(0.0, resumed - healed), 1), after, catch_up)


def port_opened(samples: Samples, after: float, until: float) -> float:
    """Return when the broker's port was open again after it was closed; `after` if it never closed."""
    closed = [t for t, is_open in samples.port if after <= t <= until and not is_open]
    if not closed:
        return after
    return next((t for t, is_open in samples.port if t > closed[-1] and is_open), until)


def arrived(samples: Samples, healed: float, until: float) -> float | None:
    """Return the seconds from a time until more had arrived in Kafka than before; None: not in time."""
    before = _at(samples.sent, healed)
    first = next((t for t, value in samples.sent if healed < t <= until and value > before), None)
    return None if first is None else round(first - healed, 1)


def held(samples: Samples, began: float, until: float) -> int:
    """Return how many records were in Kafka and not landed at a time, or came from then until another."""
    return max(0, round(_at(samples.sent, until) - _at(samples.landed, began)))


def peaks(samples: Samples, since: float, until: float) -> dict[str, int]:
    """Return the greatest resident megabytes of every part within a time."""
    found = {
        part: max((value for t, value in series if since <= t <= until), default=0)
        for part, series in samples.memory.items()
    }
    return {part: round(value / 1e6) for part, value in found.items() if value}


def computed(samples: Samples, part: str, at: float) -> float:
    """Return how long a part had computed at a time, since its process began."""
    return round(_at(samples.cpu.get(part, []), at), 1)


def as_told(recovery: Recovery) -> dict[str, float | None]:
    """Return a recovery for JSON."""
    return asdict(recovery)


def _standstill(moves: Series, began: float, latest: float, until: float) -> tuple[float, float | None]:
    """Return the longest time without a move that begins by `latest`, and its end; None: it did not end in time."""
    longest, resumed = 0.0, began
    last_t, last_value = began, _at(moves, began)
    for t, value in moves:
        if t <= began or t > until:
            continue
        if value > last_value:
            if last_t <= latest and t - last_t > longest:
                longest, resumed = t - last_t, t
            last_t, last_value = t, value
    still = until - last_t
    return (still, None) if last_t <= latest and still > max(longest, LULL_S) else (longest, resumed)


def _before(series: Sequence[tuple[float, float]], t: float) -> float:
    """Return the last value seen before a time."""
    return next((value for when, value in reversed(series) if when < t), 0.0)


def _at(series: Sequence[tuple[float, float]], t: float) -> float:
    """Return the last value seen at a time; 0 before the first."""
    value = 0.0
    for when, seen in series:
        if when > t:
            break
        value = seen
    return value


def _look_at_warehouse(url: str, samples: Samples) -> Callable[[float], None]:
    parts = urlsplit(url)
    secret = base64.b64encode(f"{parts.username}:{parts.password}".encode()).decode()
    request = urllib.request.Request(
        f"http://{parts.hostname}:{parts.port}/?database={parts.path.strip('/')}",
        data=PROGRESS.encode(),
        headers={"Authorization": f"Basic {secret}"},
    )

    def look(now: float) -> None:
        with urllib.request.urlopen(request, timeout=ASK_S) as answer:
            landed, version = answer.read().decode().split()
        samples.landed.append((now, float(landed)))
        samples.version.append((now, float(version)))

    return look


def look_at_worker(name: str, address: str, samples: Samples) -> Callable[[float], None]:
    """Return what reads the metrics of a worker."""

    def look(now: float) -> None:
        keep_ends(samples.scrapes.setdefault(name, []), scrape_of(now, read_metrics(address, ASK_S)))

    return look


def look_at_commits(bootstrap: str, samples: Samples) -> Callable[[float], None]:
    """Return what asks how far the landing group has committed."""
    watermarks, group = Watermarks(bootstrap), land_group(KafkaSettings())

    def look(now: float) -> None:
        numbers = watermarks.partitions(TOUCHPOINT_TOPICS)
        spots = [(topic, partition) for topic, number in numbers.items() for partition in range(number)]
        samples.committed.append((now, float(sum(watermarks.committed(group, spots).values()))))

    return look


def _look_at_kafka(bootstrap: str, samples: Samples) -> Callable[[float], None]:
    watermarks, group = Watermarks(bootstrap), stitch_group(KafkaSettings(), 1)

    def look(now: float) -> None:
        ends = watermarks.high([*TOUCHPOINT_TOPICS, STITCH_DIRTY])
        dirty = [spot for spot in ends if spot[0] == STITCH_DIRTY]
        committed = watermarks.committed(group, dirty)
        samples.sent.append((now, float(sum(end for spot, end in ends.items() if spot[0] != STITCH_DIRTY))))
        samples.announced.append((now, float(sum(ends[spot] for spot in dirty))))
        samples.stitched.append((now, float(sum(committed.values()))))

    return look


def _look_at_machine(field_: Field, bootstrap: str, samples: Samples) -> Callable[[float], None]:
    host, _, port = bootstrap.partition(":")

    def look(now: float) -> None:
        with socket.socket() as probe:
            probe.settimeout(1.0)
            samples.port.append((now, float(probe.connect_ex((host, int(port))) == 0)))
        for part, (memory, cpu) in _spent(field_.pids()).items():
            samples.memory.setdefault(part, []).append((now, memory))
            samples.cpu.setdefault(part, []).append((now, cpu))

    return look


def _spent(pids: Mapping[str, int]) -> dict[str, tuple[float, float]]:
    found = {}
    for part, pid in pids.items():
        with suppress(psutil.Error):
            process = psutil.Process(pid)
            spent = process.cpu_times()
            found[part] = (float(process.memory_info().rss), float(spent.user + spent.system))
    return found

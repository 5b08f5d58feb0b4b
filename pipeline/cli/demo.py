"""`throughline demo`: the whole thing in a minute, on a shop that does not exist, with nothing left behind."""

import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import click
from rich.console import Console
from rich.text import Text

from pipeline.cli.clickhouse import Warehouse
from pipeline.cli.demo_queries import find
from pipeline.cli.demo_report import heading, show_pains, show_paths, show_totals
from pipeline.cli.errors import CommandError
from pipeline.cli.invocation import Invocation, examples, shared
from pipeline.cli.lifecycle import await_ready, supervisor_log
from pipeline.cli.output import console, count, error_console
from pipeline.cli.processes import spawn
from pipeline.cli.reach import Reach, reach
from pipeline.cli.runfile import is_supervised
from pipeline.cli.simulate import DEFAULT_CUSTOMERS, feed, history_end, until_option
from pipeline.cli.stopping import stop
from pipeline.cli.story import read_story
from pipeline.cli.timeline import lay_out
from pipeline.cli.wait import await_visible
from pipeline.producers.simulator.shop import Simulation
from pipeline.producers.simulator.shop import simulate as simulate_shop

START_TIMEOUT_S = 60.0
WAIT_TIMEOUT_S = 90.0


@click.command(epilog=examples("throughline demo", "throughline demo --data ./demo --seed 7"))
@click.option("--seed", default=1, show_default=True, help="Another number is another shop.")
@click.option(
    "--customers", default=DEFAULT_CUSTOMERS, show_default=True, type=click.IntRange(50), help="How many people."
)
@until_option
@shared
def demo(invocation: Invocation, *, seed: int, customers: int, until: datetime | None) -> None:
    """
    Show the whole thing in two minutes and leave nothing behind.

    Starts broker, warehouse, workers and collector, simulates a small shop, stitches, and tells what it found. With
    --data the folder is kept, so that `throughline up --data FOLDER` shows the same results again.
    """
    screen = console()
    end = history_end(until, datetime.now(UTC))
    began = time.monotonic()
    with _folder(invocation) as folder, _running(folder) as found:
        ready_s = time.monotonic() - began
        screen.print(f"Broker, warehouse, workers and collector run ({ready_s:.1f} s). Simulating a small shop …")
        simulation = simulate_shop(seed, customers, end=end)
        made_at = time.monotonic()
        report = feed(found, simulation)
        fed_s = time.monotonic() - made_at
        if behind := await_visible(found, WAIT_TIMEOUT_S):
            raise CommandError("not everything became visible", where="; ".join(map(str, behind)))
        visible_s = time.monotonic() - made_at
        screen.print(
            f"{count(report.accepted)} touchpoints sent in {fed_s:.1f} s; landed, stitched and visible "
            f"after {visible_s:.1f} s."
        )
        _tell(screen, found, simulation)
    _point_on(screen, invocation, seed, f"--seed {seed} --customers {customers} --until {end:%Y-%m-%d}")
    screen.print(Text(f"Everything is stopped again. The demo took {time.monotonic() - began:.0f} s.", style="dim"))


@contextmanager
def _folder(invocation: Invocation) -> Iterator[Path]:
    """Give the named folder, or a new one that is removed at the end."""
    if invocation.is_data_named:
        yield invocation.data.absolute()
        return
    folder = Path(tempfile.mkdtemp(prefix="throughline-demo-"))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def _running(folder: Path) -> Iterator[Reach]:
    """Run an installation for as long as the demo lasts; it dies with the demo, however that ends."""
    if is_supervised(folder):
        raise CommandError(
            "an installation runs in this folder",
            where=str(folder),
            remedy="let the demo have a folder of its own: without --data it makes one and removes it",
        )
    log = supervisor_log(folder)
    log.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    process = spawn((sys.executable, "-m", "pipeline.cli", "up", "--data", str(folder)), {}, log)
    try:
        await_ready(folder, START_TIMEOUT_S, process)
        yield reach(Invocation(folder, is_data_named=True))
    finally:
        with error_console().status("stopping"):
            stop(folder)
            process.wait()


def _tell(screen: Console, found: Reach, simulation: Simulation) -> None:
    warehouse = Warehouse(found.analyst_url)
    findings = find(warehouse)
    show_totals(screen, findings)
    if findings.protagonist:
        heading(screen, "One customer's story")
        for line in lay_out(read_story(warehouse, findings.protagonist)):
            screen.print(line)
    show_paths(screen, findings)
    show_pains(screen, findings, simulation.planted_truth())


def _point_on(screen: Console, invocation: Invocation, seed: int, shop: str) -> None:
    folder = f" --data {invocation.data}" if invocation.is_data_named else ""
    fill = "" if folder else f"throughline simulate {shop} --wait"
    heading(screen, "Where to look next")
    commands = [
        (f"throughline up --detach{folder}", "an installation that stays"),
        (fill, "the same shop in it"),
        (f"throughline customer customer_id:C-{seed}-00000{folder}", "the loyal fan's whole story"),
        (f"""throughline query "SELECT * FROM v_pain_points WHERE severity = 'high'"{folder}""", "ask in SQL"),
        (f"throughline import events your.jsonl --wait{folder}", "your own touchpoints"),
        (f"throughline status{folder}", "what runs, lag, accounting"),
    ]
    width = max(len(command) for command, _ in commands)
    for command, meaning in commands:
        if command:
            screen.print(Text.assemble(f"  {command:<{width}}  ", (meaning, "dim")))

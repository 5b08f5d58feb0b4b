"""`throughline simulate`: the touchpoints of a small shop that does not exist, with planted stories."""

import gzip
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any, cast

import click
import orjson

from pipeline.cli.errors import WRONG_USAGE, CommandError
from pipeline.cli.feeding import feeding, finish
from pipeline.cli.invocation import Invocation, examples, json_option, shared
from pipeline.cli.output import count
from pipeline.cli.reach import Reach, reach
from pipeline.contracts.times import is_storable
from pipeline.producers.importing import ImportReport, import_touchpoints
from pipeline.producers.simulator.live import LiveStream
from pipeline.producers.simulator.rhythm import DAY
from pipeline.producers.simulator.shop import DEFAULT_DAYS, Simulation, truth_as_json
from pipeline.producers.simulator.shop import simulate as simulate_shop

DEFAULT_CUSTOMERS = 1_000


def until_option(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command --until: the day on which the simulated history ends."""
    return click.option(
        "--until", type=click.DateTime(["%Y-%m-%d"]), help="Where the history ends (UTC; default: today, 0:00)."
    )(command)


def history_end(until: datetime | None, now: datetime, days: int = DEFAULT_DAYS, *, is_fed: bool = True) -> datetime:
    """
    Return the moment at which a simulated history ends.

    Args:
        until: The day that --until names, if any.
        now: The moment of the call; its day begins where the history ends by default.
        days: Length of the history.
        is_fed: Whether the history goes to an installation, which rejects what lies in the future.

    Raises:
        click.BadParameter: If touchpoints of that history would be rejected.
    """
    end = (until or midnight(now)).replace(tzinfo=UTC)
    if is_fed and end > now:
        raise click.BadParameter("that day has not begun: the history ends there", param_hint="--until")
    end_ms = int(end.timestamp()) * 1000
    if not (is_storable(end_ms - days * DAY) and is_storable(end_ms)):
        raise click.BadParameter("the history would not lie between the years 1900 and 2299", param_hint="--until")
    return end


@click.command(
    epilog=examples(
        "throughline simulate --wait",
        "throughline simulate --seed 7 --customers 200 --out shop.jsonl --truth",
        "throughline simulate --rate 50",
    )
)
@click.option("--seed", default=1, show_default=True, help="The same seed, customers and --until give the same bytes.")
@click.option(
    "--customers", default=DEFAULT_CUSTOMERS, show_default=True, type=click.IntRange(1), help="How many people."
)
@click.option("--days", default=DEFAULT_DAYS, show_default=True, type=click.IntRange(60), help="Days of history.")
@until_option
@click.option("--out", help="Write JSON lines to this file (`-`: stdout; *.gz: gzip) instead of feeding Kafka.")
@click.option(
    "--rate", type=click.FloatRange(0, min_open=True), help="Play it live: touchpoints a second, from now on."
)
@click.option("--no-stories", is_flag=True, help="An ordinary shop, without planted stories.")
@click.option("--truth", is_flag=True, help="Print what was planted as JSON (with --out -: on stderr).")
@click.option("--wait", "must_wait", is_flag=True, help="Return when everything is visible in the results.")
@json_option
@shared
def simulate(
    invocation: Invocation,
    /,
    *,
    out: str | None,
    rate: float | None,
    truth: bool,
    **options: Any,  # noqa: ANN401 (numbers, a date and flags, checked by click)
) -> None:
    """
    Make the touchpoints of a believable small shop.

    People search, read, visit, buy, receive, call, return and answer surveys on all channels. Planted in their
    stories: a bad batch of a product, a carrier's bad week, a week of stalled returns, a payment outage, an overloaded
    call centre, a chatbot that loops, a loyal fan. Without --out it feeds the running installation.
    """
    must_wait, as_json = bool(options["must_wait"]), bool(options["as_json"])
    if out is not None and (rate is not None or must_wait):
        raise click.UsageError("--out writes a file: --rate and --wait do not go with it")
    end = history_end(options["until"], datetime.now(UTC), options["days"], is_fed=out is None)
    found = reach(invocation) if out is None else None
    simulation = simulate_shop(
        options["seed"],
        options["customers"],
        end=end,
        days=options["days"],
        stories=not options["no_stories"],
    )
    if out is not None:
        click.echo(f"wrote {count(write_lines(simulation, out))} touchpoints to {out}", err=True)
    if truth:
        text = orjson.dumps(truth_as_json(simulation), option=orjson.OPT_INDENT_2).decode()
        click.echo(text, err=out == "-")
    if found is not None:
        report = feed(found, simulation, rate)
        finish(found, report, must_wait=must_wait, as_json=as_json)


def feed(found: Reach, simulation: Simulation, rate: float | None = None) -> ImportReport:
    """Feed a simulation into an installation: at once, or live at so many touchpoints a second."""
    touchpoints = simulation if rate is None else LiveStream(simulation, rate, clock=time.time, pause=time.sleep)
    is_live = rate is not None
    with feeding(
        found, "simulating a shop", len(simulation), "touchpoints", lambda so_far: so_far.read, is_live=is_live
    ) as into:
        return import_touchpoints(touchpoints, into.importer)


def write_lines(simulation: Simulation, out: str) -> int:
    """Write the touchpoints as JSON lines, gzipped where the name says so; return how many."""
    with ExitStack() as stack:
        try:
            stream = stack.enter_context(_opened(out))
        except OSError as error:
            raise CommandError(
                f"cannot be written ({error.strerror})", where=out, remedy="name another file", exit_code=WRONG_USAGE
            ) from error
        for touchpoint in simulation:
            stream.write(orjson.dumps(touchpoint, option=orjson.OPT_APPEND_NEWLINE))
    return len(simulation)


def midnight(moment: datetime) -> datetime:
    """Return the beginning of the day: a shop simulated twice on one day has the same history."""
    return moment.replace(hour=0, minute=0, second=0, microsecond=0)


def _opened(out: str) -> AbstractContextManager[IO[bytes]]:
    if out == "-":
        return nullcontext(click.get_binary_stream("stdout"))
    if out.endswith(".gz"):
        # Without name and time in the header the same shop gives the same bytes.
        return _gzipped(Path(out))
    return Path(out).open("wb")


@contextmanager
def _gzipped(file: Path) -> Iterator[IO[bytes]]:
    with file.open("wb") as raw, gzip.GzipFile("", "wb", fileobj=raw, mtime=0) as stream:
        yield cast(IO[bytes], stream)

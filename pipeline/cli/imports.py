"""`throughline import`: touchpoints from files and from topics of others."""

import os
import time
from collections.abc import Callable
from pathlib import Path

import click

from pipeline.cli.errors import WRONG_USAGE, CommandError
from pipeline.cli.feeding import Feeding, feeding, finish, translated
from pipeline.cli.invocation import Invocation, examples, json_option, shared
from pipeline.cli.reach import reach
from pipeline.config import Settings, spare_collections
from pipeline.producers.blocks import import_blocks
from pipeline.producers.checkpoint import Checkpoint
from pipeline.producers.csvfile import import_csv
from pipeline.producers.exports import FORMATS, translator
from pipeline.producers.importing import ImportReport, Mark, Translate, import_touchpoints
from pipeline.producers.jsonlines import STDIN, Input, import_lines, open_input
from pipeline.producers.mapping import read_mapping
from pipeline.producers.olist import OlistFolder
from pipeline.producers.parallel import import_in_parallel
from pipeline.producers.segment import Sender
from pipeline.producers.topic import TopicSource, import_topic

# Below, starting processes costs more than they spare.
_LARGE_BYTES = 32_000_000

Read = Callable[[Input, Feeding, Mark | None, tuple[int, int]], ImportReport]
"""Reads an opened file from a position, which stands after so many lines."""


@click.group(
    "import",
    epilog=examples(
        "throughline import events touchpoints.jsonl.gz --wait",
        "throughline import csv orders.csv --map orders.toml",
        "throughline import export messages.jsonl --from segment --source web-shop",
    ),
)
def import_group() -> None:
    """Bring touchpoints in from files. Importing twice changes nothing."""


def _importing(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command that reads a file what all of them have."""
    for option in (
        click.option("--wait", "must_wait", is_flag=True, help="Return when everything is visible in the results."),
        click.option(
            "--checkpoint",
            type=click.Path(path_type=Path, dir_okay=False),
            help="Keep in this file how far it is; called again with it, the import goes on there.",
        ),
        click.argument("file"),
    ):
        command = option(command)
    return json_option(shared(command))


@import_group.command(
    epilog=examples(
        "throughline import events touchpoints.jsonl --wait",
        "throughline import events touchpoints.jsonl.gz --checkpoint import.state",
        "zcat *.gz | throughline import events - --json",
    )
)
@click.option(
    "--processes",
    type=click.IntRange(1, 64),
    help="Processes that judge and send; default: one, for large files into a log without bounds one more than CPUs.",
)
@_importing
def events(
    invocation: Invocation,
    *,
    processes: int | None,
    file: str,
    checkpoint: Path | None,
    must_wait: bool,
    as_json: bool,
) -> None:
    """
    Import touchpoints from a file of JSON lines (gzip too), or `-` for stdin.

    A bad line does not stop its neighbours; each is told with its number and what is wrong. Exit 1 if any was
    rejected.
    """
    settings = reach(invocation).settings

    def read(source: Input, into: Feeding, mark: Mark | None, start: tuple[int, int]) -> ImportReport:
        number = processes or _processes_for(source, settings)
        if start[0]:
            source.stream.seek(start[0])
        if number == 1 and source.size is None:
            return import_lines(source.stream, into.importer, None, mark, start[1])
        if number == 1:
            spare_collections()
            return import_blocks(source.stream, into.importer, mark, start[1])
        return import_in_parallel(
            source.stream,
            settings,
            number,
            into.importer.report,
            progress=into.advance,
            mark=mark,
            lines_before=start[1],
        )

    _import(invocation, file, checkpoint, read, must_wait=must_wait, as_json=as_json)


@import_group.command(
    "csv",
    epilog=examples(
        "throughline import csv orders.csv --map orders.toml --wait",
        "throughline import csv orders.csv.gz --map orders.toml --checkpoint import.state",
    ),
)
@click.option(
    "--map", "mapping", required=True, type=click.Path(path_type=Path, dir_okay=False), help="What a row is, in TOML."
)
@_importing
def csv_file(
    invocation: Invocation, *, mapping: Path, file: str, checkpoint: Path | None, must_wait: bool, as_json: bool
) -> None:
    """
    Import rows of a CSV file (gzip too) by a mapping, or `-` for stdin. The first line names the columns.

    The mapping says which touchpoints a row is and what fills their fields: docs/importing.md tells how. Exit 1 if any
    row was rejected.
    """
    with translated():
        rows = read_mapping(mapping)

    def read(source: Input, into: Feeding, mark: Mark | None, start: tuple[int, int]) -> ImportReport:
        return import_csv(source.stream, rows, into.importer, mark, start)

    _import(invocation, file, checkpoint, read, must_wait=must_wait, as_json=as_json)


@import_group.command(
    "export",
    epilog=examples(
        "throughline import export messages.jsonl.gz --from segment --source web-shop",
        "throughline import export events.jsonl --from posthog --source app --json",
    ),
)
@click.option("--from", "form", required=True, type=click.Choice(FORMATS), help="Whose export it is.")
@click.option("--source", required=True, help="Source of the touchpoints, as the name of a write key is.")
@click.option("--currency", default="", help="Currency of money that names none; default: the collector's.")
@_importing
def export(  # noqa: PLR0913 - the options of the command
    invocation: Invocation,
    *,
    form: str,
    source: str,
    currency: str,
    file: str,
    checkpoint: Path | None,
    must_wait: bool,
    as_json: bool,
) -> None:
    """
    Import the messages of an export file: one JSON object a line (gzip too), or `-` for stdin.

    They are read as the collector reads them: known names become our types, all others custom.tracked. Exit 1 if any
    was rejected.
    """
    sender = Sender(source, currency or reach(invocation).settings.collector.default_currency)
    translate = translator(form, sender, _now_ms)
    _import(invocation, file, checkpoint, _lines_reader(translate), must_wait=must_wait, as_json=as_json)


@import_group.command(
    "topic",
    epilog=examples(
        "throughline import topic shop.orders --map orders.toml --from kafka.shop:9092",
        "throughline import topic shop.orders --map orders.toml --from kafka.shop:9093 --follow"
        " --consumer security.protocol=SSL",
    ),
)
@click.argument("topic")
@click.option(
    "--map",
    "mapping",
    required=True,
    type=click.Path(path_type=Path, dir_okay=False),
    help="What a record is, in TOML.",
)
@click.option("--from", "bootstrap", default="", help="Its brokers (host:port); default: our own Kafka.")
@click.option("--group", default="", help="Consumer group that keeps the place; default: throughline-import-TOPIC.")
@click.option("--consumer", "options", multiple=True, metavar="NAME=VALUE", help="Setting of librdkafka; repeatable.")
@click.option("--follow", is_flag=True, help="Go on when everything is read, until interrupted.")
@click.option("--wait", "must_wait", is_flag=True, help="Return when everything is visible in the results.")
@json_option
@shared
def topic_of_others(  # noqa: PLR0913 - the options of the command
    invocation: Invocation,
    *,
    topic: str,
    mapping: Path,
    bootstrap: str,
    group: str,
    options: tuple[str, ...],
    follow: bool,
    must_wait: bool,
    as_json: bool,
) -> None:
    """
    Import the JSON records of somebody else's Kafka topic by a mapping, as of CSV rows.

    The group's offsets are its checkpoint: called again, it goes on there. Exit 1 if any record was rejected.
    """
    found = reach(invocation)
    settings = dict(_setting(text) for text in options)
    source = TopicSource(
        bootstrap or found.settings.kafka.bootstrap, topic, group or f"throughline-import-{topic}", settings
    )
    with (
        translated(),
        feeding(found, f"importing {topic}", None, "records", lambda report: report.read, is_live=follow) as into,
    ):
        rows = read_mapping(mapping)
        report = import_topic(source, rows.translate, into.importer, into.flush, is_following=follow)
    finish(found, report, must_wait=must_wait, as_json=as_json)


@import_group.command(epilog=examples("throughline import olist ./olist --wait"))
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("--wait", "must_wait", is_flag=True, help="Return when everything is visible in the results.")
@json_option
@shared
def olist(invocation: Invocation, *, folder: Path, must_wait: bool, as_json: bool) -> None:
    """
    Import the Olist data set: orders, payments, shipments, deliveries and surveys of a Brazilian marketplace.

    FOLDER holds the CSV files as published; their times are read as UTC.
    """
    found = reach(invocation)
    with translated():
        source = OlistFolder(folder)
        rows = source.count_rows()
        with feeding(found, f"importing {folder}", rows, "touchpoints", lambda report: report.read) as into:
            report = import_touchpoints(source.touchpoints(), into.importer)
    if source.orphans and not as_json:
        click.echo(f"left out {source.orphans:,} rows that name an order which is not in the files")
    finish(found, report, must_wait=must_wait, as_json=as_json)


def _import(
    invocation: Invocation, file: str, checkpoint: Path | None, read: Read, *, must_wait: bool, as_json: bool
) -> None:
    """Read a file from its begin, or from where its checkpoint says."""
    if checkpoint is not None and file == STDIN:
        raise CommandError("standard input has no place to go on from", remedy="import a file", exit_code=WRONG_USAGE)
    found = reach(invocation)
    with (
        translated(),
        open_input(file) as source,
        feeding(found, f"importing {file}", source.size, "bytes", lambda _: source.position()) as into,
    ):
        if checkpoint is None:
            report = read(source, into, None, (0, 0))
        else:
            report = _resume(Checkpoint(checkpoint, Path(file), into.flush), source, into, read)
    finish(found, report, must_wait=must_wait, as_json=as_json)


def _resume(checkpoint: Checkpoint, source: Input, into: Feeding, read: Read) -> ImportReport:
    report = into.importer.report
    checkpoint.resume(report)
    start = checkpoint.state
    last = [start.position, start.lines]

    def mark(position: int, lines: int) -> None:
        last[:] = position, lines
        checkpoint.mark(position, lines, report)

    read(source, into, mark, (start.position, start.lines))
    checkpoint.save(source.stream.tell() - report.left_bytes, last[1], report, is_done=True)
    return report


def _processes_for(source: Input, settings: Settings) -> int:
    """Return how many processes serve a file: on a bounded log the readers set the pace, and feeders must be few."""
    is_small = source.size is not None and source.size < _LARGE_BYTES
    if is_small or source.size is None or settings.kafka.feeder_max_lag_bytes:
        return 1
    return len(os.sched_getaffinity(0)) + 1


def _lines_reader(translate: Translate) -> Read:
    def read(source: Input, into: Feeding, mark: Mark | None, start: tuple[int, int]) -> ImportReport:
        if start[0]:
            source.stream.seek(start[0])
        return import_lines(source.stream, into.importer, translate, mark, start[1])

    return read


def _setting(text: str) -> tuple[str, str]:
    name, is_given, value = text.partition("=")
    if not name or not is_given:
        raise CommandError(f"{text!r} is not NAME=VALUE", remedy="as security.protocol=SSL", exit_code=WRONG_USAGE)
    return name, value


def _now_ms() -> int:
    return time.time_ns() // 1_000_000

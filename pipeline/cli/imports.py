"""`throughline import`: touchpoints from files."""

from pathlib import Path

import click

from pipeline.cli.feeding import feeding, finish, translated
from pipeline.cli.invocation import Invocation, examples, json_option, shared
from pipeline.cli.reach import reach
from pipeline.producers.importing import import_touchpoints
from pipeline.producers.jsonlines import import_lines, open_input
from pipeline.producers.olist import OlistFolder


@click.group(
    "import",
    epilog=examples("throughline import events touchpoints.jsonl.gz --wait", "throughline import olist ./olist"),
)
def import_group() -> None:
    """Bring touchpoints in from files. Importing twice changes nothing."""


@import_group.command(
    epilog=examples(
        "throughline import events touchpoints.jsonl --wait",
        "zcat *.gz | throughline import events - --json",
    )
)
@click.argument("file")
@click.option("--wait", "must_wait", is_flag=True, help="Return when everything is visible in the results.")
@json_option
@shared
def events(invocation: Invocation, *, file: str, must_wait: bool, as_json: bool) -> None:
    """
    Import touchpoints from a file of JSON lines (gzip too), or `-` for stdin.

    A bad line does not stop its neighbours; each is told with its number and what is wrong. Exit 1 if any was
    rejected.
    """
    found = reach(invocation)
    with (
        translated(),
        open_input(file) as source,
        feeding(found, f"importing {file}", source.size, "bytes", lambda _: source.position()) as importer,
    ):
        report = import_lines(source.stream, importer)
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
        with feeding(found, f"importing {folder}", rows, "touchpoints", lambda report: report.read) as importer:
            report = import_touchpoints(source.touchpoints(), importer)
    if source.orphans and not as_json:
        click.echo(f"left out {source.orphans:,} rows that name an order which is not in the files")
    finish(found, report, must_wait=must_wait, as_json=as_json)

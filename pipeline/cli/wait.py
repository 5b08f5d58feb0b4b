"""`throughline wait`: return when everything sent so far is visible in the results."""

import time

import click

from pipeline.cli.errors import CommandError
from pipeline.cli.invocation import Invocation, examples, json_option, shared
from pipeline.cli.output import error_console, print_json
from pipeline.cli.reach import Reach, reach
from pipeline.cli.visibility import Behind, Visibility
from pipeline.cli.watermarks import Watermarks

DEFAULT_TIMEOUT_S = 600.0


@click.command(epilog=examples("throughline wait", "throughline wait --timeout 60 && throughline query - < report.sql"))
@click.option(
    "--timeout",
    type=click.FloatRange(min=0),
    default=DEFAULT_TIMEOUT_S,
    show_default=True,
    help="Seconds to wait at most.",
)
@click.option("--landed", is_flag=True, help="Only until everything is landed; results may come later.")
@json_option
@shared
def wait(invocation: Invocation, *, timeout: float, landed: bool, as_json: bool) -> None:
    """
    Wait until everything sent so far is visible in the results.

    Everything that is in a touchpoint topic when this is called, whoever produced it, is landed or rejected and in
    all views when it returns. Exit 1 if that takes longer than --timeout, saying what is behind.
    """
    began = time.monotonic()
    behind = await_visible(reach(invocation), timeout, only_landed=landed)
    waited_s = round(time.monotonic() - began, 3)
    if as_json:
        print_json({"visible": not behind, "seconds": waited_s, "behind": [vars(finding) for finding in behind]})
    if behind:
        raise CommandError(
            f"not everything is visible after {waited_s:g} s",
            where="; ".join(str(finding) for finding in behind),
            remedy="`throughline status` shows whether the workers run; wait again, or longer with --timeout",
        )
    if not as_json:
        click.echo(f"everything sent so far is {'landed' if landed else 'visible'} ({waited_s:.1f} s)")


def await_visible(found: Reach, timeout_s: float, *, only_landed: bool = False) -> list[Behind]:
    """
    Wait until everything sent so far is visible, telling on a terminal what is behind.

    Returns:
        What is behind when the time is over; empty when everything is visible.
    """
    with (
        error_console().status("looking how far everything is") as status,
        Watermarks(found.settings.kafka.bootstrap) as watermarks,
    ):
        visibility = Visibility(
            found.settings, watermarks, timeout_s, lambda finding: status.update(f"waiting; {finding}")
        )
        return visibility.await_landed() or ([] if only_landed else visibility.await_stitched())

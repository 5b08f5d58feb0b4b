"""`throughline wait`: return when everything sent so far is visible in the results."""

import time

import click

from pipeline.cli.errors import CommandError
from pipeline.cli.invocation import Invocation, examples, json_option, shared
from pipeline.cli.output import count, error_console, print_json
from pipeline.cli.reach import Reach, reach
from pipeline.cli.visibility import Behind, Visibility
from pipeline.cli.watermarks import TIMEOUT_S as KAFKA_TIMEOUT_S
from pipeline.cli.watermarks import Watermarks

DEFAULT_TIMEOUT_S = 600.0
# Even with --timeout 0 everybody has the time for one answer.
SHORTEST_S = 1.0


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
    all views when it returns. Exit 1 if that takes longer than --timeout, saying what is behind. What the broker
    drops before it is read can never be: exit 1 if that happens meanwhile, and a word of what was lost earlier.
    """
    began = time.monotonic()
    behind, lost = _await(reach(invocation), timeout, only_landed=landed)
    waited_s = round(time.monotonic() - began, 3)
    if as_json:
        told = [vars(finding) for finding in behind]
        print_json({"visible": not behind, "seconds": waited_s, "behind": told, "lost": lost})
    if behind:
        raise CommandError(
            f"not everything is visible after {waited_s:g} s",
            where="; ".join(str(finding) for finding in behind),
            remedy="`throughline status` shows whether the workers run; wait again, or longer with --timeout",
        )
    if not as_json:
        click.echo(f"everything sent so far is {'landed' if landed else 'visible'} ({waited_s:.1f} s)")
        if lost:
            click.echo(
                f"before that, {count(lost)} records were lost: the broker dropped them before they were read "
                "(`throughline status` counts them)",
                err=True,
            )


def await_visible(found: Reach, timeout_s: float, *, only_landed: bool = False) -> list[Behind]:
    """
    Wait until everything sent so far is visible, telling on a terminal what is behind.

    Returns:
        What is behind when the time is over; empty when everything is visible.
    """
    return _await(found, timeout_s, only_landed=only_landed)[0]


def _await(found: Reach, timeout_s: float, *, only_landed: bool) -> tuple[list[Behind], int]:
    """Return what is behind at the end, and how many records were ever lost."""
    with (
        error_console().status("looking how far everything is") as status,
        Watermarks(found.settings.kafka.bootstrap, min(KAFKA_TIMEOUT_S, max(SHORTEST_S, timeout_s))) as watermarks,
    ):
        visibility = Visibility(
            found.settings, watermarks, timeout_s, lambda finding: status.update(f"waiting; {finding}")
        )
        behind = visibility.await_landed() or ([] if only_landed else visibility.await_stitched())
        return behind, visibility.lost

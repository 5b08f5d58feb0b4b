"""`throughline worker`: one LAND or STITCH worker in the foreground, as production runs them."""

import click

from pipeline.cli.invocation import Invocation, examples, shared
from pipeline.cli.reach import part_settings
from pipeline.streaming.worker import run_worker


@click.group(epilog=examples("throughline worker land", "throughline worker stitch"))
def worker() -> None:
    """
    Run one worker in the foreground.

    Addresses come from the settings (THROUGHLINE_KAFKA__BOOTSTRAP, THROUGHLINE_CLICKHOUSE__URL), or from the
    installation that runs in the data folder. SIGTERM ends it after the batch in hand.
    """


@worker.command(epilog=examples("throughline worker land"))
@shared
def land(invocation: Invocation) -> None:
    """Run a LAND worker: reads touchpoints from Kafka, checks them and lands them in the warehouse."""
    click.get_current_context().exit(run_worker("land", part_settings(invocation)))


@worker.command(epilog=examples("throughline worker stitch", "throughline worker stitch --recorded"))
@click.option(
    "--recorded", is_flag=True, help="Take the rules recorded for the rules version, not those of the settings."
)
@shared
def stitch(invocation: Invocation, *, recorded: bool) -> None:
    """
    Run a STITCH worker: computes anew every customer that may have changed.

    Exit 2 if its settings are not those that its rules version was recorded with.
    """
    click.get_current_context().exit(run_worker("stitch", part_settings(invocation), recorded=recorded))

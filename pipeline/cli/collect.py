"""`throughline collect`: the HTTP collector in the foreground, as production runs it."""

import click

from pipeline.cli.invocation import Invocation, examples, shared
from pipeline.cli.reach import part_settings
from pipeline.producers.collector import run_collector


@click.command(epilog=examples("""THROUGHLINE_COLLECTOR__WRITE_KEYS='{"shop": "secret"}' throughline collect"""))
@shared
def collect(invocation: Invocation) -> None:
    """
    Run the HTTP collector in the foreground.

    Takes touchpoints as JSON and answers when Kafka has confirmed them. SIGTERM ends it after every request that came
    in is answered.
    """
    click.get_current_context().exit(run_collector(part_settings(invocation)))

"""`throughline down`: stop an installation and leave nothing behind."""

import click

from pipeline.cli.invocation import Invocation, examples, shared
from pipeline.cli.output import error_console
from pipeline.cli.stopping import stop


@click.command(epilog=examples("throughline down", "throughline down --data /srv/shop"))
@shared
def down(invocation: Invocation) -> None:
    """
    Stop everything that `up` started.

    The collector stops first; what is in the broker is landed; then workers, broker and warehouse stop. Data stays
    in the folder. Exit 0 also when nothing ran.
    """
    folder = invocation.data.absolute()
    with error_console().status("stopping"):
        did_run = stop(folder)
    click.echo(f"stopped; the data is in {folder}" if did_run else f"nothing runs in {folder}")

"""`throughline migrate`: the warehouse's tables and views as this version declares them."""

import click

from pipeline.cli.invocation import Invocation, examples, json_option, shared
from pipeline.cli.output import print_json
from pipeline.cli.reach import part_settings
from pipeline.cli.rules_state import remarks, tell_supervisor
from pipeline.warehouse.connection import connect, database_of
from pipeline.warehouse.migrate import migrate as migrate_database


@click.command(epilog=examples("throughline migrate", "throughline migrate --json"))
@json_option
@shared
def migrate(invocation: Invocation, *, as_json: bool) -> None:
    """
    Create or update the tables and views of the warehouse.

    It may be run again at any time, also after it was interrupted. Run it before workers of a new version start.
    """
    settings = part_settings(invocation)
    client = connect(settings.clickhouse)
    migrate_database(client, settings)
    state = tell_supervisor(invocation.data, settings, client)
    for remark in remarks(state):
        click.echo(f"throughline: {remark}", err=True)
    database = database_of(settings.clickhouse)
    if as_json:
        print_json({"database": database, "migrated": True})
    else:
        click.echo(f"database {database} is as this version declares it")

"""
Bring a database to what is declared: create what is missing, add columns, give settings, replace views.

One rule: every step may be repeated and may run beside itself. A run that is killed anywhere is finished by the next,
and two at once do no harm, because each statement says "if not exists" or replaces a thing by the same thing. What
would lose data (a column of another type, another key) is never done here: it is refused with what to do.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from clickhouse_connect.driver.client import Client

from pipeline.config import Settings
from pipeline.warehouse.catalogue import (
    Catalogue,
    drift,
    is_derived_so,
    read_catalogue,
    settings_in,
    view_differences,
)
from pipeline.warehouse.ddl import (
    fingerprint,
    quote_name,
    quote_text,
    render_add_column,
    render_comment_column,
    render_comment_table,
    render_derive_column,
    render_fill_columns,
    render_modify_settings,
    render_table,
    render_view,
)
from pipeline.warehouse.declarations import DerivedColumn, Table, View
from pipeline.warehouse.errors import WarehouseRefused, translated
from pipeline.warehouse.rules import begin_first_rules
from pipeline.warehouse.tables import SCHEMA_MIGRATIONS, TABLES
from pipeline.warehouse.views import core_views, views

__all__ = ["Change", "drift", "migrate"]


@dataclass(frozen=True)
class Change:
    """One object that a migration created, altered or replaced."""

    name: str
    action: str


def migrate(client: Client, settings: Settings | None = None, *, metrics: bool = True) -> list[Change]:
    """
    Create or update the client's database; safe to repeat, to interrupt and to run twice at once.

    Args:
        client: Connection with the right to create databases, tables and views.
        settings: Whose rules are recorded, where their version is new; the first version is made the active one. None:
            the first worker records them.
        metrics: Whether the views of the metrics are created too; a test that reads none is quicker without.

    Returns:
        What was changed; empty when everything was as declared.

    Raises:
        WarehouseRefused: If a live table differs in a way that cannot be mended without losing data.
        WarehouseUnavailable: If the warehouse does not answer; run it again.
    """
    database = str(client.database)
    with translated():
        # Asked before it is created: a name that the server does not know would refuse any statement.
        client.command(f"CREATE DATABASE IF NOT EXISTS {quote_name(database)}", use_database=False)
        client.command(render_table(SCHEMA_MIGRATIONS, database))
        catalogue = read_catalogue(client)
        _refuse_what_needs_a_person(catalogue)
        changes: list[Change] = []
        for table in TABLES.values():
            changes.extend(_migrate_table(client, table, catalogue))
        declared = views() if metrics else core_views()
        for view in declared.values():
            changes.extend(_migrate_view(client, view, catalogue))
        _record(client, changes, declared)
        begin_first_rules(client, settings)
    return changes


def _refuse_what_needs_a_person(catalogue: Catalogue) -> None:
    faults = []
    for table in TABLES.values():
        live = catalogue.objects.get(table.name)
        if live is None:
            continue
        if not live.engine_full.startswith(f"{table.engine_and_partitions} ORDER BY "):
            faults.append(f"{table.name}: engine is {live.engine_full}, declared {table.engine_and_partitions}")
        for column in table.all_columns:
            there = live.columns.get(column.name)
            if there is not None and there.type != column.type:
                faults.append(f"{table.name}.{column.name}: type is {there.type}, declared {column.type}")
    if faults:
        raise WarehouseRefused(
            "tables that cannot be changed in place: " + "; ".join(faults) + "; use a database of another name "
            "(another data folder on one machine) and send the touchpoints again"
        )


def _migrate_table(client: Client, table: Table, catalogue: Catalogue) -> Iterator[Change]:
    database, live = str(client.database), catalogue.objects.get(table.name)
    if live is None:
        client.command(render_table(table, database))
        yield Change(table.name, "created")
        return
    statements = []
    before: str | None = None
    filled: list[str] = []
    for column in table.all_columns:
        there = live.columns.get(column.name)
        if there is None:
            statements.append(render_add_column(table, column, before, database))
            filled += [column.name] if isinstance(column, DerivedColumn) else []
        elif isinstance(column, DerivedColumn) and not is_derived_so(column, there, catalogue):
            statements.append(render_derive_column(table, column, database))
            filled.append(column.name)
        elif there.comment != column.comment:
            statements.append(render_comment_column(table, column, database))
        before = column.name
    if live.comment != table.comment:
        statements.append(render_comment_table(table, database))
    # The granularity of a table that is there cannot be changed; `drift` tells of it.
    given = {each for each in settings_in(table.settings) - live.settings if not each.startswith("index_granularity ")}
    if given:
        statements.append(render_modify_settings(table, given, database))
    if filled:
        statements.append(render_fill_columns(table, filled, database))
    for statement in statements:
        client.command(statement)
    if statements:
        yield Change(table.name, "altered")


def _migrate_view(client: Client, view: View, catalogue: Catalogue) -> Iterator[Change]:
    live = catalogue.objects.get(view.name)
    if live is not None and not any(view_differences(view, live, catalogue.declared_queries[view.name])):
        return
    client.command(render_view(view, str(client.database)))
    yield Change(view.name, "created" if live is None else "replaced")


def _record(client: Client, changes: list[Change], declared_views: Mapping[str, View]) -> None:
    """Write down the declarations that the newest record of a name does not know, also of a run that was killed."""
    database = str(client.database)
    declared = {table.name: fingerprint(render_table(table, database)) for table in TABLES.values()}
    declared |= {view.name: fingerprint(render_view(view, database)) for view in declared_views.values()}
    known = client.query("SELECT name, argMax(fingerprint, applied_at) FROM schema_migrations GROUP BY name")
    recorded = {str(row[0]): str(row[1]) for row in known.result_rows}
    actions = {change.name: change.action for change in changes}
    rows = []
    for name, value in declared.items():
        if name in actions or recorded.get(name) != value:
            action = actions.get(name) or ("altered" if name in recorded else "created")
            rows.append(f"({quote_text(name)}, {quote_text(value)}, {quote_text(action)}, now64(6))")
    if rows:
        client.command(
            f"INSERT INTO schema_migrations (name, fingerprint, action, applied_at) VALUES {', '.join(rows)}"
        )

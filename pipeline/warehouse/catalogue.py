"""
The live database as ClickHouse describes it, and where it differs from the declarations.

One rule: differences are told as text that a person can act on, and they are what `migrate` mends: nothing is compared
twice in two ways. Objects that are not declared are somebody else's and are left out.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from clickhouse_connect.driver.client import Client

from pipeline.warehouse.ddl import render_select
from pipeline.warehouse.declarations import Column, DerivedColumn, Table, View, ViewColumn
from pipeline.warehouse.errors import translated
from pipeline.warehouse.tables import TABLES
from pipeline.warehouse.views import views

_TABLES = """
    SELECT name, engine, engine_full, comment, if(engine = 'View', formatQuery(as_select), '') AS query
    FROM system.tables WHERE database = {database:String}
"""
_COLUMNS = """
    SELECT table, name, type, comment, default_kind,
        if(default_kind = 'MATERIALIZED', formatQuery(concat('SELECT ', default_expression)), '') AS expression
    FROM system.columns
    WHERE database = {database:String} ORDER BY table, position
"""
_FORMATTED = "SELECT arrayMap(x -> formatQuery(x), {q:Array(String)})"
_SETTINGS = " SETTINGS "


@dataclass(frozen=True)
class LiveColumn:
    """One column as it is."""

    name: str
    type: str
    comment: str
    default_kind: str
    default_expression: str


@dataclass(frozen=True)
class LiveObject:
    """One table or view as it is; `query` is the view's SELECT as ClickHouse formats it."""

    name: str
    engine: str
    engine_full: str
    comment: str
    query: str
    columns: Mapping[str, LiveColumn] = field(default_factory=dict)

    @property
    def settings(self) -> frozenset[str]:
        """The settings of a table, each as `name = value`."""
        return settings_in(self.engine_full.partition(_SETTINGS)[2])


@dataclass(frozen=True)
class Catalogue:
    """What is there, and in the same formatting the declared SELECTs of the views that are there and expressions."""

    objects: Mapping[str, LiveObject]
    declared_queries: Mapping[str, str]
    declared_expressions: Mapping[str, str]


def read_catalogue(client: Client) -> Catalogue:
    """
    Read the tables and views of the client's database.

    Raises:
        WarehouseUnavailable: If the warehouse does not answer.
    """
    database = client.database
    with translated():
        names = {"database": database}
        columns = client.query(_COLUMNS, parameters=names).result_rows
        tables = client.query(_TABLES, parameters=names).result_rows
        there = {row[0] for row in tables}
        # Formatting takes the server longer than making the views; one that is missing has nothing to be compared with.
        declared = {name: render_select(view, str(database)) for name, view in views().items() if name in there}
        derived = {c.expression: f"SELECT {c.expression}" for table in TABLES.values() for c in table.derived}
        asked = [*declared.values(), *derived.values()]
        formatted = client.query(_FORMATTED, parameters={"q": asked}).result_rows[0][0]
    objects = {}
    for name, engine, engine_full, comment, query in tables:
        own = {row[1]: LiveColumn(*row[1:]) for row in columns if row[0] == name}
        objects[name] = LiveObject(name, engine, engine_full, comment, query, own)
    expressions = dict(zip(derived, formatted[len(declared) :], strict=True))
    return Catalogue(objects, dict(zip(declared, formatted, strict=False)), expressions)


def drift(client: Client) -> list[str]:
    """
    Compare the live database with the declarations.

    Returns:
        One line per difference; none means that they are equal in types, engines, keys, queries and comments.
    """
    catalogue = read_catalogue(client)
    found: list[str] = []
    for table in TABLES.values():
        live = catalogue.objects.get(table.name)
        found.extend([f"{table.name}: missing"] if live is None else table_differences(table, live, catalogue))
    for view in views().values():
        live = catalogue.objects.get(view.name)
        if live is None:
            found.append(f"{view.name}: missing")
        else:
            found.extend(view_differences(view, live, catalogue.declared_queries[view.name]))
    return found


def settings_in(text: str) -> frozenset[str]:
    """Return settings as ClickHouse writes them, `name = value`, whose order depends on when each was given."""
    return frozenset(text.split(", ")) if text else frozenset()


def table_differences(table: Table, live: LiveObject, catalogue: Catalogue) -> Iterator[str]:
    """Tell how a live table differs from its declaration."""
    key = ", ".join(table.order_by)
    key = key if len(table.order_by) == 1 else f"({key})"
    engine = f"{table.engine_and_partitions} ORDER BY {key}"
    is_so = live.engine_full.partition(_SETTINGS)[0] == engine
    if not is_so or live.settings != settings_in(table.settings):
        yield f"{table.name}: engine is {live.engine_full}, declared {engine}{_SETTINGS}{table.settings}"
    yield from _comment_difference(table.name, live.comment, table.comment)
    yield from column_differences(table.name, table.all_columns, live)
    for column in table.derived:
        if column.name in live.columns and not is_derived_so(column, live.columns[column.name], catalogue):
            yield f"{table.name}.{column.name}: is not made as declared"


def view_differences(view: View, live: LiveObject, wanted: str) -> Iterator[str]:
    """Tell how a live view differs from its declaration, whose SELECT is `wanted` in ClickHouse's formatting."""
    if live.engine != "View":
        yield f"{view.name}: is a {live.engine}, declared as a view"
        return
    if live.query != wanted:
        yield f"{view.name}: its query differs from the declared one"
    yield from _comment_difference(view.name, live.comment, view.comment)
    yield from column_differences(view.name, view.columns, live)


def column_differences(
    owner: str, declared: tuple[Column, ...] | tuple[ViewColumn, ...], live: LiveObject
) -> Iterator[str]:
    """Tell which columns are missing, not declared, out of order, or differ in type or comment."""
    names = [column.name for column in declared]
    for column in declared:
        there = live.columns.get(column.name)
        if there is None:
            yield f"{owner}.{column.name}: missing"
            continue
        if there.type != column.type:
            yield f"{owner}.{column.name}: type is {there.type}, declared {column.type}"
        if there.default_kind and not isinstance(column, DerivedColumn):
            yield f"{owner}.{column.name}: has a {there.default_kind}, declared without"
        yield from _comment_difference(f"{owner}.{column.name}", there.comment, column.comment)
    for name in live.columns:
        if name not in names:
            yield f"{owner}.{name}: not declared"
    common = [name for name in live.columns if name in names]
    if common != [name for name in names if name in live.columns]:
        yield f"{owner}: columns stand in another order than declared"


def is_derived_so(column: DerivedColumn, there: LiveColumn, catalogue: Catalogue) -> bool:
    """Tell whether a column that is there is made as it is declared."""
    return there.default_expression == catalogue.declared_expressions[column.expression]


def _comment_difference(what: str, live: str, declared: str) -> Iterator[str]:
    if live != declared:
        yield f"{what}: comment is {live!r}, declared {declared!r}"

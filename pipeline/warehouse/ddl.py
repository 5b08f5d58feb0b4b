"""
DDL rendered from declarations.

One rule: nothing here knows a particular table; what ClickHouse is told is what `declarations` hold. Names are always
quoted and tables always named with their database, so that a rendered view compares with what the engine stored.
"""

import hashlib
from collections.abc import Collection

from pipeline.warehouse.declarations import Column, DerivedColumn, Table, View


def quote_name(name: str) -> str:
    """Quote an identifier with backticks."""
    return "`" + name.replace("\\", "\\\\").replace("`", "\\`") + "`"


def quote_text(text: str) -> str:
    """Quote a string literal."""
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


def render_table(table: Table, database: str) -> str:
    """Render `CREATE TABLE IF NOT EXISTS`."""
    columns = ",\n".join(f"    {render_column(column)}" for column in table.all_columns)
    key = ", ".join(quote_name(name) for name in table.order_by)
    # ClickHouse keeps the parentheses as they are written; around one column it would write none.
    key = key if len(table.order_by) == 1 else f"({key})"
    return (
        f"CREATE TABLE IF NOT EXISTS {quote_name(database)}.{quote_name(table.name)}\n(\n{columns}\n)\n"
        f"ENGINE = {table.engine_and_partitions}\nORDER BY {key}\nSETTINGS {table.settings}\n"
        f"COMMENT {quote_text(table.comment)}"
    )


def render_column(column: Column) -> str:
    """Render one column as it stands in CREATE TABLE and ADD COLUMN."""
    made = f" MATERIALIZED {column.expression}" if isinstance(column, DerivedColumn) else ""
    return f"{quote_name(column.name)} {column.type}{made} COMMENT {quote_text(column.comment)}"


def render_add_column(table: Table, column: Column, after: str | None, database: str) -> str:
    """Render `ALTER TABLE … ADD COLUMN IF NOT EXISTS` behind the column `after`, or first."""
    place = f"AFTER {quote_name(after)}" if after is not None else "FIRST"
    where = f"{quote_name(database)}.{quote_name(table.name)}"
    return f"ALTER TABLE {where} ADD COLUMN IF NOT EXISTS {render_column(column)} {place}"


def render_derive_column(table: Table, column: DerivedColumn, database: str) -> str:
    """Render the ALTER that tells how a column that is there is made from now on."""
    return f"ALTER TABLE {quote_name(database)}.{quote_name(table.name)} MODIFY COLUMN {render_column(column)}"


def render_fill_columns(table: Table, names: Collection[str], database: str) -> str:
    """Render the ALTER that makes derived columns of the rows that are there; the engine does it in the background."""
    where = f"{quote_name(database)}.{quote_name(table.name)}"
    return f"ALTER TABLE {where} {', '.join(f'MATERIALIZE COLUMN {quote_name(name)}' for name in names)}"


def render_comment_column(table: Table, column: Column, database: str) -> str:
    """Render the ALTER that gives a column its declared comment."""
    where = f"{quote_name(database)}.{quote_name(table.name)}"
    return f"ALTER TABLE {where} COMMENT COLUMN {quote_name(column.name)} {quote_text(column.comment)}"


def render_comment_table(table: Table, database: str) -> str:
    """Render the ALTER that gives a table its declared comment."""
    return f"ALTER TABLE {quote_name(database)}.{quote_name(table.name)} MODIFY COMMENT {quote_text(table.comment)}"


def render_modify_settings(table: Table, settings: Collection[str], database: str) -> str:
    """Render the ALTER that gives a table settings (`name = value`), for what is merged or inserted from then on."""
    where = f"{quote_name(database)}.{quote_name(table.name)}"
    return f"ALTER TABLE {where} MODIFY SETTING {', '.join(sorted(settings))}"


def render_select(view: View, database: str) -> str:
    """Render the SELECT of a view."""
    columns = ",\n".join(f"    {column.expression} AS {quote_name(column.name)}" for column in view.columns)
    return f"SELECT\n{columns}\n{view.source}".replace("{db}", quote_name(database))


def render_view(view: View, database: str) -> str:
    """Render `CREATE OR REPLACE VIEW` with a comment on the view and on every column."""
    columns = ",\n".join(
        f"    {quote_name(column.name)} {column.type} COMMENT {quote_text(column.comment)}" for column in view.columns
    )
    return (
        f"CREATE OR REPLACE VIEW {quote_name(database)}.{quote_name(view.name)}\n(\n{columns}\n)\n"
        f"COMMENT {quote_text(view.comment)}\nAS {render_select(view, database)}"
    )


def fingerprint(ddl: str) -> str:
    """Return a short hash of rendered DDL: the same declaration has the same fingerprint."""
    return hashlib.blake2b(ddl.encode(), digest_size=8).hexdigest()

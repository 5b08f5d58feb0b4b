"""
The reference pages of tables and views, rendered from the declarations.

One rule: every word on these pages stands in a declaration, where ClickHouse's COMMENTs come from too.
"""

from collections.abc import Iterable

from pipeline.warehouse.declarations import Column, Table, View, ViewColumn
from pipeline.warehouse.tables import TABLES
from pipeline.warehouse.tables.types import IDENTIFIERS, KIND
from pipeline.warehouse.views import views

_VIEWS_INTRODUCTION = """# Views

What analysts read. Every view is right at once: no `FINAL`, no setting, no caveat. Times are UTC, money is integer
minor units with its currency, identifiers of persons are keyed hashes. The same words stand in ClickHouse itself:

```sql
SELECT name, type, comment FROM system.columns WHERE database = currentDatabase() AND table = 'v_journeys'
```
"""

_TABLES_INTRODUCTION = """# Tables

What the pipeline writes. Read the [views](views.md) instead: tables may hold several rows of one thing until
ClickHouse has merged them, and results of several rules. They only grow: published columns are never renamed.
"""


def render_reference() -> dict[str, str]:
    """Render the pages: path within the repository → text."""
    return {"docs/reference/views.md": _render_views(), "docs/reference/tables.md": _render_tables()}


def _render_views() -> str:
    sections = (
        f"## {view.name}\n\n{view.comment}\n\n{_columns(view.columns)}\n"
        f"**{view.question}**\n\n```sql\n{view.example}\n```\n"
        for view in views().values()
    )
    return "\n".join([_VIEWS_INTRODUCTION, _contents(views().values()), *sections])


def _render_tables() -> str:
    sections = (
        f"## {table.name}\n\n{table.comment}\n\nEngine `{table.engine}`, key `{', '.join(table.order_by)}`.\n\n"
        f"{_columns(table.all_columns)}"
        for table in TABLES.values()
    )
    return "\n".join([_TABLES_INTRODUCTION, _contents(TABLES.values()), *sections])


def _contents(things: Iterable[Table | View]) -> str:
    lines = (f"| [{thing.name}](#{thing.name}) | {_cell(thing.comment)} |" for thing in things)
    return "\n".join(["| name | holds |", "|---|---|", *lines]) + "\n"


def _columns(columns: Iterable[Column | ViewColumn]) -> str:
    lines = (f"| `{column.name}` | `{_short_type(column.type)}` | {_cell(column.comment)} |" for column in columns)
    return "\n".join(["| column | type | meaning |", "|---|---|---|", *lines]) + "\n"


def _short_type(type_: str) -> str:
    """Leave the kinds' codes out: they fill the page and are listed under identifiers."""
    short = type_.replace(IDENTIFIERS, "Array(Tuple(kind Enum8, ident_key UUID))").replace(KIND, "Enum8")
    return _cell(short)


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")

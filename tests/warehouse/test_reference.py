"""The reference pages say everything that is declared."""

from pipeline.warehouse.reference import render_reference
from pipeline.warehouse.tables import TABLES
from pipeline.warehouse.views import views


def test_pages_hold_every_comment_and_example() -> None:
    pages = render_reference()
    tables, view_page = pages["docs/reference/tables.md"], pages["docs/reference/views.md"]
    for table in TABLES.values():
        assert f"## {table.name}\n\n{table.comment}\n" in tables
        for column in table.all_columns:
            assert f"| `{column.name}` |" in tables
            assert column.comment.replace("|", "\\|") in tables
    for view in views().values():
        assert f"## {view.name}\n\n{view.comment}\n" in view_page
        assert view.example in view_page
        for view_column in view.columns:
            assert view_column.comment.replace("|", "\\|") in view_page


def test_pages_are_the_same_every_time() -> None:
    assert render_reference() == render_reference()

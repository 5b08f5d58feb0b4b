"""What other tools read: the picture of the views, the sources for dbt, the notebook, and the size of the cookbook."""

import json
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
import yaml

from docs.catalogue import HOMES, links, render_picture, render_sources
from pipeline.warehouse.views import core_views, views
from tests.docs.conftest import Shop
from tests.docs.pages import ROOT, blocks

NOTEBOOK = ROOT / "docs" / "notebooks" / "first-look.ipynb"
COOKBOOK = ROOT / "docs" / "query-cookbook.md"


def test_the_picture_has_every_view_that_joins_and_every_line() -> None:
    picture = ElementTree.fromstring(render_picture())
    told = {title.text for title in picture.iter("{http://www.w3.org/2000/svg}title")}
    shown = {text.text for text in picture.iter("{http://www.w3.org/2000/svg}text")}
    for view in core_views().values():
        for column, key in links(view):
            assert view.name in shown
            if HOMES[key] != view.name:
                assert f"{view.name}.{column} = {HOMES[key]}.{key}" in told
    assert set(HOMES.values()) <= set(core_views())
    assert all(key in {column.name for column in core_views()[home].columns} for key, home in HOMES.items())


def test_dbt_gets_every_view_and_column_with_its_words() -> None:
    [source] = yaml.safe_load(render_sources())["sources"]
    assert {table["name"]: table["description"] for table in source["tables"]} == {
        view.name: view.comment for view in views().values()
    }
    for table in source["tables"]:
        columns = {column["name"]: (column["data_type"], column["description"]) for column in table["columns"]}
        assert columns == {c.name: (c.type, c.comment) for c in views()[table["name"]].columns}
    tested = {(t["name"], c["name"]) for t in source["tables"] for c in t["columns"] if "data_tests" in c}
    assert tested == {(home, key) for key, home in HOMES.items()}


def test_the_keys_of_the_picture_are_unique(shop: Shop) -> None:
    """What the sources for dbt promise, and every column that names a key joins."""
    for key, home in HOMES.items():
        [row] = shop.analyst.rows(f"SELECT count() = uniqExact({key}) AS is_unique FROM {home}")
        assert row["is_unique"], home


def test_the_cookbook_answers_thirty_questions() -> None:
    asked = {block.heading for block in blocks(COOKBOOK) if block.language == "sql"}
    assert len(asked) >= 30


def test_the_notebook_runs_from_top_to_bottom(shop: Shop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its cells as plain code, as a reader beside `throughline-data` runs them; no output is kept in the file."""
    (tmp_path / "throughline-data").symlink_to(shop.throughline.folder)
    monkeypatch.chdir(tmp_path)
    notebook = json.loads(NOTEBOOK.read_text(encoding="utf-8"))
    names: dict[str, Any] = {}
    for cell in (cell for cell in notebook["cells"] if cell["cell_type"] == "code"):
        assert cell["outputs"] == []
        exec(compile("".join(cell["source"]), str(NOTEBOOK), "exec"), names)
    for name in ("channels", "pain", "effect", "words", "comments", "personas"):
        assert names[name].height > 0, name

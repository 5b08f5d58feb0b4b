"""Every statement of the documents runs on a real shop, and says something."""

from pathlib import Path

import pytest

from tests.docs.conftest import Shop
from tests.docs.pages import PAGES, RENDERED, Block, all_blocks, arguments_of, name_of, typed_lines

MAY_BE_EMPTY = "may be empty"


def may_be_empty(block: Block) -> bool:
    return block.note == MAY_BE_EMPTY or block.page.parent == RENDERED or block.note.startswith("olist")


@pytest.mark.parametrize("block", all_blocks("sql"), ids=str)
def test_every_statement_runs(shop: Shop, block: Block) -> None:
    rows = shop.analyst.rows(block.text)
    assert rows or may_be_empty(block)


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_query_typed_at_the_command_line_runs(shop: Shop, page: Path) -> None:
    for line in typed_lines(page):
        match arguments_of(line, "throughline"):
            case ["query", sql, *_] if sql != "-":
                assert shop.analyst.rows(sql), sql


def test_the_tutorial_finds_the_carrier_that_failed(shop: Shop) -> None:
    """The numbers that the page shows."""
    hurts, carriers, scores = shop.tutorial.values()
    assert {"kind": "late_delivery", "pain_points": 17, "customers": 17} in hurts
    assert carriers[0] == {"carrier": "Swift Parcel", "week": "2026-04-20", "parcels": 12, "late": 12}
    assert all(row["late"] <= 1 for row in carriers[1:])
    assert {row["parcel"]: (row["answers"], row["mean_score_of_100"]) for row in scores} == {
        "late": (6, 65),
        "on time": (42, 82),
    }

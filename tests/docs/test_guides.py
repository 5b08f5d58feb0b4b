"""Every program of the guides runs as it is printed, and what it sent is what the page then asks for."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.docs.conftest import Shop
from tests.docs.pages import ROOT, Block, blocks, name_of
from tests.docs.test_doors import CLIENTS, HAS_CLIENTS

DOCS = ROOT / "docs"
ROWS = {
    "web-shop": 2,
    "call-centre": 2,
    "carrier": 3,
    "returns-desk": 3,
    "mobile-app": 2,
    "chat": 4,
    "mailbox-and-newsletter": 4,
    "surveys-and-reviews": 3,
    "store": 3,
}


def programs(page: Path) -> list[Block]:
    return [block for block in blocks(page) if block.language == "python"]


def run(shop: Shop, program: str, folder: Path, python: str = sys.executable) -> str:
    file = folder / "program.py"
    file.write_text(program, encoding="utf-8")
    arguments = [python, str(file), shop.run["collector"], shop.run["write_key"], str(folder / "spool")]
    ran = subprocess.run(arguments, capture_output=True, text=True, check=False, timeout=60)
    assert ran.returncode == 0, ran.stderr
    return ran.stdout


def test_what_the_guides_send_is_what_they_ask_for(shop: Shop, tmp_path: Path) -> None:
    outputs = {}
    assert {page.stem for page in (DOCS / "guides").glob("*.md")} == ROWS.keys()
    for guide in ROWS:
        (program,) = programs(DOCS / "guides" / f"{guide}.md")
        outputs[guide] = run(shop, program.text, tmp_path)
    assert outputs["returns-desk"] == "accepted\n"
    assert shop.throughline("wait", "--timeout", "120").code == 0
    for guide, rows in ROWS.items():
        (statement,) = [block for block in blocks(DOCS / "guides" / f"{guide}.md") if block.language == "sql"]
        assert len(shop.analyst.rows(statement.text)) == rows, name_of(statement.page)
    (story,) = shop.analyst.rows(
        "SELECT uniqExact(customer_uid) AS customers FROM v_touchpoints "
        "WHERE order_id = 'shop-1001' OR shipment_id = 'parcel-9001' OR return_id = 'r-3001'"
    )
    assert int(story["customers"]) == 1, "the shop, the carrier and the returns desk tell of one customer"


def test_the_program_of_the_sdks_page_counts(shop: Shop, tmp_path: Path) -> None:
    (program,) = programs(DOCS / "sdk.md")
    assert "taken=1, recovered=0, invalid=0, delivered=1" in run(shop, program.text, tmp_path)


@pytest.mark.skipif(not HAS_CLIENTS, reason="no unmodified clients here: `make clients` gets them")
def test_the_program_with_segments_own_library(shop: Shop, tmp_path: Path) -> None:
    (program,) = programs(DOCS / "collector.md")
    run(shop, program.text, tmp_path, str(CLIENTS))
    assert shop.throughline("wait", "--timeout", "120").code == 0
    (order,) = shop.analyst.rows("SELECT type, amount_minor, currency FROM v_touchpoints WHERE order_id = 'seg-1'")
    assert (order["type"], int(order["amount_minor"]), order["currency"]) == ("order.placed", 1999, "EUR")

"""The numbers of the Olist page, on the files themselves where they are."""

import json
import os
from pathlib import Path

import pytest

from tests.docs.conftest import Shop
from tests.docs.pages import ROOT, blocks
from tests.docs.test_queries import may_be_empty

PAGE = ROOT / "docs" / "olist.md"
COOKBOOK = ROOT / "docs" / "query-cookbook.md"
FOLDER = Path(
    os.environ.get("THROUGHLINE_OLIST_DIR")  # noqa: TID251 (where a data set lies is no setting of the product)
    or ROOT.parent / "shared" / "data" / "olist"
)


def statement(note: str) -> str:
    (found,) = [block.text for block in blocks(PAGE) if block.note == note]
    return found


@pytest.mark.skipif(not FOLDER.is_dir(), reason=f"no Olist data at {FOLDER}: set THROUGHLINE_OLIST_DIR")
def test_what_a_late_parcel_costs(shop: Shop) -> None:
    imported = shop.throughline("import", "olist", str(FOLDER), "--wait")
    assert imported.code == 0, imported.err
    assert imported.out.strip() in PAGE.read_text(encoding="utf-8")
    by_day = {row["delivery"]: row for row in shop.analyst.rows(statement("olist: by day"))}
    assert (int(by_day["on time"]["reviews"]), by_day["on time"]["mean_stars"]) == (4893, 4.27)
    assert (int(by_day["late"]["reviews"]), by_day["late"]["mean_stars"]) == (345, 2.18)
    impacts = json.loads(shop.throughline("painpoints", "--impact", "--json").out)["impacts"]
    assert (impacts[0]["kind"], impacts[0]["outcome"]) == ("late_delivery", "score")
    assert impacts[0]["high"] < -0.3
    assert impacts[0]["n_with"] > 300
    (late,) = shop.analyst.rows(statement("olist: by timestamp"))
    assert int(late["late_deliveries"]) == 415
    for block in blocks(COOKBOOK):
        assert block.language != "sql" or shop.analyst.rows(block.text) or may_be_empty(block), block
    told = shop.analyst.rows("SELECT phrase FROM v_words WHERE low + high >= 20 ORDER BY z DESC LIMIT 15")
    assert {"não", "recebi", "não recebi"} <= {row["phrase"] for row in told}
    themes = shop.analyst.rows("SELECT arrayJoin(themes) AS theme, avg(score) AS mean FROM v_comments GROUP BY theme")
    means = {row["theme"]: row["mean"] for row in themes}
    assert max(means["late"], means["damaged"], means["money_back"]) < 50
    assert min(means["quick"], means["quality"]) > 80

"""`throughline painpoints` on the tutorial's shop: the same numbers as the view, cut every way."""

import json
from typing import Any

import pytest

from tests.docs.conftest import Shop

Rows = list[dict[str, Any]]


def asked(shop: Shop, *options: str) -> Rows:
    outcome = shop.throughline("painpoints", "--json", *options)
    assert outcome.code == 0, outcome.err
    rows: Rows = json.loads(outcome.out)
    return rows


def test_by_kind_it_says_what_the_view_says(shop: Shop) -> None:
    rows = {row["kind"]: row for row in asked(shop)}
    of_view = shop.analyst.rows(
        "SELECT kind, count() AS found, uniqExact(customer_uid) AS customers FROM v_pain_points GROUP BY kind"
    )
    assert {kind: (row["found"], row["customers"]) for kind, row in rows.items()} == {
        row["kind"]: (row["found"], row["customers"]) for row in of_view
    }
    [everybody] = shop.analyst.rows("SELECT count() AS customers FROM v_customers")
    late = rows["late_delivery"]
    assert late["share_of_customers"] == pytest.approx(late["customers"] / everybody["customers"], abs=0.0001)
    assert late["high"] + late["medium"] + late["low"] == late["found"]
    [example] = late["examples"]
    assert example["order_id"] in example["detail"]


@pytest.mark.parametrize("way", ["kind", "severity", "week", "day", "step", "stage", "channel"])
def test_every_way_counts_every_pain_point_once(shop: Shop, way: str) -> None:
    [everything] = shop.analyst.rows("SELECT count() AS found FROM v_pain_points")
    rows = asked(shop, "--by", way, "--limit", "1000", "--examples", "0")
    assert sum(row["found"] for row in rows) == everything["found"]
    assert all(row[way] and row["examples"] == [] for row in rows)


def test_kinds_and_days_narrow_it(shop: Shop) -> None:
    options = ("--by", "week", "--by", "kind", "--kind", "late_delivery", "--kind", "bot_loop")
    weeks = asked(shop, *options, "--since", "2026-04-20", "--until", "2026-05-11", "--examples", "3")
    assert {row["kind"] for row in weeks} == {"late_delivery"}
    assert [row["week"] for row in weeks] == sorted(row["week"] for row in weeks)
    assert sum(row["found"] for row in weeks) >= 12
    assert max(len(row["examples"]) for row in weeks) == 3


def test_on_paper_it_is_a_table(shop: Shop) -> None:
    told = shop.throughline("painpoints", "--by", "channel").out
    assert told.splitlines()[0].split()[:4] == ["channel", "found", "customers", "share"]
    assert "post" in told
    assert shop.throughline("painpoints", "--since", "2031-01-01").out == "No pain points of that sort.\n"
    assert shop.throughline("painpoints", "--kind", "boredom").code == 2

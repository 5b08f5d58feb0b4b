"""`map`, `funnel` and `paths` on a handful of touchpoints, counted by hand; and the pictures they draw."""

import json
from collections.abc import Iterator
from datetime import timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from pipeline.cli.drawing_bars import Bar, draw_bars
from pipeline.cli.drawing_graph import draw_graph
from pipeline.config import ClickHouseSettings
from tests.cli.conftest import run_here
from tests.warehouse import rows
from tests.warehouse.conftest import Shop

PAGE, CART, ORDER, CALL = "web.page_viewed", "cart.item_added", "order.placed", "support.call_ended"
HOUR, DAY = 60, 24 * 60
STORIES: dict[int, list[tuple[float, str]]] = {
    # Two runs reach the cart; only the one that begins last has time left for the order.
    1: [(0, PAGE), (10, CART), (50, PAGE), (60, CART), (50 + HOUR, ORDER)],
    # The order comes a millisecond after the hour.
    2: [(0, PAGE), (30, CART), (HOUR + 1 / 60_000, ORDER)],
    # All at once is in order, whatever the order of arrival.
    3: [(0, ORDER), (0, CART), (0, PAGE)],
    # Backwards is not.
    4: [(0, ORDER), (1, CART), (2, PAGE), (40 * DAY, CALL)],
    5: [(2 * DAY, CART)],
}


@pytest.fixture
def shop(fresh_database: ClickHouseSettings, monkeypatch: pytest.MonkeyPatch) -> Iterator[Shop]:
    from pipeline.warehouse.connection import connect

    monkeypatch.setenv("THROUGHLINE_CLICKHOUSE__URL", fresh_database.url.get_secret_value())
    client = connect(fresh_database)
    yield Shop(client)
    client.close()


@pytest.fixture
def told(shop: Shop) -> Shop:
    number = 0
    for customer, story in STORIES.items():
        landed = []
        for minute, type_ in story:
            number += 1
            at = rows.START + timedelta(minutes=minute)
            channel = "phone" if type_ == CALL else "web"
            who = rows.key(customer)
            landed.append(rows.touchpoint(number, type=type_, channel=channel, occurred_at=at, ident_key=who))
        shop.land(*landed)
    known = [{"ident_key": rows.key(who), "kind": 0, "customer_uid": rows.key(who), "shared": False} for who in STORIES]
    shop.stitch(known, version=rows.START)
    return shop


def asked(*arguments: str) -> list[dict[str, Any]]:
    outcome = run_here(*arguments, "--json")
    assert outcome.code == 0, outcome.err
    found: list[dict[str, Any]] = json.loads(outcome.out)
    return found


def reached(*arguments: str) -> list[int]:
    return [row["reached"] for row in asked("funnel", *arguments)]


def test_without_journeys_nothing_is_drawn_and_nothing_fails(shop: Shop, tmp_path: Path) -> None:
    del shop
    assert asked("map") == asked("paths") == []
    assert reached(PAGE, ORDER) == [0, 0]
    for command in (("map",), ("paths",), ("funnel", PAGE)):
        file = tmp_path / f"{command[0]}.svg"
        outcome = run_here(*command, "--out", str(file))
        assert (outcome.code, outcome.out.startswith("No")) == (0, True), outcome.err
        ElementTree.parse(file)


def test_a_funnel_counts_runs_within_the_time_its_end_included(told: Shop) -> None:
    del told
    found = asked("funnel", PAGE, CART, ORDER, "--within", "1h")
    assert [row["reached"] for row in found] == [4, 3, 2]
    assert [row["dropped"] for row in found] == [1, 1, 0]
    assert [row["share_of_first"] for row in found] == [1.0, 0.75, 0.5]
    assert [row["share_of_previous"] for row in found] == [1.0, 0.75, 0.6667]
    # To the cart 600 (customer 1, the run at 50), 1800 and 0 s; to the order 3000 and 0 s.
    assert [row["median_seconds"] for row in found] == [None, 600, 1500]
    assert reached(PAGE, CART, ORDER, "--within", "61m") == [4, 3, 3]


def test_a_funnel_needs_a_touchpoint_for_every_step(told: Shop) -> None:
    del told
    assert reached(PAGE, PAGE, PAGE) == [4, 1, 0]
    assert reached("stage:buy", "stage:buy", "channel:phone", "--within", "90d") == [5, 4, 1]
    assert reached("stage:buy", "channel:phone", "--within", "90d", "--per", "journey") == [5, 0]


def test_a_funnel_goes_by_when_it_begins_and_by_whole_journeys(told: Shop) -> None:
    del told
    day = f"{rows.START:%Y-%m-%d}"
    next_day = f"{rows.START + timedelta(days=1):%Y-%m-%d}"
    assert reached(CART, "--until", next_day) == [4]
    assert reached(CART, "--since", next_day) == [1]
    assert reached(CART, "--since", day) == [5]
    assert reached(PAGE, "--channel", "phone") == [0]
    assert reached(CALL, "--stage", "support") == [1]


def test_who_still_has_time_waits(shop: Shop) -> None:
    [(now,)] = shop.read("SELECT now64(3)")
    shop.land(rows.touchpoint(1, type=PAGE, occurred_at=now))
    shop.stitch([{"ident_key": rows.key(1), "kind": 0, "customer_uid": rows.key(1), "shared": False}], rows.START)
    assert [(row["dropped"], row["waiting"]) for row in asked("funnel", PAGE, ORDER)] == [(0, 1), (0, 0)]
    assert [row["dropped"] for row in asked("funnel", PAGE, ORDER, "--within", "0s")] == [1, 0]


def test_the_map_says_what_the_view_says_and_its_filters_take_whole_journeys(told: Shop) -> None:
    edges = asked("map", "--limit", "100")
    of_view = told.read("SELECT from_type, to_type, times, journeys, share FROM v_directly_follows")
    assert sorted((e["from"], e["to"], e["times"], e["journeys"], e["share"]) for e in edges) == sorted(of_view)
    assert [(e["from"], e["to"], e["times"]) for e in asked("map", "--channel", "phone")] == [
        ("(start)", CALL, 1),
        (CALL, "(end)", 1),
    ]
    by_stage = {(e["from"], e["to"]): (e["times"], e["journeys"]) for e in asked("map", "--by", "stage")}
    assert by_stage["(start)", "support"] == (1, 1)
    assert sum(times for (_, to), (times, _) in by_stage.items() if to == "(end)") == 6
    assert {e["to"] for e in asked("map", "--by", "channel")} == {"web", "phone", "(end)"}
    assert asked("map", "--since", "2031-01-01") == []


def test_paths_are_the_variants(told: Shop) -> None:
    for level in ("type", "stage", "channel"):
        of_view = told.read(f"SELECT path, journeys, share FROM v_variants WHERE level = '{level}'")
        found = asked("paths", "--by", level, "--limit", "100")
        said = sorted((row["path"], row["journeys"], row["share"]) for row in found)
        assert said == sorted(of_view)
    assert asked("paths", "--stage", "support")[0]["path"] == ["support"]


def test_a_box_says_how_often_it_is_seen_whatever_edges_are_drawn(told: Shop, tmp_path: Path) -> None:
    del told
    for limit, note in ((1, "the 1 most frequent of 12 pairs"), (99, None)):
        file = tmp_path / f"{limit}.svg"
        outcome = run_here("map", "--limit", str(limit), "--out", str(file))
        assert outcome.code == 0, outcome.err
        words = [element.text for element in ElementTree.parse(file).iter() if element.tag.endswith("}text")]
        drawn = dict(pairwise(words))
        # Of the stories above: five views of a page, six carts; six journeys end.
        assert drawn["cart item added"] == "6"
        assert note is None or note in words
        assert drawn.get("page viewed", "5") == "5"
        assert drawn.get("end", "6") == "6"


def test_pictures_and_tables_on_paper(told: Shop, tmp_path: Path) -> None:
    del told
    for command in (("map",), ("paths",), ("funnel", PAGE, CART, ORDER)):
        page = tmp_path / f"{command[0]}.html"
        outcome = run_here(*command, "--out", str(page))
        assert outcome.code == 0, outcome.err
        assert "%" in outcome.out
        assert "<svg" in page.read_text(encoding="utf-8")


@pytest.mark.parametrize(
    "arguments",
    [
        ("funnel",),
        ("funnel", "order.eaten"),
        ("funnel", "stage:limbo"),
        ("funnel", PAGE, "--within", "soon"),
        ("map", "--out", "map.png"),
        ("map", "--channel", "pigeon"),
        ("paths", "--by", "mood"),
        ("funnel", PAGE, ORDER, "--within", "7"),
        ("clv", "--horizon", "90"),
        ("words", "--type", "order.eaten"),
        *[
            (*command, "--until", "2026-03-01", "--since", "2026-03-01")
            for command in (("map",), ("paths",), ("funnel", PAGE), ("painpoints",), ("incidents",), ("words",))
        ],
    ],
)
def test_wrong_usage_is_said(arguments: tuple[str, ...]) -> None:
    outcome = run_here(*arguments)
    assert outcome.code == 2
    assert "Traceback" not in outcome.err


def test_whatever_stands_in_a_picture_is_escaped() -> None:
    evil = '<script>alert("x")</script>&'
    edge = {"from": evil, "to": evil, "times": 1, "median_seconds": None, "share_ends_badly": 1.0}
    for picture in (draw_graph(evil, [edge], {evil: 1}, evil), draw_bars(evil, [Bar(evil, 1.0, evil)], evil)):
        assert "<script" not in picture
        assert any(evil in (element.text or "") for element in ElementTree.fromstring(picture).iter())

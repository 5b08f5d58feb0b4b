"""Through the real warehouse: a shop without stories is quiet; of one with stories each is told, dated and ranked."""

import json

import pytest

from pipeline.cli.incidents import read_incidents
from pipeline.config import ClickHouseSettings
from pipeline.findings.rules import IncidentRules
from tests.cli.conftest import run_here
from tests.findings.quiet import Shops, days_off, found, open_shops, shop_of


@pytest.fixture
def shops(fresh_database: ClickHouseSettings, monkeypatch: pytest.MonkeyPatch) -> Shops:
    monkeypatch.setenv("THROUGHLINE_CLICKHOUSE__URL", fresh_database.url.get_secret_value())
    with open_shops(fresh_database) as opened:
        return opened


def test_a_shop_without_stories_is_quiet(shops: Shops) -> None:
    assert shops.incidents(shop_of(11, stories=False, customers=300)) == []
    assert run_here("incidents").out == "Nothing stands out.\n"


def test_every_planted_story_is_told(shops: Shops) -> None:
    """`make quiet` asks the same of more shops."""
    simulation = shop_of(3, stories=True)
    shops.shop.land(*simulation)
    shops.shop.stitch()
    incidents = read_incidents(shops.warehouse, IncidentRules(), 3)
    stories = [story for story in simulation.planted_truth() if story.pain_point is not None]
    matches = {story.kind: found(incidents, story) for story in stories}
    assert {each.rank for each in matches.values() if each is not None} == set(range(1, len(stories) + 1))
    for story in stories:
        match = matches[story.kind]
        assert match is not None
        assert days_off(match, story) <= 1, story.kind
        assert match.read_first
    told = run_here("incidents", "--json", "--since", "2026-03-09", "--until", "2026-03-11")
    (outage,) = json.loads(told.out)
    assert (outage["kind"], outage["segment"], outage["value"]) == ("failed_payment", "code", "gateway_timeout")
    assert outage["first_day"] == outage["last_day"] == "2026-03-10"
    assert outage["difference_low"] > 0.5
    assert all(example["detail"] for example in outage["read_first"])
    assert "failed payment where code is gateway_timeout" in run_here("incidents").out

"""A worker whose settings do not fit what is recorded must not begin."""

from typing import Any

import pytest

from pipeline.config import ClickHouseSettings, Settings
from pipeline.streaming.entry import Refused, enter_land, enter_stitch
from pipeline.warehouse.connection import connect
from pipeline.warehouse.facts import FactStore
from pipeline.warehouse.rules import Progress, RulesBook, State
from pipeline.warehouse.rules_document import document_of
from tests.warehouse import rows


def settings(hash_key: str = "k", stitching: Any = None, pain: Any = None, **identity: Any) -> Settings:
    return Settings.model_validate(
        {"identity": {"hash_key": hash_key, **identity}, "stitching": stitching or {}, "pain_points": pain or {}}
    )


def test_a_stitch_worker_may_only_add_results_of_the_recorded_rules(fresh_database: ClickHouseSettings) -> None:
    client = connect(fresh_database)
    # The first worker of a database that knows only gaps records its rules.
    assert enter_stitch(client, settings(), recorded=False) == settings()
    assert enter_stitch(client, settings(stitching={"linger": "1s"}, phone_region="DE"), recorded=False)
    for other, name in (
        (settings(cap_other_accounts=2), "identity.cap_other_accounts: 1 → 2"),
        (settings(blocklist=("x",)), "identity.blocklist"),
        (settings(stitching={"visit_gap": "20m"}), "stitching.visit_gap: 30m → 20m"),
        (settings(pain={"low_nps": 5}), "pain_points.low_nps: 6 → 5"),
        (settings(hash_key="other"), "identity.hash_key"),
    ):
        with pytest.raises(Refused, match=name):
            enter_stitch(client, other, recorded=False)
    taken = enter_stitch(client, settings(cap_other_accounts=2, stitching={"visit_gap": "20m"}), recorded=True)
    assert document_of(taken) == document_of(settings())
    with pytest.raises(Refused, match=r"identity\.hash_key"):
        enter_stitch(client, settings(hash_key="other"), recorded=True)


def test_a_version_that_is_unknown_or_dropped_has_no_workers(fresh_database: ClickHouseSettings) -> None:
    client = connect(fresh_database)
    two = settings(stitching={"rules_version": 2})
    with pytest.raises(Refused, match="rules version 2 is not recorded; recorded and alive: 1"):
        enter_stitch(client, two, recorded=False)
    RulesBook(client).record(2, two)
    assert enter_stitch(client, two, recorded=False) == two
    RulesBook(client).save(Progress(2, State.DROPPED))
    with pytest.raises(Refused, match="was dropped"):
        enter_stitch(client, two, recorded=True)


def test_facts_are_landed_with_one_key_one_region_and_never_a_shorter_blocklist(
    fresh_database: ClickHouseSettings,
) -> None:
    client = connect(fresh_database)
    enter_land(client, settings("mistaken", phone_region="FR", blocklist=("a",)))
    # As long as nothing has landed everything may change.
    first = settings(phone_region="DE", blocklist=("x", "Y"))
    enter_land(client, first)
    FactStore(client).insert_touchpoints(rows.frame([rows.touchpoint(1)]))
    enter_land(client, first)
    enter_land(client, settings(phone_region="DE", blocklist=("y", "X", "kiosk")))
    for other, why in (
        (settings("other", phone_region="DE", blocklist=("x", "y", "kiosk")), "every customer would be split"),
        (settings(phone_region="FR", blocklist=("x", "y", "kiosk")), "phone_region is 'FR' and was 'DE'"),
        (settings(phone_region="DE", blocklist=("x", "y")), "blocklist lacks 'kiosk'"),
    ):
        with pytest.raises(Refused, match=why) as refused:
            enter_land(client, other)
        assert "send them there" in str(refused.value)

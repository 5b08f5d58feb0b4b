"""`restitch` and `rules` as people run them, beside a broker and a warehouse that the settings name."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from clickhouse_connect.driver.exceptions import DatabaseError

from pipeline.config import ClickHouseSettings, Settings, load_settings
from pipeline.streaming.landing import Landing, Origin
from pipeline.warehouse.connection import connect
from pipeline.warehouse.facts import FactStore
from pipeline.warehouse.landing_settings import enter_landing
from pipeline.warehouse.migrate import migrate
from pipeline.warehouse.rules import RulesBook, State
from tests.cli.conftest import Command, Outcome
from tests.embedded.servers import BrokerServer
from tests.streaming.test_stitcher import Shop, touch

Say = Callable[..., Outcome]
KEY = "a key for tests"


class _Quiet:
    def announce(self, *_: object) -> None:
        """Nobody listens: the sweep of a making finds everything."""


@pytest.fixture
def say(
    command: Command, fresh_database: ClickHouseSettings, broker: BrokerServer, monkeypatch: pytest.MonkeyPatch
) -> Say:
    """A shop of two accounts at one kiosk, landed and not stitched; its database and broker are in the settings."""
    monkeypatch.setenv("THROUGHLINE_CLICKHOUSE__URL", fresh_database.url.get_secret_value())
    monkeypatch.setenv("THROUGHLINE_KAFKA__BOOTSTRAP", broker.bootstrap)
    monkeypatch.setenv("THROUGHLINE_KAFKA__GROUP", fresh_database.url.get_secret_value().rpartition("/")[2])
    monkeypatch.setenv("THROUGHLINE_IDENTITY__HASH_KEY", KEY)
    settings = Settings.model_validate({"clickhouse": fresh_database, "identity": {"hash_key": KEY}})
    migrate(connect(fresh_database), settings)
    landing = Landing(FactStore(connect(fresh_database)), _Quiet(), settings.identity, Origin("log", 1_048_576))
    shop = Shop(landing, None, None, [])  # type: ignore[arg-type]  # it only lands here
    shop.land(
        touch(0, 0, {"cookie_id": "kiosk"}),
        touch(1, 1, {"customer_id": "u1", "cookie_id": "kiosk"}),
        touch(2, 2, {"customer_id": "u2", "cookie_id": "kiosk"}),
        touch(3, 3, {"customer_id": "u3", "email": "a@example.org"}),
    )
    return command


def said(outcome: Outcome) -> Any:
    assert outcome.code == 0, outcome.err
    return json.loads(outcome.out)


def customers(database: ClickHouseSettings) -> int:
    return int(connect(database).query("SELECT count() FROM v_customers").result_rows[0][0])


def test_the_life_of_a_changed_cap(
    say: Say, fresh_database: ClickHouseSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Made again in place, then a new version beside it, shown, taken back, and dropped."""
    assert said(say("restitch", "--json")) == {"version": 1, "complete": True, "active": True}
    assert customers(fresh_database) == 4
    dry = said(say("restitch", "email:a@example.org", "--dry-run", "--json"))
    assert dry["versions"] == [{"version": 1, "identifiers": 2, "touchpoints": 1, "changed_journeys": None}]
    assert said(say("restitch", "email:a@example.org", "--json"))["versions"][0]["identifiers"] == 2
    assert say("restitch", "email:nobody@example.org").code == 1
    monkeypatch.setenv("THROUGHLINE_IDENTITY__CAP_OTHER_ACCOUNTS", "2")
    plan = said(say("restitch", "--dry-run", "--json"))
    assert (plan["version"], plan["is_new"], plan["settings_differ"]) == (
        2,
        True,
        ["identity.cap_other_accounts: 1 → 2"],
    )
    assert "the recorded ones hold" in say("rules", "list").err
    assert said(say("rules", "start", "--json")) == {"version": 2, "state": "making"}
    assert "not complete: being made, 0%" in say("rules", "activate", "2").err
    assert "rules version 2 is complete" in say("restitch").out
    assert say("rules", "list").err == ""
    assert customers(fresh_database) == 4
    assert said(say("rules", "activate", "2", "--force", "--json"))["active"] == 2
    assert customers(fresh_database) == 3
    listed = said(say("rules", "list", "--json"))
    assert [(one["version"], one["active"], one["complete"]) for one in listed["versions"]] == [
        (1, False, True),
        (2, True, True),
    ]
    assert say("rules", "drop", "2").code == 2
    assert say("rules", "drop", "7").code == 2
    rows = said(say("rules", "drop", "1", "--dry-run", "--json"))["rows"]["stitched"]
    assert said(say("rules", "drop", "1", "--json"))["rows"]["stitched"] == rows > 0
    assert say("rules", "activate", "1").code == 2
    assert customers(fresh_database) == 3


def test_results_of_an_earlier_release_are_no_silent_zeros(say: Say, fresh_database: ClickHouseSettings) -> None:
    """What they did not store is refused, the rest shown, and one command mends it."""
    assert said(say("restitch", "--json"))["version"] == 1
    client = connect(fresh_database)
    client.command(
        "ALTER TABLE rules UPDATE settings = replaceRegexpOne(settings, '\"program.answers\":[0-9]+', "
        "'\"program.answers\":1') WHERE 1 SETTINGS mutations_sync = 2"
    )
    assert '"program.answers":1' in str(client.query("SELECT settings FROM rules").result_rows)
    told = say("rules", "list").err
    assert "made by another release (program.answers: 1 → " in told
    assert "`throughline restitch --activate`" in told
    for view in ("v_personas", "v_customer_values", "v_metric_on_time", "v_metric_nps_by_persona"):
        with pytest.raises(DatabaseError, match="throughline restitch --activate"):
            client.query(f"SELECT count() FROM {view}")
    assert customers(fresh_database) == 4
    assert client.query("SELECT count() FROM v_metric_nps").result_rows
    assert "is complete" in say("restitch").out
    assert "`throughline rules activate 2`" in say("rules", "list").err
    assert said(say("rules", "activate", "2", "--force", "--json"))["active"] == 2
    assert say("rules", "list").err == ""
    assert client.query("SELECT count() FROM v_personas").result_rows == [(4,)]
    client.close()


def test_what_needs_raw_values_is_refused_with_what_to_do(
    say: Say, fresh_database: ClickHouseSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Un-blocking, another phone region, another key: nothing is begun that could only be half done."""
    monkeypatch.setenv("THROUGHLINE_IDENTITY__BLOCKLIST", '["unknown", "kiosk"]')
    client = connect(fresh_database)
    assert enter_landing(client, load_settings().identity) == []
    for name, value in (("BLOCKLIST", '["unknown"]'), ("PHONE_REGION", "DE"), ("HASH_KEY", "another")):
        with monkeypatch.context() as patch:
            patch.setenv(f"THROUGHLINE_IDENTITY__{name}", value)
            for arguments in (("rules", "start"), ("restitch",), ("restitch", "--dry-run")):
                outcome = say(*arguments)
                assert outcome.code == 2
                assert "send them there" in outcome.err
    assert [version.number for version in RulesBook(client).versions()] == [1]
    assert RulesBook(client).versions()[0].progress.state is State.COMPLETE

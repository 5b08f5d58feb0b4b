"""Reports as of a past time are what was shown at that time, whatever landed since."""

import json
import re
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone
from random import Random
from typing import Any

import pytest

from pipeline.cli.as_of import said_of_nothing
from pipeline.cli.clickhouse import Warehouse
from pipeline.config import ClickHouseSettings, IdentitySettings
from pipeline.streaming.past import url_at
from pipeline.warehouse.connection import connect
from pipeline.warehouse.ddl import render_view
from pipeline.warehouse.past import Pasts, name_of, view_at
from pipeline.warehouse.views import views
from tests.cli.conftest import run_here
from tests.convergence.dump import differences, dump_of
from tests.convergence.history import PHONE_REGION, History
from tests.convergence.inprocess import HASH_KEY, Pipeline
from tests.embedded.servers import WarehouseServer

IDENTITY = IdentitySettings.model_validate({"hash_key": HASH_KEY, "phone_region": PHONE_REGION})


@pytest.fixture
def place(fresh_database: ClickHouseSettings, monkeypatch: pytest.MonkeyPatch) -> Iterator[ClickHouseSettings]:
    monkeypatch.setenv("THROUGHLINE_CLICKHOUSE__URL", fresh_database.url.get_secret_value())
    monkeypatch.setenv("THROUGHLINE_IDENTITY__HASH_KEY", HASH_KEY)
    monkeypatch.setenv("THROUGHLINE_IDENTITY__PHONE_REGION", PHONE_REGION)
    yield fresh_database
    pasts = Pasts(connect(fresh_database))
    for past in pasts.kept():
        pasts.drop(past)


def now_ms() -> int:
    return round(time.time() * 1000)


def ms(at: datetime) -> int:
    return round(at.timestamp() * 1000)


def moment(at_ms: int) -> str:
    return datetime.fromtimestamp(at_ms / 1000, UTC).isoformat(timespec="milliseconds")


def asked(*arguments: str) -> Any:
    outcome = run_here(*arguments, "--json")
    assert outcome.code == 0, outcome.err
    return json.loads(outcome.out)


def test_it_is_what_was_shown_then(place: ClickHouseSettings) -> None:
    """Late facts, corrections, merges and unlinks that land afterwards change nothing of it."""
    random = Random(11)
    told = History(seed=3, people=25, events=300).make()
    # Of two contents of one revision, which is a fault of whoever sent them, the one that lost is not kept.
    events = list({(e["source"], e["id"], e["occurred_at"], e.get("revision", 0)): e for e in told}.values())
    random.shuffle(events)
    pipeline = Pipeline(place, IDENTITY)
    half = len(events) // 2
    at = now_ms()
    pipeline.land(events[:half], at)
    pipeline.stitch()
    shown = pipeline.dump()
    pipeline.land(events[half:], at + 1)
    pipeline.stitch()
    connect(place).command("OPTIMIZE TABLE touchpoints FINAL")
    connect(place).command("OPTIMIZE TABLE identity_statements FINAL")
    assert differences(shown, pipeline.dump()), "nothing changed since: this test is none"

    (made,) = asked("as-of", moment(at))
    found = dump_of(Warehouse(url_at(place.url.get_secret_value(), made["database"])))
    assert not differences(shown, found), "\n".join(differences(shown, found))


def touchpoint(number: int, type_: str, at: datetime, **more: Any) -> dict[str, Any]:
    who = [{"kind": "customer_id", "value": "ada"}]
    fixed = {"id": f"e{number}", "type": type_, "source": "shop", "occurred_at": at.isoformat(), "identities": who}
    return {**fixed, **more}


def test_its_clock_stands_and_everything_that_reads_results_reads_it(place: ClickHouseSettings) -> None:
    """What fell due later is not due then, who waited then waits, and later receipts are not there."""
    ordered, promised = datetime(2026, 3, 1, 9, tzinfo=UTC), datetime(2026, 3, 4, 9, tzinfo=UTC)
    then, received = moment(ms(promised)), ms(ordered) + 1000
    pipeline = Pipeline(place, IDENTITY)
    order = touchpoint(
        1, "order.placed", ordered, refs={"order_id": "o-1"}, body={"promised_delivery_at": promised.isoformat()}
    )
    pipeline.land([order], received)
    pipeline.land([touchpoint(2, "web.page_viewed", ordered)], ms(promised) + 1)
    pipeline.stitch()
    assert [row["kind"] for row in asked("painpoints")] == ["missed_promise"]

    assert asked("as-of") == []
    count = "SELECT toInt32(count()) AS n FROM v_touchpoints"
    day_before = ("--as-of", moment(ms(promised) - 1))
    assert asked("painpoints", *day_before) == []
    assert asked("painpoints", "--as-of", then)[0]["kind"] == "missed_promise"
    assert run_here("query", count, "--json", *day_before).out == '{"n":1}\n'
    assert run_here("query", count, "--json").out == '{"n":2}\n'
    steps = ("order.placed", "delivery.delivered", "--within", "30d")
    assert [(row["waiting"], row["dropped"]) for row in asked("funnel", *steps, *day_before)] == [(1, 0), (0, 0)]
    assert [(row["waiting"], row["dropped"]) for row in asked("funnel", *steps)] == [(0, 1), (0, 0)]
    assert asked("paths", *day_before)[0]["journeys"] == 1
    for command in (("map",), ("incidents",), ("words",), ("customer", "customer_id:ada")):
        outcome = run_here(*command, *day_before)
        assert (outcome.code, "nothing had been received" in outcome.err) == (0, False), outcome.err
    assert sum(row["customers"] for row in asked("personas", *day_before)) == 1
    assert sum(row["customers"] for row in asked("personas", *day_before, "--at", f"{ordered:%Y-%m-%d}")) == 0
    assert run_here("personas", *day_before, "--at", then).code == 2
    first = Pasts(connect(place)).first_received()
    assert first is not None and moment(ms(first)) == moment(received)

    kept = asked("as-of")
    assert [(row["state"], row["touchpoints"], row["bytes"] > 0) for row in kept] == [("kept", 1, True)] * 2
    # What had been received by then but landed only now is not left out.
    pipeline.land([touchpoint(3, "web.page_viewed", ordered)], received)
    assert run_here("query", count, "--json", *day_before).out == '{"n":2}\n'
    asked("as-of", then, "--drop")
    assert [row["as_of"] for row in asked("as-of")] == [moment(ms(promised) - 1)]


def test_a_time_before_everything_is_told_from_a_quiet_one() -> None:
    at, later = datetime(2026, 3, 1, tzinfo=UTC), datetime(2026, 3, 2, tzinfo=UTC)
    assert said_of_nothing(at, at) == ""
    nothing = "nothing had been received by 2026-03-01T00:00:00+00:00"
    assert said_of_nothing(at, later) == f"{nothing}; the first touchpoint came at 2026-03-02T00:00:00.000+00:00"
    assert said_of_nothing(at, None) == nothing


def test_what_cannot_be_asked_is_refused(place: ClickHouseSettings) -> None:
    for arguments, said in (
        (("as-of", "2126-01-01"), "is not over yet"),
        (("painpoints", "--as-of", "yesterday"), "is no time such as"),
        (("as-of", "--drop"), "needs the time"),
        (("as-of", "2020-01-01", "--drop"), "nothing is kept"),
    ):
        outcome = run_here(*arguments)
        assert (outcome.code != 0, said in outcome.err) == (True, True), outcome.err


def test_no_view_of_a_past_time_reads_a_clock() -> None:
    at = datetime(2026, 3, 4, tzinfo=UTC)
    for view in views().values():
        text = render_view(view_at(view, at), "past")
        assert not re.search(r"\b(now|now64|today|yesterday|nowInBlock|UTCTimestamp)\s*\(", text), view.name


def test_a_time_has_one_name() -> None:
    at = datetime(2026, 3, 4, 10, 30, 0, 7000, tzinfo=timezone(timedelta(hours=1)))
    assert name_of("shop", at) == "shop_as_of_20260304T093000007Z"
    assert name_of("shop", at.replace(microsecond=0)) == "shop_as_of_20260304T093000Z"


def test_who_may_only_read_reads_a_past_that_is_kept_and_is_told_of_one_that_is_not(
    place: ClickHouseSettings, warehouse: WarehouseServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An analyst's address reads the database of a past time as it reads today's, and cannot make one."""
    pipeline = Pipeline(place, IDENTITY)
    at = datetime(2026, 3, 1, 9, tzinfo=UTC)
    pipeline.land([touchpoint(1, "web.page_viewed", at)], ms(at))
    pipeline.stitch()
    then = ("--as-of", moment(ms(at) + 1))
    worker = place.url.get_secret_value()
    analyst = f"{warehouse.analyst_url}/{worker.rsplit('/', 1)[1]}"
    count = ("query", "SELECT toInt32(count()) AS n FROM v_touchpoints", "--json")
    monkeypatch.setenv("THROUGHLINE_CLICKHOUSE__URL", analyst)
    assert run_here(*count).out == '{"n":1}\n'
    refused = run_here(*count, *then)
    assert refused.code == 1
    assert "may only read" in refused.err and "throughline as-of" in refused.err, refused.err
    monkeypatch.setenv("THROUGHLINE_CLICKHOUSE__URL", worker)
    asked("as-of", then[1])
    monkeypatch.setenv("THROUGHLINE_CLICKHOUSE__URL", analyst)
    assert run_here(*count, *then).out == '{"n":1}\n'
    assert asked("paths", *then)[0]["journeys"] == 1

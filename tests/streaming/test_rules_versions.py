"""Results of two versions of the rules side by side, over the real warehouse: made, resumed, shown, dropped."""

from collections.abc import Iterator, Mapping
from datetime import timedelta
from typing import Any

import polars as pl
import pytest

from pipeline.config import ClickHouseSettings, Settings
from pipeline.identity.keys import ident_key
from pipeline.streaming.landing import Landing, Origin
from pipeline.streaming.making import Making, must_rest
from pipeline.streaming.restitching import Switch
from pipeline.streaming.stitcher import StitchRulesOf, stitch_batch
from pipeline.streaming.switching import ASKED_EVERY_S, ActiveOnly
from pipeline.warehouse.connection import connect
from pipeline.warehouse.facts import FactStore
from pipeline.warehouse.results import StitchStore
from pipeline.warehouse.rules import Progress, RulesBook, State
from pipeline.warehouse.rules_making import MakingStore
from tests.streaming.test_stitcher import Shop, touch

KEY = "test"
PEOPLE = 12


class Versions:
    """A shop whose facts are stitched by two versions: a cookie may know one account, or three."""

    def __init__(self, database: ClickHouseSettings) -> None:
        self.database = database
        self.announced: list[pl.DataFrame] = []
        self.published: list[pl.DataFrame] = []
        self.client = connect(database)
        self.book = RulesBook(connect(database))
        self.settings = {1: self._settings(1, 1), 2: self._settings(2, 3)}
        identity = self.settings[1].identity
        landing = Landing(FactStore(connect(database)), self, identity, Origin("log", 1_048_576))
        self.shop = Shop(landing, self.store(1), self.client.query, self.announced)

    def _settings(self, number: int, cap: int) -> Settings:
        return Settings.model_validate(
            {
                "clickhouse": self.database,
                "identity": {"hash_key": KEY, "cap_other_accounts": cap},
                "stitching": {"rules_version": number, "sweep_margin": timedelta(seconds=1)},
            }
        )

    def store(self, number: int) -> StitchStore:
        return StitchStore(connect(self.database), number, timedelta(seconds=1))

    def stitch(self, number: int, keys: pl.Series) -> None:
        chosen = self.settings[number]
        rules = StitchRulesOf(chosen.identity, chosen.stitching, chosen.pain_points)
        stitch_batch(keys, self.store(number), self, rules, "test")

    def making(self, number: int, stitch: Any = None, size: int = 5) -> Making:
        store = MakingStore(connect(self.database), number, timedelta(seconds=1))
        return Making(store, stitch or (lambda keys: self.stitch(number, keys)), range_identifiers=size)

    def begin(self, number: int) -> None:
        self.book.record(number, self.settings[number])
        self.book.save(Progress(number, State.MAKING))

    def finish(self, making: Making) -> int:
        for steps in range(1, 200):
            progress = making.step()
            assert not must_rest(progress), progress
            if progress.state is State.COMPLETE:
                return steps
        raise AssertionError(progress)

    def stitch_announced(self, *numbers: int) -> None:
        keys = pl.concat(self.announced)["ident_key"]
        self.announced.clear()
        for number in numbers:
            self.stitch(number, keys)

    def customers(self) -> list[tuple[Any, ...]]:
        return sorted(self.shop.rows("SELECT toString(customer_uid), touchpoints FROM v_customers"))

    def announce(self, keys: pl.DataFrame, received_at_ms: int | None) -> None:  # noqa: ARG002  # of the protocol
        self.announced.append(keys)

    def publish(self, changes: pl.DataFrame) -> None:
        self.published.append(changes)


@pytest.fixture
def versions(fresh_database: ClickHouseSettings) -> Iterator[Versions]:
    """Two people at one kiosk, and others with a cookie of their own; stitched by version 1."""
    made = Versions(fresh_database)
    events = [touch(0, 0, {"cookie_id": "kiosk"})]
    events += [touch(n, n, {"customer_id": f"u{n}", "cookie_id": "kiosk"}) for n in (1, 2)]
    events += [touch(n, n, {"customer_id": f"u{n}", "cookie_id": f"c{n}"}) for n in range(3, PEOPLE)]
    made.shop.land(*events)
    made.stitch_announced(1)
    yield made
    made.client.close()


def key(kind: str, value: str) -> bytes:
    return ident_key(kind, value, KEY.encode())


def test_a_changed_cap_is_made_beside_shown_at_once_taken_back_and_dropped(versions: Versions) -> None:
    """The kiosk's own touchpoint is a customer of its own under one cap, and an account's under the other."""
    before = versions.customers()
    assert len(before) == PEOPLE
    versions.begin(2)
    assert versions.finish(versions.making(2)) > 4
    assert versions.customers() == before
    versions.book.activate(2)
    assert len(versions.customers()) == PEOPLE - 1
    assert sum(touchpoints for _, touchpoints in versions.customers()) == PEOPLE
    versions.book.activate(1)
    assert versions.customers() == before
    versions.book.save(Progress(2, State.DROPPED))
    assert versions.book.count(2)["stitched"] > 0
    versions.book.drop(2)
    versions.book.drop(2)
    assert set(versions.book.count(2).values()) == {0}
    assert versions.customers() == before
    assert [(one.number, one.is_live) for one in versions.book.versions()] == [(1, True), (2, False)]


def test_killed_in_the_middle_it_goes_on_where_it_was(versions: Versions) -> None:
    versions.begin(2)
    stitched: list[bytes] = []

    def stitch(keys: pl.Series) -> None:
        if len(stitched) > 5:
            raise KeyboardInterrupt
        stitched.extend(keys.to_list())
        versions.stitch(2, keys)

    with pytest.raises(KeyboardInterrupt):
        versions.finish(versions.making(2, stitch))
    halfway = versions.making(2)._store.progress()
    assert (halfway.state, halfway.round) == (State.MAKING, 1)
    assert 0 < halfway.passed < halfway.total
    done = set(stitched)
    stitched.clear()

    def go_on(keys: pl.Series) -> None:
        stitched.extend(keys.to_list())
        versions.stitch(2, keys)

    versions.finish(versions.making(2, go_on))
    assert stitched
    assert done.isdisjoint(stitched)


def test_live_events_land_in_both_versions_while_one_is_being_made(versions: Versions) -> None:
    versions.begin(2)
    making = versions.making(2)
    making.step()
    versions.shop.land(touch(50, 50, {"customer_id": "u5"}), touch(51, 51, {"customer_id": "new", "cookie_id": "n"}))
    making.step()
    versions.stitch_announced(1, 2)
    versions.finish(making)
    of_one = versions.customers()
    versions.book.activate(2)
    of_two = versions.customers()
    assert sum(touchpoints for _, touchpoints in of_one) == sum(touchpoints for _, touchpoints in of_two) == PEOPLE + 2
    assert versions.store(2).stale_identifiers(100).is_empty()


def test_it_is_not_complete_while_facts_of_an_unfinished_landing_may_be_missing(versions: Versions) -> None:
    """A batch that never completed may still be landing: within the margin its identifiers are found again."""
    versions.client.command("TRUNCATE TABLE landed")
    slow = MakingStore(connect(versions.database), 2, timedelta(hours=1))
    versions.begin(2)
    making = Making(slow, lambda keys: versions.stitch(2, keys), range_identifiers=100)
    progress = [making.step() for _ in range(6)][-1]
    assert (progress.state, progress.round, must_rest(progress)) == (State.MAKING, 4, True)


def test_making_again_in_place_renews_every_row_and_changes_no_answer(versions: Versions) -> None:
    before = versions.customers()
    stamp = FactStore(versions.client).landing_stamp()
    versions.book.save(Progress(1, State.REMAKING, since=stamp, until=stamp))
    assert versions.book.versions()[0].progress.state.is_whole
    versions.finish(versions.making(1))
    old = "SELECT count() FROM stitched FINAL WHERE rules_version = 1 AND version < {stamp:DateTime64(6, 'UTC')}"
    assert versions.client.query(old, parameters={"stamp": stamp}).result_rows == [(0,)]
    assert versions.customers() == before


def test_a_value_put_on_the_blocklist_is_shared_in_facts_that_landed_before(versions: Versions) -> None:
    """Under the new rules c3 joins nobody, although it landed as an identifier like any other."""
    blocked = {"hash_key": KEY, "blocklist": ("C3", "unknown")}
    identity = versions.settings[1].identity.model_validate(blocked)
    versions.settings[2] = versions.settings[2].model_copy(update={"identity": identity})
    versions.shop.land(touch(60, 60, {"cookie_id": "c3"}), touch(61, 61, {"cookie_id": "c4"}))
    versions.stitch_announced(1)
    versions.begin(2)
    versions.finish(versions.making(2))
    who = "SELECT customer_uid = {c:UUID}, shared FROM v_identities WHERE ident_key = {k:UUID}"

    def joined(number: int) -> tuple[Any, ...]:
        values = {"c": key("customer_id", f"u{number}").hex(), "k": key("cookie_id", f"c{number}").hex()}
        return tuple(versions.client.query(who, parameters=values).result_rows[0])

    assert (joined(3), joined(4)) == ((True, False), (True, False))
    versions.book.activate(2)
    assert (joined(3), joined(4)) == ((False, True), (True, False))


def test_only_the_active_version_speaks_to_readers(versions: Versions) -> None:
    heard: list[pl.DataFrame] = []
    now = 0.0

    class Reader:
        def publish(self, changes: pl.DataFrame) -> None:
            heard.append(changes)

    one, two = (ActiveOnly(Reader(), number, versions.book.active, lambda: now) for number in (1, 2))
    change = pl.DataFrame({"journey_id": [b"x"]})
    one.publish(change)
    two.publish(change)
    assert len(heard) == 1
    versions.book.activate(2)
    now = ASKED_EVERY_S
    one.publish(change)
    assert len(heard) == 1
    two.publish(change)
    assert len(heard) == 2


def test_a_switch_leaves_readers_with_exactly_the_journeys_of_the_new_version(versions: Versions) -> None:
    """Read in order, greatest version last: tombstones for what it does not have, and everything that it has."""
    versions.begin(2)
    versions.finish(versions.making(2))
    held = _held({}, versions.published)
    versions.published.clear()
    versions.book.activate(2)
    Switch(versions.settings[2], 1, 2, versions).publish(lambda _: None)
    assert _held(held, versions.published) == _journeys(versions)
    versions.published.clear()
    versions.book.activate(1)
    Switch(versions.settings[1], 2, 1, versions).publish(lambda _: None)
    assert _held(held, versions.published) == _journeys(versions)


def _held(held: Mapping[bytes, Any], published: list[pl.DataFrame]) -> dict[bytes, Any]:
    after = dict(held)
    for changes in published:
        for change in changes.iter_rows(named=True):
            after.pop(change["journey_id"], None)
            if not change["gone"]:
                after[change["journey_id"]] = (change["customer_uid"], change["touchpoints"], change["path"])
    return after


def _journeys(versions: Versions) -> dict[bytes, Any]:
    rows = versions.shop.rows("SELECT journey_id, customer_uid, touchpoints, path FROM v_journeys")
    return {row[0].bytes: (row[1].bytes, row[2], list(row[3])) for row in rows}

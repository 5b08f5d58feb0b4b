"""A batch in slices: each settles what it wrote, is found beside the one before, and hides nothing from it."""

import threading
from datetime import datetime
from uuid import UUID

import polars as pl
import pytest

from pipeline.config import ClickHouseSettings, IdentitySettings, StitchingSettings
from pipeline.config_pain import PainPointSettings
from pipeline.streaming.stitcher import StitchRulesOf, stitch_batch
from tests.streaming.test_stitcher import Shop, key, make_shop, read_and_write_in_threads, touch

COOKIES = ("later", "earlier")


@pytest.fixture
def shop(fresh_database: ClickHouseSettings) -> Shop:
    return make_shop(fresh_database)


def test_what_one_slice_of_a_batch_wrote_is_not_written_by_the_next(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pipeline.streaming.stitcher._SLICE_IDENTIFIERS", 1)
    shop.land(*(touch(one, one, {"customer_id": f"sliced {one}", "cookie_id": f"slice {one}"}) for one in range(3)))
    outcome = shop.stitch()
    assert outcome.identifiers == 6
    kinds = shop.rows("SELECT count(), uniqExact(customer_uid) FROM v_identities WHERE NOT shared")
    assert kinds == [(6, 3)]


@pytest.mark.parametrize(("people", "slices"), [(5, 2), (6, 3)])
def test_what_is_left_is_one_slice_where_it_reaches_no_more_than_a_slice_does(
    shop: Shop, monkeypatch: pytest.MonkeyPatch, people: int, slices: int
) -> None:
    """A slice of one may reach four: of six alone one is made, then one, then the four that are left."""
    monkeypatch.setattr("pipeline.streaming.stitcher._SLICE_IDENTIFIERS", 1)
    shop.land(*(touch(one, one, {"customer_id": f"alone {one}"}) for one in range(people)))
    register, versions = shop.store.register_version, list[datetime]()

    def registering(worker: str) -> datetime:
        versions.append(register(worker))
        return versions[-1]

    monkeypatch.setattr(shop.store, "register_version", registering)
    assert shop.stitch().identifiers == people
    assert len(versions) == slices


def test_a_slice_finds_its_blocks_while_the_one_before_is_made(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    read_and_write_in_threads(monkeypatch)
    monkeypatch.setattr("pipeline.streaming.stitcher._SLICE_IDENTIFIERS", 1)
    shop.land(*(touch(one, one, {"customer_id": f"ahead {one}"}) for one in range(2)))
    register, insert = shop.store.register_version, shop.store.insert_stitched
    started, ahead = iter([False, True]), threading.Event()

    def registering(worker: str) -> datetime:
        if next(started):
            ahead.set()
        return register(worker)

    def inserting(frame: pl.DataFrame) -> None:
        assert ahead.wait(20)
        insert(frame)

    monkeypatch.setattr(shop.store, "register_version", registering)
    monkeypatch.setattr(shop.store, "insert_stitched", inserting)
    assert shop.stitch().identifiers == 2


def test_who_is_back_in_a_later_slice_is_what_the_one_before_wrote(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    """What joins two slices lands between them: the journey that the first one published must get its tombstone."""
    read_and_write_in_threads(monkeypatch)
    monkeypatch.setattr("pipeline.streaming.stitcher._SLICE_IDENTIFIERS", 1)
    later, earlier = COOKIES
    shop.land(touch(1, 10, {"cookie_id": later}), touch(2, 0, {"cookie_id": earlier}))
    register, insert, journeys = shop.store.register_version, shop.store.insert_stitched, shop.store.journeys
    versions, asked = iter([1, 2]), threading.Semaphore(0)

    def registering(worker: str) -> datetime:
        if next(versions) == 2:
            shop.land(*(touch(3 + one, 5, {"customer_id": "a", "cookie_id": who}) for one, who in enumerate(COOKIES)))
        return register(worker)

    def inserting(frame: pl.DataFrame) -> None:
        # Long enough for whoever would ask too early.
        asked.acquire(timeout=0.3)
        asked.acquire(timeout=0.3)
        insert(frame)

    def asking(whose: pl.Series) -> pl.DataFrame:
        found = journeys(whose)
        asked.release()
        return found

    monkeypatch.setattr(shop.store, "register_version", registering)
    monkeypatch.setattr(shop.store, "insert_stitched", inserting)
    monkeypatch.setattr(shop.store, "journeys", asking)
    shop.stitch([key("cookie_id", who) for who in COOKIES])
    changes = pl.concat(shop.published)
    assert changes.height == 3
    assert changes.filter("gone")["journey_id"].to_list() == changes["journey_id"][:1].to_list()


@pytest.mark.parametrize(("size", "in_threads"), [(1, False), (2, False), (100, False), (1, True)])
def test_neighbours_learn_of_a_crossing_in_whichever_slice_it_is_seen(
    shop: Shop, monkeypatch: pytest.MonkeyPatch, size: int, in_threads: bool
) -> None:
    """The account is in the block of its e-mail, and still not settled by that slice: its first cookie waits for it."""
    if in_threads:
        read_and_write_in_threads(monkeypatch)
    monkeypatch.setattr("pipeline.streaming.stitcher._SLICE_IDENTIFIERS", size)
    caps = IdentitySettings.model_validate({"hash_key": "test", "cap_weaker_devices": 1})
    rules = StitchRulesOf(caps, StitchingSettings(), PainPointSettings())
    apart = 0
    for number in range(4):
        account, mail = f"account {number}", f"person{number}@example.com"
        first, second = f"first {number}", f"second {number}"
        shop.land(touch(10 * number, 0, {"customer_id": account, "cookie_id": first}))
        shop.land(touch(10 * number + 1, 1, {"customer_id": account, "email": mail}))
        shop.stitch()
        shop.land(touch(10 * number + 2, 2, {"customer_id": account, "email": mail, "cookie_id": second}))
        keys = pl.concat(shop.announced)["ident_key"].sort()
        shop.announced.clear()
        stitch_batch(keys, shop.store, shop, rules, "test")
        uid = str(UUID(bytes=key("cookie_id", first)))
        (row,) = shop.rows(f"SELECT toString(customer_uid) FROM v_identities WHERE toString(ident_key) = '{uid}'")
        apart += row == (uid,)
    assert apart == 4

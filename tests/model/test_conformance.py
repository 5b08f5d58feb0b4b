"""The simulated warehouse answers as the real one does: every read of real landings and stitchings, asked of both."""

import json
from collections.abc import Iterator
from datetime import datetime, timedelta
from random import Random
from typing import Any, cast

import polars as pl
import pytest
from clickhouse_connect.driver.client import Client

from pipeline.config import ClickHouseSettings
from pipeline.contracts.topics import TOUCHPOINT_TOPICS
from pipeline.streaming.landing import Landing, Origin
from pipeline.streaming.ports import Announcer, FactStore, Publisher
from pipeline.streaming.records import Chunk
from pipeline.streaming.stitch_port import StitchStore
from pipeline.streaming.stitcher import stitch_batch
from pipeline.warehouse import facts, results
from pipeline.warehouse.connection import connect
from tests.convergence.dump import canonical
from tests.model.expected import shown
from tests.model.frames import frame_of, frozen, micros
from tests.model.memory import READS
from tests.model.views import rows_of_views
from tests.model.warehouse import Reader, Warehouse
from tests.model.workers import rows_of
from tests.model.worlds import World, world

MARGIN = timedelta(seconds=2)
READER = Reader(1, MARGIN // timedelta(microseconds=1))
TABLES = {
    "insert_links": "identity_links",
    "insert_statements": "identity_statements",
    "insert_ledger": "identity_ledger",
}


class Both:
    """A store that asks the real one and the simulated one, and compares."""

    def __init__(self, client: Client) -> None:
        self.client = client
        self.simulated = Warehouse()
        self.compared = 0
        self._facts = facts.FactStore(client)
        self._results = results.StitchStore(client, 1, MARGIN)

    def __getattr__(self, method: str) -> Any:
        real = getattr(self._facts if hasattr(self._facts, method) else self._results, method)

        def call(*arguments: Any) -> Any:
            answer = real(*arguments)
            if method in READS:
                self._compare(method, answer, arguments)
            elif method.startswith("insert_"):
                table = TABLES.get(method, method.removeprefix("insert_"))
                getattr(self.simulated.tables, table).insert(rows_of(method, arguments))
            elif method == "register_version":
                self.simulated.register(micros(answer))
            return answer

        return call

    def check_sweep(self) -> None:
        """Compare what both find stale, for several margins and beginnings."""
        for margin in (timedelta(0), MARGIN, timedelta(hours=1)):
            store = results.StitchStore(self.client, 1, margin)
            reader = Reader(1, margin // timedelta(microseconds=1))
            newest = max((row.landed_at for row in self.simulated.tables.touchpoints), default=0)
            for since in (0, newest - 1, newest):
                found = store.stale_identifiers(100_000, facts.from_micros(since))
                assert frozen(found) == self.simulated.stale_identifiers(100_000, since, reader)
                self.compared += 1

    def merge(self) -> None:
        """Merge every table whole."""
        for name, table in self.simulated.tables.by_name().items():
            self.client.command(f"SYSTEM START MERGES {name}")
            self.client.command(f"OPTIMIZE TABLE {name} FINAL")
            self.client.command(f"SYSTEM STOP MERGES {name}")
            if len(table.parts) > 1:
                table.merge(0, len(table.parts) - 1)

    def _compare(self, method: str, answer: Any, arguments: tuple[Any, ...]) -> None:
        asked: list[Any] = [frozen(argument) for argument in arguments]
        if method == "statements":
            asked = [self.simulated.naming(asked[0])]
        if method in ("journeys", "former_members", "overlooked_neighbours"):
            asked.append(READER)
        expected = frame_of(method, getattr(self.simulated, method)(*asked))
        # Exact copies that no merge has removed yet are shown once by the simulated one.
        assert rows_in(answer) == rows_in(expected), method
        if isinstance(expected, pl.DataFrame) and answer.height:
            assert answer.schema == expected.schema, method
        self.compared += 1


def rows_in(answer: pl.DataFrame | pl.Series) -> set[str]:
    """Return the distinct rows of an answer; the order within a list says nothing."""
    frame = answer.to_frame() if isinstance(answer, pl.Series) else answer
    return {
        repr([sorted(cell, key=repr) if isinstance(cell, list) else cell for cell in row]) for row in frame.iter_rows()
    }


class Quiet:
    """Nobody is told anything."""

    def announce(self, keys: pl.DataFrame, received_at_ms: int | None) -> None:
        """Do nothing."""

    def publish(self, changes: pl.DataFrame) -> None:
        """Do nothing."""


@pytest.fixture
def both(fresh_database: ClickHouseSettings) -> Iterator[Both]:
    client = connect(fresh_database)
    asked = Both(client)
    for name in asked.simulated.tables.by_name():
        client.command(f"SYSTEM STOP MERGES {name}")
    yield asked
    client.close()


def chunks_of(made: World, random: Random) -> list[Chunk]:
    """Cut the logs of a world into chunks, in random order, some of them twice."""
    chunks = []
    for place, log in made.logs.items():
        first = 0
        while place[0] in TOUCHPOINT_TOPICS and first < len(log):
            last = min(first + random.randint(1, 3), len(log))
            chunks.append(Chunk(*place, first, last - 1, log[first:last]))
            first = last
    chunks += random.sample(chunks, len(chunks) // 2)
    random.shuffle(chunks)
    return chunks


@pytest.mark.parametrize(("number", "shape"), [(1, "mixed"), (4, "people")])
def test_both_warehouses_answer_alike(both: Both, number: int, shape: str) -> None:
    made, random = world(number, shape), Random(number)
    rules = made.rules[1]
    quiet = Quiet()
    landing = Landing(cast(FactStore, both), cast(Announcer, quiet), rules.identity, Origin("log", 1_048_576))
    for chunk in chunks_of(made, random):
        landing.land([chunk])
        if random.random() < 0.3:
            both.merge()
        known = sorted({row.ident_key for row in both.simulated.tables.touchpoints})
        if random.random() < 0.6 and known:
            both.check_sweep()
            dirty = pl.Series("ident_key", random.sample(known, min(2, len(known))), dtype=pl.Binary)
            stitch_batch(dirty, cast(StitchStore, both), cast(Publisher, quiet), rules, "test")
    both.check_sweep()
    assert both.compared > 40
    views = rows_of_views(both.simulated, 1)
    for name, rows in views.items():
        found = both.client.raw_query(f"SELECT * FROM {name} FORMAT JSONEachRow").decode().splitlines()
        seen = [shown(name, json.loads(line)) for line in found]
        assert canonical(seen) == canonical([shown(name, row) for row in rows]), name


def test_a_stamp_is_never_before_a_registered_version(both: Both) -> None:
    version = both.register_version("test")
    assert both.landing_stamp() >= version
    assert both.register_version("test") > version
    far = micros(version) + 10**12
    both.client.insert("stitch_versions", [[facts.from_micros(far), "test"]], column_names=["version", "worker"])
    both.simulated.register(far)
    now_us = micros(datetime.now(tz=version.tzinfo))
    assert micros(both.landing_stamp()) == both.simulated.landing_stamp(now_us) == far
    assert micros(both.register_version("test")) == far + 1

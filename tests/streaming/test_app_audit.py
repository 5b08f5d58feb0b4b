"""What Kafka counts as done and no landed range holds is seen."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field

import pytest
from faust.types import TP
from prometheus_client import CollectorRegistry

from pipeline.config import ClickHouseSettings
from pipeline.observability.metrics import Metrics
from pipeline.streaming import audit
from pipeline.streaming.audit import Audit
from pipeline.streaming.foreign import Foreign
from pipeline.warehouse.connection import connect
from tests.streaming.kafka import until

PLACE = TP("touchpoints.web", 2)
LANDED = (
    "INSERT INTO landed (log_id, topic, partition, first_offset, last_offset, records)"
    " VALUES ('log', 'touchpoints.web', 2, 0, 49, 50)"
)


@dataclass
class Books:
    """Kafka's side: what is committed, and from where to where the log goes."""

    committed_offsets: Mapping[Foreign, int] = field(default_factory=lambda: {PLACE: 60})

    async def earliest_offsets(self, *_: Foreign) -> Mapping[Foreign, int]:
        return {PLACE: 0}

    async def highwaters(self, *_: Foreign) -> Mapping[Foreign, int]:
        return {PLACE: 100}


@dataclass
class App:
    consumer: Books


@pytest.mark.parametrize(("committed", "unaccounted"), [(50, 0), (60, 10)])
async def test_tells_how_many_are_unaccounted(
    fresh_database: ClickHouseSettings, monkeypatch: pytest.MonkeyPatch, committed: int, unaccounted: int
) -> None:
    connect(fresh_database).command(LANDED)
    monkeypatch.setattr(audit, "AUDIT_EVERY", audit.AUDIT_EVERY / 100)
    registry = CollectorRegistry()
    metrics = Metrics(registry)
    metrics.set("throughline_unaccounted_events", -1)
    task = asyncio.create_task(Audit(fresh_database, lambda: "log", metrics).run(App(Books({PLACE: committed}))))
    await until(lambda: registry.get_sample_value("throughline_unaccounted_events") == unaccounted)
    task.cancel()
    told = {
        state: registry.get_sample_value("throughline_accounted_records", {"topic": "touchpoints.web", "state": state})
        for state in ("landed", "rejected", "lost", "in_flight", "unaccounted")
    }
    assert told == {"landed": 50, "rejected": 0, "lost": 0, "in_flight": 100 - committed, "unaccounted": unaccounted}
    asked = "SELECT received, in_flight, unaccounted FROM v_accounting WHERE in_flight > 0 AND partition = 2"
    assert connect(fresh_database).query(asked).result_rows == [(50, 100 - committed, unaccounted)]


@pytest.mark.parametrize("held", [{TP("touchpoints.orders", 0): 0}, {}])
async def test_no_worker_answers_for_what_another_holds_now(
    fresh_database: ClickHouseSettings, monkeypatch: pytest.MonkeyPatch, held: Mapping[Foreign, int]
) -> None:
    connect(fresh_database).command(LANDED)
    monkeypatch.setattr(audit, "AUDIT_EVERY", audit.AUDIT_EVERY / 100)
    registry = CollectorRegistry()
    books, labels = Books({PLACE: 60}), {"topic": "touchpoints.web", "state": "landed"}
    task = asyncio.create_task(Audit(fresh_database, lambda: "log", Metrics(registry)).run(App(books)))
    await until(lambda: registry.get_sample_value("throughline_accounted_records", labels) == 50)
    books.committed_offsets = held
    await until(lambda: registry.get_sample_value("throughline_accounted_records", labels) == 0)
    await until(lambda: registry.get_sample_value("throughline_unaccounted_events") == 0)
    task.cancel()

"""
Workers on Apache Kafka whose broker comes late, dies for a while and comes back, and who are told to end in between.

Nobody helps them: the same two processes live through it, and every record is stored and stitched once in the end. The
sessions have the real length and the broker is away for longer; `make outage` lets it be away for minutes, past every
time-out that there is (of a request 20 s, of a delivery 30 s, of metadata 30 s, of liveness 60 s).
"""

import signal
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient

from pipeline.cli.account import take_account
from pipeline.cli.topics_plan import plan_topics
from pipeline.config import ClickHouseSettings, Settings
from pipeline.config_kafka import KafkaSettings
from pipeline.warehouse.connection import connect
from tests.kafka.servers import KafkaNode, new_node, require_kafka
from tests.streaming.kafka import new_name
from tests.streaming.samples import encoded, event, identity
from tests.streaming.test_app_worker import WorkerProcess, worker

STEP, BACKLOG, PIECE = 200, 6_000, 50
# A fetch takes no more than some pieces of the backlog, and a batch is one fetch.
SMALL_BATCHES = {"THROUGHLINE_LANDING__MAX_BATCH_RECORDS": "50", "THROUGHLINE_KAFKA__FETCH_MAX_BYTES": "65536"}
BACK_S, END_S = 90.0, 10.0


def send(bootstrap: str, numbers: range) -> None:
    """Write a page view of somebody new for every number; the broker has acknowledged all when this returns."""
    producer = Producer({"bootstrap.servers": bootstrap, "acks": "all", "log_level": 0})
    for number in numbers:
        sent = event(id=f"e-{number}", identities=[identity("email", f"p{number}@example.com")])
        producer.produce("touchpoints.web", encoded(sent), partition=0)
        if number % PIECE == PIECE - 1:
            assert producer.flush(30) == 0
    assert producer.flush(30) == 0


def make_topics(bootstrap: str) -> None:
    admin = AdminClient({"bootstrap.servers": bootstrap, "log_level": 0})
    for made in admin.create_topics(plan_topics(KafkaSettings(partitions=2)), request_timeout=30).values():
        made.result(30)


def eventually(condition: Callable[[], bool], what: str, within_s: float = BACK_S) -> None:
    deadline = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < deadline, what
        time.sleep(0.1)


class Seen:
    """What the warehouse has."""

    def __init__(self, database: ClickHouseSettings) -> None:
        self._client = connect(database)

    def landed(self) -> int:
        return self._count("SELECT uniqExact(event_uid) FROM touchpoints")

    def stitched(self) -> int:
        return self._count("SELECT count() FROM v_journeys")

    def _count(self, sql: str) -> int:
        return int(self._client.query(sql).result_rows[0][0])


@contextmanager
def both(folder: Path, settings: Mapping[str, str]) -> Iterator[tuple[WorkerProcess, WorkerProcess]]:
    """Run a landing and a stitching worker."""
    with ExitStack() as stack:
        for role in ("land", "stitch"):
            (folder / role).mkdir(parents=True)
        yield (
            stack.enter_context(worker("land", folder / "land", settings)),
            stack.enter_context(worker("stitch", folder / "stitch", settings)),
        )


def live_through(workers: tuple[WorkerProcess, WorkerProcess], node: KafkaNode, away_s: float) -> None:
    """Let the broker be killed and away; workers live meanwhile, by their own word too."""
    node.kill()
    until = time.monotonic() + away_s
    while time.monotonic() < until:
        for each in workers:
            assert each.process.poll() is None, each.log.read_text()
            assert each.get("/livez")[0] == 200, each.log.read_text()
        time.sleep(1)
    node.start()


@pytest.mark.slow
@pytest.mark.timeout(1_200)
def test_workers_live_through_a_late_broker_and_one_that_is_away_and_end_with_a_backlog_waiting(
    fresh_database: ClickHouseSettings, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    require_kafka()
    away_s = float(request.config.getoption("--away"))
    assert away_s > KafkaSettings().session_timeout.total_seconds()
    node, seen, group = new_node(tmp_path / "kafka"), Seen(fresh_database), new_name("group")
    settings = {
        "THROUGHLINE_KAFKA__BOOTSTRAP": node.bootstrap,
        "THROUGHLINE_KAFKA__GROUP": group,
        "THROUGHLINE_CLICKHOUSE__URL": fresh_database.url.get_secret_value(),
        "THROUGHLINE_IDENTITY__HASH_KEY": "a key for tests",
    }
    try:
        with both(tmp_path / "first", {**settings, **SMALL_BATCHES}) as workers:
            for each in workers:
                each.wait_for("/readyz", 503, "broker")
                assert each.get("/livez")[0] == 200
            node.start()
            make_topics(node.bootstrap)
            for each in workers:
                each.wait_for("/readyz", 200, seconds=BACK_S)
            send(node.bootstrap, range(STEP))
            eventually(lambda: seen.landed() > 0, "nothing landed after the broker came")
            # It dies with records read and not landed, landed and not announced, announced and not stitched.
            live_through(workers, node, away_s)
            send(node.bootstrap, range(STEP, 2 * STEP))
            eventually(lambda: seen.stitched() == 2 * STEP, "not all stitched after the broker was back")
            workers[0].process.send_signal(signal.SIGSTOP)
            send(node.bootstrap, range(2 * STEP, 2 * STEP + BACKLOG))
            workers[0].process.send_signal(signal.SIGCONT)
            eventually(lambda: seen.landed() > 2 * STEP, "nothing of the backlog landed")
            ends = [each.stop() for each in workers]
            for each, (code, seconds) in zip(workers, ends, strict=True):
                assert (code, seconds < END_S) == (0, True), each.log.read_text()
                assert "Traceback" not in each.log.read_text()
        assert seen.landed() < 2 * STEP + BACKLOG, "nothing waited any more"
        with both(tmp_path / "second", settings):
            eventually(lambda: seen.stitched() == 2 * STEP + BACKLOG, "not all stitched by the next workers")
        kafka = KafkaSettings(bootstrap=node.bootstrap, group=group)
        account = take_account(Settings(kafka=kafka, clickhouse=fresh_database)).identity
        total = 2 * STEP + BACKLOG
        assert (account.stored, account.lost, account.rejected, account.unaccounted) == (total, 0, 0, 0)
    finally:
        node.kill()

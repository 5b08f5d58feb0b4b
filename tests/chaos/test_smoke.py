"""A short run of the chaos harness: real workers, a ledger, a proxy that swallows answers, a kill, and the checker."""

import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from pipeline.cli.account import take_account
from pipeline.cli.reach import Reach
from pipeline.cli.wait import await_visible
from pipeline.config import ClickHouseSettings, child_environment, environment_name, load_settings
from tests.chaos.checker import Verdict, judge
from tests.chaos.counting import tally_of
from tests.chaos.gathering import IDENTITY, calm_dump_in, evidence_of, witness
from tests.chaos.ledger import read_ledger
from tests.chaos.proxy import Pair, Proxies
from tests.chaos.sending import Load
from tests.chaos.watching import Samples, look_at_commits, look_at_worker, looking
from tests.convergence.expected import oracle_rules
from tests.convergence.history import PHONE_REGION
from tests.convergence.inprocess import HASH_KEY
from tests.embedded.servers import WarehouseServer, new_broker
from tests.kafka.servers import free_ports

LOAD = Load(seed=11, people=30, events=250)
RATE = 300.0
WAIT_S = 120.0


@contextmanager
def process(arguments: Sequence[str], environment: dict[str, str], log: Path) -> Iterator["subprocess.Popen[bytes]"]:
    with log.open("ab") as stream:
        started = subprocess.Popen(
            [sys.executable, "-m", *arguments], env=child_environment(environment), stdout=stream, stderr=stream
        )
    try:
        yield started
    finally:
        started.kill()
        started.wait(20)


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_killed_and_unanswered_and_still_nothing_is_lost_nor_doubled(
    tmp_path: Path, warehouse: WarehouseServer, fresh_database: ClickHouseSettings, empty_database: ClickHouseSettings
) -> None:
    url = fresh_database.url.get_secret_value()
    port, metrics_port = free_ports(2)
    samples, address = Samples(), f"http://127.0.0.1:{metrics_port}/metrics"
    pair = Pair("land>warehouse", port, warehouse.port, smallest_request_bytes=2_000)
    ledger = tmp_path / "ledger"
    with ExitStack() as stack:
        broker = stack.enter_context(new_broker(data=tmp_path / "broker"))
        proxies = stack.enter_context(Proxies([pair]).running())
        common = {
            environment_name("kafka", "bootstrap"): broker.bootstrap,
            environment_name("kafka", "log_id"): broker.log_id,
            environment_name("kafka", "session_timeout"): "3s",
            environment_name("kafka", "heartbeat_interval"): "500ms",
            environment_name("kafka", "membership_file"): str(tmp_path / "members" / "land-1"),
            environment_name("clickhouse", "url"): url,
            environment_name("identity", "hash_key"): HASH_KEY,
            environment_name("identity", "phone_region"): PHONE_REGION,
        }
        through = url.replace(f":{warehouse.port}/", f":{port}/")
        landing = {
            **common,
            environment_name("clickhouse", "url"): through,
            environment_name("observability", "port"): str(metrics_port),
        }
        land, log = ("pipeline.cli", "worker", "land"), tmp_path / "log"
        load = ["tests.chaos.load", "--bootstrap", broker.bootstrap, "--ledger", str(ledger), "--rate", str(RATE)]
        load += ["--seed", str(LOAD.seed), "--people", str(LOAD.people), "--events", str(LOAD.events)]
        first = stack.enter_context(process(land, landing, log))
        looks = [(0.1, look_at_worker("land-1", address, samples)), (0.1, look_at_commits(broker.bootstrap, samples))]
        stack.enter_context(looking(looks, samples.origin))
        stitching = {**common, environment_name("kafka", "membership_file"): ""}
        stack.enter_context(process(("pipeline.cli", "worker", "stitch"), stitching, log))
        proxies.make("land>warehouse", "reset-after", resets=2)
        sending = stack.enter_context(process(load, {}, log))
        assert sending.wait(60) == 0, log.read_text()
        deadline = time.monotonic() + 30
        while not pair.swallowed and time.monotonic() < deadline:
            time.sleep(0.05)
        first.kill()
        stack.enter_context(process(land, landing, log))
        settings = load_settings(common)
        assert not await_visible(Reach(settings, url, None), WAIT_S)
        accounting = asdict(take_account(settings).identity)
        seen = witness({"kafka": broker.bootstrap, "clickhouse": url}, url, accounting)
        account = read_ledger(ledger)
        look_at_worker("land-1", address, samples)(time.monotonic() - samples.origin)
    # Books are balanced twice a minute, which is longer than this takes.
    tally = replace(tally_of(samples.scrapes, samples.committed, [], dealt=0), is_audited=False)
    assert not tally.is_exact
    evidence = evidence_of(seen, LOAD.attempts, account, tally, lambda events: calm_dump_in(empty_database, events))
    assert len(account.acknowledged) == len(LOAD.attempts)
    assert pair.swallowed > 0, "no answer was swallowed"
    verdict = judge(evidence, oracle_rules(IDENTITY).naming)
    assert verdict == Verdict(), "\n".join(verdict.told)

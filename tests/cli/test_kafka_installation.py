"""An installation on Apache Kafka: durable, gone on with by itself after kill -9, and exact."""

import json
import os
import signal
from pathlib import Path

import pytest
from confluent_kafka.admin import AdminClient, ConfigResource  # type: ignore[attr-defined]  # not marked as exported

from pipeline.cli.processes import is_same
from tests.cli.conftest import Installation
from tests.cli.test_installation import count_from, eventually, is_ready, lines_of, pids, run_of, touchpoint
from tests.kafka.servers import require_kafka

PATIENCE = ("--timeout", "240")


def settings_of(bootstrap: str, topic: str) -> dict[str, str]:
    admin = AdminClient({"bootstrap.servers": bootstrap, "log_level": 0})
    (answer,) = admin.describe_configs([ConfigResource("topic", topic)], request_timeout=30).values()
    return {name: entry.value for name, entry in answer.result(30).items()}


@pytest.mark.slow
@pytest.mark.timeout(800)
def test_kafka_is_killed_between_two_imports_and_nothing_is_lost_nor_doubled(tmp_path: Path) -> None:
    require_kafka()
    kafka = Installation(tmp_path / "data")
    started = kafka("up", "--broker", "kafka", "--detach", *PATIENCE)
    try:
        assert started.code == 0, started.err
        before = run_of(kafka.folder)
        said = json.loads(kafka("status", "--json").out)
        assert (before.broker, said["broker"]) == ("kafka", "kafka")
        assert "on disk" in said["promise"]
        topics = settings_of(before.kafka, "journeys.updated"), settings_of(before.kafka, "touchpoints.web")
        assert [topic["cleanup.policy"] for topic in topics] == ["compact", "delete"]
        assert topics[1]["retention.ms"] == str(7 * 86_400_000)
        assert topics[1]["min.insync.replicas"] == "1"
        sent = [touchpoint(number) for number in range(600)]
        assert kafka("import", "events", "-", stdin=lines_of(*sent[:300])).code == 0
        broker = pids(kafka.folder)["broker"]
        assert b"kafka.Kafka" in Path(f"/proc/{broker}/cmdline").read_bytes(), "the pid is that of Kafka itself"
        os.kill(broker, signal.SIGKILL)
        eventually(lambda: pids(kafka.folder)["broker"] != broker, within_s=15)
        eventually(lambda: is_ready(kafka.folder), within_s=120)
        assert kafka("import", "events", "-", stdin=lines_of(*sent[300:])).code == 0
        waited = kafka("wait", *PATIENCE)
        assert waited.code == 0, waited.err
        after = run_of(kafka.folder)
        assert (after.kafka, after.log_id) == (before.kafka, before.log_id)
        assert after.log_id
        assert after.notices == []
        assert {**pids(kafka.folder), "broker": 0} == {
            **{part.name: part.pid for part in before.processes},
            "broker": 0,
        }
        assert count_from(kafka, 0) == 600
        account = json.loads(kafka("status", "--json").out)["accounting"]
        assert (account["stored"], account["lost"], account["unaccounted"]) == (600, 0, 0)
        assert kafka("up", "--broker", "embedded").code == 2
        assert kafka("down").code == 0
        assert not any(is_same(part.pid, part.started) for part in after.processes)
    finally:
        kafka("down")

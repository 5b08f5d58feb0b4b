"""Topics as the settings say, on Apache Kafka; what exists is left alone, said, and grown or altered on order."""

import json
import time
from pathlib import Path

import pytest
from confluent_kafka.admin import AdminClient

from pipeline.cli.topics_plan import differences, plan_topics, settings_there
from pipeline.config_kafka import KafkaSettings
from pipeline.contracts.topics import CX_SIGNALS, JOURNEYS_UPDATED, STITCH_DIRTY, TOUCHPOINT_TOPICS
from tests.cli.conftest import Outcome, run_here
from tests.kafka.brokers import Apache, Broker
from tests.kafka.servers import create_topic
from tests.streaming.kafka import new_name

TOPICS = (*TOUCHPOINT_TOPICS, STITCH_DIRTY, JOURNEYS_UPDATED, CX_SIGNALS)


def config_of(name: str, **settings: object) -> dict[str, str]:
    (topic,) = (topic for topic in plan_topics(KafkaSettings.model_validate(settings)) if topic.topic == name)
    return dict(topic.config or {})


def test_journeys_are_compacted_unless_the_settings_say_otherwise() -> None:
    assert config_of(JOURNEYS_UPDATED)["cleanup.policy"] == "compact"
    assert "retention.ms" not in config_of(JOURNEYS_UPDATED)
    bounded = config_of(JOURNEYS_UPDATED, journeys_cleanup_policy="compact,delete", journeys_retention="2d")
    assert (bounded["cleanup.policy"], bounded["retention.ms"]) == ("compact,delete", str(2 * 86_400_000))
    touchpoints = config_of("touchpoints.web", journeys_cleanup_policy="compact,delete", retention="1d")
    assert (touchpoints["cleanup.policy"], touchpoints["retention.ms"]) == ("delete", "86400000")


def test_what_kafka_made_is_what_was_planned_and_what_differs_is_told(apache: Broker) -> None:
    (wanted,) = (
        topic
        for topic in plan_topics(KafkaSettings(partitions=3, journeys_cleanup_policy="compact,delete"))
        if topic.topic == JOURNEYS_UPDATED
    )
    name = new_name("journeys")
    create_topic(apache.bootstrap, name, 3, wanted.config)
    there = settings_there(apache.bootstrap, [name])[name]
    assert differences(wanted, 3, there) == []
    assert differences(wanted, 2, {**there, "retention.ms": "5"}) == [
        "2 partitions, the settings say 3",
        f"retention.ms 5, the settings say {30 * 86_400_000}",
    ]


def await_topics(bootstrap: str) -> None:
    """Wait until the broker tells of all of them: it makes a topic before it tells, later on a busy machine."""
    admin = AdminClient({"bootstrap.servers": bootstrap, "log_level": 0})
    deadline = time.monotonic() + 30
    while not admin.list_topics(timeout=30).topics.keys() >= set(TOPICS):
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_topics_are_made_left_alone_grown_and_altered(
    apache: Apache, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("THROUGHLINE_KAFKA__BOOTSTRAP", apache.bootstrap)
    monkeypatch.setenv("THROUGHLINE_KAFKA__PARTITIONS", "2")
    monkeypatch.setenv("THROUGHLINE_KAFKA__JOURNEYS_CLEANUP_POLICY", "compact,delete")
    monkeypatch.chdir(tmp_path)

    def topics(*words: str) -> Outcome:
        outcome = run_here("topics", *words)
        assert outcome.code == 0, outcome.err
        return outcome

    try:
        assert set(json.loads(topics("create", "--json").out)["created"]) == set(TOPICS)
        await_topics(apache.bootstrap)
        before = settings_there(apache.bootstrap, TOPICS)
        monkeypatch.setenv("THROUGHLINE_KAFKA__PARTITIONS", "3")
        monkeypatch.delenv("THROUGHLINE_KAFKA__JOURNEYS_CLEANUP_POLICY")
        again = topics("create")
        assert "12 topics were there already" in again.out
        assert "left as it is: touchpoints.web has 2 partitions, the settings say 3" in again.err
        assert "cleanup.policy compact,delete, the settings say compact" in again.err
        assert "would grow touchpoints.web: 2 to 3 partitions" in topics("grow", "--partitions", "3", "--dry-run").out
        assert len(json.loads(topics("grow", "--partitions", "3", "--json").out)["grown"]) == 10
        listed = {one["topic"]: one["partitions"] for one in json.loads(topics("list", "--json").out)}
        assert listed == {**dict.fromkeys(TOPICS, 3), JOURNEYS_UPDATED: 2, CX_SIGNALS: 2}
        assert "it was missing" not in apache.log, "Kafka calls every partition that comes a missing one, as an error"
        assert "10 topics have 2 partitions or more already" in topics("grow", "--partitions", "2").out
        assert "`throughline topics alter` settings" in again.err
        monkeypatch.setenv("THROUGHLINE_KAFKA__RETENTION", "2d")
        said = topics("alter", "--dry-run").out
        assert f"would alter touchpoints.web: retention.ms {7 * 86_400_000} to {2 * 86_400_000}" in said
        assert settings_there(apache.bootstrap, TOPICS)["touchpoints.web"]["retention.ms"] == str(7 * 86_400_000)
        assert set(json.loads(topics("alter", "--json").out)["altered"]) == {*TOPICS} - {STITCH_DIRTY}
        there = settings_there(apache.bootstrap, TOPICS)
        assert {there[name]["retention.ms"] for name in TOUCHPOINT_TOPICS} == {str(2 * 86_400_000)}
        assert (there[JOURNEYS_UPDATED]["cleanup.policy"], there["touchpoints.web"]["max.message.bytes"]) == (
            "compact",
            before["touchpoints.web"]["max.message.bytes"],
        )
        assert "12 topics are as the settings say already" in topics("alter").out
        # Kafka would take this, and no record after it.
        monkeypatch.setenv("THROUGHLINE_KAFKA__REPLICATION", "3")
        monkeypatch.setenv("THROUGHLINE_KAFKA__MIN_INSYNC_REPLICAS", "2")
        refused = run_here("topics", "alter")
        assert refused.code == 1
        assert "1 replicas, of which 2 are to be in sync" in refused.err
        assert settings_there(apache.bootstrap, TOPICS)["touchpoints.web"]["min.insync.replicas"] == "1"
    finally:
        # The broker is shared: whoever comes next finds none of these.
        admin = AdminClient({"bootstrap.servers": apache.bootstrap, "log_level": 0})
        for done in admin.delete_topics([*TOPICS], operation_timeout=30).values():
            done.result(30)


def test_the_embedded_broker_says_how_it_gets_more_partitions(
    embedded: Broker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    embedded.create_topic("touchpoints.web", 2)
    monkeypatch.setenv("THROUGHLINE_KAFKA__BOOTSTRAP", embedded.bootstrap)
    monkeypatch.chdir(tmp_path)
    refused = run_here("topics", "grow", "--partitions", "8")
    assert refused.code == 1
    assert "THROUGHLINE_KAFKA__PARTITIONS" in refused.err
    assert "THROUGHLINE_EMBEDDED__PARTITION_BYTES" in run_here("topics", "alter").err
    # It does not tell its topics' settings either, and needs none of ours.
    assert run_here("topics", "create", "--dry-run").code == 0

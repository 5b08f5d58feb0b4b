"""
The topics as they should be, and what differs in those that are there.

One rule: nothing that exists is changed in passing. What differs is told; more partitions are an order of their own,
and so are other settings. Replicas are for Kafka's own tools.
"""

from collections.abc import Iterable, Mapping

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient, ConfigResource  # type: ignore[attr-defined]  # not marked as exported
from confluent_kafka.cimpl import NewTopic

from pipeline.config_kafka import KafkaSettings
from pipeline.contracts.topics import CX_SIGNALS, JOURNEYS_UPDATED, STITCH_DIRTY, TOUCHPOINT_TOPICS

TIMEOUT_S = 30.0
# A packed record of `stitch.dirty` is 64 kB; old ones are of no use, since the sweep finds what they announced.
DIRTY_RETENTION_MS = 86_400_000
# Broker's limit on one batch: the largest record that producers send, with room for the batch's own header.
BATCH_ROOM_BYTES = 65_536
# Those whose readers share the partitions among them. In a compacted topic a key must stay in its partition.
GROWING = (*TOUCHPOINT_TOPICS, STITCH_DIRTY)


def plan_topics(kafka: KafkaSettings) -> list[NewTopic]:
    """Return every topic as it should be: touchpoints kept for a while, journeys compacted unless said otherwise."""
    shared_by_all = {
        "min.insync.replicas": str(kafka.min_insync_replicas),
        "max.message.bytes": str(kafka.max_record_bytes + BATCH_ROOM_BYTES),
    }
    retention = {"cleanup.policy": "delete", "retention.ms": str(int(kafka.retention.total_seconds() * 1000))}
    journeys: dict[str, str] = {"cleanup.policy": kafka.journeys_cleanup_policy}
    if "delete" in kafka.journeys_cleanup_policy:
        journeys["retention.ms"] = str(int(kafka.journeys_retention.total_seconds() * 1000))
    policies: dict[str, dict[str, str]] = {
        **dict.fromkeys(TOUCHPOINT_TOPICS, retention),
        STITCH_DIRTY: {"cleanup.policy": "delete", "retention.ms": str(DIRTY_RETENTION_MS)},
        JOURNEYS_UPDATED: journeys,
        CX_SIGNALS: retention,
    }
    return [_new(kafka, name, {**shared_by_all, **policy}) for name, policy in policies.items()]


def admin_of(bootstrap: str) -> AdminClient:
    """
    Return what asks Kafka about topics and changes them; its own lines would stand between ours.

    Hold it until the answers are there: when it goes, what it was asked is broken off.
    """
    return AdminClient({"bootstrap.servers": bootstrap, "log_level": 0})


def settings_there(bootstrap: str, names: Iterable[str]) -> dict[str, dict[str, str]]:
    """Return the settings of topics that exist, as the broker tells them; of one that it does not tell, none."""
    admin = admin_of(bootstrap)
    resources = [ConfigResource("topic", name) for name in names]
    found: dict[str, dict[str, str]] = {}
    if not resources:
        return found
    for resource, answer in admin.describe_configs(resources, request_timeout=TIMEOUT_S).items():
        try:
            found[resource.name] = {name: entry.value for name, entry in answer.result(TIMEOUT_S).items()}
        except (KafkaException, TimeoutError):
            found[resource.name] = {}
    return found


def replicas_there(bootstrap: str) -> dict[str, int]:
    """Return of every topic how many replicas its partitions have, of the partition with the fewest."""
    listed = admin_of(bootstrap).list_topics(timeout=TIMEOUT_S).topics
    return {
        name: min((len(partition.replicas) for partition in topic.partitions.values()), default=0)
        for name, topic in listed.items()
    }


def differences(wanted: NewTopic, partitions: int, settings: Mapping[str, str]) -> list[str]:
    """Return in words what differs between a topic as it should be and as it is (pure)."""
    told = []
    if partitions != wanted.num_partitions:
        told.append(f"{partitions} partitions, the settings say {wanted.num_partitions}")
    changes = changes_of_settings(wanted, settings)
    return told + [f"{name} {settings[name]}, the settings say {value}" for name, value in changes.items()]


def changes_of_settings(wanted: NewTopic, settings: Mapping[str, str]) -> dict[str, str]:
    """Return the settings of a topic that are there and other than they should be, as they should be (pure)."""
    return {
        name: value
        for name, value in (wanted.config or {}).items()
        if name in settings and set(settings[name].split(",")) != set(value.split(","))
    }


def _new(kafka: KafkaSettings, name: str, config: dict[str, str]) -> NewTopic:
    return NewTopic(name, num_partitions=kafka.partitions, replication_factor=kafka.replication, config=config)

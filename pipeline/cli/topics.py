"""`throughline topics`: the Kafka topics that the pipeline reads and writes."""

from typing import Any

import click
from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from pipeline.cli.errors import CommandError
from pipeline.cli.invocation import Invocation, examples, json_option, shared
from pipeline.cli.output import console, print_json, table
from pipeline.cli.reach import part_settings, reach
from pipeline.cli.watermarks import Watermarks
from pipeline.config_kafka import KafkaSettings
from pipeline.contracts.topics import CX_SIGNALS, JOURNEYS_UPDATED, STITCH_DIRTY, TOUCHPOINT_TOPICS

TIMEOUT_S = 30.0
# A packed record of `stitch.dirty` is 64 kB; old ones are of no use, since the sweep finds what they announced.
DIRTY_RETENTION_MS = 86_400_000
# Broker's limit on one batch: the largest record that producers send, with room for the batch's own header.
BATCH_ROOM_BYTES = 65_536


@click.group(epilog=examples("throughline topics list", "throughline topics create --dry-run"))
def topics() -> None:
    """Show or create the Kafka topics."""


@topics.command("list", epilog=examples("throughline topics list", "throughline topics list --json"))
@json_option
@shared
def list_topics(invocation: Invocation, *, as_json: bool) -> None:
    """List the topics with their partitions and the records that they hold."""
    names = (*TOUCHPOINT_TOPICS, STITCH_DIRTY, JOURNEYS_UPDATED, CX_SIGNALS)
    with Watermarks(reach(invocation).settings.kafka.bootstrap) as watermarks:
        ranges = watermarks.ranges(names)
    listed = []
    for name in names:
        held = [high - low for (topic, _), (low, high) in ranges.items() if topic == name]
        listed.append({"topic": name, "partitions": len(held), "records": sum(held)})
    if as_json:
        print_json(listed)
        return
    rows = [tuple(row.values()) for row in listed]
    console().print(table("", ("topic", "partitions", "records"), rows, ("partitions", "records")))


@topics.command("create", epilog=examples("throughline topics create --dry-run", "throughline topics create"))
@click.option("--dry-run", is_flag=True, help="Only say what would be created.")
@json_option
@shared
def create_topics(invocation: Invocation, *, dry_run: bool, as_json: bool) -> None:
    """
    Create the topics that are missing, with the partitions, replicas and retention of the settings.

    For a Kafka of your own, before the workers start. The embedded broker has its topics already. Topics that exist
    are left as they are.
    """
    kafka = part_settings(invocation).kafka
    with Watermarks(kafka.bootstrap) as watermarks:
        wanted = plan_topics(kafka)
        there = watermarks.partitions(topic.topic for topic in wanted)
    missing = [topic for topic in wanted if topic.topic not in there]
    if missing and not dry_run:
        _create(kafka, missing)
    if as_json:
        print_json({"created": [] if dry_run else _names(missing), "missing": _names(missing), "there": sorted(there)})
        return
    for topic in missing:
        done = "would create" if dry_run else "created"
        click.echo(f"{done} {topic.topic}: {topic.num_partitions} partitions, {topic.config}")
    click.echo(f"{len(there)} topics were there already")


def plan_topics(kafka: KafkaSettings) -> list[NewTopic]:
    """Return every topic as it should be: touchpoints kept for a while, journeys compacted."""
    shared_by_all = {
        "min.insync.replicas": str(kafka.min_insync_replicas),
        "max.message.bytes": str(kafka.max_record_bytes + BATCH_ROOM_BYTES),
    }
    retention = {"cleanup.policy": "delete", "retention.ms": str(int(kafka.retention.total_seconds() * 1000))}
    policies: dict[str, dict[str, str]] = {
        **dict.fromkeys(TOUCHPOINT_TOPICS, retention),
        STITCH_DIRTY: {"cleanup.policy": "delete", "retention.ms": str(DIRTY_RETENTION_MS)},
        JOURNEYS_UPDATED: {"cleanup.policy": "compact"},
        CX_SIGNALS: retention,
    }
    return [_new(kafka, name, {**shared_by_all, **policy}) for name, policy in policies.items()]


def _new(kafka: KafkaSettings, name: str, config: dict[str, str]) -> NewTopic:
    return NewTopic(name, num_partitions=kafka.partitions, replication_factor=kafka.replication, config=config)


def _names(missing: list[NewTopic]) -> list[Any]:
    return [topic.topic for topic in missing]


def _create(kafka: KafkaSettings, missing: list[NewTopic]) -> None:
    admin = AdminClient({"bootstrap.servers": kafka.bootstrap, "log_level": 0})
    for name, future in admin.create_topics(missing, request_timeout=TIMEOUT_S).items():
        try:
            future.result()
        except KafkaException as error:
            fault = error.args[0]
            assert isinstance(fault, KafkaError)
            # Somebody else created it at the same moment: what was asked for is so.
            if fault.code() != KafkaError.TOPIC_ALREADY_EXISTS:
                raise CommandError(
                    f"topic {name} cannot be created: {fault.str()}",
                    where=kafka.bootstrap,
                    remedy="check THROUGHLINE_KAFKA__REPLICATION and the rights of this user",
                ) from error

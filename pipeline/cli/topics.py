"""`throughline topics`: the Kafka topics that the pipeline reads and writes."""

from collections.abc import Iterable, Mapping
from concurrent.futures import Future
from typing import Any

import click
from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import (  # type: ignore[attr-defined]  # not marked as exported
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
)
from confluent_kafka.cimpl import NewPartitions, NewTopic

from pipeline.cli.errors import CommandError
from pipeline.cli.invocation import Invocation, examples, json_option, shared
from pipeline.cli.output import console, print_json, table
from pipeline.cli.reach import part_settings, reach
from pipeline.cli.topics_plan import (
    GROWING,
    TIMEOUT_S,
    admin_of,
    changes_of_settings,
    differences,
    plan_topics,
    replicas_there,
    settings_there,
)
from pipeline.cli.watermarks import Watermarks
from pipeline.config_kafka import KafkaSettings
from pipeline.contracts.topics import CX_SIGNALS, JOURNEYS_UPDATED, STITCH_DIRTY, TOUCHPOINT_TOPICS
from pipeline.embedded.mock_cluster import is_embedded_log


@click.group(
    epilog=examples(
        "throughline topics list",
        "throughline topics create --dry-run",
        "throughline topics grow --partitions 12",
        "THROUGHLINE_KAFKA__RETENTION=14d throughline topics alter --dry-run",
    )
)
def topics() -> None:
    """Show or create the Kafka topics, give them more partitions, or other settings."""


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
    Create the topics that are missing, as the settings say.

    For a Kafka of your own, before the workers start. The embedded broker has its topics already. Topics that exist
    are left as they are; where they differ from the settings, that is said.
    """
    kafka = part_settings(invocation).kafka
    wanted = plan_topics(kafka)
    with Watermarks(kafka.bootstrap) as watermarks:
        there = watermarks.partitions(topic.topic for topic in wanted)
        is_embedded = is_embedded_log(watermarks.log_id())
    missing = [topic for topic in wanted if topic.topic not in there]
    if missing and not dry_run:
        if is_embedded:
            raise _for_embedded(kafka.bootstrap)
        _create(kafka, missing)
    settings = {} if is_embedded else settings_there(kafka.bootstrap, there)
    differing = {
        topic.topic: told
        for topic in wanted
        if topic.topic in there and (told := differences(topic, there[topic.topic], settings.get(topic.topic, {})))
    }
    if as_json:
        created = [] if dry_run else _names(missing)
        print_json(
            {"created": created, "missing": _names(missing), "there": sorted(there), "differing": differing},
        )
        return
    for topic in missing:
        done = "would create" if dry_run else "created"
        click.echo(f"{done} {topic.topic}: {topic.num_partitions} partitions, {topic.config}")
    click.echo(f"{len(there)} topics were there already")
    for name, told in differing.items():
        click.echo(f"left as it is: {name} has {'; '.join(told)}", err=True)
    if differing:
        click.echo("`throughline topics grow` gives them partitions, `throughline topics alter` settings", err=True)


@topics.command(
    "grow",
    epilog=examples("throughline topics grow --partitions 12 --dry-run", "throughline topics grow --partitions 12"),
)
@click.option("--partitions", required=True, type=click.IntRange(1, 1024), help="What each topic is to have.")
@click.option("--dry-run", is_flag=True, help="Only say what would be done.")
@json_option
@shared
def grow_topics(invocation: Invocation, *, partitions: int, dry_run: bool, as_json: bool) -> None:
    """
    Give touchpoint topics and stitch.dirty more partitions, while everything runs.

    Workers see them within half a minute and divide them anew. No result depends on it: records of one key may lie in
    two partitions from then on, and order comes from the touchpoints themselves. There is no way back to fewer.
    journeys.updated stays as it is, for a compacted topic must keep every key where it is.
    """
    bootstrap = part_settings(invocation).kafka.bootstrap
    with Watermarks(bootstrap) as watermarks:
        there = watermarks.partitions(GROWING)
        if is_embedded_log(watermarks.log_id()):
            raise _for_embedded(bootstrap)
    growing = {name: number for name, number in there.items() if number < partitions}
    if growing and not dry_run:
        _grow(bootstrap, growing, partitions)
    if as_json:
        print_json({"grown": {} if dry_run else growing, "partitions": partitions, "there": there})
        return
    for name, number in growing.items():
        click.echo(f"{'would grow' if dry_run else 'grew'} {name}: {number} to {partitions} partitions")
    if len(there) > len(growing):
        click.echo(f"{len(there) - len(growing)} topics have {partitions} partitions or more already")


@topics.command(
    "alter",
    epilog=examples(
        "THROUGHLINE_KAFKA__RETENTION=14d throughline topics alter --dry-run",
        "THROUGHLINE_KAFKA__RETENTION=14d throughline topics alter",
    ),
)
@click.option("--dry-run", is_flag=True, help="Only say what would be done.")
@json_option
@shared
def alter_topics(invocation: Invocation, *, dry_run: bool, as_json: bool) -> None:
    """
    Give topics that exist the retention, cleanup policy, size and in-sync replicas of the settings.

    While everything runs; it holds at once. Records that are older than a shorter retention go, also those that nobody
    has landed yet. Partitions are for `throughline topics grow`, replicas for Kafka's own tools.
    """
    kafka = part_settings(invocation).kafka
    wanted = {topic.topic: topic for topic in plan_topics(kafka)}
    with Watermarks(kafka.bootstrap) as watermarks:
        there = watermarks.partitions(wanted)
        if is_embedded_log(watermarks.log_id()):
            raise CommandError(
                "the embedded broker's topics have no settings: its log is as long as its memory",
                where=kafka.bootstrap,
                remedy="`throughline down`, then `throughline up` with THROUGHLINE_EMBEDDED__PARTITION_BYTES",
            )
    settings = settings_there(kafka.bootstrap, there)
    altered = {
        name: changes for name in there if (changes := changes_of_settings(wanted[name], settings.get(name, {})))
    }
    _refuse_too_few_replicas(kafka, altered)
    if altered and not dry_run:
        _alter(kafka.bootstrap, altered)
    if as_json:
        print_json({"altered": {} if dry_run else altered, "differing": altered, "there": sorted(there)})
        return
    for name, changes in altered.items():
        told = "; ".join(f"{setting} {settings[name][setting]} to {value}" for setting, value in changes.items())
        click.echo(f"{'would alter' if dry_run else 'altered'} {name}: {told}")
    if len(there) > len(altered):
        click.echo(f"{len(there) - len(altered)} topics are as the settings say already")


def _names(missing: list[NewTopic]) -> list[Any]:
    return [topic.topic for topic in missing]


def _create(kafka: KafkaSettings, missing: list[NewTopic]) -> None:
    admin = admin_of(kafka.bootstrap)
    asked = admin.create_topics(missing, request_timeout=TIMEOUT_S)
    _await(
        {f"topic {name} cannot be created": future for name, future in asked.items()},
        kafka.bootstrap,
        remedy="check THROUGHLINE_KAFKA__REPLICATION and the rights of this user",
        # Somebody else created it at the same moment: what was asked for is so.
        but=KafkaError.TOPIC_ALREADY_EXISTS,
    )


def _grow(bootstrap: str, names: Iterable[str], partitions: int) -> None:
    wanted = [NewPartitions(name, partitions) for name in names]
    admin = admin_of(bootstrap)
    asked = admin.create_partitions(wanted, request_timeout=TIMEOUT_S)
    faults = {f"topic {name} cannot be given {partitions} partitions": future for name, future in asked.items()}
    _await(faults, bootstrap, remedy="check the rights of this user")


def _refuse_too_few_replicas(kafka: KafkaSettings, altered: Mapping[str, Mapping[str, str]]) -> None:
    """Kafka takes more in-sync replicas than there are, and then not a record more."""
    asking = [name for name, changes in altered.items() if "min.insync.replicas" in changes]
    replicas = replicas_there(kafka.bootstrap) if asking else {}
    few = [name for name in asking if replicas[name] < kafka.min_insync_replicas]
    if few:
        raise CommandError(
            f"{', '.join(few)}: {min(replicas[name] for name in few)} replicas, of which "
            f"{kafka.min_insync_replicas} are to be in sync: nothing could be written any more; nothing was altered",
            where=kafka.bootstrap,
            remedy="give the topics more replicas with Kafka's own tools (kafka-reassign-partitions), or set "
            "THROUGHLINE_KAFKA__MIN_INSYNC_REPLICAS",
        )


def _alter(bootstrap: str, altered: Mapping[str, Mapping[str, str]]) -> None:
    resources = [
        ConfigResource(
            "topic",
            name,
            incremental_configs=[
                ConfigEntry(setting, value, incremental_operation=AlterConfigOpType.SET)
                for setting, value in changes.items()
            ],
        )
        for name, changes in altered.items()
    ]
    admin = admin_of(bootstrap)
    asked = admin.incremental_alter_configs(resources, request_timeout=TIMEOUT_S)
    faults = {f"the settings of topic {resource.name} cannot be altered": future for resource, future in asked.items()}
    _await(faults, bootstrap, remedy="check the rights of this user")


def _await(asked: Mapping[str, Future[Any]], bootstrap: str, *, remedy: str, but: int | None = None) -> None:
    """Wait for what Kafka was asked to do, named by what to say if it does not; one fault may be none."""
    for fault, future in asked.items():
        try:
            future.result()
        except KafkaException as error:
            why = error.args[0]
            assert isinstance(why, KafkaError)
            if why.code() != but:
                raise CommandError(f"{fault}: {why.str()}", where=bootstrap, remedy=remedy) from error


def _for_embedded(bootstrap: str) -> CommandError:
    return CommandError(
        "the embedded broker has the topics that it was started with",
        where=bootstrap,
        remedy="`throughline down`, then `throughline up` with THROUGHLINE_KAFKA__PARTITIONS",
    )

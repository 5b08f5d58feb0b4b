"""
The embedded broker as a process: `python -m pipeline.embedded.broker --data DIR --port P`.

It holds the lock on its folder, serves librdkafka's mock cluster on the loopback and ends cleanly on SIGTERM or
SIGINT. It keeps nothing on disk: its log is gone with it, and the readiness line names the new one.
"""

import sys
from pathlib import Path

import click

from pipeline.config_kafka import KafkaSettings
from pipeline.contracts.topics import CX_SIGNALS, JOURNEYS_UPDATED, STITCH_DIRTY, TOUCHPOINT_TOPICS
from pipeline.embedded.folder import FolderInUse, FolderLock
from pipeline.embedded.librdkafka import LibrdkafkaMissing
from pipeline.embedded.mock_cluster import BrokerFailed, MockCluster
from pipeline.embedded.process import announce_ready, complain, stop_event


def default_topics() -> dict[str, int]:
    """Return the partitions of every topic of the pipeline."""
    partitions = KafkaSettings().partitions
    return dict.fromkeys((*TOUCHPOINT_TOPICS, STITCH_DIRTY, JOURNEYS_UPDATED, CX_SIGNALS), partitions)


def _topics(_context: click.Context, _option: click.Parameter, values: tuple[str, ...]) -> dict[str, int]:
    topics = {}
    for value in values:
        name, _, partitions = value.rpartition(":")
        if not name or not partitions.isdecimal() or int(partitions) < 1:
            raise click.BadParameter(f"{value}: write NAME:PARTITIONS, as touchpoints.web:4")
        topics[name] = int(partitions)
    return topics or default_topics()


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--data", type=click.Path(path_type=Path), required=True, help="Folder of this broker (lock only).")
@click.option("--port", type=click.IntRange(0, 65535), default=0, help="Port on the loopback; 0: a free one.")
@click.option("--topic", "topics", multiple=True, callback=_topics, help="NAME:PARTITIONS, repeatable.")
def main(data: Path, port: int, topics: dict[str, int]) -> None:
    """
    Serve Kafka's protocol from memory, on the loopback.

    Example: python -m pipeline.embedded.broker --data ./broker --port 9092 --topic touchpoints.web:4
    """
    try:
        with FolderLock(data), MockCluster(topics, port) as cluster:
            stop = stop_event()
            announce_ready({"address": cluster.bootstrap, "log_id": cluster.log_id})
            stop.wait()
    except (FolderInUse, BrokerFailed, LibrdkafkaMissing) as error:
        complain(f"broker: {error}")
        sys.exit(1)


if __name__ == "__main__":
    main()

"""
A Kafka node as a process: `python -m pipeline.embedded.kafka --data DIR --port P --controller-port C`.

It makes the folder ready, takes the lock on it, prints one line of JSON with the address and the log's id, and then
*becomes* Kafka: the process that was started is the JVM itself, with its pid, its memory and its exit code, and the
lock goes on with it. Whether Kafka answers is for `pipeline.embedded.kafka.probe` to say.
"""

import json
import os
import sys
from pathlib import Path

import click

from pipeline.config import SettingsError, load_settings
from pipeline.embedded.folder import FolderInUse, FolderLock
from pipeline.embedded.kafka.jars import KafkaMissing
from pipeline.embedded.kafka.node import Node, NodeFailed, cluster_id, prepare
from pipeline.embedded.process import complain

_CONTEXT = {"help_option_names": ["-h", "--help"]}


def _pairs(_context: click.Context, option: click.Parameter, values: tuple[str, ...]) -> dict[str, str]:
    pairs = {}
    for value in values:
        name, separator, content = value.partition("=")
        if not separator:
            raise click.BadParameter(f"{value}: write NAME=VALUE", param=option)
        pairs[name] = content
    return pairs


@click.command(context_settings=_CONTEXT)
@click.option("--data", type=click.Path(path_type=Path), required=True, help="Folder of this node.")
@click.option("--port", type=click.IntRange(1, 65535), required=True, help="Port for clients, on the loopback.")
@click.option("--controller-port", type=click.IntRange(1, 65535), required=True, help="Port for the metadata.")
@click.option("--controller", "controllers", multiple=True, callback=_pairs, help="NODE=CONTROLLER-PORT of every node.")
@click.option("--set", "more", multiple=True, callback=_pairs, help="A setting of Kafka: NAME=VALUE.")
@click.option("--cluster-id", "wanted_id", default="", help="Id for a folder that has none yet.")
def main(
    data: Path, port: int, controller_port: int, controllers: dict[str, str], more: dict[str, str], wanted_id: str
) -> None:
    """
    Run one node of Apache Kafka with its log in a folder.

    Example: python -m pipeline.embedded.kafka --data ./kafka --port 9092 --controller-port 9093
    """
    quorum = {int(node): int(at) for node, at in controllers.items()}
    node_id = next((node for node, at in quorum.items() if at == controller_port), 1)
    node = Node(data.absolute(), port, controller_port, node_id, quorum, more)
    try:
        settings = load_settings().embedded
        # Kept open by the JVM: the folder is locked for as long as Kafka lives.
        with FolderLock(data, is_inherited=True):
            command = prepare(node, settings, wanted_id)
            print(json.dumps({"address": node.address, "log_id": cluster_id(node)}), flush=True)  # noqa: T201 - facts
            os.execv(command[0], command)
    except SettingsError as error:
        complain(f"kafka: {error}")
        sys.exit(2)
    except (FolderInUse, KafkaMissing, NodeFailed, OSError) as error:
        complain(f"kafka: {error}")
        sys.exit(1)


if __name__ == "__main__":
    main()

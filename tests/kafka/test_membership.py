"""A worker that dies and comes back: its partitions are its own again at once, and never those of two."""

import asyncio
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path

from aiokafka.protocol.group import HeartbeatRequest
from faust.types import TP

from pipeline.config import child_environment
from pipeline.config_kafka import KafkaSettings
from pipeline.streaming.runner import Delivery
from pipeline.streaming.transport.membership import UNKNOWN_MEMBER, Fenced
from tests.kafka.brokers import Broker
from tests.kafka.servers import add_partitions
from tests.streaming.kafka import committed, kafka_settings, new_name, produce, reading, until

READER = """
import asyncio, sys
from pipeline.config import load_settings
from tests.streaming.kafka import reading
def accept(delivery):
    delivery.acknowledge()
    for record in delivery.chunk.records:
        print(record.offset, flush=True)
async def main():
    async with reading(load_settings().kafka, sys.argv[1], sys.argv[2], accept) as app:
        while not app.consumer.assignment():
            await asyncio.sleep(0.01)
        print("ready", flush=True)
        await asyncio.sleep(120)
asyncio.run(main())
"""


def read_in_a_process(group: str, topic: str, environment: Mapping[str, str]) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-c", READER, group, topic],
        stdout=subprocess.PIPE,
        text=True,
        env=child_environment(environment),
        cwd=Path(__file__).parents[2],
    )


def next_line(process: "subprocess.Popen[str]") -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


def test_a_named_worker_killed_and_started_again_reads_on_long_before_its_session_ends(apache: Broker) -> None:
    topic, group, session_s = new_name("topic"), new_name("group"), 40
    apache.create_topic(topic, 1)
    environment = {
        "THROUGHLINE_KAFKA__BOOTSTRAP": apache.bootstrap,
        "THROUGHLINE_KAFKA__SESSION_TIMEOUT": f"{session_s}s",
        "THROUGHLINE_KAFKA__REBALANCE_TIMEOUT": f"{session_s}s",
        "THROUGHLINE_KAFKA__INSTANCE_ID": "land-1",
    }
    produce(apache.bootstrap, topic, [b"x"])
    first = read_in_a_process(group, topic, environment)
    assert {next_line(first), next_line(first)} == {"ready", "0"}
    first.send_signal(signal.SIGKILL)
    first.wait(10)
    produce(apache.bootstrap, topic, [b"y"])
    second = read_in_a_process(group, topic, environment)
    try:
        began = time.monotonic()
        assert next_line(second) in ("ready", "0", "1")
        assert time.monotonic() - began < session_s - 10, "it waited for the session of the dead one"
    finally:
        second.kill()
        second.wait(10)


async def test_without_names_the_successor_ends_the_membership_of_the_dead(embedded: Broker, tmp_path: Path) -> None:
    topic, group, file = new_name("topic"), new_name("group"), tmp_path / "members" / "land-1"
    embedded.create_topic(topic, 1)
    update = {"membership_file": str(file), "session_timeout": timedelta(seconds=8)}
    kafka = kafka_settings(embedded.bootstrap).model_copy(update=update)

    async def is_member(member: str) -> bool:
        """Ask in the member's name; the generation it names is wrong, which is another error than an unknown member."""
        coordinator = app.consumer._thread._consumer._coordinator
        await coordinator.ensure_coordinator_known()
        answer = await coordinator._send_req(HeartbeatRequest(group, 99, member))
        return bool(answer.error_code != UNKNOWN_MEMBER)

    async with reading(kafka, group, topic, lambda _: None) as app:
        await until(lambda: bool(app.consumer.assignment()))
        noted_group, member = file.read_text().split()
        assert noted_group == group
        assert await app.consumer._thread.call_thread(is_member, member)
        membership = app.consumer._thread._membership
        await app.consumer._thread.call_thread(membership.end_predecessor)
        assert not await app.consumer._thread.call_thread(is_member, member)
        # It finds out that its membership was ended, and becomes a member again.
        await until(lambda: file.read_text().split()[1] != member, 60)


def named(cluster: Broker, name: str) -> KafkaSettings:
    update = {"instance_id": name, "session_timeout": timedelta(seconds=2)}
    return kafka_settings(cluster.bootstrap).model_copy(update=update)


async def test_of_two_with_one_name_the_first_ends_and_says_why(apache: Broker) -> None:
    topic, group, kafka = new_name("topic"), new_name("group"), named(apache, "land-1")
    apache.create_topic(topic, 2)
    held: list[Delivery] = []
    async with reading(kafka, group, topic, lambda _: None) as first:
        await until(lambda: len(first.consumer.assignment()) == 2)
        async with reading(kafka, group, topic, held.append) as second:
            await until(lambda: first.crashed, 30)
            assert isinstance(first.crash_reason, Fenced)
            await asyncio.to_thread(produce, apache.bootstrap, topic, [b"x"] * 5)
            await until(lambda: sum(len(delivery.chunk.records) for delivery in held) == 5)
            await asyncio.sleep(1)
            assert len(second.consumer.assignment()) == 2
            assert not second.crashed


async def test_partitions_that_are_added_are_read_also_by_one_that_took_the_leaders_place(apache: Broker) -> None:
    topic, group, kafka = new_name("topic"), new_name("group"), named(apache, "land-1")
    kafka = kafka.model_copy(update={"session_timeout": timedelta(seconds=20)})
    apache.create_topic(topic, 1)
    async with reading(kafka, group, topic, lambda _: None) as first:
        await until(lambda: len(first.consumer.assignment()) == 1)
    held: list[Delivery] = []
    async with reading(kafka, group, topic, held.append) as second:
        await until(lambda: len(second.consumer.assignment()) == 1)
        await asyncio.to_thread(add_partitions, apache.bootstrap, topic, 3)
        # It asks for the partitions every half minute; here it is made to ask now.
        await second.consumer._thread.call_thread(second.consumer._thread._consumer._client.force_metadata_update)
        await until(lambda: len(second.consumer.assignment()) == 3, 30)
        await asyncio.to_thread(produce, apache.bootstrap, topic, [b"x"], 2)
        await until(lambda: any(delivery.chunk.partition == 2 for delivery in held), 30)


async def test_a_named_worker_that_was_silent_too_long_joins_again_under_its_name(apache: Broker) -> None:
    topic, group, kafka = new_name("topic"), new_name("group"), named(apache, "land-1")
    apache.create_topic(topic, 1)
    held: list[Delivery] = []

    def accept(delivery: Delivery) -> None:
        held.append(delivery)
        delivery.acknowledge()

    async def sleep_through_the_session() -> None:
        time.sleep(4)  # noqa: ASYNC251  # the thread stands still, as a stopped process would

    async with reading(kafka, group, topic, accept) as app:
        await until(lambda: bool(app.consumer.assignment()))
        await app.consumer._thread.call_thread(sleep_through_the_session)
        await asyncio.to_thread(produce, apache.bootstrap, topic, [b"x"] * 5)
        await until(lambda: sum(len(delivery.chunk.records) for delivery in held) == 5, 30)
        await until(lambda: committed(apache.bootstrap, group, topic) == 5, 30)
        assert not app.crashed


async def test_one_that_is_no_member_any_more_commits_nothing_though_the_group_is_empty(apache: Broker) -> None:
    topic, group, held = new_name("topic"), new_name("group"), list[Delivery]()
    apache.create_topic(topic, 1)
    produce(apache.bootstrap, topic, [b"x"] * 5)
    async with reading(kafka_settings(apache.bootstrap), group, topic, held.append) as app:
        await until(lambda: bool(held))
        thread = app.consumer._thread

        async def leave_and_commit() -> bool:
            """Leave the group, and commit before the partitions are taken away, as a zombie that was thrown out may."""
            await thread._ensure_consumer()._coordinator._maybe_leave_group()
            return bool(await thread._commit({TP(topic, 0): 3}))

        assert not await thread.call_thread(leave_and_commit)
        assert committed(apache.bootstrap, group, topic) is None

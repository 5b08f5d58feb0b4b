"""`make kafka` on machines that lack something, and with jars that are not what we name."""

import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from pipeline.embedded.kafka import obtain as module
from pipeline.embedded.kafka.jars import (
    ARCHIVE,
    KafkaMissing,
    checksums,
    find_java,
    is_archive_taken,
    jars_folder,
    require_jars,
    wrong_jars,
)
from pipeline.embedded.kafka.node import new_cluster_id
from pipeline.embedded.kafka.obtain import Progress, describe, obtain
from pipeline.embedded.kafka.probe import answers
from tests.absent import not_here
from tests.kafka.servers import free_ports, require_kafka

Program = Callable[[str, str], None]
JAVA_17 = 'echo "openjdk version \\"17.0.15\\" 2025-04-15" >&2'


@pytest.fixture
def program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Program:
    """Puts a shell script on an otherwise empty PATH."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))

    def put(name: str, script: str) -> None:
        file = folder / name
        file.write_text(f"#!/bin/sh\n{script}\n")
        file.chmod(0o755)

    return put


def test_without_java_it_says_what_to_install(program: Program, tmp_path: Path) -> None:
    program("mvn", "exit 0")
    with pytest.raises(KafkaMissing, match="java was not found; install Java 17"):
        obtain(tmp_path / "kafka")


@pytest.mark.parametrize(("told", "version"), [('java version "1.8.0_402"', 8), ('openjdk version "11.0.2"', 11)])
def test_an_old_java_is_told_by_its_version(program: Program, told: str, version: int) -> None:
    program("java", f"echo '{told}' >&2")
    with pytest.raises(KafkaMissing, match=f"is Java {version}; Apache Kafka needs Java 17"):
        find_java()


def test_without_maven_it_says_what_to_install(program: Program, tmp_path: Path) -> None:
    program("java", JAVA_17)
    with pytest.raises(KafkaMissing, match="mvn was not found; install Apache Maven"):
        obtain(tmp_path / "kafka")


def test_what_maven_says_is_told_when_it_fails(program: Program, tmp_path: Path) -> None:
    program("java", JAVA_17)
    program("mvn", "echo '[ERROR] no route to the registry'; exit 1")
    with pytest.raises(KafkaMissing, match="no route to the registry"):
        obtain(tmp_path / "kafka")
    assert not (tmp_path / "kafka").exists()


def test_jars_that_are_not_those_we_name_are_not_taken_over(program: Program, tmp_path: Path) -> None:
    program("java", JAVA_17)
    program(
        "mvn", 'for word; do case "$word" in -DoutputDirectory=*) out="${word#*=}";; esac; done\n' + MAKE_WRONG_JARS
    )
    with pytest.raises(KafkaMissing, match=r"not what jars.sha256 lists: .*evil.jar"):
        obtain(tmp_path / "kafka")
    assert {entry.name for entry in tmp_path.iterdir()} == {"bin", ".kafka.lock"}, "no draft is left"


def test_it_says_what_it_gets_from_where_and_how_far_it_is(program: Program, tmp_path: Path) -> None:
    program("java", JAVA_17)
    program("mvn", "exit 1")
    told: list[str] = []
    with pytest.raises(KafkaMissing):
        obtain(tmp_path / "kafka", told.append)
    assert told == [f"getting {describe()} into {tmp_path / 'kafka'}"]
    assert "org.apache.kafka:kafka_2.13:4.1.1" in told[0]
    assert f"{len(checksums())} jars" in told[0]
    now = iter((0.0, 1.0, 9.0, 9.0, 9.0, 10.0))
    progress = Progress(told.append, lambda: next(now))
    name = next(iter(checksums()))
    progress(f"[INFO] Downloading from some: https://there/{name}")
    progress(f"[INFO] Downloaded from some: https://there/{name} (9 MB at 2 MB/s)")
    progress(f"[INFO] Copying {list(checksums())[1]} to /here")
    progress("[INFO] BUILD SUCCESS")
    assert told[1:] == [f"1 of {len(checksums())} jars"]


@pytest.mark.parametrize("order", [signal.SIGTERM, signal.SIGINT, signal.SIGKILL])
def test_one_that_is_ended_leaves_no_draft_for_longer_than_until_the_next(
    program: Program, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, order: signal.Signals
) -> None:
    program("java", JAVA_17)
    program("mvn", 'for word; do case "$word" in -DoutputDirectory=*) out="${word#*=}";; esac; done\n' + MAKE_AND_HANG)
    monkeypatch.setenv("THROUGHLINE_EMBEDDED__KAFKA_FOLDER", str(tmp_path / "kafka"))
    getting = subprocess.Popen([sys.executable, "-m", "pipeline.embedded.kafka.obtain"], stderr=subprocess.PIPE)
    deadline = time.monotonic() + 60
    while not (draft := list(tmp_path.glob("**/half.jar"))):
        assert time.monotonic() < deadline
        assert getting.poll() is None
        time.sleep(0.05)
    getting.send_signal(order)
    getting.communicate(timeout=30)
    assert not (tmp_path / "kafka").exists()
    assert draft[0].exists() is (order == signal.SIGKILL)
    program("mvn", "exit 1")
    with pytest.raises(KafkaMissing):
        obtain(tmp_path / "kafka")
    assert {entry.name for entry in tmp_path.iterdir()} == {"bin", ".kafka.lock"}


MAKE_AND_HANG = '/bin/mkdir -p "$out"; echo x > "$out/half.jar"; exec /bin/sleep 20'
MAKE_WRONG_JARS = '/bin/mkdir -p "$out"; echo x > "$out/evil.jar"; echo y > "$out/kafka_2.13-4.1.1.jar"'


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    """A folder with the jars, without the archive of classes."""
    require_kafka()
    folder = tmp_path / "kafka"
    folder.mkdir()
    for name in checksums():
        (folder / name).symlink_to(jars_folder("") / name)
    return folder


@pytest.mark.parametrize("order", [signal.SIGTERM, signal.SIGKILL])
def test_one_that_is_ended_in_its_last_step_leaves_neither_node_nor_half_an_archive(
    cache: Path, monkeypatch: pytest.MonkeyPatch, order: signal.Signals
) -> None:
    monkeypatch.setenv("THROUGHLINE_EMBEDDED__KAFKA_FOLDER", str(cache))
    getting = subprocess.Popen([sys.executable, "-m", "pipeline.embedded.kafka.obtain"], stderr=subprocess.DEVNULL)
    # The node is there as soon as it has settings.
    deadline = time.monotonic() + 60
    while not list(cache.parent.glob("**/server.properties")):
        assert time.monotonic() < deadline
        assert getting.poll() is None
        time.sleep(0.05)
    (node,) = wait_for_child(getting.pid, deadline)
    try:
        getting.send_signal(order)
        assert getting.wait(60) == (128 + order if order == signal.SIGTERM else -order)
        node.wait(20)
    finally:
        for left in (node, getting):
            with suppress(psutil.NoSuchProcess):
                left.kill()
    assert not (cache / ARCHIVE).exists()
    # What one that was killed leaves goes when the next begins.
    drafts = set() if order == signal.SIGTERM else {".kafka.drafts"}
    assert {entry.name for entry in cache.parent.iterdir()} == {"kafka", ".kafka.lock"} | drafts


def wait_for_child(pid: int, deadline: float) -> list[psutil.Process]:
    while not (children := psutil.Process(pid).children()):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    return children


def test_an_archive_that_java_would_leave_out_is_none(cache: Path) -> None:
    made = jars_folder("") / ARCHIVE
    if not is_archive_taken(made.parent, made):
        not_here("no archive of Kafka's classes here, or one that was made elsewhere", "run `make kafka`")
    half = cache / ARCHIVE
    half.write_bytes(made.read_bytes()[: made.stat().st_size // 2])
    assert not is_archive_taken(made.parent, half), "it is cut short"
    assert not is_archive_taken(made.parent, cache / "missing.jsa")


def test_a_cache_that_was_tampered_with_is_seen(cache: Path) -> None:
    assert wrong_jars(cache) == []
    assert obtain(cache) is False, "nothing changed, so nobody is asked"
    (cache / "kafka_2.13-4.1.1.jar").unlink()
    with pytest.raises(KafkaMissing, match=r"kafka_2.13-4.1.1.jar and others.*make kafka"):
        require_jars(cache)
    shutil.copy(jars_folder("") / "re2j-1.8.jar", cache / "kafka_2.13-4.1.1.jar")
    require_jars(cache)
    assert wrong_jars(cache) == ["kafka_2.13-4.1.1.jar"]


def test_the_command_ends_with_2_and_one_sentence(
    program: Program, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    program("mvn", "exit 0")
    monkeypatch.setenv("THROUGHLINE_EMBEDDED__KAFKA_FOLDER", str(tmp_path / "kafka"))
    assert module.main() == 2
    assert capsys.readouterr().err.startswith("kafka: java was not found")


def test_nobody_answers_where_nobody_listens() -> None:
    assert not answers(f"127.0.0.1:{free_ports(1)[0]}", 0.5)


def test_cluster_ids_are_of_kafkas_form() -> None:
    ids = {new_cluster_id() for _ in range(200)}
    assert len(ids) == 200
    assert all(len(name) == 22 and not name.startswith("-") for name in ids)

"""
`make kafka`: gets Apache Kafka by its Maven coordinates into a cache, and checks every jar.

The registry is the one that Maven's own settings name. The jars come into a draft folder first; only when each has
the checksum that we name does the draft take its place, so that the cache is whole or not there. When nothing
changed it takes a fraction of a second and asks nobody.

Last it lets a node start and end once, so that the JVM writes down the classes which it loads: every later start is
three times as fast. Without that archive everything works all the same.
"""

import shutil
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from pipeline.config import EmbeddedSettings, SettingsError, load_settings
from pipeline.embedded.kafka.jars import (
    ARCHIVE,
    OLDEST_JAVA,
    KafkaMissing,
    checksums,
    find_java,
    jars_folder,
    wrong_jars,
)
from pipeline.embedded.kafka.node import Node, NodeFailed, prepare
from pipeline.embedded.kafka.probe import answers
from pipeline.embedded.maven import MavenFailed, copy_dependencies
from pipeline.embedded.process import complain

START_S = 120.0


def obtain(folder: Path) -> bool:
    """
    Make the folder hold exactly the jars that are listed.

    Args:
        folder: The cache; replaced as a whole.

    Returns:
        False if everything was there already.

    Raises:
        KafkaMissing: If Java or Maven is missing, Maven fails, or a jar is not what we name.
    """
    if not wrong_jars(folder):
        return False
    find_java()
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="kafka-", dir=folder.parent) as draft:
        jars = Path(draft) / "jars"
        try:
            copy_dependencies(Path(__file__).with_name("pom.xml"), jars)
        except MavenFailed as error:
            raise KafkaMissing(f"Apache Kafka cannot be had: {error}") from error
        wrong = wrong_jars(jars)
        more = {jar.name for jar in jars.iterdir()} - set(checksums())
        if wrong or more:
            raise KafkaMissing(
                f"what Maven delivered is not what jars.sha256 lists: {', '.join(sorted({*wrong, *more}))}; "
                "remove them from Maven's local repository and try again, or mistrust your registry"
            )
        if folder.exists():
            shutil.rmtree(folder)
        jars.rename(folder)
    return True


def archive_classes(folder: Path, settings: EmbeddedSettings) -> bool:
    """
    Let the JVM write down the classes that a node loads, unless that was done.

    Args:
        folder: Where the jars are.
        settings: How a node is run.

    Returns:
        Whether the archive is there now; without it a node only starts more slowly.
    """
    archive = folder / ARCHIVE
    if archive.is_file():
        return True
    with tempfile.TemporaryDirectory(prefix="kafka-", dir=folder.parent) as draft:
        written = Path(draft) / ARCHIVE
        try:
            own = settings.model_copy(update={"kafka_folder": str(folder)})
            node = Node(Path(draft), *_free_ports())
            java, *options = prepare(node, own)
            _run_once([java, f"-XX:ArchiveClassesAtExit={written}", *options], node.address)
        except (NodeFailed, OSError, subprocess.TimeoutExpired):
            return False
        if written.is_file():
            written.rename(archive)
    return archive.is_file()


def _run_once(command: list[str], address: str) -> None:
    """Start a node, wait until it answers, and end it."""
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        deadline = time.monotonic() + START_S
        while process.poll() is None and time.monotonic() < deadline and not answers(address, 1.0):
            time.sleep(0.1)
        process.terminate()
        try:
            process.wait(START_S)
        except subprocess.TimeoutExpired:
            process.kill()
            raise


def _free_ports() -> tuple[int, int]:
    with socket.create_server(("127.0.0.1", 0)) as first, socket.create_server(("127.0.0.1", 0)) as second:
        return first.getsockname()[1], second.getsockname()[1]


def main() -> int:
    """Run `make kafka`; return its exit code."""
    try:
        settings = load_settings().embedded
        folder = jars_folder(settings.kafka_folder)
        is_new = obtain(folder)
        archive_classes(folder, settings)
    except (KafkaMissing, SettingsError) as error:
        complain(f"kafka: {error}")
        return 2
    version = next(name.removeprefix("kafka-clients-") for name in checksums() if name.startswith("kafka-clients-"))
    state = "is now" if is_new else "is"
    complain(f"Apache Kafka {version.removesuffix('.jar')} {state} in {folder} (runs on Java {OLDEST_JAVA} or newer)")
    return 0


if __name__ == "__main__":
    sys.exit(main())

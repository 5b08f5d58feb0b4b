"""
`make kafka`: gets Apache Kafka by its Maven coordinates into a cache, and checks every jar.

The registry is the one that Maven's own settings name. The jars come into a draft folder first; only when each has
the checksum that we name does the draft take its place, so that the cache is whole or not there. One process at a time
does that: whatever lies among the drafts when it begins was left by one that was killed, and goes. When nothing
changed it takes a fraction of a second and asks nobody.

Last it lets a node start and end once, so that the JVM writes down the classes which it loads: every later start is
three times as fast. Without that archive everything works all the same; one that is missing, cut short or of jars
elsewhere is made anew by the next call, and one that could not be made is told.
"""

import fcntl
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from xml.etree import ElementTree

from pipeline.config import EmbeddedSettings, SettingsError, load_settings
from pipeline.embedded.kafka.jars import (
    ARCHIVE,
    OLDEST_JAVA,
    KafkaMissing,
    checksums,
    find_java,
    is_archive_taken,
    jars_folder,
    wrong_jars,
)
from pipeline.embedded.kafka.node import Node, NodeFailed, prepare
from pipeline.embedded.kafka.probe import answers
from pipeline.embedded.maven import MavenFailed, copy_dependencies
from pipeline.embedded.process import complain, die_with

START_S = 120.0
_POM = "{http://maven.apache.org/POM/4.0.0}"
_DOWNLOAD_MB = 45
_TELL_EVERY_S = 2.0


def obtain(folder: Path, say: Callable[[str], None] = lambda _: None) -> bool:
    """
    Make the folder hold exactly the jars that are listed.

    Args:
        folder: The cache; replaced as a whole.
        say: Called with a line for every step that takes time.

    Returns:
        False if everything was there already.

    Raises:
        KafkaMissing: If Java or Maven is missing, Maven fails, or a jar is not what we name.
    """
    if not wrong_jars(folder):
        return False
    find_java()
    with _draft(folder) as draft:
        if not wrong_jars(folder):  # another process got them while this one waited
            return False
        jars = draft / "jars"
        say(f"getting {describe()} into {folder}")
        try:
            copy_dependencies(Path(__file__).with_name("pom.xml"), jars, Progress(say))
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
            folder.rename(draft / "replaced")
        jars.rename(folder)
    return True


def describe() -> str:
    """Return what is got, from which coordinates, and how large it is."""
    dependencies = ElementTree.parse(Path(__file__).with_name("pom.xml")).iter(f"{_POM}dependency")
    named = [":".join(part.text or "" for part in dependency) for dependency in dependencies]
    return (
        f"Apache Kafka: {', '.join(named)} and what they need, {len(checksums())} jars, about {_DOWNLOAD_MB} MB, with "
        "mvn from the registry that its settings name"
    )


class Progress:
    """
    Hears what Maven says and tells how many of the jars have come, every few seconds.

    Args:
        say: Told in lines.
        clock: Tells seconds.
    """

    def __init__(self, say: Callable[[str], None], clock: Callable[[], float] = time.monotonic) -> None:
        self._say, self._clock = say, clock
        self._come: set[str] = set()
        self._told_at = clock()

    def __call__(self, line: str) -> None:
        """Take note of a line."""
        if "Download" not in line and "Copying" not in line:
            return
        self._come |= {word for word in re.findall(r"[^/\s]+\.jar", line) if word in checksums()}
        if self._clock() - self._told_at >= _TELL_EVERY_S:
            self._told_at = self._clock()
            self._say(f"{len(self._come)} of {len(checksums())} jars")


def archive_classes(folder: Path, settings: EmbeddedSettings, say: Callable[[str], None] = lambda _: None) -> bool:
    """
    Let the JVM write down the classes that a node loads, unless that was done and this Java takes what it wrote.

    Args:
        folder: Where the jars are.
        settings: How a node is run.
        say: Called with a line before what takes time, and with one if it failed.

    Returns:
        Whether the archive is there now; without it a node only starts more slowly.
    """
    archive = folder / ARCHIVE
    if is_archive_taken(folder, archive):
        return True
    try:
        with _draft(folder) as draft:
            if is_archive_taken(folder, archive):  # another process made it while this one waited
                return True
            say("letting a node start and end once, so that later ones start three times as fast")
            archive.unlink(missing_ok=True)
            written, own = draft / ARCHIVE, settings.model_copy(update={"kafka_folder": str(folder)})
            node = Node(draft, *_free_ports())
            java, *options = prepare(node, own)
            _run_once([java, f"-XX:ArchiveClassesAtExit={written}", *options], node.address)
            if is_archive_taken(folder, written):
                written.rename(archive)
                return True
            why = "Java wrote none that it takes"
    except (NodeFailed, OSError, subprocess.TimeoutExpired) as error:
        why = str(error)
    say(f"without an archive of its classes a node starts slowly: {why}; calling it again tries again")
    return False


@contextmanager
def _draft(folder: Path) -> Iterator[Path]:
    """Give an empty folder beside the cache to one process at a time; it goes afterwards, or when the next begins."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    drafts = folder.with_name(f".{folder.name}.drafts")
    with folder.with_name(f".{folder.name}.lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        shutil.rmtree(drafts, ignore_errors=True)
        try:
            drafts.mkdir(mode=0o700)
            yield drafts
        finally:
            shutil.rmtree(drafts, ignore_errors=True)


def _run_once(command: list[str], address: str) -> None:
    """Start a node, wait until it answers, and end it; it does not outlive this process, whatever becomes of that."""
    with subprocess.Popen(
        command,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        preexec_fn=die_with(os.getpid()),  # noqa: PLW1509 (this process has one thread)
    ) as process:
        deadline = time.monotonic() + START_S
        try:
            while process.poll() is None and time.monotonic() < deadline and not answers(address, 1.0):
                time.sleep(0.1)
        finally:  # also when this process is told to end meanwhile: else it would wait for the node for ever
            process.terminate()
        try:
            process.wait(START_S)
        except subprocess.TimeoutExpired:
            process.kill()
            raise


def _free_ports() -> tuple[int, int]:
    with socket.create_server(("127.0.0.1", 0)) as first, socket.create_server(("127.0.0.1", 0)) as second:
        return first.getsockname()[1], second.getsockname()[1]


def _say(text: str) -> None:
    complain(f"kafka: {text}")


def main() -> int:
    """Run `make kafka`; return its exit code."""
    # Ended from outside it takes its draft and Maven with it, as on Ctrl-C.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    try:
        settings = load_settings().embedded
        folder = jars_folder(settings.kafka_folder)
        is_new = obtain(folder, _say)
        archive_classes(folder, settings, _say)
    except (KafkaMissing, SettingsError) as error:
        complain(f"kafka: {error}")
        return 2
    except OSError as error:
        complain(
            f"kafka: {error.filename}: {error.strerror}; name a folder of yours: THROUGHLINE_EMBEDDED__KAFKA_FOLDER"
        )
        return 2
    version = next(name.removeprefix("kafka-clients-") for name in checksums() if name.startswith("kafka-clients-"))
    state = "is now" if is_new else "is"
    complain(f"Apache Kafka {version.removesuffix('.jar')} {state} in {folder} (runs on Java {OLDEST_JAVA} or newer)")
    return 0


if __name__ == "__main__":
    sys.exit(main())

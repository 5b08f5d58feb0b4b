"""
The jars of Apache Kafka on this machine: where they are, and whether they are exactly those that we name.

`jars.sha256` lists every one of them with its checksum; a folder that lacks one, or holds another under its name, is
no installation. Nothing is downloaded here.
"""

import hashlib
import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path

OLDEST_JAVA = 17
# Kafka's classes as the JVM has them in memory (class data sharing): with them it starts in a third of the time.
ARCHIVE = "classes.jsa"
ASK_JAVA_S = 20


class KafkaMissing(Exception):  # noqa: N818 - the name says what is so
    """There is no Apache Kafka to run here, or no Java to run it: what is missing, and what to do."""


def jars_folder(named: str) -> Path:
    """Return the folder of the jars: the one that the settings name, or the checkout's own cache."""
    return Path(named).expanduser() if named else Path(__file__).parents[3] / ".cache" / "kafka"


def checksums() -> Mapping[str, str]:
    """Return the SHA-256 of every jar by its name."""
    listed = Path(__file__).with_name("jars.sha256").read_text(encoding="ascii").split()
    return dict(zip(listed[1::2], listed[::2], strict=True))


def require_jars(folder: Path) -> None:
    """
    Make sure that every jar is there, by name.

    Raises:
        KafkaMissing: If one is not.
    """
    missing = [name for name in checksums() if not (folder / name).is_file()]
    if missing:
        what = "is not" if len(missing) == len(checksums()) else f"({missing[0]} and others) is not wholly"
        raise KafkaMissing(f"Apache Kafka {what} in {folder}; run `make kafka` (needs java {OLDEST_JAVA} and mvn)")


def class_options(folder: Path) -> list[str]:
    """Return the options of `java` that name the classes: exactly the listed jars, and their archive if any."""
    archive = folder / ARCHIVE
    return [*(_archive_options(archive) if archive.is_file() else []), *_jar_options(folder)]


def is_archive_taken(folder: Path, archive: Path) -> bool:
    """
    Return whether the Java of this machine takes an archive of classes for the jars of a folder.

    It leaves out without a word one that is cut short, that another Java wrote, or that was made of jars elsewhere or
    of another date: a copied cache has such a one.
    """
    if not archive.is_file():
        return False
    options = ["-Xshare:on", "-XX:+UseSerialGC", *_archive_options(archive), *_jar_options(folder)]
    try:
        asked = subprocess.run(
            [find_java(), *options, "-version"], capture_output=True, timeout=ASK_JAVA_S, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return False
    return asked.returncode == 0


def wrong_jars(folder: Path) -> list[str]:
    """Return the names of the jars that are missing or whose content is not what `jars.sha256` says."""
    return [name for name, expected in checksums().items() if _sha256(folder / name) != expected]


def find_java() -> str:
    """
    Return the program `java`.

    Raises:
        KafkaMissing: If there is none, or it is too old.
    """
    program = shutil.which("java")
    if program is None:
        raise KafkaMissing(f"java was not found; install Java {OLDEST_JAVA} or newer, for example openjdk-17-jre")
    version = _version(program)
    if version and version < OLDEST_JAVA:
        raise KafkaMissing(f"{program} is Java {version}; Apache Kafka needs Java {OLDEST_JAVA} or newer")
    return program


def _archive_options(archive: Path) -> list[str]:
    return [f"-XX:SharedArchiveFile={archive}"]


def _jar_options(folder: Path) -> list[str]:
    return ["-cp", ":".join(str(folder / name) for name in checksums())]


def _version(program: str) -> int:
    """Return Java's version as `java -version` tells it; 0 where it tells nothing that we understand."""
    try:
        told = subprocess.run([program, "-version"], capture_output=True, text=True, timeout=ASK_JAVA_S, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return 0
    found = re.search(r'version "(?:1\.)?(\d+)', told.stderr + told.stdout)
    return int(found[1]) if found else 0


def _sha256(file: Path) -> str:
    digest = hashlib.sha256()
    for piece in _pieces(file):
        digest.update(piece)
    return digest.hexdigest()


def _pieces(file: Path) -> Iterator[bytes]:
    try:
        with file.open("rb") as stream:
            while piece := stream.read(1 << 20):
                yield piece
    except OSError:
        return

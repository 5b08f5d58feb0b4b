"""
`make registry`: gets a schema registry by its Maven coordinates into the cache, for the tests.

Apicurio Registry speaks Confluent's API. Its archive is checked against the checksum below before it is unpacked; when
it is there already nothing is asked of anybody.
"""

import hashlib
import shutil
import sys
import tarfile
import tempfile
from pathlib import Path

from pipeline.embedded.maven import MavenFailed, copy_artifact

VERSION = "2.6.13.Final"
ARTIFACT = f"io.apicurio:apicurio-registry-app:{VERSION}:tar.gz:all"
SHA256 = "3cda1b34aa020fb4ac4dd6a66018d757e81e437f97e20a1f92d366b70091c6ba"
FOLDER = Path(__file__).parent.parent.parent / ".cache" / f"apicurio-registry-{VERSION}"


def runner() -> Path | None:
    """Return the jar to run; None where the registry is not there."""
    return next(FOLDER.glob("*-runner.jar"), None)


def obtain() -> str | None:
    """Get the registry if it is not there; returns what is wrong, if anything is."""
    if runner() is not None:
        return None
    if shutil.which("java") is None:
        return "java was not found; install Java 17 or newer"
    FOLDER.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="registry-", dir=FOLDER.parent) as draft:
        try:
            copy_artifact(ARTIFACT, Path(draft))
        except MavenFailed as error:
            return f"{ARTIFACT} cannot be had: {error}"
        archive = next(Path(draft).glob("*.tar.gz"), None)
        if archive is None:
            return f"{ARTIFACT} brought no archive"
        with archive.open("rb") as file:
            found = hashlib.file_digest(file, "sha256").hexdigest()
        if found != SHA256:
            return f"{archive.name} has the checksum {found}, expected {SHA256}; mistrust it"
        unpacked = Path(draft) / "unpacked"
        with tarfile.open(archive) as tar:
            tar.extractall(unpacked, filter="data")
        unpacked.rename(FOLDER)
    return None if runner() is not None else f"{FOLDER} holds no *-runner.jar"


if __name__ == "__main__":
    fault = obtain()
    sys.stderr.write(f"registry: {fault}\n" if fault else f"Apicurio Registry {VERSION} is in {FOLDER}\n")
    sys.exit(2 if fault else 0)

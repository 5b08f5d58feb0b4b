"""
Jars by their Maven coordinates, by one run of Maven.

The rule it owns: the registry is the one that Maven's own settings name, checksums that it tells are heeded, and
whatever goes wrong is told in Maven's own last words. What the jars must be is known to whoever asks for them.
"""

import shutil
import subprocess
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from pipeline.config import child_environment

DOWNLOAD_S = 900
_TOLD_LINES = 12


class MavenFailed(Exception):  # noqa: N818 - the name says what happened
    """Maven is not there or could not get what was asked for: why."""


def copy_dependencies(pom: Path, jars: Path, watch: Callable[[str], None] = lambda _: None) -> None:
    """
    Put the dependencies that a POM names into a folder.

    Args:
        pom: Names them; it is not changed.
        jars: Where they go; made if it is not there.
        watch: Called with every line that Maven says, as it says it.

    Raises:
        MavenFailed: If they cannot be had.
    """
    jars.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="pom-", dir=jars.parent) as draft:
        # A copy, because Maven may write beside the file that it reads.
        copied = Path(shutil.copy(pom, Path(draft) / "pom.xml"))
        _run(["-f", str(copied), "dependency:copy-dependencies", f"-DoutputDirectory={jars}"], Path(draft), watch)
    if not jars.is_dir():
        raise MavenFailed(f"mvn brought nothing of what {pom.name} names")


def copy_artifact(coordinates: str, folder: Path) -> None:
    """
    Put one artifact into a folder that is there.

    Args:
        coordinates: As `group:artifact:version:type:classifier`.
        folder: Where it goes.

    Raises:
        MavenFailed: If it cannot be had.
    """
    _run(["dependency:copy", f"-Dartifact={coordinates}", f"-DoutputDirectory={folder}"], folder)


def run_to_end(command: list[str], folder: Path | None = None) -> subprocess.CompletedProcess[str]:
    """
    Run a command that gets or makes something, with nothing of our own settings, and keep what it says.

    Args:
        command: The program and its arguments.
        folder: Where it runs; None: here.

    Raises:
        subprocess.TimeoutExpired: If it does not end within `DOWNLOAD_S` seconds.
    """
    return subprocess.run(
        command,
        cwd=folder,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=DOWNLOAD_S,
        check=False,
        env=child_environment({}),
    )


def _run(what: list[str], folder: Path, watch: Callable[[str], None] = lambda _: None) -> None:
    maven = shutil.which("mvn")
    if maven is None:
        raise MavenFailed("mvn was not found; install Apache Maven, for example Debian's package maven")
    said: list[str] = []
    command = [maven, "-B", "--strict-checksums", "-Dstyle.color=never", *what]
    with _ended_with_us(command, folder) as process:
        bound = threading.Timer(DOWNLOAD_S, process.kill)
        bound.start()
        try:
            for line in process.stdout or ():
                said.append(line.rstrip())
                watch(said[-1])
            code = process.wait()
        finally:
            is_late = not bound.is_alive()
            bound.cancel()
    if is_late:
        raise MavenFailed(f"mvn did not end within {DOWNLOAD_S} s; check the network and try again")
    if code:
        lines = [line for line in said if line.startswith("[ERROR]")] or [line for line in said if line.strip()]
        told = "\n".join(f"    {line}" for line in lines[:_TOLD_LINES])
        raise MavenFailed(f"mvn failed (exit code {code}):\n{told}")


@contextmanager
def _ended_with_us(command: list[str], folder: Path) -> Iterator["subprocess.Popen[str]"]:
    """Run a command that says everything on one stream; it does not outlive the block."""
    with subprocess.Popen(
        command,
        cwd=folder,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=child_environment({}),
    ) as process:
        try:
            yield process
        finally:
            if process.poll() is None:
                process.terminate()

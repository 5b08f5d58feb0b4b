"""
Gets what a contestant runs on into a cache of its own: `python -m bench.peers.obtain quix bytewax kafka_streams flink`.

Python packages come by hash-locked requirements into a virtual environment, jars by their Maven coordinates beside the
classes that `javac` makes of our sources. The rule it owns: *whoever cannot run here is named, with the reason*; a
contestant is never replaced by something like it. A cache that was made from other locks, coordinates or sources is
made anew; one that is up to date asks nobody.
"""

import argparse
import hashlib
import shutil
import subprocess
import sys
from pathlib import Path

from bench.contestants import PEERS, Contestant
from pipeline.embedded.maven import DOWNLOAD_S, MavenFailed, copy_dependencies, run_to_end

HERE = Path(__file__).parent
CACHE = HERE.parents[1] / ".cache" / "peers"
JAVA = HERE / "java"
TOLD_LINES = 8
STAMP = "made-from"
# What the JVMs of the contestants need on Java 17, and a heap that leaves room for broker and warehouse.
JVM = ("-Xmx2g", "--add-opens=java.base/java.util=ALL-UNNAMED", "--add-opens=java.base/java.lang=ALL-UNNAMED")


class PeerMissing(Exception):  # noqa: N818 - the name says what happened
    """The contestant cannot run here: why."""


def command_of(name: str) -> list[str]:
    """
    Return the command that runs a contestant, after getting what it needs.

    Raises:
        PeerMissing: If that cannot be had here.
    """
    peer = PEERS[name]
    if not peer.own:
        return [sys.executable, "-m", f"bench.peers.{peer.run}"]
    folder = CACHE / peer.own
    if not is_obtained(name):
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        _make_java(peer, folder) if peer.is_java else _make_python(peer, folder)
        (folder / STAMP).write_text(_made_from(peer), encoding="ascii")
    if peer.is_java:
        return [_found("java"), *JVM, "-cp", f"{folder / 'classes'}:{folder / 'jars'}/*", peer.run]
    return [str(folder / "venv" / "bin" / "python"), "-m", f"bench.peers.{peer.run}"]


def is_obtained(name: str) -> bool:
    """Return whether what a contestant needs of its own is in the cache, made from what is here now."""
    peer = PEERS[name]
    stamp = CACHE / peer.own / STAMP
    return not peer.own or (stamp.is_file() and stamp.read_text(encoding="ascii") == _made_from(peer))


def _sources(peer: Contestant) -> list[Path]:
    return [JAVA / f"{source}.java" for source in ("Job", "Rows", peer.run)]


def _made_from(peer: Contestant) -> str:
    files = [JAVA / f"{peer.own}.pom.xml", *_sources(peer)] if peer.is_java else [HERE / f"{peer.own}.lock"]
    return hashlib.sha256(b"".join(file.read_bytes() for file in files) + sys.version.encode()).hexdigest()


def _make_python(peer: Contestant, folder: Path) -> None:
    _run([sys.executable, "-m", "venv", str(folder / "venv")])
    pip = [str(folder / "venv" / "bin" / "python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    _run([*pip, "--only-binary=:all:", "--require-hashes", "-r", str(HERE / f"{peer.own}.lock")])


def _make_java(peer: Contestant, folder: Path) -> None:
    compiler = _found("javac")
    try:
        copy_dependencies(JAVA / f"{peer.own}.pom.xml", folder / "jars")
    except MavenFailed as error:
        raise PeerMissing(" ".join(str(error).split())) from error
    classes = ["-d", str(folder / "classes"), "-cp", f"{folder / 'jars'}/*"]
    _run([compiler, "-nowarn", *classes, *map(str, _sources(peer))])


def _found(program: str) -> str:
    path = shutil.which(program)
    if path is None:
        raise PeerMissing(f"{program} was not found")
    return path


def _run(command: list[str]) -> None:
    try:
        ended = run_to_end(command)
    except subprocess.TimeoutExpired as error:
        raise PeerMissing(f"{Path(command[0]).name} did not end within {DOWNLOAD_S} s") from error
    if ended.returncode:
        told = "; ".join((ended.stderr + ended.stdout).strip().splitlines()[-TOLD_LINES:])
        raise PeerMissing(f"{Path(command[0]).name} failed: {told}")


def main() -> int:
    """Get the contestants that are named; 1 if one cannot be had."""
    parser = argparse.ArgumentParser(prog="python -m bench.peers.obtain", description=__doc__)
    parser.add_argument("names", nargs="*", default=list(PEERS), help=f"of {', '.join(PEERS)}; default: all")
    missing = 0
    for name in parser.parse_args().names:
        try:
            sys.stderr.write(f"{name}: {command_of(name)[0]}\n")
        except PeerMissing as error:
            missing = 1
            sys.stderr.write(f"{name} cannot run here: {error}\n")
    return missing


if __name__ == "__main__":
    sys.exit(main())

"""
`make kafka`: gets Apache Kafka by its Maven coordinates into a cache, and checks every jar.

The registry is the one that Maven's own settings name. The jars come into a draft folder first; only when each has
the checksum that we name does the draft take its place, so that the cache is whole or not there. When nothing
changed it takes a fraction of a second and asks nobody.
"""

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from pipeline.config import SettingsError, child_environment, load_settings
from pipeline.embedded.kafka.jars import OLDEST_JAVA, KafkaMissing, checksums, find_java, jars_folder, wrong_jars
from pipeline.embedded.process import complain

DOWNLOAD_S = 600
TOLD_LINES = 12


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
    maven = shutil.which("mvn")
    if maven is None:
        raise KafkaMissing("mvn was not found; install Apache Maven, for example Debian's package maven")
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="kafka-", dir=folder.parent) as draft:
        jars = Path(draft) / "jars"
        _download(maven, Path(draft), jars)
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


def _download(maven: str, draft: Path, jars: Path) -> None:
    # A copy, because Maven may write beside the file that it reads.
    pom = Path(shutil.copy(Path(__file__).with_name("pom.xml"), draft))
    command = [maven, "-q", "-B", "--strict-checksums", "-Dstyle.color=never", "-f", str(pom)]
    command += ["dependency:copy-dependencies", f"-DoutputDirectory={jars}"]
    try:
        ended = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=DOWNLOAD_S,
            check=False,
            env=child_environment({}),
        )
    except subprocess.TimeoutExpired as error:
        raise KafkaMissing(f"mvn did not end within {DOWNLOAD_S} s; check the network and try again") from error
    if ended.returncode or not jars.is_dir():
        told = "\n".join(f"    {line}" for line in (ended.stdout + ended.stderr).strip().splitlines()[:TOLD_LINES])
        raise KafkaMissing(f"mvn could not get Apache Kafka (exit code {ended.returncode}):\n{told}")


def main() -> int:
    """Run `make kafka`; return its exit code."""
    try:
        folder = jars_folder(load_settings().embedded.kafka_folder)
        is_new = obtain(folder)
    except (KafkaMissing, SettingsError) as error:
        complain(f"kafka: {error}")
        return 2
    version = next(name.removeprefix("kafka-clients-") for name in checksums() if name.startswith("kafka-clients-"))
    state = "is now" if is_new else "is"
    complain(f"Apache Kafka {version.removesuffix('.jar')} {state} in {folder} (runs on Java {OLDEST_JAVA} or newer)")
    return 0


if __name__ == "__main__":
    sys.exit(main())

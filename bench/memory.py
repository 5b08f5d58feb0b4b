"""
How much memory an installation takes while a large file is imported: `python -m bench.memory`.

A simulated shop is written to a file first; then `throughline up` on the embedded tier, `import events`, `wait`. Each
second the memory of all processes is added up, the import among them, as PSS: pages that they share count once. The
last line is JSON. What others do on the machine makes it slower, and then batches are larger and memory is more.
"""

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

import psutil

from bench.arguments import whole
from bench.run import origin
from bench.servers import end_with_children
from pipeline.cli.runfile import read_run

IMPORT = "import"
# Both are fixed, so that the same customers are the same events at any time.
SEED, UNTIL = "3", "2026-03-01"
STOP_SECONDS = 60


@dataclass
class Peak:
    """The most that all processes took together, what each took then, and the most that each ever took."""

    bytes: int = 0
    at_s: float = 0.0
    parts: Mapping[str, int] = field(default_factory=dict)
    each: dict[str, int] = field(default_factory=dict)
    cpu_s: dict[str, float] = field(default_factory=dict)

    def note(self, parts: Mapping[str, int], at_s: float) -> None:
        """Take the memory of each process at a moment."""
        for name, taken in parts.items():
            self.each[name] = max(self.each.get(name, 0), taken)
        if (total := sum(parts.values())) > self.bytes:
            self.bytes, self.at_s, self.parts = total, at_s, parts


def main() -> None:
    """Run it once and print the result."""
    end_with_children()
    parser = argparse.ArgumentParser(prog="python -m bench.memory", description=__doc__)
    parser.add_argument("--customers", type=whole(1), default=45_000, help="people of the simulated shop")
    parser.add_argument("--events", type=Path, help="a file of touchpoints to import instead")
    arguments = parser.parse_args()
    with TemporaryDirectory(prefix="throughline-bench-") as folder:
        events = arguments.events or _simulated(Path(folder) / "events.jsonl", arguments.customers)
        data = Path(folder) / "data"
        began = time.monotonic()
        try:
            peak = _watched(data, events)
        finally:
            _run("down", data=data)
        seconds = time.monotonic() - began
    for name in sorted(peak.parts, key=lambda part: -peak.parts[part]):
        taken, most, cpu = peak.parts[name] / 2**20, peak.each[name] / 2**20, peak.cpu_s.get(name, 0.0)
        sys.stderr.write(f"{name:12} {taken:6.0f} MiB (at most {most:.0f}), {cpu:.0f} s of CPU\n")
    said = {
        **origin(),
        "seconds": round(seconds),
        "peak_at_second": round(peak.at_s),
        "peak_pss_mib": round(peak.bytes / 2**20),
        "parts_mib": {name: round(taken / 2**20) for name, taken in peak.parts.items()},
        "most_mib": {name: round(taken / 2**20) for name, taken in peak.each.items()},
        "cpu_seconds": {name: round(spent, 1) for name, spent in peak.cpu_s.items()},
    }
    sys.stdout.write(json.dumps(said) + "\n")


def _simulated(path: Path, customers: int) -> Path:
    _run("simulate", "--seed", SEED, "--customers", str(customers), "--until", UNTIL, "--out", str(path))
    return path


def _watched(data: Path, events: Path) -> Peak:
    """Start everything, import, wait; return the peak of it."""
    _run("up", "--detach", data=data)
    peak = Peak()
    began = time.monotonic()
    for arguments in (("import", "events", str(events)), ("wait", "--timeout", "900")):
        with subprocess.Popen(_command(*arguments, data=data), stdout=sys.stderr) as command:
            while command.poll() is None:
                _look(peak, data, command.pid, time.monotonic() - began)
                time.sleep(1.0)
        if command.returncode:
            raise subprocess.CalledProcessError(command.returncode, arguments)
    return peak


def _look(peak: Peak, data: Path, command: int, at_s: float) -> None:
    """Note the memory and the CPU time of the supervisor, of all its parts and of the command."""
    run = read_run(data)
    if run is None:
        raise RuntimeError("the installation is gone")
    names = {part.pid: part.name for part in run.processes} | {run.supervisor_pid: "supervisor", command: IMPORT}
    parts: dict[str, int] = {}
    for pid in (run.supervisor_pid, command):
        with suppress(psutil.Error):
            root = psutil.Process(pid)
            for process in (root, *root.children(recursive=True)):
                name = names.get(process.pid, names[pid])
                with suppress(psutil.Error):
                    parts[name] = parts.get(name, 0) + process.memory_full_info().pss
                    peak.cpu_s[name] = sum(process.cpu_times()[:2])
    peak.note(parts, at_s)


def _run(*arguments: str, data: Path | None = None) -> None:
    subprocess.run(_command(*arguments, data=data), check=True, stdout=sys.stderr, timeout=STOP_SECONDS * 20)


def _command(*arguments: str, data: Path | None = None) -> list[str]:
    place = [] if data is None else ["--data", str(data)]
    return [sys.executable, "-m", "pipeline.cli", *arguments, *place]


if __name__ == "__main__":
    main()

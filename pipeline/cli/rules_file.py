"""
`rules.json`: which rules versions live in a data folder, for the supervisor, which has no connection to the warehouse.

The warehouse is the truth. Whoever changes it, or looks at the start (`migrate`), writes what it says into this file;
the supervisor runs the workers that the file asks for.
"""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from pipeline.cli.files import write_privately
from pipeline.config import environment_name

RULES_FILE = "rules.json"


@dataclass(frozen=True)
class LiveRules:
    """
    The versions that have workers.

    Attributes:
        active: The version that the views show.
        live: All versions that are kept up to date, the active one among them.
        remarks: What the owner should know about them.
    """

    active: int
    live: tuple[int, ...]
    remarks: tuple[str, ...] = ()


def read_rules_file(folder: Path) -> LiveRules | None:
    """Return what the file says; None when there is none (yet)."""
    try:
        said = json.loads((folder / RULES_FILE).read_text(encoding="utf-8"))
        return LiveRules(int(said["active"]), tuple(map(int, said["live"])), tuple(map(str, said["remarks"])))
    except (OSError, ValueError, TypeError, KeyError):
        return None


def write_rules_file(folder: Path, rules: LiveRules) -> None:
    """Replace the file in one step."""
    write_privately(folder / RULES_FILE, json.dumps(asdict(rules), indent=1) + "\n")


def rules_stamp(folder: Path) -> int:
    """Return a number that changes with every writing of the file; 0 without one."""
    try:
        return (folder / RULES_FILE).stat().st_mtime_ns
    except OSError:
        return 0


def names_with_rules(names: Sequence[str], rules: LiveRules | None) -> list[str]:
    """Return the names of the parts and of one stitch worker for every version that lives beside the active one."""
    beside = [number for number in rules.live if number != rules.active] if rules else []
    return [*names, *(f"stitch-rules{number}-1" for number in beside)]


def rules_environment(name: str, rules: LiveRules | None) -> dict[str, str]:
    """Return the setting that tells a worker its rules version; none before the first migration, nor for others."""
    if rules is None or name.partition("-")[0] not in ("land", "stitch"):
        return {}
    mark = "stitch-rules"
    number = int(name.removeprefix(mark).partition("-")[0]) if name.startswith(mark) else rules.active
    return {environment_name("stitching", "rules_version"): str(number)}

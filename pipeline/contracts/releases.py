"""
Released versions of the schemas: what each holds, and whether today's schemas may follow all of them.

A release is a folder `schemas/released/<number>/` with the families' schemas, the internal ones, the table of types and
`golden.jsonl`: one message of every type as JSON and as the bytes that were sent. It is never changed again. The gate
(`findings`) compares today's schemas with every release, so that compatibility is transitive, and reads every golden
message as a worker of today would.
"""

import base64
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from pipeline.contracts.evolution import Finding, schema_findings, type_findings
from pipeline.contracts.examples import example_of
from pipeline.contracts.schemas import released_folders, schemas_folder
from pipeline.contracts.soundness import family_faults, schema_faults, table_faults
from pipeline.contracts.touchpoint import decode_touchpoint, encode_touchpoint, parse_touchpoint
from pipeline.contracts.types import FAMILIES, TouchpointType, read_types, touchpoint_types

GOLDEN = "golden.jsonl"


@dataclass(frozen=True, slots=True)
class SchemaSet:
    """
    All schemas of one version, today's or a released one.

    Attributes:
        folder: Where they lie.
        schemas: By path without ending, as `orders` and `internal/journeys_updated`.
        types: The table of types.
    """

    folder: Path
    schemas: Mapping[str, Any]
    types: Mapping[str, TouchpointType]

    @property
    def families(self) -> dict[str, Any]:
        """The families' schemas."""
        return {name: schema for name, schema in self.schemas.items() if name in FAMILIES}


@dataclass(frozen=True, slots=True)
class Golden:
    """A message as it was sent under a release: its type, its bytes, and what it says as JSON."""

    release: str
    type: str
    value: bytes
    touchpoint: Mapping[str, Any]


def read_set(folder: Path) -> SchemaSet:
    """Read the schemas and the table of types of a folder."""
    files = sorted(folder.glob("*.avsc")) + sorted((folder / "internal").glob("*.avsc"))
    schemas = {
        file.relative_to(folder).with_suffix("").as_posix(): json.loads(file.read_text(encoding="utf-8"))
        for file in files
    }
    return SchemaSet(folder, schemas, read_types(folder / "types.toml"))


def releases(folder: Path | None = None) -> list[SchemaSet]:
    """Return the released versions, oldest first."""
    return [read_set(version) for version in released_folders(folder or schemas_folder())]


def findings(folder: Path) -> list[Finding]:
    """
    Check the schemas of a folder by themselves and against every version released in it.

    Returns:
        One finding per fault; empty when the schemas may be used and released.
    """
    today = read_set(folder)
    found = [fault for name, schema in today.schemas.items() for fault in schema_faults(name, schema)]
    if not found:
        found += family_faults(today.families)
        found += table_faults(today.types, today.families)
    for released in releases(folder):
        found += against(released, today)
    return list(dict.fromkeys(found))


def against(released: SchemaSet, today: SchemaSet) -> Iterator[Finding]:
    """Compare today's schemas with those of one release."""
    for name, schema in released.schemas.items():
        if name in today.schemas:
            yield from schema_findings(name, schema, today.schemas[name])
        else:
            detail = f"released in {released.folder.name}, and gone"
            yield Finding(name, "schema_removed", detail, "keep the file: its records are in topics")
    yield from type_findings(released.types, today.types)


@cache
def golden_messages() -> tuple[Golden, ...]:
    """Return the golden messages of every release."""
    return tuple(
        Golden(folder.name, line["type"], base64.b64decode(line["value"]), line["touchpoint"])
        for folder in released_folders(schemas_folder())
        for line in map(json.loads, (folder / GOLDEN).read_text(encoding="utf-8").splitlines())
    )


def golden_findings() -> Iterator[Finding]:
    """Read every golden message as today's workers do, and compare it with what it said when it was released."""
    for golden in golden_messages():
        where = f"released/{golden.release}: {golden.type}"
        expected = parse_touchpoint(golden.touchpoint)
        if isinstance(expected, list):
            detail = f"its JSON is refused today: {expected[0]}"
            yield Finding(where, "golden_json_refused", detail, "take the change back: such touchpoints are being sent")
        elif (decoded := decode_touchpoint(golden.value)) != expected:
            detail = f"reads differently today: {decoded}" if isinstance(decoded, dict) else f"is refused: {decoded}"
            yield Finding(where, "golden_bytes_differ", detail, "take the change back: such records are in topics")


def render_release() -> dict[str, str]:
    """
    Return the files of a release of today's schemas: path within its folder → text.

    The golden messages are the hand-written examples, and made ones for types that have none.
    """
    folder = schemas_folder()
    names = [*(f"{family}.avsc" for family in FAMILIES), "types.toml"]
    names += sorted(file.relative_to(folder).as_posix() for file in (folder / "internal").glob("*.avsc"))
    files = {name: (folder / name).read_text(encoding="utf-8") for name in names}
    files[GOLDEN] = "".join(_golden_line(name) for name in touchpoint_types())
    return files


def _golden_line(type_name: str) -> str:
    shown = example_of(type_name)
    event = parse_touchpoint(shown)
    if isinstance(event, list):
        raise ValueError(  # noqa: TRY004 - the example is wrong, not its type
            f"the example of {type_name} is refused: {'; '.join(map(str, event))}"
        )
    value = base64.b64encode(encode_touchpoint(event).value).decode()
    return json.dumps({"type": type_name, "value": value, "touchpoint": shown}, ensure_ascii=False) + "\n"

"""Records of released schemas stay readable when a schema grows, and those of a schema that grew elsewhere are read."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from pipeline.contracts.encoding import record_writer
from pipeline.contracts.kinds import KINDS
from pipeline.contracts.releases import golden_findings, golden_messages, releases
from pipeline.contracts.schemas import (
    WriterSchema,
    fields_of,
    internal_schema_by_fingerprint,
    schema_of,
    schemas_folder,
    touchpoint_schemas,
)
from pipeline.contracts.touchpoint import decode_touchpoint
from pipeline.contracts.types import touchpoint_types
from pipeline.contracts.updates import decode_dirty
from pipeline.contracts.wire import encode_single_object
from pipeline.streaming.decode.values import ValueDecoder
from tests.contracts.golden import example, parsed


def without(schema: dict[str, Any], *names: str) -> dict[str, Any]:
    """Take fields out of a schema, of the envelope or of the body: as it may have been before they came."""

    def drop(node: dict[str, Any]) -> dict[str, Any]:
        if "fields" in node:
            node["fields"] = [field for field in node["fields"] if field["name"] not in names]
        return node

    earlier: dict[str, Any] = json.loads(json.dumps(schema), object_hook=drop)
    return earlier


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Copy the schemas beside a released one of the web family that had less."""
    shutil.copytree(schemas_folder(), tmp_path, dirs_exist_ok=True)
    today = json.loads((tmp_path / "web.avsc").read_text(encoding="utf-8"))
    (tmp_path / "released" / "0").mkdir()
    earlier = without(today, "subject", "revision", "consent", "utm_term", "outcome", "verified")
    (tmp_path / "released" / "0" / "web.avsc").write_text(json.dumps(earlier), encoding="utf-8")
    return tmp_path


def earlier_schema(schemas: dict[bytes, WriterSchema]) -> WriterSchema:
    (found,) = (schema for schema in schemas.values() if "subject" not in schema.canonical)
    return found


def test_schemas_of_today_and_released_ones_are_found_by_fingerprint(folder: Path) -> None:
    schemas = dict(touchpoint_schemas(folder))
    assert len(schemas) == len(touchpoint_schemas(schemas_folder())) + 1
    assert earlier_schema(schemas).name == "web"
    assert earlier_schema(schemas).is_touchpoint


def test_a_record_of_an_earlier_schema_becomes_the_same_event(folder: Path) -> None:
    """What the schema did not know then is absent; everything else is as it was."""
    schemas = dict(touchpoint_schemas(folder))
    schema = earlier_schema(schemas)
    event = parsed(example("checkout.step_reached"))
    del event["body"]["outcome"]
    payload = bytearray()
    record_writer(fields_of(schema))(payload, event)
    value = encode_single_object(schema.fingerprint, bytes(payload))
    decoded = decode_touchpoint(value, schema_of=schemas.get)
    assert isinstance(decoded, dict)
    for identity in event["identities"]:
        del identity["verified"]
    assert decoded == event


def grown(schema: dict[str, Any]) -> WriterSchema:
    """Let a schema grow as a producer's may that was updated before the workers."""
    body = schema["fields"][-1]["type"][1]["fields"]
    body.append({"name": "shade", "type": ["null", "string"], "default": None})
    schema["fields"].append({"name": "weather", "type": ["null", "string"], "default": None})
    kinds = next(field for field in schema["fields"] if field["name"] == "identities")["type"]["items"]["fields"][0]
    kinds["type"]["symbols"].append("telepathy")
    return schema_of("web", schema)


def test_what_a_newer_schema_has_beyond_ours_is_left_out_on_both_paths() -> None:
    """A worker that is told of a newer schema (by a registry) reads its records as Avro's resolution says."""
    schema = grown(json.loads((schemas_folder() / "web.avsc").read_text(encoding="utf-8")))
    event = parsed(example("checkout.step_reached"))
    sent = {**event, "weather": "rain", "body": {**event["body"], "shade": "dark"}}
    sent["identities"] = [*event["identities"], {"kind": "telepathy", "value": "x", "hashed": True, "verified": True}]
    payload = bytearray()
    record_writer(fields_of(schema))(payload, sent)
    value = encode_single_object(schema.fingerprint, bytes(payload))
    known = {schema.fingerprint: schema}.get
    expected = {**event, "identities": [*event["identities"], {**sent["identities"][-1], "kind": "other"}]}
    assert decode_touchpoint(value, schema_of=known) == expected
    decoded = ValueDecoder(100_000, known).decode([value])
    assert decoded.rejections == []
    (row,) = decoded.families["web"].iter_rows(named=True)
    assert row["body.step"] == event["body"]["step"]
    assert [KINDS[identity["kind"]] for identity in row["identities"]][-1] == "other"


def test_golden_messages_of_every_release_are_read_on_both_paths() -> None:
    """As single events and as columns; none is rejected, and what they say is what their JSON says today."""
    assert list(golden_findings()) == []
    messages = golden_messages()
    assert {golden.type for golden in messages} <= set(touchpoint_types())
    decoded = ValueDecoder(100_000).decode([golden.value for golden in messages])
    assert decoded.rejections == []
    rows = {row["row"]: row for frame in decoded.families.values() for row in frame.iter_rows(named=True)}
    for number, golden in enumerate(messages):
        event = parsed(golden.touchpoint)
        assert (rows[number]["id"], rows[number]["occurred_at"]) == (event["id"], event["occurred_at"])
        for name, value in (event["body"] or {}).items():
            if isinstance(value, str | int | float):
                assert rows[number][f"body.{name}"] == value


def test_every_release_knows_the_types_it_had() -> None:
    assert [version.folder.name for version in releases()] == [str(number + 1) for number in range(len(releases()))]
    for version in releases():
        assert {golden.type for golden in golden_messages() if golden.release == version.folder.name} == set(
            version.types
        )


def test_records_of_workers_that_were_released_before_are_read() -> None:
    """While workers are replaced, announcements of the old ones reach the new ones."""
    old = json.loads((schemas_folder() / "internal" / "stitch_dirty.avsc").read_text(encoding="utf-8"))
    assert internal_schema_by_fingerprint("stitch_dirty", schema_of("stitch_dirty", old).fingerprint) is not None
    assert internal_schema_by_fingerprint("stitch_dirty", bytes(8)) is None
    with pytest.raises(ValueError, match="not a record of stitch_dirty"):
        decode_dirty(encode_single_object(bytes(8), b"\0"))

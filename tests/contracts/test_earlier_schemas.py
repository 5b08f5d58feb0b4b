"""Records of earlier schemas stay readable when a schema grows."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from pipeline.contracts.encoding import record_writer
from pipeline.contracts.schemas import WriterSchema, fields_of, schemas_folder, touchpoint_schemas
from pipeline.contracts.touchpoint import decode_touchpoint
from pipeline.contracts.wire import encode_single_object
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
    """Copy the schemas beside an earlier one of the web family."""
    shutil.copytree(schemas_folder(), tmp_path, dirs_exist_ok=True)
    today = json.loads((tmp_path / "web.avsc").read_text(encoding="utf-8"))
    (tmp_path / "earlier").mkdir(exist_ok=True)
    earlier = without(today, "subject", "revision", "consent", "utm_term", "outcome", "verified")
    (tmp_path / "earlier" / "web.0.avsc").write_text(json.dumps(earlier), encoding="utf-8")
    return tmp_path


def earlier_schema(schemas: dict[bytes, WriterSchema]) -> WriterSchema:
    (found,) = (schema for schema in schemas.values() if "subject" not in schema.canonical)
    return found


def test_schemas_of_today_and_earlier_are_found_by_fingerprint(folder: Path) -> None:
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

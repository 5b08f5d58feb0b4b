"""The schema files: one envelope, nothing the columnar decoder cannot read, fingerprints as the specification says."""

import io
import json
from collections.abc import Iterator
from typing import Any

import fastavro
import polars as pl
import pytest
from fastavro.schema import fingerprint as fastavro_fingerprint

from pipeline.contracts.kinds import CHANNELS, DIRECTIONS, KINDS, REFERENCE_KINDS
from pipeline.contracts.schemas import (
    body_fields,
    envelope_fields,
    family_schema,
    internal_schema,
    schema_by_fingerprint,
    schemas_folder,
    writer_schema,
)
from pipeline.contracts.touchpoint import decode_touchpoint
from pipeline.contracts.types import FAMILIES, touchpoint_types
from tests.contracts.golden import FOLDER

BODY = '    {"name": "body"'


def nodes(schema: Any) -> Iterator[dict[str, Any]]:
    """Walk through every object of a schema."""
    if isinstance(schema, dict):
        yield schema
        for value in schema.values():
            yield from nodes(value)
    elif isinstance(schema, list):
        for item in schema:
            yield from nodes(item)


def all_schemas() -> list[Any]:
    return [dict(family_schema(family)) for family in FAMILIES] + [
        dict(internal_schema(name).schema) for name in ("stitch_dirty", "journeys_updated")
    ]


def test_the_envelope_is_the_same_text_in_all_families() -> None:
    """Byte for byte: one envelope, written nine times because every schema must stand alone."""
    texts = [(schemas_folder() / f"{family}.avsc").read_text(encoding="utf-8") for family in FAMILIES]
    envelopes = {text[text.index('  "fields": [') : text.index(BODY)] for text in texts}
    assert len(envelopes) == 1
    assert all(text.count(BODY) == 1 for text in texts)


def test_there_are_nine_families_and_no_other_schema_file() -> None:
    assert {file.stem for file in schemas_folder().glob("*.avsc")} == set(FAMILIES)
    assert len(FAMILIES) == 9


@pytest.mark.parametrize("schema", all_schemas(), ids=lambda schema: str(schema["name"]))
def test_schemas_keep_to_what_every_reader_can_read(schema: Any) -> None:
    """No maps, no wide unions, no second use of a name (so no recursion), no empty items, a default for every enum."""
    named: list[str] = []
    for node in nodes(schema):
        if node.get("type") in ("record", "enum"):
            named.append(node["name"])
            assert node["doc"]
        if node.get("type") == "enum":
            assert node["default"] in node["symbols"]
        if node.get("type") == "record":
            assert node["fields"], "a record without fields has no width"
        if "name" in node and "fields" not in node and "symbols" not in node:
            assert node["doc"].endswith("."), node["name"]
        if isinstance(node.get("type"), list):
            assert node["type"][0] == "null"
            assert len(node["type"]) == 2
            assert node["default"] is None
        assert node.get("type") not in ("map", "fixed", "null")
        assert node.get("items") != "null"
    assert len(named) == len(set(named))
    text = json.dumps(schema)
    for name in named:
        assert text.count(f'"type": "{name}"') == text.count(f'"items": "{name}"') == 0


def test_lists_in_schemas_and_code_agree() -> None:
    envelope = envelope_fields()
    assert envelope["channel"].symbols == CHANNELS
    assert envelope["direction"].symbols == DIRECTIONS
    kind, *_ = envelope["identities"].fields
    assert kind.symbols == KINDS
    references = {field.name for field in envelope["refs"].fields}
    assert references & set(KINDS) == set(REFERENCE_KINDS)
    for side in ("a", "b"):
        assert body_fields("accounts")[side].fields[0].symbols == KINDS


def test_columns_named_alike_in_two_families_hold_the_same_type() -> None:
    """One typed column a name in the views; an enum is text there."""
    kinds: dict[str, set[str]] = {}
    for family in FAMILIES:
        for field in body_fields(family).values():
            kinds.setdefault(field.name, set()).add("string" if field.kind == "enum" else field.kind)
    assert {name: kind for name, kind in kinds.items() if len(kind) > 1} == {}


def crc_64_avro(data: bytes) -> int:
    """Compute the fingerprint as the Avro specification writes it down."""
    empty = 0xC15D213AA4D7A795
    table = []
    for entry in range(256):
        value = entry
        for _ in range(8):
            value = (value >> 1) ^ (empty if value & 1 else 0)
        table.append(value)
    result = empty
    for byte in data:
        result = (result >> 8) ^ table[(result ^ byte) & 0xFF]
    return result


def canonical(schema: Any) -> str:
    """Write the parsing canonical form as the specification's rules say, for the types that we use."""
    if isinstance(schema, list):
        return "[" + ",".join(canonical(branch) for branch in schema) + "]"
    if isinstance(schema, str):
        return json.dumps(schema)
    parts = []
    if schema["type"] in ("record", "enum"):
        parts.append(f'"name":"throughline.{schema["name"]}"')
    elif schema["type"] != "array":
        return canonical(schema["type"])
    parts.append(f'"type":"{schema["type"]}"')
    if "fields" in schema:
        fields = (f'{{"name":"{field["name"]}","type":{canonical(field["type"])}}}' for field in schema["fields"])
        parts.append(f'"fields":[{",".join(fields)}]')
    if "symbols" in schema:
        parts.append('"symbols":' + json.dumps(schema["symbols"], separators=(",", ":")))
    if "items" in schema:
        parts.append('"items":' + canonical(schema["items"]))
    return "{" + ",".join(parts) + "}"


def test_the_algorithm_gives_the_values_that_apache_avro_tests_with() -> None:
    """Avro's own test data: the fingerprints of "null" and "string" as signed 64-bit numbers."""
    assert crc_64_avro(b'"null"') == 7195948357588979594
    assert crc_64_avro(b'"string"') == (-8142146995180207161) % 2**64


@pytest.mark.parametrize("family", FAMILIES)
def test_fingerprints_are_crc_64_avro_of_the_canonical_form(family: str) -> None:
    schema = writer_schema(family)
    assert schema.canonical == canonical(dict(schema.schema))
    assert schema.fingerprint == crc_64_avro(schema.canonical.encode()).to_bytes(8, "little")
    assert schema.fingerprint.hex() == fastavro_fingerprint(schema.canonical, "CRC-64-AVRO")
    assert schema_by_fingerprint(schema.fingerprint) == schema


def test_an_unknown_fingerprint_finds_nothing() -> None:
    assert schema_by_fingerprint(bytes(8)) is None
    assert schema_by_fingerprint(internal_schema("stitch_dirty").fingerprint) is None


def for_polars(schema: Any) -> Any:
    """Rewrite a schema as the columnar decoder does: an enum's bytes are those of an int; it reads no defaults."""
    if isinstance(schema, list):
        return [for_polars(branch) for branch in schema]
    if isinstance(schema, dict):
        if schema.get("type") == "enum":
            return "int"
        return {key: for_polars(value) for key, value in schema.items() if key not in ("default", "doc")}
    return schema


@pytest.mark.parametrize("family", FAMILIES)
def test_polars_reads_a_block_of_every_family(family: str) -> None:
    """All examples of a family, put into one Avro block, become one frame with the values that fastavro reads."""
    names = [row.name for row in touchpoint_types().values() if row.family == family]
    names = [name for name in names if (FOLDER / f"{name}.avro").exists()]
    payloads = [(FOLDER / f"{name}.avro").read_bytes()[10:] for name in names]
    plain = for_polars(dict(family_schema(family)))
    block = io.BytesIO()
    sync = bytes(range(16))
    fastavro.writer(block, plain, [], sync_marker=sync)
    count = io.BytesIO()
    fastavro.schemaless_writer(count, "long", len(payloads))
    fastavro.schemaless_writer(count, "long", sum(map(len, payloads)))
    block.write(count.getvalue() + b"".join(payloads) + sync)
    block.seek(0)
    frame = pl.read_avro(block)
    assert frame["type"].to_list() == names
    for name, row in zip(names, frame.iter_rows(named=True), strict=True):
        event = decode_touchpoint((FOLDER / f"{name}.avro").read_bytes())
        assert isinstance(event, dict)
        assert CHANNELS[row["channel"]] == event["channel"]
        assert [KINDS[identity["kind"]] for identity in row["identities"]] == [
            identity["kind"] for identity in event["identities"]
        ]
        assert round(row["occurred_at"].timestamp() * 1000) == event["occurred_at"]
        for field, value in (event["body"] or {}).items():
            if isinstance(value, str) and body_fields(family)[field].kind == "string":
                assert row["body"][field] == value

"""Re-framing: which schemas are read as columns, and when a block is believed."""

from typing import Any

import pytest

from pipeline.contracts.schemas import family_schema
from pipeline.contracts.types import FAMILIES
from pipeline.streaming.decode import reframe
from pipeline.streaming.decode.reframe import Leaf, Many, Row, UnreadableSchemaError, prepare_frame, read_block
from tests.streaming.samples import encoded, event


def record(*fields: dict[str, Any], name: str = "R") -> dict[str, Any]:
    return {"type": "record", "name": name, "fields": list(fields)}


def field(name: str, avro: Any) -> dict[str, Any]:
    return {"name": name, "type": avro}


def test_shapes_follow_the_schema_with_names_written_out() -> None:
    colour = {"type": "enum", "name": "Colour", "symbols": ["red", "blue"], "default": "red"}
    part = record(field("of", colour), name="Part")
    schema = record(
        field("first", part), field("others", {"type": "array", "items": "Part"}), field("again", ["null", "Colour"])
    )
    leaf = Leaf("enum", ("red", "blue"), "red")
    assert prepare_frame(schema).shape == Row(
        {"first": Row({"of": leaf}), "others": Many(Row({"of": leaf})), "again": leaf}
    )


@pytest.mark.parametrize(
    "schema",
    [
        pytest.param(record(field("next", ["null", "R"])), id="recursive"),
        pytest.param(record(field("many", {"type": "array", "items": "null"})), id="items of no width"),
        pytest.param(record(field("none", record(name="Empty"))), id="record of no width"),
        pytest.param(record(field("map", {"type": "map", "values": "string"})), id="map"),
        pytest.param(record(field("wide", ["null", "string", "long"])), id="wide union"),
        pytest.param(record(field("deep", {"type": "array", "items": {"type": "array", "items": "int"}})), id="nested"),
        pytest.param(record(field("what", "Unknown")), id="unknown name"),
        pytest.param({"type": "array", "items": "string"}, id="no record"),
    ],
)
def test_unsafe_or_unreadable_schemas_are_refused(schema: dict[str, Any]) -> None:
    with pytest.raises(UnreadableSchemaError):
        prepare_frame(schema)


@pytest.mark.parametrize("family", FAMILIES)
def test_our_own_schemas_are_readable(family: str) -> None:
    assert prepare_frame(family_schema(family)).shape.fields


def test_a_block_is_refused_when_a_record_does_not_end_where_its_bytes_end() -> None:
    frame = prepare_frame(family_schema("web"))
    good = encoded(event())
    believed = read_block(frame, [good, good])
    assert believed is not None
    assert believed.height == 2
    assert read_block(frame, [good, good + b"\x00"]) is None
    assert read_block(frame, [good[:-1], good]) is None


def forged_block(nonce: bytes) -> list[bytes]:
    """
    Return three records of which the outer two, knowing the nonce, swallow the one between them.

    The first brings a row of its own with its trailer, and begins a second row whose bytes reach over the victim into
    the last record; that one ends the second row and brings a third.
    """

    def trailer(row: int) -> bytes:
        return nonce + row.to_bytes(4, "big")

    head = b"\xc3\x01fingerpt"
    victim = head + b"\x0cvictim"
    swallowed = reframe.TRAILER_BYTES + len(victim) + reframe.TRAILER_BYTES + len(head)
    first = head + b"\x06own" + trailer(0) + head + bytes([swallowed << 1 & 0x7F | 0x80, swallowed >> 6])
    last = head + trailer(1) + head + b"\x0athird"
    return [first, victim, last]


def test_whoever_knows_the_nonce_can_swallow_a_neighbour(monkeypatch: pytest.MonkeyPatch) -> None:
    """Shows that the attack is real: the same rows are believed when the nonce can be guessed, refused when not."""
    frame = prepare_frame(record(field("what", "bytes")))
    assert read_block(frame, forged_block(bytes(reframe.NONCE_BYTES))) is None
    monkeypatch.setattr(reframe, "token_bytes", bytes)
    believed = read_block(frame, forged_block(bytes(reframe.NONCE_BYTES)))
    assert believed is not None
    rows = believed["what"].to_list()
    assert [rows[0], rows[2]] == [b"own", b"third"]
    assert b"victim" in rows[1]

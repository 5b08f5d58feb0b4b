"""Records that the workers write."""

import io
from typing import Any

import fastavro
import pytest

from pipeline.contracts.columnwise import encode_columns
from pipeline.contracts.encoding import record_writer
from pipeline.contracts.schemas import fields_of, internal_schema
from pipeline.contracts.updates import decode_dirty, decode_journey_update, encode_dirty, encode_journey_updates
from pipeline.contracts.wire import encode_single_object

UPDATE: dict[str, Any] = {
    "version": 1_772_359_440_000_123,
    "rules_version": 1,
    "journey_id": "00000000-0000-0000-0000-000000000001",
    "customer_uid": "00000000-0000-0000-0000-000000000002",
    "started_at": 1_772_359_440_000,
    "ended_at": 1_772_359_441_000,
    "touchpoints": 3,
    "visits": 1,
    "orders": 0,
    "pain_points": 2,
    "channels": ["phone", "web"],
    "path": ["web.page_viewed", "support.call_ended"],
}


OTHER = UPDATE | {
    "journey_id": "ü" * 40,
    "started_at": -1,
    "touchpoints": 2**40,
    "channels": [],
    "path": ["web.page_viewed"] * 100,
}


def encoded(update: dict[str, Any]) -> bytes:
    return encode_journey_updates({name: [value] for name, value in update.items()})[0]


def test_dirty_keys_survive() -> None:
    keys = bytes(range(48))
    assert decode_dirty(encode_dirty(keys, 1_772_359_440_000, more_waits=False)) == (keys, 1_772_359_440_000, False)
    assert decode_dirty(encode_dirty(b"")) == (b"", None, None)


def test_half_a_key_is_refused() -> None:
    with pytest.raises(ValueError, match="16-byte"):
        encode_dirty(b"half")


def test_a_journey_survives_and_any_avro_reader_reads_it() -> None:
    value = encoded(UPDATE)
    assert decode_journey_update(value) == UPDATE
    read = fastavro.schemaless_reader(io.BytesIO(value[10:]), dict(internal_schema("journeys_updated").schema), None)
    assert isinstance(read, dict)
    assert read["version"].microsecond == 123


def test_many_journeys_are_encoded_as_each_by_itself() -> None:
    updates = [UPDATE, OTHER, UPDATE]
    schema = internal_schema("journeys_updated")
    write = record_writer(fields_of(schema))
    expected = []
    for update in updates:
        payload = bytearray()
        write(payload, update)
        expected.append(encode_single_object(schema.fingerprint, bytes(payload)))
    assert encode_journey_updates({name: [update[name] for update in updates] for name in UPDATE}) == expected
    assert encode_journey_updates({name: [] for name in UPDATE}) == []


def test_what_columns_cannot_be_written_of_is_refused() -> None:
    with pytest.raises(ValueError, match="received_at"):
        encode_columns(
            fields_of(internal_schema("stitch_dirty")), {"keys": [b""], "received_at": [None], "more_waits": [None]}
        )


@pytest.mark.parametrize("value", [b"", b"\xc3\x01", encode_dirty(bytes(16)), encoded(UPDATE)[:-3]])
def test_what_is_no_such_record_raises(value: bytes) -> None:
    with pytest.raises(ValueError, match="not a record of journeys_updated"):
        decode_journey_update(value)


def test_left_over_bytes_raise() -> None:
    with pytest.raises(ValueError, match="left over"):
        decode_dirty(encode_dirty(bytes(16)) + b"x")

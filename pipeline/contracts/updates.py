"""
Records that the workers write: packed dirty identifiers, and journeys as they now stand.

Each is one single object of an internal schema. A value that is not one is refused with ValueError: nobody but us
writes these topics, so a bad one is a fault of the pipeline, not of the data.
"""

import io
from collections.abc import Mapping
from functools import cache
from typing import Any, NamedTuple

import fastavro

from pipeline.contracts.columnwise import Columns, encode_columns
from pipeline.contracts.encoding import Write, record_writer
from pipeline.contracts.schemas import WriterSchema, fields_of, internal_schema, internal_schema_by_fingerprint
from pipeline.contracts.wire import Framed, encode_single_object, split

KEY_BYTES = 16
"""Length of one ident_key."""


class Dirty(NamedTuple):
    """
    Identifiers to compute anew (16 bytes each, concatenated).

    With the earliest receipt of what named them, and whether more waited for whoever announced them (None: not told).
    """

    keys: bytes
    received_at_ms: int | None = None
    more_waits: bool | None = None


def encode_dirty(keys: bytes, received_at_ms: int | None = None, more_waits: bool | None = None) -> bytes:
    """Return a record of `stitch.dirty` that announces these identifiers (16 bytes each, concatenated)."""
    if len(keys) % KEY_BYTES:
        raise ValueError(f"{len(keys)} bytes are not a whole number of {KEY_BYTES}-byte keys")
    return _encode("stitch_dirty", {"keys": keys, "received_at": received_at_ms, "more_waits": more_waits})


def decode_dirty(value: bytes) -> Dirty:
    """Return what a record of `stitch.dirty` announces."""
    record = _decode(internal_schema("stitch_dirty"), value)
    dirty = Dirty(record["keys"], record["received_at"], record["more_waits"])
    if len(dirty.keys) % KEY_BYTES:
        raise ValueError(f"{len(dirty.keys)} bytes are not a whole number of {KEY_BYTES}-byte keys")
    return dirty


def encode_journey_updates(columns: Columns) -> list[bytes]:
    """Return records of `journeys.updated`; times are epoch milliseconds, the version epoch microseconds."""
    schema = internal_schema("journeys_updated")
    return encode_columns(fields_of(schema), columns, encode_single_object(schema.fingerprint, b""))


def decode_journey_update(value: bytes) -> dict[str, Any]:
    """Return what a record of `journeys.updated` says."""
    return _decode(internal_schema("journeys_updated"), value)


def _encode(name: str, record: Mapping[str, Any]) -> bytes:
    payload = bytearray()
    _writer(name)(payload, record)
    return encode_single_object(internal_schema(name).fingerprint, bytes(payload))


@cache
def _writer(name: str) -> Write:
    return record_writer(fields_of(internal_schema(name)))


def _decode(schema: WriterSchema, value: bytes) -> dict[str, Any]:
    framed = split(value)
    # Workers of two releases may run beside each other while they are replaced.
    writer = internal_schema_by_fingerprint(schema.name, framed.fingerprint) if isinstance(framed, Framed) else None
    if writer is None or not isinstance(framed, Framed):
        raise ValueError(f"not a record of {schema.name}")
    buffer = io.BytesIO(framed.payload)
    try:
        record = fastavro.schemaless_reader(buffer, writer.parsed, schema.parsed if writer != schema else None)
    except (EOFError, ValueError, IndexError, OverflowError) as error:
        raise ValueError(f"not a record of {schema.name}: {error}") from error
    if buffer.tell() != len(framed.payload) or not isinstance(record, dict):
        raise ValueError(f"bytes left over after a record of {schema.name}")
    return record

"""
How a record's value names its schema: Avro single-object encoding, marker C3 01 and an eight-byte fingerprint.

Confluent's framing (a zero byte and a schema id of four) is recognised so that the refusal can say what it saw; without
a registry its ids mean nothing.
"""

from dataclasses import dataclass

from pipeline.contracts.reasons import Problem, Reason

MARKER = b"\xc3\x01"
"""First two bytes of a single object."""

FINGERPRINT_BYTES = 8
"""Length of a CRC-64-AVRO fingerprint."""

HEADER_BYTES = len(MARKER) + FINGERPRINT_BYTES
"""Bytes before the payload."""

REPLAY_HEADER = "throughline-replay-of"
"""Kafka header of a record that repairs a dead letter, naming it; should it be rejected too, it is no second one."""

_CONFLUENT_MAGIC = 0
_CONFLUENT_HEADER_BYTES = 5


@dataclass(frozen=True, slots=True)
class Framed:
    """A value taken apart: the fingerprint of the writer's schema and what it wrote."""

    fingerprint: bytes
    payload: memoryview


def encode_single_object(fingerprint: bytes, payload: bytes) -> bytes:
    """Return the payload behind the marker and the fingerprint of its schema."""
    return MARKER + fingerprint + payload


def split(value: bytes | None) -> Framed | Problem:
    """
    Take a record's value apart without decoding it.

    Returns:
        The fingerprint and the payload (a view into the value), or why there are none.
    """
    if value is None:
        return Problem(Reason.TOMBSTONE, "", "the record has no value; a touchpoint cannot be deleted by a tombstone")
    if len(value) >= HEADER_BYTES and value[:2] == MARKER:
        return Framed(value[2:HEADER_BYTES], memoryview(value)[HEADER_BYTES:])
    if len(value) >= _CONFLUENT_HEADER_BYTES and value[0] == _CONFLUENT_MAGIC:
        schema_id = int.from_bytes(value[1:_CONFLUENT_HEADER_BYTES], "big")
        detail = f"Confluent framing with schema id {schema_id}, but no schema registry is configured"
        return Problem(Reason.UNKNOWN_SCHEMA, "", detail)
    return Problem(Reason.UNDECODABLE, "", "neither Avro single-object encoding (C3 01) nor Confluent framing (00)")

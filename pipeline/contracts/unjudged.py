"""
A record's value as JSON, whatever it means: for people who mend what could not become a touchpoint.

The rule it owns: shape is read, nothing is judged. A value is Avro of a schema that we know, or JSON text (what
somebody sends who does not know that the topic holds Avro); of anything else it says why it cannot be read.
"""

import io
import json
from collections.abc import Callable
from typing import Any

from pipeline.contracts.reasons import Problem, Reason
from pipeline.contracts.schemas import WriterSchema, fields_of, schema_by_fingerprint
from pipeline.contracts.touchpoint import LARGEST_VALUE_BYTES, decode_payload, shown_fields
from pipeline.contracts.wire import split

_JSON_BEGINS = (b"{", b"[")


def read_unjudged(
    value: bytes | None, schema_of: Callable[[bytes], WriterSchema | None] = schema_by_fingerprint
) -> dict[str, Any] | Problem:
    """
    Return a value as a JSON object that may be wrong in any way, or why it cannot be read at all.

    Args:
        value: The bytes; None for a tombstone.
        schema_of: Finds the schema that the value was written with.
    """
    if value is not None and value.lstrip()[:1] in _JSON_BEGINS:
        return _from_text(value)
    framed = split(value)
    if isinstance(framed, Problem):
        return framed
    if len(framed.payload) > LARGEST_VALUE_BYTES:
        return Problem(Reason.TOO_LARGE, "", f"{len(framed.payload)} bytes; at most {LARGEST_VALUE_BYTES} are read")
    schema = schema_of(framed.fingerprint)
    if schema is None:
        return Problem(Reason.UNKNOWN_SCHEMA, "", f"no schema has the fingerprint {framed.fingerprint.hex()}")
    decoded = decode_payload(framed, schema)
    if isinstance(decoded, Problem):
        return decoded
    return shown_fields(decoded, {field.name: field for field in fields_of(schema)})


def _from_text(value: bytes) -> dict[str, Any] | Problem:
    try:
        read = json.load(io.TextIOWrapper(io.BytesIO(value), encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        return Problem(Reason.UNDECODABLE, "", f"begins as JSON, but is none: {error}")
    if not isinstance(read, dict):
        return Problem(Reason.WRONG_TYPE, "", "a touchpoint is a JSON object")
    return read

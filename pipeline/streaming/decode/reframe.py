"""
Re-framing: many records of one writer schema become one Avro container block that is read as columns.

The rule it owns: a block is believed only when every record ended exactly where its own bytes end. For this each
record is followed by a trailer (a nonce drawn for this block, and the record's index) that the re-framed schema reads
as one more field. A record cannot know the nonce, so it can neither forge a trailer nor swallow one unnoticed: with n
trailers in n rows, row i ends at trailer i.

polars reads enums only as bare top-level fields, turns any boolean byte but 1 into false and cuts ints to 32 bits, so
all of these are declared `long` here (the same bytes on the wire) and judged by `restore`. It knows no maps and no
references to named types: maps are refused, references are written out.
"""

import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from secrets import token_bytes
from typing import Any, Literal, cast

import numpy as np
import numpy.typing as npt
import polars as pl
from polars.exceptions import PanicException, PolarsError

HEAD_BYTES = 10  # C3 01 and the fingerprint: read as a field, so that values need not be cut
NONCE_BYTES = 12
TRAILER_BYTES = NONCE_BYTES + 4
HEAD = "__head"
TRAILER = "__trailer"

Primitive = Literal["boolean", "int", "long", "float", "double", "string", "bytes", "enum"]
AvroType = str | list[Any] | Mapping[str, Any]


class UnreadableSchemaError(ValueError):
    """A writer schema that cannot be read as columns: recursive, with maps, wide unions or items of no width."""


@dataclass(frozen=True, slots=True)
class Leaf:
    """A value without parts; enums have symbols and the one that stands for those not known."""

    kind: Primitive
    symbols: tuple[str, ...] = ()
    default: str = ""


@dataclass(frozen=True, slots=True)
class Row:
    """A record with its fields in the writer's order."""

    fields: Mapping[str, "Shape"]


@dataclass(frozen=True, slots=True)
class Many:
    """An array."""

    item: "Shape"


Shape = Leaf | Row | Many


@dataclass(frozen=True, slots=True)
class Frame:
    """A writer schema made ready: the container's header without its sync marker, the shape of a row, and its types."""

    header: bytes
    shape: Row
    rewritten: Mapping[str, Any]


def prepare_frame(schema: Mapping[str, Any]) -> Frame:
    """
    Make a writer schema ready for re-framing; done once per schema.

    Raises:
        UnreadableSchemaError: If the schema has a construct that cannot be read as columns or is unsafe to read.
    """
    rewriter = _Rewriter()
    written, shape = rewriter.rewrite(schema, ())
    if not isinstance(shape, Row):
        raise UnreadableSchemaError("the schema of an event must be a record")
    head = {"name": HEAD, "type": {"type": "fixed", "name": "Head", "size": HEAD_BYTES}}
    trailer = {"name": TRAILER, "type": {"type": "fixed", "name": "Trailer", "size": TRAILER_BYTES}}
    text = json.dumps({**written, "fields": [head, *written["fields"], trailer]}).encode()
    header = b"Obj\x01" + _zigzag(1) + _zigzag(11) + b"avro.schema" + _zigzag(len(text)) + text + b"\x00"
    return Frame(header, shape, written)


def read_block(frame: Frame, values: Sequence[bytes]) -> pl.DataFrame | None:
    """
    Read whole values (head included) of one writer schema as columns.

    Returns:
        One row per value in the same order, still in wire form (`restore` makes values of it), or None when there is
        any doubt: something did not parse, or a record did not end where its bytes end.
    """
    trailers = _trailers(token_bytes(NONCE_BYTES), len(values))
    sync = token_bytes(16)
    size = sum(map(len, values)) + trailers.nbytes
    block = chain.from_iterable(zip(values, trailers.tolist(), strict=True))
    file = b"".join(chain((frame.header, sync, _zigzag(len(values)), _zigzag(size)), block, (sync,)))
    try:
        rows = pl.read_avro(io.BytesIO(file))
    except (PolarsError, OSError, PanicException):
        # polars 2.1 on bytes that end too early: one of its errors, an OSError, or a panic, which is no `Exception`.
        # A panic unwinds out of the parser, which owns nothing but the block it was reading.
        return None
    if rows.height != len(values) or b"".join(rows[TRAILER].to_list()) != trailers.tobytes():
        return None
    return rows.drop(HEAD, TRAILER)


def _trailers(nonce: bytes, count: int) -> npt.NDArray[np.void]:
    table = np.empty((count, TRAILER_BYTES), dtype=np.uint8)
    table[:, :NONCE_BYTES] = np.frombuffer(nonce, dtype=np.uint8)
    table[:, NONCE_BYTES:] = np.arange(count, dtype=">u4").view(np.uint8).reshape(count, 4)
    return table.view(np.dtype((np.void, TRAILER_BYTES))).ravel()


def _zigzag(number: int) -> bytes:
    number <<= 1
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)


class _Rewriter:
    """Writes a schema anew with `long` for what polars reads wrongly, and every name used once."""

    _SAME = frozenset({"string", "bytes", "float", "double"})
    _AS_LONG = frozenset({"boolean", "int", "long"})

    def __init__(self) -> None:
        self._named: dict[str, Mapping[str, Any]] = {}
        self._made = 0

    def rewrite(self, schema: AvroType, open_names: tuple[str, ...]) -> tuple[Any, Shape]:
        if isinstance(schema, list):
            return self._union(schema, open_names)
        if isinstance(schema, str):
            return self._named_or_primitive(schema, open_names)
        kind = schema["type"]
        if kind == "enum":
            self._named[_full_name(schema)] = schema
            return "long", Leaf("enum", tuple(schema["symbols"]), schema.get("default", ""))
        if kind == "array":
            return self._array(schema, open_names)
        if kind == "record":
            return self._record(schema, open_names)
        return self.rewrite(kind, open_names)

    def _named_or_primitive(self, kind: str, open_names: tuple[str, ...]) -> tuple[Any, Shape]:
        if kind in self._SAME:
            return kind, Leaf(cast("Primitive", kind))
        if kind in self._AS_LONG:
            return "long", Leaf(cast("Primitive", kind))
        if kind in self._named:
            return self.rewrite(self._named[kind], open_names)
        raise UnreadableSchemaError(f"{kind!r} cannot be read as columns")

    def _array(self, schema: Mapping[str, Any], open_names: tuple[str, ...]) -> tuple[Any, Shape]:
        items, shape = self.rewrite(schema["items"], open_names)
        if isinstance(shape, Many) or isinstance(items, list):
            raise UnreadableSchemaError("arrays of arrays or of nullable items are not read")
        return {"type": "array", "items": items}, Many(shape)

    def _union(self, branches: list[Any], open_names: tuple[str, ...]) -> tuple[Any, Shape]:
        others = [branch for branch in branches if branch != "null"]
        if len(branches) != 2 or len(others) != 1:
            raise UnreadableSchemaError("only unions of null and one other type can be read as columns")
        written, shape = self.rewrite(others[0], open_names)
        return ["null" if branch == "null" else written for branch in branches], shape

    def _record(self, schema: Mapping[str, Any], open_names: tuple[str, ...]) -> tuple[Any, Shape]:
        name = _full_name(schema)
        if name in open_names:
            raise UnreadableSchemaError(f"{name} contains itself")
        if not schema["fields"]:
            raise UnreadableSchemaError(f"{name} has no fields: a value of no width repeats for ever at no cost")
        self._named[name] = schema
        self._made += 1
        number = self._made
        fields: list[dict[str, Any]] = []
        shapes: dict[str, Shape] = {}
        for field in schema["fields"]:
            written, shapes[field["name"]] = self.rewrite(field["type"], (*open_names, name))
            fields.append({"name": field["name"], "type": written})
        return {"type": "record", "name": f"Row{number}", "fields": fields}, Row(shapes)


def _full_name(schema: Mapping[str, Any]) -> str:
    name: str = schema["name"]
    namespace = schema.get("namespace")
    return f"{namespace}.{name}" if namespace and "." not in name else name

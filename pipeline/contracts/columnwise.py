"""
Writers of Avro bytes for many records of one schema at once, from columns of values.

Most columns hold few distinct values, and each of these is encoded once. Byte for byte what the writers of
`pipeline.contracts.encoding` make (a test compares them), at a fraction of the time where records come by the thousand.
"""

from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from typing import Any

from pipeline.contracts.encoding import Write, write_long, writer_of
from pipeline.contracts.schemas import AvroField

Columns = Mapping[str, Sequence[Any]]
"""Values by field, one of each record; all equally long, none null."""


class _Once(dict[Hashable, bytes]):
    """Encodes every distinct value once."""

    def __init__(self, write: Write) -> None:
        super().__init__()
        self._write = write

    def __missing__(self, value: Hashable) -> bytes:
        out = bytearray()
        self._write(out, value)
        encoded = self[value] = bytes(out)
        return encoded


def encode_columns(fields: Iterable[AvroField], columns: Columns, prefix: bytes = b"") -> list[bytes]:
    """
    Encode records.

    Args:
        fields: Fields of their schema.
        columns: A column for each field.
        prefix: What every record begins with.

    Returns:
        The records, in order.

    Raises:
        ValueError: If a field may be null or is no list of texts and no plain value: nothing here writes those.
    """
    parts = [_encoder_of(field)(columns[field.name]) for field in fields]
    return [prefix + b"".join(record) for record in zip(*parts, strict=True)]


def _encoder_of(field: AvroField) -> Callable[[Sequence[Any]], Iterable[bytes]]:
    if field.nullable or field.kind in ("record", "array<record>"):
        raise ValueError(f"{field.name}: not written by columns")
    if field.kind == "array<string>":
        return _lists
    return lambda values: map(_Once(writer_of(field)).__getitem__, values)


def _lists(values: Sequence[Sequence[str]]) -> Iterable[bytes]:
    texts, sizes = _Once(_write_text), _Once(write_long)
    for items in values:
        yield b"".join((sizes[len(items)], *map(texts.__getitem__, items), b"\0")) if items else b"\0"


def _write_text(out: bytearray, text: str) -> None:
    data = text.encode()
    write_long(out, len(data))
    out += data

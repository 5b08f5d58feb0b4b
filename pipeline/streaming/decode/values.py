"""
Values of any mix of schemas, sorted out: columns by family, problems for the rest.

Framing is judged here (tombstone, too large, no marker, Confluent's framing, a fingerprint nobody knows); what stands
behind a known fingerprint is read by `isolate`.
"""

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import polars as pl

from pipeline.contracts.reasons import Problem, Reason
from pipeline.contracts.schemas import WriterSchema, schema_by_fingerprint
from pipeline.contracts.wire import HEADER_BYTES, MARKER, split
from pipeline.streaming.decode.isolate import read_rows
from pipeline.streaming.decode.reader import Reader
from pipeline.streaming.decode.reframe import UnreadableSchemaError


@dataclass(frozen=True, slots=True)
class Rejection:
    """A record that does not become a touchpoint: its row in the batch, why, and its schema as far as known."""

    row: int
    problem: Problem
    schema: str = ""


@dataclass(frozen=True, slots=True)
class Decoded:
    """
    What a batch of values says.

    Attributes:
        families: Flat columns (`columns`) with `row`, sorted by it, by family of the writer's schema.
        rejections: One for every row that is in none of the frames.
    """

    families: dict[str, pl.DataFrame]
    rejections: list[Rejection]


def in_order_of_rows(parts: Sequence[pl.DataFrame]) -> pl.DataFrame:
    """Put frames that are each sorted by `row` together, sorted; costs nothing where they follow one another."""
    following = sorted((part for part in parts if part.height), key=lambda part: int(part["row"][0])) or parts[:1]
    together = following[0] if len(following) == 1 else pl.concat(following)
    return together if together["row"].is_sorted() else together.sort("row")


class ValueDecoder:
    """
    Decodes values; remembers readers of writer schemas.

    Safe to call from several threads: the memory is only ever added to.

    Args:
        max_bytes: Longest value that is looked at.
        schema_of: Finds a touchpoint schema by its fingerprint.
    """

    def __init__(
        self, max_bytes: int, schema_of: Callable[[bytes], WriterSchema | None] = schema_by_fingerprint
    ) -> None:
        self._max_bytes = max_bytes
        self._schema_of = schema_of
        self._readers: dict[bytes, Reader | Problem] = {}

    def decode(self, values: Sequence[bytes | None]) -> Decoded:
        """Decode the values of a batch, whatever their schemas; rows are numbered from 0."""
        rejections: list[Rejection] = []
        groups: defaultdict[bytes, list[int]] = defaultdict(list)
        heads = [b"" if value is None or len(value) > self._max_bytes else value[:HEADER_BYTES] for value in values]
        for row, head in enumerate(heads):
            groups[head].append(row)
        for head in [head for head in groups if head[:2] != MARKER or len(head) < HEADER_BYTES]:
            rejections += [Rejection(row, self._framing_problem(values[row])) for row in groups.pop(head)]
        frames: dict[str, list[pl.DataFrame]] = {}
        for head, rows in groups.items():
            fingerprint = head[len(MARKER) :]
            reader = self._reader(fingerprint)
            if isinstance(reader, Problem):
                rejections += [Rejection(row, reader, fingerprint.hex()) for row in rows]
                continue
            group = [value for row in rows if (value := values[row]) is not None]
            columns, problems = read_rows(reader, group, rows)
            frames.setdefault(reader.family, []).append(columns)
            rejections += [Rejection(row, problem, reader.family) for row, problem in problems.items()]
        return Decoded({family: in_order_of_rows(parts) for family, parts in frames.items()}, rejections)

    def _reader(self, fingerprint: bytes) -> Reader | Problem:
        known = self._readers.get(fingerprint)
        if known is not None:
            return known
        schema = self._schema_of(fingerprint)
        if schema is None:
            # Not remembered: garbage would fill the memory.
            return Problem(Reason.UNKNOWN_SCHEMA, "", f"no schema has the fingerprint {fingerprint.hex()}")
        try:
            made: Reader | Problem = Reader(schema)
        except UnreadableSchemaError as error:
            made = Problem(Reason.UNKNOWN_SCHEMA, "", f"schema {schema.name} is not read: {error}")
        self._readers[fingerprint] = made
        return made

    def _framing_problem(self, value: bytes | None) -> Problem:
        if value is not None and len(value) > self._max_bytes:
            return Problem(Reason.TOO_LARGE, "", f"{len(value)} bytes; a record may have {self._max_bytes}")
        found = split(value)
        if not isinstance(found, Problem):
            raise TypeError("a framed value has no framing problem")
        return found

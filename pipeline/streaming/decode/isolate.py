"""
Columns of the good records of one writer schema, and a verdict on each bad one.

The rule it owns: a record is good when its block, read alone, is believed. A block of many is believed exactly when
each of its records alone would be (`reframe`), so the company a record arrives in cannot change its verdict. fastavro,
record by record, is only the quick way to find whom to doubt, and the words for what is wrong.
"""

import io
from collections.abc import Iterator, Sequence

import fastavro
import polars as pl

from pipeline.contracts.reasons import Problem, Reason
from pipeline.streaming.decode.reader import Reader
from pipeline.streaming.decode.reframe import HEAD_BYTES, read_block

ROW = "row"
_NOT_WHAT_IT_SAYS = "the bytes are not what their schema says"


def read_rows(reader: Reader, values: Sequence[bytes], rows: Sequence[int]) -> tuple[pl.DataFrame, dict[int, Problem]]:
    """
    Read values of one writer schema.

    Args:
        reader: The writer schema, made ready.
        values: Whole values, heads included.
        rows: A number for each of them.

    Returns:
        The good ones as our flat columns with their `row`, in the given order, and the problems of the others by row.
    """
    problems: dict[int, Problem] = {}
    blocks: list[pl.DataFrame] = []
    for wire, places in _believed(reader, values, range(len(values)), problems):
        bad = reader.misfits(wire)
        problems |= {places[at]: Problem(Reason.UNDECODABLE, "", detail) for at, detail in bad.items()}
        numbered = wire.with_columns(pl.Series(ROW, [rows[place] for place in places], dtype=pl.UInt32))
        if bad:
            keep = pl.Series([at not in bad for at in range(wire.height)], dtype=pl.Boolean)
            numbered = numbered.filter(keep)
        blocks.append(reader.columns_from(numbered))
    good = pl.concat(blocks) if blocks else reader.no_rows()
    return good, {rows[place]: problem for place, problem in problems.items()}


def _believed(
    reader: Reader, values: Sequence[bytes], places: Sequence[int], problems: dict[int, Problem]
) -> Iterator[tuple[pl.DataFrame, Sequence[int]]]:
    """Yield believed blocks with the places of their rows; what no block can hold goes into `problems`."""
    whole = read_block(reader.frame, [values[place] for place in places])
    if whole is not None:
        yield whole, places
        return
    doubted = {place: detail for place in places if (detail := _doubt(reader, values[place])) is not None}
    trusted = [place for place in places if place not in doubted]
    yield from _halved(reader, values, trusted, problems)
    for place, detail in doubted.items():
        # fastavro is stricter than the block reader in one point: the index of a union.
        alone = read_block(reader.frame, [values[place]]) if detail is _UNION_INDEX else None
        if alone is None:
            problems[place] = Problem(Reason.UNDECODABLE, "", detail)
        else:
            yield alone, [place]


def _halved(
    reader: Reader, values: Sequence[bytes], places: Sequence[int], problems: dict[int, Problem]
) -> Iterator[tuple[pl.DataFrame, Sequence[int]]]:
    """Halve a block until every part is believed or is one record that is not."""
    if not places:
        return
    whole = read_block(reader.frame, [values[place] for place in places])
    if whole is not None:
        yield whole, places
    elif len(places) == 1:
        problems[places[0]] = Problem(Reason.UNDECODABLE, "", _NOT_WHAT_IT_SAYS)
    else:
        middle = len(places) // 2
        yield from _halved(reader, values, places[:middle], problems)
        yield from _halved(reader, values, places[middle:], problems)


_UNION_INDEX = f"{_NOT_WHAT_IT_SAYS}: an index is out of range"


def _doubt(reader: Reader, value: bytes) -> str | None:
    """Return what fastavro finds wrong with one value, None where it reads all of it."""
    buffer = io.BytesIO(value)
    buffer.seek(HEAD_BYTES)
    try:
        fastavro.schemaless_reader(buffer, reader.parsed, None)
    except IndexError:
        return _UNION_INDEX
    except (EOFError, ValueError, OverflowError, MemoryError, RecursionError, TypeError) as error:
        return f"{_NOT_WHAT_IT_SAYS}: {error or type(error).__name__}"
    left = len(value) - buffer.tell()
    return f"{left} bytes are left over after the record" if left else None

"""
Columns of the good records of one writer schema, and a verdict on each bad one.

The rule it owns: a record is good when its block, read alone, is believed, and skimming finds nothing in it. A block
of many is believed exactly when each of its records alone would be (`reframe`), so the company a record arrives in
cannot change its verdict. Blocks that are not believed are halved; in a small one each record is skimmed by itself,
which also finds the words for what is wrong. In a block that is believed, only those are skimmed that are in doubt.
"""

from collections.abc import Iterable, Iterator, Sequence

import polars as pl

from pipeline.contracts.reasons import Problem, Reason
from pipeline.contracts.skim import fault_of
from pipeline.streaming.decode.reader import Reader
from pipeline.streaming.decode.reframe import HEAD_BYTES, read_block
from pipeline.streaming.decode.walk import in_doubt

ROW = "row"
# Reading the smallest block costs about as much as skimming this many records.
_SKIMMED = 32
# Halving finds one bad record in two readings of everything, but reads nearly everything once per level when there are
# many. Skimming costs about ten readings, whatever it finds: so it takes over early.
_READINGS = 3


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
    for wire, places in _believed(reader, values, problems):
        block = [values[place] for place in places]
        bad = reader.misfits(wire) | _faults(reader, block, in_doubt(reader.walk, block))
        problems |= {places[at]: problem for at, problem in bad.items()}
        numbered = wire.with_columns(pl.Series(ROW, [rows[place] for place in places], dtype=pl.UInt32))
        if bad:
            keep = pl.Series([at not in bad for at in range(wire.height)], dtype=pl.Boolean)
            numbered = numbered.filter(keep)
        blocks.append(reader.columns_from(numbered))
    good = pl.concat(blocks) if blocks else reader.no_rows()
    return good, {rows[place]: problem for place, problem in problems.items()}


def _believed(
    reader: Reader, values: Sequence[bytes], problems: dict[int, Problem]
) -> Iterator[tuple[pl.DataFrame, Sequence[int]]]:
    """Yield believed blocks with the places of their rows, in order; what no block can hold goes into `problems`."""
    waiting: list[Sequence[int]] = [range(len(values))]
    records_left = _READINGS * len(values)
    while waiting:
        places = waiting.pop()
        block = read_block(reader.frame, [values[place] for place in places])
        records_left -= len(places)
        if block is not None:
            yield block, places
        elif len(places) > _SKIMMED and records_left > 0:
            middle = len(places) // 2
            waiting += [places[middle:], places[:middle]]
        else:
            faults = _faults(reader, values, places)
            problems |= faults
            left = [place for place in places if place not in faults]
            if not faults and len(left) == 1:
                detail = "the bytes are not what their schema says"
                problems[left[0]] = Problem(Reason.UNDECODABLE, "", detail)
            elif left:
                # Skimming decides, reading confirms: should they ever differ, each record stands alone in the end.
                waiting += [left] if faults else [[place] for place in reversed(left)]


def _faults(reader: Reader, values: Sequence[bytes], places: Iterable[int]) -> dict[int, Problem]:
    """Skim the values at some places; return what is wrong, by place."""
    found = ((place, fault_of(reader.skim, values[place], HEAD_BYTES)) for place in places)
    return {place: Problem(Reason.UNDECODABLE, "", fault) for place, fault in found if fault is not None}

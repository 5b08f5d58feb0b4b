"""
CSV files of somebody else's rows.

The rule it owns: a row is a mapping from the names of the first line to cells, and every row has the number of its
line. Rows with too many or too few cells are rejected by themselves, as is what cannot be decoded. Reading goes on from
any begin of a row.
"""

import csv
from collections.abc import Iterator
from typing import BinaryIO, Final

from pipeline.contracts.reasons import Problem, Reason
from pipeline.producers.admission import LARGEST_EVENT_BYTES, Refused, too_large
from pipeline.producers.errors import InputError
from pipeline.producers.importing import MARK_EVERY, Importer, ImportReport, Mark
from pipeline.producers.mapping import RowMapping

_LONGEST_READ: Final = LARGEST_EVENT_BYTES + 2


class _Lines:
    """The decoded lines of a stream, read one by one as the CSV reader asks for them."""

    def __init__(self, stream: BinaryIO, encoding: str, number: int, *, leaves_rest: bool = False) -> None:
        self._stream = stream
        self._leaves_rest = leaves_rest
        self.left_bytes = 0
        self._encoding = encoding
        self.number = number
        self.fault: Problem | None = None

    def __iter__(self) -> Iterator[str]:
        while line := self._stream.readline(_LONGEST_READ):
            if self._leaves_rest and not line.endswith(b"\n") and len(line) < _LONGEST_READ:
                self.left_bytes = len(line)
                return
            self.number += 1
            if len(line) == _LONGEST_READ and not line.endswith(b"\n"):
                self.fault = too_large(len(line))
            try:
                yield line.decode(self._encoding)
            except UnicodeDecodeError as error:
                detail = f"not {self._encoding} at byte {error.start} of the line"
                self.fault = Problem(Reason.UNDECODABLE, "", detail)
                yield line.decode(self._encoding, errors="replace")


def import_csv(
    stream: BinaryIO, mapping: RowMapping, importer: Importer, mark: Mark | None = None, start: tuple[int, int] = (0, 0)
) -> ImportReport:
    """
    Take every row of a CSV file.

    Args:
        stream: The file, at its begin.
        mapping: What a row is.
        importer: Takes the touchpoints.
        mark: Told every thousand rows how far it is. Given one, a last row whose line has no end is left.
        start: Position to go on from and the number of the line before it; 0 for the begin.

    Returns:
        The report, with the numbers of the rows' last lines.

    Raises:
        InputError: If the file has no line of names, or lacks a column of the mapping, or the encoding does not exist.
    """
    header = _header(stream, mapping)
    if start[0]:
        stream.seek(start[0])
    lines = _Lines(stream, mapping.encoding, max(start[1], header[1]), leaves_rest=mark is not None)
    rows = csv.reader(lines, delimiter=mapping.delimiter)
    taken = 0
    while True:
        try:
            cells = next(rows)
        except StopIteration:
            break
        except csv.Error as error:
            lines.fault = Problem(Reason.UNDECODABLE, "", f"no CSV: {error}")
            cells = [""]
        if cells:
            _take(cells, header[0], lines, importer, mapping)
        lines.fault = None
        taken += 1
        if mark is not None and taken % MARK_EVERY == 0:
            mark(stream.tell(), lines.number)
    importer.report.left_bytes = lines.left_bytes
    if mark is not None:
        mark(stream.tell() - lines.left_bytes, lines.number)
    return importer.report


def _take(cells: list[str], names: list[str], lines: _Lines, importer: Importer, mapping: RowMapping) -> None:
    fault = lines.fault
    if fault is None and len(cells) != len(names):
        detail = f"{len(cells)} cells, but the first line names {len(names)}"
        fault = Problem(Reason.UNDECODABLE, "", detail)
    if fault is not None:
        importer.reject(lines.number, Refused(None, (fault,)))
    else:
        importer.take_row(lines.number, dict(zip(names, cells, strict=True)), mapping.translate)


def _header(stream: BinaryIO, mapping: RowMapping) -> tuple[list[str], int]:
    """Return the names of the columns and the number of the line on which they end."""
    try:
        lines = _Lines(stream, mapping.encoding, 0)
        names = next(csv.reader(lines, delimiter=mapping.delimiter), [])
    except (LookupError, csv.Error, TypeError) as error:
        raise InputError(f"the file cannot be read as CSV: {error}; mend delimiter or encoding") from error
    names = [name.strip().removeprefix("\ufeff") for name in names]
    if not any(names) or len(set(names)) != len(names):
        raise InputError("the first line must name the columns, each once; add it to the file")
    mapping.check_columns(names)
    return names, lines.number

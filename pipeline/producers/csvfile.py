"""
CSV files of somebody else's rows.

The rule it owns: a row is a mapping from the names of the first line to cells, and every row has the number of its
line. Rows with too many or too few cells are rejected by themselves, as is what cannot be decoded, and a quote that is
not closed: it must not swallow its neighbours. Reading goes on from any begin of a row.
"""

import csv
from collections import deque
from collections.abc import Iterable, Iterator
from typing import BinaryIO, Final

from pipeline.contracts.reasons import Problem, Reason
from pipeline.producers.admission import LARGEST_EVENT_BYTES, Refused, too_large
from pipeline.producers.errors import InputError
from pipeline.producers.importing import MARK_EVERY, Importer, ImportReport, Mark
from pipeline.producers.jsonlines import skip_line
from pipeline.producers.mapping import RowMapping

_LONGEST_READ: Final = LARGEST_EVENT_BYTES + 2
_NAMED: Final = {"\t": "\\t"}


class _TooLong(Exception):  # noqa: N818 - the name says what happened
    """A line has more bytes than any touchpoint may have: so many; the next one is whole again."""


class _Lines:
    """
    The decoded lines of a stream, read one by one as the CSV reader asks for them.

    Attributes:
        number: Of the line that was read last.
        left_bytes: Of a last line that somebody is still writing.
        fault: What is wrong with the row that is being read.
    """

    def __init__(self, stream: BinaryIO, encoding: str, number: int, *, leaves_rest: bool = False) -> None:
        self._stream = stream
        self._leaves_rest = leaves_rest
        self._encoding = encoding
        self._row: list[bytes] = []
        self._again: deque[bytes] = deque()
        self.left_bytes = 0
        self.number = number
        self.fault: Problem | None = None

    def __iter__(self) -> Iterator[str]:
        while line := self._next():
            self.number += 1
            self._row.append(line)
            if len(line) == _LONGEST_READ and not line.endswith(b"\n"):
                # Should the row be read again, nothing of this line is; its number stays.
                self._row[-1] = b"\n"
                raise _TooLong(len(line) + skip_line(self._stream))
            try:
                yield line.decode(self._encoding)
            except UnicodeDecodeError as error:
                detail = f"not {self._encoding} at byte {error.start} of the line; tell the encoding in the mapping"
                self.fault = Problem(Reason.UNDECODABLE, "", detail)
                yield line.decode(self._encoding, errors="replace")

    @property
    def is_being_written(self) -> bool:
        """Tell whether the rest of a row is still to come."""
        return self.left_bytes > 0

    @property
    def is_read_again(self) -> bool:
        """Tell whether lines that were read already are to be read again: there is no position to go on from then."""
        return bool(self._again)

    def place(self) -> int:
        """Return the position to go on from: after the last whole row."""
        return self._stream.tell() - self.left_bytes

    def begin_row(self) -> None:
        """Note that the next line begins a row."""
        self._row.clear()
        self.fault = None

    def leave_row(self) -> None:
        """Leave the row that is being read to the next run."""
        self.left_bytes += sum(map(len, self._row))
        self.number -= len(self._row)

    def give_up_row(self) -> None:
        """Read all but the first line of a row again: they are rows that a quote without an end has swallowed."""
        rest = self._row[1:]
        self._again.extendleft(reversed(rest))
        self.number -= len(rest)

    def _next(self) -> bytes:
        if self._again:
            return self._again.popleft()
        line = self._stream.readline(_LONGEST_READ)
        if self._leaves_rest and line and not line.endswith(b"\n") and len(line) < _LONGEST_READ:
            self.left_bytes = len(line)
            return b""
        return line


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
    # A cell may be as large as a touchpoint; the limit is the reader's own, for the whole process.
    csv.field_size_limit(max(csv.field_size_limit(), LARGEST_EVENT_BYTES))
    header = _header(stream, mapping)
    if start[0]:
        stream.seek(start[0])
    lines = _Lines(stream, mapping.encoding, max(start[1], header[1]), leaves_rest=mark is not None)
    for taken, cells in enumerate(_rows(lines, mapping), 1):
        if cells:
            _take(cells, header[0], lines, importer, mapping)
        if mark is not None and taken % MARK_EVERY == 0 and not lines.is_read_again:
            mark(lines.place(), lines.number)
    importer.report.left_bytes = lines.left_bytes
    if mark is not None:
        mark(lines.place(), lines.number)
    return importer.report


def _rows(lines: _Lines, mapping: RowMapping) -> Iterator[list[str]]:
    """Yield the cells of every row; of one that is none, with the fault noted, a single cell."""
    rows = _reader(lines, mapping)
    while True:
        lines.begin_row()
        try:
            yield next(rows)
        except StopIteration:
            return
        except csv.Error as error:
            if lines.is_being_written:
                lines.leave_row()
                return
            lines.give_up_row()
            lines.fault = Problem(Reason.UNDECODABLE, "", f"no CSV: {error}; is a quote not closed?")
            rows = _reader(lines, mapping)
            yield [""]
        except _TooLong as error:
            lines.give_up_row()
            lines.fault = too_large(error.args[0])
            rows = _reader(lines, mapping)
            yield [""]


def _take(cells: list[str], names: list[str], lines: _Lines, importer: Importer, mapping: RowMapping) -> None:
    fault = lines.fault
    if fault is None and not any(cells):
        # Spreadsheets write such rows below the last one.
        importer.report.skipped += 1
        return
    if fault is None and len(cells) != len(names):
        detail = f"{len(cells)} cells, but the first line names {len(names)}"
        fault = Problem(Reason.UNDECODABLE, "", detail)
    if fault is not None:
        importer.reject(lines.number, Refused(None, (fault,)))
    else:
        importer.take_row(lines.number, dict(zip(names, cells, strict=True)), mapping.translate)


def _reader(lines: Iterable[str], mapping: RowMapping) -> Iterator[list[str]]:
    # A strict reader tells of a quote that is not closed; the other one takes all that follows for one cell.
    return csv.reader(lines, delimiter=mapping.delimiter, strict=True)


def _header(stream: BinaryIO, mapping: RowMapping) -> tuple[list[str], int]:
    """Return the names of the columns and the number of the line on which they end."""
    lines = _Lines(stream, mapping.encoding, 0)
    try:
        if not "\n".encode(mapping.encoding).endswith(b"\n"):
            raise InputError(_wide(mapping.encoding))
        names = next(_reader(lines, mapping), [])
    except (LookupError, csv.Error, TypeError, _TooLong) as error:
        detail = f"the first line has {error} bytes" if isinstance(error, _TooLong) else str(error)
        raise InputError(f"the file cannot be read as CSV: {detail}; mend delimiter, encoding or line ends") from error
    names = [name.strip().removeprefix("\ufeff") for name in names]
    if names and names[0].startswith("PK\x03\x04"):
        raise InputError("the file is a ZIP archive, as workbooks of spreadsheets are; save it as CSV first")
    if any("\0" in name for name in names):
        raise InputError(_wide("UTF-16"))
    if not any(names):
        raise InputError("the first line must name the columns; add it to the file")
    if twice := sorted({name for name in names if name and names.count(name) > 1}):
        raise InputError(f"the first line names columns twice: {', '.join(map(repr, twice))}; give each its own name")
    others = [mark for mark in ",;\t|" if mark in names[0] and mark != mapping.delimiter]
    if len(names) == 1 and others:
        wanted = _NAMED.get(others[0], others[0])
        raise InputError(f'the first line is one column, {names[0]!r}; set delimiter = "{wanted}" in the mapping')
    mapping.check_columns(names)
    return names, lines.number


def _wide(encoding: str) -> str:
    return f"the file is {encoding}, whose lines cannot be told apart by bytes; turn it into UTF-8 first, as iconv does"

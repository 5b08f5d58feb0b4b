"""
Files of touchpoints, one JSON object a line, plain or gzip.

The one rule: memory does not grow with the file, nor with its longest line. A line that cannot be read is counted
with its number and reason, and the next one is read as if nothing had happened; a gzip stream that breaks off is the
fault of the line where it broke.
"""

import gzip
import sys
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final, cast

import orjson

from pipeline.contracts.reasons import Problem, Reason
from pipeline.producers.admission import BYTE_ORDER_MARK, LARGEST_EVENT_BYTES, Refused, id_of, too_large
from pipeline.producers.errors import InputError
from pipeline.producers.importing import MARK_EVERY, Importer, ImportReport, Mark, Translate
from pipeline.producers.repeated import problem_in
from pipeline.producers.unread import fault_of_text

STDIN: Final = "-"

_GZIP_MAGIC: Final = b"\x1f\x8b"
_BUFFER_BYTES: Final = 1 << 20

# A touchpoint of the largest size and its line end.
LONGEST_READ: Final = LARGEST_EVENT_BYTES + 2
"""Bytes after which a line is certainly too long."""


@dataclass(frozen=True, slots=True)
class Input:
    """
    An opened file of lines.

    Attributes:
        stream: The decoded bytes.
        size: Bytes of the file as it lies on disk; None where nobody knows.
        position: How many of them were read so far.
    """

    stream: BinaryIO
    size: int | None
    position: Callable[[], int]


@contextmanager
def open_input(name: str) -> Iterator[Input]:
    """
    Open a file of touchpoints, or standard input for `-`; gzip is recognised by its first bytes.

    Raises:
        InputError: If the file cannot be opened.
    """
    if name == STDIN:
        # Nothing is closed here: standard input belongs to the process.
        yield Input(_decoded(sys.stdin.buffer), None, lambda: 0)
        return
    path = Path(name)
    try:
        raw = path.open("rb", buffering=_BUFFER_BYTES)
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}); name a file of JSON lines, or -") from error
    with raw:
        size = path.stat().st_size if raw.seekable() else None
        yield Input(_decoded(raw), size, raw.tell if raw.seekable() else lambda: 0)


def import_lines(
    stream: BinaryIO,
    importer: Importer,
    translate: Translate | None = None,
    mark: Mark | None = None,
    lines_before: int = 0,
) -> ImportReport:
    """
    Take every line of a stream; empty lines are passed over.

    Args:
        stream: Decoded bytes, at the begin of a line.
        importer: Takes them.
        translate: Makes touchpoints of lines that are somebody else's; None: they are touchpoints.
        mark: Told every thousand lines how far it is. Given one, a last line that is not finished is left.
        lines_before: Lines that stand before the stream's place.

    Returns:
        The report, with the numbers of the lines.
    """
    number = lines_before
    report = importer.report
    for number, line in _lines(stream, lines_before, report, leaves_rest=mark is not None):
        _take(number, line, importer, translate)
        if mark is not None and number % MARK_EVERY == 0:
            mark(stream.tell(), number)
    if mark is not None:
        mark(stream.tell() - report.left_bytes, number)
    return report


def _take(number: int, line: bytes | Problem, importer: Importer, translate: Translate | None) -> None:
    if isinstance(line, Problem):
        importer.reject(number, Refused(None, (line,)))
        return
    try:
        value = orjson.loads(line)
    except orjson.JSONDecodeError as error:
        event_id, problem = fault_of_text(line, error)
        importer.reject(number, Refused(event_id if translate is None else None, (problem,)))
        return
    if translate is None:
        take_value(number, line, value, importer)
    else:
        importer.take_row(number, value, translate)


def take_value(number: int, line: bytes, value: object, importer: Importer) -> None:
    """Take what was read of a line, unless a name stands twice in it."""
    problem = problem_in(line, value)
    if problem is None:
        importer.take(number, value)
    else:
        importer.reject(number, Refused(id_of(value), (problem,)))


def _decoded(raw: BinaryIO) -> BinaryIO:
    peek = getattr(raw, "peek", None)
    head: bytes = peek(2)[:2] if peek is not None else b""
    return cast(BinaryIO, gzip.GzipFile(fileobj=raw, mode="rb")) if head == _GZIP_MAGIC else raw


def is_unfinished(line: bytes) -> bool:
    """Tell whether somebody may still be writing a last line: it has no end, and nobody can read it."""
    if line.endswith(b"\n") or not line.strip() or len(line) > LARGEST_EVENT_BYTES:
        return False
    try:
        orjson.loads(line.removeprefix(BYTE_ORDER_MARK))
    except orjson.JSONDecodeError:
        return True
    return False


def _lines(
    stream: BinaryIO, before: int, report: ImportReport, *, leaves_rest: bool
) -> Iterator[tuple[int, bytes | Problem]]:
    """Yield the lines that are not empty with their numbers; a fault stands in for a line that cannot be had."""
    number = before
    while True:
        number += 1
        try:
            line = stream.readline(LONGEST_READ)
            is_cut = len(line) == LONGEST_READ and not line.endswith(b"\n")
            skipped = skip_line(stream) if is_cut else 0
        except (EOFError, zlib.error, gzip.BadGzipFile) as error:
            yield number, Problem(Reason.UNDECODABLE, "", f"the gzip data ends or breaks here: {error}")
            return
        if not line:
            return
        if leaves_rest and is_unfinished(line):
            report.left_bytes = len(line)
            return
        text = line.removeprefix(BYTE_ORDER_MARK).strip() if number == 1 else line.strip()
        if is_cut or len(text) > LARGEST_EVENT_BYTES:
            yield number, too_large(len(line) + skipped)
        elif text:
            yield number, text


def skip_line(stream: BinaryIO) -> int:
    """Read on to the end of the line without keeping it; returns the bytes passed over."""
    skipped = 0
    while rest := stream.readline(LONGEST_READ):
        skipped += len(rest)
        if rest.endswith(b"\n"):
            break
    return skipped

"""
Files of touchpoints by blocks of whole lines: for files that lie there whole, where nobody waits for the next line.

The rule it owns: a block is whole lines, and what is told of a block's end is a place to go on from. What becomes of
each line is the same as `jsonlines` makes of it one at a time; a stream that comes bit by bit is read there.
"""

import gzip
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO, Final

import orjson

from pipeline.contracts.reasons import Problem, Reason
from pipeline.producers.admission import BYTE_ORDER_MARK, LARGEST_EVENT_BYTES, Refused, too_large
from pipeline.producers.importing import Fault, Importer, ImportReport, Mark
from pipeline.producers.jsonlines import LONGEST_READ, is_unfinished, skip_line, take_value
from pipeline.producers.unread import fault_of_text

_SINGLE_BYTES: Final = 1_048_576
# An archive that breaks loses no more than this of what can be read of it.
_PART_BYTES: Final = 65_536


@dataclass(frozen=True, slots=True)
class Block:
    """Whole lines, the position behind them (0 in a pipe), and the numbers of the lines before and within."""

    data: bytes
    end: int
    lines_before: int
    lines: int


def import_blocks(
    stream: BinaryIO, importer: Importer, mark: Mark | None = None, lines_before: int = 0
) -> ImportReport:
    """
    Take every line of a file, a block at a time; the same as `import_lines`, faster.

    Args:
        stream: Decoded bytes, at the begin of a line.
        importer: Takes them.
        mark: Told after each block how far it is. Given one, a last line that is not finished is left.
        lines_before: Lines that stand before the stream's place.
    """
    for block in blocks_of(stream, importer.report, lines_before, _SINGLE_BYTES, leaves_rest=mark is not None):
        import_block(block.data, importer, block.lines_before)
        if mark is not None:
            mark(block.end, block.lines_before + block.lines)
    return importer.report


def import_block(data: bytes, importer: Importer, lines_before: int) -> ImportReport:
    """
    Take the touchpoints of whole lines that are in memory; the same as `import_lines`, faster.

    Args:
        data: Lines; the last one need not end.
        importer: Takes them.
        lines_before: Lines that stand before them.
    """
    if lines_before == 0:
        data = data.removeprefix(BYTE_ORDER_MARK)
    number = lines_before
    for line in data.split(b"\n"):
        number += 1
        if len(line) > LARGEST_EVENT_BYTES and len(line.strip()) > LARGEST_EVENT_BYTES:
            importer.reject(number, Refused(None, (too_large(len(line)),)))
            continue
        try:
            value = orjson.loads(line)
        except orjson.JSONDecodeError as error:
            if text := line.strip():
                event_id, problem = fault_of_text(text, error)
                importer.reject(number, Refused(event_id, (problem,)))
            continue
        take_value(number, line, value, importer)
    return importer.report


def blocks_of(
    stream: BinaryIO, report: ImportReport, lines_before: int, size: int, *, leaves_rest: bool
) -> Iterator[Block]:
    """
    Cut a stream into blocks of whole lines; what is beyond the longest line is passed over.

    Args:
        stream: Decoded bytes, at the begin of a line.
        report: Told of a gzip stream that breaks off, and of a last line that is left.
        lines_before: Lines that stand before the stream's place.
        size: Bytes of a block, about.
        leaves_rest: Whether a last line that is not finished is left.
    """
    is_broken = False
    while not is_broken:
        parts: list[bytes] = []
        try:
            _read_block(stream, parts, size)
        except (EOFError, zlib.error, gzip.BadGzipFile) as error:
            is_broken = True
            detail = f"the gzip data ends or breaks here: {error}"
            problem = Problem(Reason.UNDECODABLE, "", detail)
        data = b"".join(parts)
        lines = data.count(b"\n")
        if is_broken:
            # The line that broke off is told once, as what it is.
            data = data[: data.rfind(b"\n") + 1]
            report.rejected += 1
            report.by_reason[problem.reason.value] = report.by_reason.get(problem.reason.value, 0) + 1
            report.faults.append(Fault(lines_before + lines + 1, None, problem))
        elif leaves_rest and is_unfinished(rest := data[data.rfind(b"\n") + 1 :]):
            report.left_bytes = len(rest)
            data = data[: len(data) - len(rest)]
        elif not data.endswith(b"\n"):
            lines += 1
        if not data:
            return
        yield Block(data, stream.tell() - report.left_bytes if stream.seekable() else 0, lines_before, lines)
        lines_before += lines


def _read_block(stream: BinaryIO, parts: list[bytes], most: int) -> None:
    """Add the parts of a block to the list, whatever breaks meanwhile."""
    size = 0
    while size < most:
        part = stream.read(min(_PART_BYTES, most))
        if not part:
            return
        parts.append(part)
        size += len(part)
    if not parts[-1].endswith(b"\n"):
        parts.append(stream.readline(LONGEST_READ))
        if len(parts[-1]) == LONGEST_READ and not parts[-1].endswith(b"\n"):
            skip_line(stream)  # the process sees a line that is too long, whatever it goes on with

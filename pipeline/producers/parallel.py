"""
Large files of touchpoints, judged and sent by several processes.

The rule it owns: a block of lines is done when Kafka has confirmed everything in it, and what is told as done is always
a begin of the file without holes: so an import that is killed goes on behind it. Each process recognises what it has
sent itself; the same touchpoint in blocks of two processes is sent twice and stored once.
"""

import gc
import gzip
import multiprocessing
import signal
import time
import zlib
from collections.abc import Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from dataclasses import dataclass
from typing import BinaryIO, Final

from pipeline.config import Settings
from pipeline.contracts.reasons import Problem, Reason
from pipeline.producers.admission import Admission
from pipeline.producers.feeder import Feeder
from pipeline.producers.importing import Fault, Importer, ImportReport, Mark, Progress
from pipeline.producers.jsonlines import LONGEST_READ, import_block, skip_line
from pipeline.registry.framing import framing_of

BLOCK_BYTES: Final = 4_194_304
# An archive that breaks loses no more than this of what can be read of it.
_PART_BYTES: Final = 65_536
_MOST_FAULTS: Final = 1_000
# Blocks that wait for a process, beside those at work: enough that none is idle, few enough for the memory.
_BLOCKS_AHEAD: Final = 2


@dataclass(frozen=True, slots=True)
class Block:
    """Whole lines of a file, the position behind them, and the numbers of the lines before and within."""

    data: bytes
    end: int
    lines_before: int
    lines: int


def import_in_parallel(  # noqa: PLR0913 - each is another matter
    stream: BinaryIO,
    settings: Settings,
    processes: int,
    report: ImportReport,
    *,
    progress: Progress | None = None,
    mark: Mark | None = None,
    lines_before: int = 0,
) -> ImportReport:
    """
    Take every line of a stream of touchpoints with several processes.

    Args:
        stream: Decoded bytes, at the begin of a line.
        settings: Kafka, identity and registry; each process has its own connections.
        processes: How many.
        report: Goes on from its counts.
        progress: Called with the report after each block.
        mark: Told how far everything is confirmed.
        lines_before: Lines that stand before the stream's place.

    Returns:
        The report.

    Raises:
        ProducerError: As a process met it; what was told by `mark` is confirmed.
    """
    context = multiprocessing.get_context("spawn")
    waiting: list[tuple[Block, Future[ImportReport]]] = []
    with ProcessPoolExecutor(processes, context, initializer=_begin, initargs=(settings,)) as pool:
        try:
            for block in _blocks(stream, lines_before, report):
                waiting.append((block, pool.submit(_import_block, block.data, block.lines_before)))
                if len(waiting) >= processes + _BLOCKS_AHEAD:
                    _finish(*waiting.pop(0), report, progress, mark)
            while waiting:
                _finish(*waiting.pop(0), report, progress, mark)
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    return report


def _finish(
    block: Block, future: "Future[ImportReport]", report: ImportReport, progress: Progress | None, mark: Mark | None
) -> None:
    done = future.result()
    report.accepted += done.accepted
    report.duplicate += done.duplicate
    report.rejected += done.rejected
    report.faults += done.faults[: _MOST_FAULTS - len(report.faults)]
    for reason, number in done.by_reason.items():
        report.by_reason[reason] = report.by_reason.get(reason, 0) + number
    if progress is not None:
        progress(report)
    if mark is not None:
        mark(block.end, block.lines_before + block.lines)


def _blocks(stream: BinaryIO, lines_before: int, report: ImportReport) -> Iterator[Block]:
    """Cut a stream into blocks of whole lines; what is beyond the longest line is passed over."""
    is_broken = False
    while not is_broken:
        parts: list[bytes] = []
        try:
            _read_block(stream, parts)
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
        elif not data.endswith(b"\n"):
            lines += 1
        if not data:
            return
        yield Block(data, stream.tell(), lines_before, lines)
        lines_before += lines


def _read_block(stream: BinaryIO, parts: list[bytes]) -> None:
    """Add the parts of a block to the list, whatever breaks meanwhile."""
    size = 0
    while size < BLOCK_BYTES:
        part = stream.read(min(_PART_BYTES, BLOCK_BYTES))
        if not part:
            return
        parts.append(part)
        size += len(part)
    if not parts[-1].endswith(b"\n"):
        parts.append(stream.readline(LONGEST_READ))
        if len(parts[-1]) == LONGEST_READ and not parts[-1].endswith(b"\n"):
            skip_line(stream)  # the process sees a line that is too long, whatever it goes on with


class _Worker:
    """What a process keeps between its blocks."""

    feeder: Feeder
    importer: Importer


def _begin(settings: Settings) -> None:
    """Open the connections of this process; an interruption is the parent's to deal with."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # Nothing here makes cycles, and looking for them after every few hundred objects costs a tenth of the time.
    gc.freeze()
    gc.set_threshold(100_000)
    frame = framing_of(settings.registry)
    admission = Admission(settings.identity, settings.kafka.max_record_bytes, keeps_receipt=True, frame=frame)
    _Worker.feeder = Feeder(settings.kafka)
    _Worker.importer = Importer(admission, _Worker.feeder.send, lambda: time.time_ns() // 1_000_000)


def _import_block(data: bytes, lines_before: int) -> ImportReport:
    """Import one block; returns what became of it when Kafka has confirmed all of it."""
    importer = _Worker.importer
    importer.report = ImportReport()
    import_block(data, importer, lines_before)
    _Worker.feeder.flush()
    return importer.report

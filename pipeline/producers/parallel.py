"""
Large files of touchpoints, judged and sent by several processes.

The rule it owns: a block of lines is done when Kafka has confirmed everything in it, and what is told as done is always
a begin of the file without holes: so an import that is killed goes on behind it. Each process recognises what it has
sent itself; the same touchpoint in blocks of two processes is sent twice and stored once.
"""

import multiprocessing
import os
import signal
import threading
import time
from concurrent.futures import Future, ProcessPoolExecutor
from typing import BinaryIO, Final

from pipeline.config import Settings, spare_collections
from pipeline.producers.admission import Admission
from pipeline.producers.blocks import Block, blocks_of, import_block
from pipeline.producers.feeder import BULK_LINGER, Feeder
from pipeline.producers.importing import Importer, ImportReport, Mark, Progress
from pipeline.registry.framing import framing_of

BLOCK_BYTES: Final = 4_194_304
_MOST_FAULTS: Final = 1_000
# Blocks that wait for a process, beside those at work: enough that none is idle, few enough for the memory.
_BLOCKS_AHEAD: Final = 2


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
    # A process of this kind imports everything once, and its copies are there at once. It is none of this process's,
    # whose threads of librdkafka a copy would lack.
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["__main__", __name__])
    waiting: list[tuple[Block, Future[ImportReport]]] = []
    with ProcessPoolExecutor(processes, context, initializer=_begin, initargs=(settings,)) as pool:
        try:
            for block in blocks_of(stream, report, lines_before, BLOCK_BYTES, leaves_rest=mark is not None):
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


class _Worker:
    """What a process keeps between its blocks."""

    feeder: Feeder
    importer: Importer


def _begin(settings: Settings) -> None:
    """Open the connections of this process; an interruption is the parent's to deal with."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, name="parent", daemon=True).start()
    spare_collections()
    frame = framing_of(settings.registry)
    admission = Admission(settings.identity, settings.kafka.max_record_bytes, keeps_receipt=True, frame=frame)
    _Worker.feeder = Feeder(settings.kafka, linger=BULK_LINGER)
    _Worker.importer = Importer(admission, _Worker.feeder.send, lambda: time.time_ns() // 1_000_000)


def _end_with_parent() -> None:
    """End when the parent was killed: nobody else would tell, for all its processes hold the ends of its pipes."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _import_block(data: bytes, lines_before: int) -> ImportReport:
    """Import one block; returns what became of it when Kafka has confirmed all of it."""
    importer = _Worker.importer
    importer.report = ImportReport()
    import_block(data, importer, lines_before)
    _Worker.feeder.flush()
    return importer.report

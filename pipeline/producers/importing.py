"""
Bringing many touchpoints in at once: judge each, send what may enter, keep account of all.

The one rule: every touchpoint that was read is counted exactly once, as accepted, duplicate or rejected; one bad
touchpoint never stops its neighbours. Where touchpoints come from and how records reach Kafka is handed in.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Final

from pipeline.contracts.reasons import Problem
from pipeline.contracts.touchpoint import EncodedTouchpoint
from pipeline.producers.admission import Admission, Refused
from pipeline.producers.recent import RecentContents

# 16 bytes of hash cost about 100 in a set: a hundred megabytes at most.
_REMEMBERED_CONTENTS: Final = 1_000_000
_MOST_FAULTS: Final = 1_000
_PROGRESS_EVERY: Final = 1_000


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing wrong with one touchpoint of the input; `line` is its line, or its number where there are no lines."""

    line: int
    event_id: str | None
    problem: Problem


@dataclass(slots=True)
class ImportReport:
    """
    How an import went so far.

    Attributes:
        faults: The first thousand faults; `rejected` counts all rejected touchpoints.
        by_reason: Rejected touchpoints by the reason of their first fault.
    """

    accepted: int = 0
    duplicate: int = 0
    rejected: int = 0
    faults: list[Fault] = field(default_factory=list)
    by_reason: dict[str, int] = field(default_factory=dict)

    @property
    def read(self) -> int:
        """Return how many touchpoints were read."""
        return self.accepted + self.duplicate + self.rejected


Send = Callable[[EncodedTouchpoint], None]
Progress = Callable[[ImportReport], None]


class Importer:
    """
    Takes touchpoints one after the other and keeps the report.

    Args:
        admission: Judges each touchpoint.
        send: Takes each admitted record; may block. It need not have delivered when it returns.
        clock: Gives the moment of the receipt, epoch milliseconds.
        progress: Called with the report every thousand touchpoints.
    """

    def __init__(
        self, admission: Admission, send: Send, clock: Callable[[], int], progress: Progress | None = None
    ) -> None:
        self.report = ImportReport()
        self._admission = admission
        self._send = send
        self._clock = clock
        self._progress = progress
        self._recent = RecentContents(_REMEMBERED_CONTENTS)

    def take(self, line: int, value: object) -> None:
        """Judge one decoded touchpoint and send it if it may enter and is new."""
        judged = self._admission.judge(value, self._clock())
        if isinstance(judged, Refused):
            self.reject(line, judged)
            return
        if judged.content in self._recent:
            self.report.duplicate += 1
        else:
            self._send(judged.record)
            self._recent.remember(judged.content)
            self.report.accepted += 1
        self._tell()

    def reject(self, line: int, refused: Refused) -> None:
        """Count a touchpoint that may not enter."""
        report = self.report
        report.rejected += 1
        reason = refused.problems[0].reason.value
        report.by_reason[reason] = report.by_reason.get(reason, 0) + 1
        room = _MOST_FAULTS - len(report.faults)
        report.faults += [Fault(line, refused.event_id, problem) for problem in refused.problems[:room]]
        self._tell()

    def _tell(self) -> None:
        if self._progress is not None and self.report.read % _PROGRESS_EVERY == 0:
            self._progress(self.report)


def import_touchpoints(touchpoints: Iterable[object], importer: Importer) -> ImportReport:
    """Take every touchpoint, numbered from 1, and return the report."""
    for number, touchpoint in enumerate(touchpoints, start=1):
        importer.take(number, touchpoint)
    return importer.report

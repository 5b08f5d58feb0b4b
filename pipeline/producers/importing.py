"""
Bringing many touchpoints in at once: judge each, send what may enter, keep account of all.

The one rule: every touchpoint that was read is counted exactly once, as accepted, duplicate or rejected; one bad
touchpoint never stops its neighbours. Where touchpoints come from and how records reach Kafka is handed in.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final, Protocol

from pipeline.contracts.reasons import Problem
from pipeline.contracts.touchpoint import EncodedTouchpoint
from pipeline.producers.admission import Admission, Refused
from pipeline.producers.recent import RecentContents

# 24 MB at most.
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
        skipped: Rows of somebody else's that the mapping makes no touchpoint of.
        left_bytes: Of a last line that somebody is still writing: it is left for the next run, where there is one.
    """

    accepted: int = 0
    duplicate: int = 0
    rejected: int = 0
    skipped: int = 0
    faults: list[Fault] = field(default_factory=list)
    by_reason: dict[str, int] = field(default_factory=dict)
    left_bytes: int = 0

    @property
    def read(self) -> int:
        """Return how many touchpoints were read."""
        return self.accepted + self.duplicate + self.rejected


class Made(Protocol):
    """A touchpoint that was made from something else."""

    @property
    def touchpoint(self) -> dict[str, Any]:
        """The touchpoint in its JSON form, not judged."""

    def place(self, pointer: str) -> str:
        """Return where a fault of the touchpoint stands in what it was made from."""


Translate = Callable[[object], Iterator[Made | Problem]]
"""Makes touchpoints of one row of somebody else's; none where it is of no concern."""

Mark = Callable[[int, int], None]
"""Told now and then how far the input is: a position to go on from, and the number of the last line before it."""

MARK_EVERY: Final = 1_000
"""Rows between two marks."""

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

    def take(self, line: int, value: object, place: Callable[[str], str] | None = None) -> None:
        """
        Judge one decoded touchpoint and send it if it may enter and is new.

        Args:
            line: Where it stands.
            value: The touchpoint.
            place: Tells faults by what the touchpoint was made from.
        """
        judged = self._admission.judge(value, self._clock())
        if isinstance(judged, Refused):
            self.reject(line, judged if place is None else _placed(judged, place))
            return
        # What cannot be sent ends the import: nothing asks again for what is remembered too early.
        if self._recent.remember(judged.content):
            self._send(judged.record)
            self.report.accepted += 1
        else:
            self.report.duplicate += 1
        if self._progress is not None:
            self._tell()

    def take_row(self, line: int, row: object, translate: Translate) -> None:
        """Take the touchpoints that a row of somebody else's is made into."""
        is_any = False
        for made in translate(row):
            is_any = True
            if isinstance(made, Problem):
                self.reject(line, Refused(_id_in(row), (made,)))
            else:
                self.take(line, made.touchpoint, made.place)
        if not is_any:
            self.report.skipped += 1

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


def _placed(refused: Refused, place: Callable[[str], str]) -> Refused:
    problems = tuple(replace(problem, pointer=place(problem.pointer)) for problem in refused.problems)
    return Refused(refused.event_id, problems)


def _id_in(row: object) -> str | None:
    found = row.get("id", row.get("messageId")) if isinstance(row, Mapping) else None
    return found if isinstance(found, str) else None


def import_touchpoints(touchpoints: Iterable[object], importer: Importer) -> ImportReport:
    """Take every touchpoint, numbered from 1, and return the report."""
    for number, touchpoint in enumerate(touchpoints, start=1):
        importer.take(number, touchpoint)
    return importer.report

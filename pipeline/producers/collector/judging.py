"""
What becomes of each event of a request: accepted, a duplicate, or refused with a reason.

The one rule: events are judged each by itself, by the same rules as everywhere; what is added here is what its sender
may send at all. Nothing is remembered yet: that waits for Kafka.
"""

from collections.abc import Sequence
from typing import Any

from pipeline.contracts.reasons import Problem
from pipeline.producers.admission import Admission, Admitted
from pipeline.producers.collector.answers import Receipts
from pipeline.producers.collector.keys import WriteKey
from pipeline.producers.collector.reading import Event, Unreadable
from pipeline.producers.recent import RecentContents
from pipeline.producers.segment import Translated


class Judge:
    """
    Judges the events of one request after the other; several threads may do so at a time.

    Args:
        admission: The rules for any touchpoint.
        recent: What was seen lately.
    """

    def __init__(self, admission: Admission, recent: RecentContents) -> None:
        self._admission = admission
        self._recent = recent

    def judge(
        self, events: Sequence[Event], key: WriteKey, received_at: int, browser: str | None
    ) -> tuple[Receipts, list[Admitted]]:
        """
        Judge the events of a request.

        Args:
            events: The events in order.
            key: Who sends them.
            received_at: Moment of the receipt, epoch milliseconds.
            browser: Address of the browser that sends them itself; None for any other sender.

        Returns:
            A receipt for each, and those that are to be brought to Kafka.
        """
        receipts = Receipts()
        admitted: list[Admitted] = []
        in_request: set[bytes] = set()
        for event in events:
            judged = self._judge(event, key, received_at, browser)
            if not isinstance(judged, Admitted):
                receipts.reject(*judged)
            elif judged.content in in_request or judged.content in self._recent:
                receipts.repeat(judged.event_id)
            else:
                in_request.add(judged.content)
                admitted.append(judged)
                receipts.accept(judged.event_id, event.warning if isinstance(event, Translated) else None)
        return receipts, admitted

    def _judge(
        self, event: Event, key: WriteKey, received_at: int, browser: str | None
    ) -> Admitted | tuple[str | None, Problem]:
        if isinstance(event, Unreadable):
            return event.event_id, event.problem
        touchpoint: Any = event.touchpoint if isinstance(event, Translated) else event
        if browser is not None:
            _note_address(touchpoint, browser)
        judged = self._admission.judge(touchpoint, received_at)
        if isinstance(judged, Admitted):
            problem = key.refusal(touchpoint["source"], touchpoint["type"]) if key.sources or key.types else None
            if problem is None:
                return judged
            event_id: str | None = judged.event_id
        else:
            event_id, problem = judged.event_id, judged.problems[0]
        if isinstance(event, Translated):
            problem = Problem(problem.reason, event.place(problem.pointer), problem.detail)
        return event_id, problem


def _note_address(touchpoint: object, address: str) -> None:
    """Add the browser's address where the touchpoint tells none and has a place for it."""
    if isinstance(touchpoint, dict):
        context = touchpoint.setdefault("context", {})
        if isinstance(context, dict):
            context.setdefault("ip", address)

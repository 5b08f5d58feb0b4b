"""
What becomes of touchpoints that were sent, told as values, counts and, where somebody must act, as errors.

The one rule: every touchpoint that `send` took is counted once: delivered, duplicate, rejected, waiting or undelivered.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

from pipeline.contracts.reasons import Problem
from pipeline.producers.errors import ProducerError

Status = Literal["accepted", "duplicate", "rejected"]


class Delivery(NamedTuple):
    """
    What became of one touchpoint in the end.

    Attributes:
        id: Its id.
        status: `accepted` and `duplicate`: it is in Kafka, or safe in the collector's spool. `rejected`: it is nowhere.
        reason: Why it was rejected, from the closed list of reasons; else None.
        pointer: Where the fault is; else None.
        detail: The fault in words; else None.
    """

    id: str
    status: Status
    reason: str | None = None
    pointer: str | None = None
    detail: str | None = None


@dataclass(slots=True)
class Counters:
    """
    Counts since the client was made.

    Attributes:
        taken: Touchpoints that `send` took.
        recovered: Touchpoints that an earlier process had left in the spool.
        invalid: Touchpoints that `send` refused because they are none.
        delivered: Confirmed.
        duplicate: Confirmed, and known to have been there before.
        rejected: Refused by the collector.
        undelivered: Given up on leaving, because nobody confirmed them in time and there is no spool.
        retries: Times that a batch had to be sent again.
        waiting: On their way, or on disk.
    """

    taken: int = 0
    recovered: int = 0
    invalid: int = 0
    delivered: int = 0
    duplicate: int = 0
    rejected: int = 0
    undelivered: int = 0
    retries: int = 0
    waiting: int = 0


class InvalidTouchpointError(ProducerError, ValueError):
    """
    What was to be sent is no touchpoint; nothing was taken.

    Attributes:
        problems: All that is wrong, as receipts and dead letters tell it.
    """

    def __init__(self, event_id: str | None, problems: Sequence[Problem]) -> None:
        super().__init__(f"{event_id or 'a touchpoint without id'}: {'; '.join(map(str, problems))}")
        self.problems = tuple(problems)


class UndeliveredError(ProducerError):
    """
    Touchpoints that nobody confirmed in time.

    Attributes:
        touchpoints: They themselves, to be kept and sent again: with their ids they are stored once.
    """

    def __init__(self, touchpoints: Sequence[dict[str, Any]], why: str) -> None:
        super().__init__(
            f"{len(touchpoints)} touchpoints are not delivered: {why}; they are in `touchpoints` of this error, send "
            "them again, or give the client a spool"
        )
        self.touchpoints = tuple(touchpoints)


class SinkAwayError(ProducerError):
    """
    Nothing is known to be taken; the same batch has to be sent again.

    Attributes:
        retry_after_s: Seconds to wait at least.
    """

    def __init__(self, why: str, retry_after_s: float = 0) -> None:
        super().__init__(why)
        self.retry_after_s = retry_after_s

"""
What the collector answers: a receipt for every event, and refusals of whole requests.

The one rule: whoever reads an answer knows of each event whether it is taken. A refusal of a request takes nothing of
it, and says whether and when to try again. One refusal cannot know: where Kafka did not confirm in time, the events are
`unknown`, and sending them again is right in either case.
"""

from http import HTTPStatus
from typing import Any

from pipeline.contracts.reasons import Problem


class Receipts:
    """
    The receipts of one request, in the order of its events.

    Attributes:
        entries: The receipts as CONTRACT names their fields; `detail` of a refusal tells a person more.
        rejected: How many events were refused, by reason.
    """

    def __init__(self) -> None:
        self.entries: list[dict[str, Any]] = []
        self.rejected: dict[str, int] = {}
        self._accepted = 0
        self._duplicate = 0

    def accept(self, event_id: str, warning: str | None = None) -> None:
        """Tell of the next event that it is taken, and what its sender should know all the same."""
        self._accepted += 1
        self._add(event_id, "accepted")
        if warning is not None:
            self.entries[-1]["warning"] = warning

    def repeat(self, event_id: str) -> None:
        """Tell of the next event that it was taken before."""
        self._duplicate += 1
        self._add(event_id, "duplicate")

    def reject(self, event_id: str | None, problem: Problem) -> None:
        """Tell of the next event why it is not taken."""
        reason = problem.reason.value
        self.rejected[reason] = self.rejected.get(reason, 0) + 1
        self.entries.append(
            {
                "index": len(self.entries),
                "id": event_id,
                "status": "rejected",
                "reason": reason,
                "pointer": problem.pointer,
                "detail": problem.detail,
            }
        )

    @property
    def counts(self) -> dict[str, int]:
        """Return how many events were accepted, duplicate and rejected."""
        rejected = len(self.entries) - self._accepted - self._duplicate
        return {"accepted": self._accepted, "duplicate": self._duplicate, "rejected": rejected}

    @property
    def is_all_bad(self) -> bool:
        """Tell whether there were events, and none was taken."""
        return bool(self.entries) and not self._accepted and not self._duplicate

    def as_json(self) -> dict[str, Any]:
        """Return the body of the answer."""
        return {**self.counts, "receipts": self.entries}

    def as_unconfirmed(self) -> dict[str, Any]:
        """Return what is known where Kafka did not confirm in time: what was refused; the rest may be taken or not."""
        rejected = self.counts["rejected"]
        receipts = [each if each["status"] == "rejected" else {**each, "status": "unknown"} for each in self.entries]
        counts = {"accepted": 0, "duplicate": 0, "rejected": rejected, "unknown": len(receipts) - rejected}
        return {**counts, "receipts": receipts}

    def _add(self, event_id: str, status: str) -> None:
        self.entries.append(
            {"index": len(self.entries), "id": event_id, "status": status, "reason": None, "pointer": None}
        )


class RequestRefused(Exception):  # noqa: N818 - the name says what is sent back
    """
    A request of which nothing was taken, or nobody knows.

    Args:
        status: The HTTP status.
        detail: What is wrong and what to do.
        retry_after_s: Seconds after which to try again; None where trying again is useless.
        may_be_taken: Whether Kafka may have taken some of it all the same.
    """

    def __init__(
        self, status: HTTPStatus, detail: str, retry_after_s: int | None = None, *, may_be_taken: bool = False
    ) -> None:
        super().__init__(detail)
        self.may_be_taken = may_be_taken
        self.receipts: dict[str, Any] = {}
        self.status = status
        self.detail = detail
        self.retry_after_s = retry_after_s

    @property
    def headers(self) -> dict[str, str]:
        """Return the headers that belong to the refusal."""
        if self.retry_after_s is not None:
            return {"Retry-After": str(self.retry_after_s)}
        return {"WWW-Authenticate": "Bearer"} if self.status is HTTPStatus.UNAUTHORIZED else {}

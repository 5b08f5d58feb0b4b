"""
What the collector answers: a receipt for every event, and refusals of whole requests.

The one rule: whoever reads an answer knows of each event whether it is taken. A refusal of a request takes nothing of
it, and says whether and when to try again.
"""

from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

from pipeline.contracts.reasons import Problem


@dataclass(frozen=True, slots=True)
class Receipt:
    """What became of one event; a problem makes it rejected."""

    index: int
    event_id: str | None
    status: str
    problem: Problem | None = None

    def as_json(self) -> dict[str, Any]:
        """Return the receipt as CONTRACT names its fields; `detail` tells a person more."""
        problem = self.problem
        return {
            "index": self.index,
            "id": self.event_id,
            "status": self.status,
            "reason": problem.reason.value if problem else None,
            "pointer": problem.pointer if problem else None,
            **({"detail": problem.detail} if problem else {}),
        }


@dataclass(slots=True)
class Receipts:
    """The receipts of one request, in the order of its events."""

    entries: list[Receipt] = field(default_factory=list)

    def count(self, status: str) -> int:
        """Return how many events have that status: accepted, duplicate or rejected."""
        return sum(1 for entry in self.entries if entry.status == status)

    def as_json(self) -> dict[str, Any]:
        """Return the body of the answer."""
        counts = {status: self.count(status) for status in ("accepted", "duplicate", "rejected")}
        return {**counts, "receipts": [entry.as_json() for entry in self.entries]}

    @property
    def http_status(self) -> HTTPStatus:
        """Return 400 where every event is bad, so that nobody takes it for a success; else 202."""
        is_all_bad = bool(self.entries) and self.count("rejected") == len(self.entries)
        return HTTPStatus.BAD_REQUEST if is_all_bad else HTTPStatus.ACCEPTED


class RequestRefused(Exception):  # noqa: N818 - the name says what is sent back
    """
    A request of which nothing was taken.

    Args:
        status: The HTTP status.
        detail: What is wrong and what to do.
        retry_after_s: Seconds after which to try again; None where trying again is useless.
    """

    def __init__(self, status: HTTPStatus, detail: str, retry_after_s: int | None = None) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.retry_after_s = retry_after_s

    @property
    def headers(self) -> dict[str, str]:
        """Return the headers that belong to the refusal."""
        if self.retry_after_s is not None:
            return {"Retry-After": str(self.retry_after_s)}
        return {"WWW-Authenticate": "Bearer"} if self.status is HTTPStatus.UNAUTHORIZED else {}

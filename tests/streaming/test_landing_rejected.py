"""Rows of rejected records: a replay that is refused again names the dead letter that it was to repair."""

from dataclasses import dataclass
from datetime import UTC, datetime

import pytest

from pipeline.contracts.reasons import Problem, Reason
from pipeline.contracts.wire import REPLAY_HEADER
from pipeline.streaming.decode.values import Rejection
from pipeline.streaming.landing.batch import Batch
from pipeline.streaming.landing.rejected import rejected_rows
from pipeline.streaming.records import Chunk

STAMP = datetime(2026, 3, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Headed:
    """A record as aiokafka hands it over, with headers."""

    offset: int
    headers: tuple[tuple[str, bytes], ...] | None
    timestamp: int = 0
    key: bytes | None = None
    value: bytes | None = b"x"


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        (((REPLAY_HEADER, b"log/touchpoints.web:0:7"),), "log/touchpoints.web:0:7"),
        ((("traceparent", b"00-1"), (REPLAY_HEADER, b"log/touchpoints.web:0:7")), "log/touchpoints.web:0:7"),
        (((REPLAY_HEADER, b"\xff"),), "\N{REPLACEMENT CHARACTER}"),
        (((REPLAY_HEADER, b""),), ""),
        ((), ""),
        (None, ""),
    ],
)
def test_a_refused_replay_names_its_dead_letter(headers: tuple[tuple[str, bytes], ...] | None, expected: str) -> None:
    batch = Batch.of([Chunk("touchpoints.web", 0, 9, 9, [Headed(9, headers)])])
    rejection = Rejection(0, Problem(Reason.UNDECODABLE, "", "rubbish"))
    (row,) = rejected_rows(batch, [rejection], "log", STAMP).iter_rows(named=True)
    assert (row["offset"], row["replay_of"]) == (9, expected)

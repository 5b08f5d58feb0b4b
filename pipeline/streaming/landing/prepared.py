"""What a batch is before the warehouse hears of it: its facts and its rejections, made of nothing but its records."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from time import perf_counter

from pipeline.streaming.decode.confluent import Opened
from pipeline.streaming.decode.values import Rejection
from pipeline.streaming.landing.batch import Batch
from pipeline.streaming.landing.facts import Facts


class Stopwatch:
    """Adds up the seconds spent in each part, on top of those that are handed in."""

    def __init__(self, seconds: Mapping[str, float] | None = None) -> None:
        self.seconds = dict(seconds or {})
        self._since = perf_counter()

    def lap(self, part: str) -> None:
        """Add the time since the last lap to a part."""
        now = perf_counter()
        self.seconds[part] = self.seconds.get(part, 0.0) + now - self._since
        self._since = now


@dataclass(frozen=True, slots=True)
class Prepared:
    """
    A batch that is ready to be landed, as often as it takes.

    Attributes:
        batch: The records.
        opened: Frames of a schema registry; None where there is none.
        facts: None where nothing in it is an event.
        rejections: What was rejected of it.
        seconds: How long that took, by part.
    """

    batch: Batch
    opened: Opened | None
    facts: Facts | None
    rejections: Sequence[Rejection]
    seconds: Mapping[str, float]

"""
Where an import was when it ended, however it ended: a small file beside it.

The rule it owns: what the file says is done has been confirmed by Kafka, so going on from there loses nothing; what was
sent after it is sent again, and stored once. A checkpoint belongs to one input and refuses another.
"""

import os
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from hashlib import blake2b
from pathlib import Path
from typing import Any, Final

import orjson

from pipeline.producers.errors import InputError
from pipeline.producers.importing import ImportReport

_HEAD_BYTES: Final = 65_536
_EVERY_S: Final = 2.0
_COUNTS: Final = ("accepted", "duplicate", "rejected", "skipped", "by_reason")


@dataclass(frozen=True, slots=True)
class Input:
    """Which file an import reads, recognised by its first bytes: it may have grown since."""

    name: str
    head_bytes: int
    head: str

    @classmethod
    def of(cls, path: Path) -> "Input":
        """
        Look at a file.

        Raises:
            InputError: If it cannot be read.
        """
        return cls._of_first(path, _HEAD_BYTES)

    def is_begin_of(self, path: Path) -> bool:
        """Tell whether a file begins as this one did."""
        return self._of_first(path, self.head_bytes).head == self.head

    @classmethod
    def _of_first(cls, path: Path, size: int) -> "Input":
        try:
            with path.open("rb") as file:
                head = file.read(size)
        except OSError as error:
            raise InputError(f"{path}: cannot be read ({error.strerror}); a checkpoint needs a file") from error
        return cls(str(path), len(head), blake2b(head, digest_size=16).hexdigest())


@dataclass(slots=True)
class State:
    """How far an import is: the position to go on from, the lines before it, and what came of them."""

    position: int = 0
    lines: int = 0
    is_done: bool = False
    counts: dict[str, Any] = field(default_factory=dict)


class Checkpoint:
    """
    Keeps the state of one import.

    Args:
        path: The file.
        source: What is imported.
        flush: Returns when Kafka has confirmed everything sent so far.
        clock: Seconds that only grow.

    Attributes:
        state: How far the import was when the file was written last.
    """

    def __init__(
        self,
        path: Path,
        source: Path,
        flush: Callable[[], object],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._path = path
        self._input = Input.of(source)
        self._flush = flush
        self._clock = clock
        self._saved_at = clock()
        self.state = self._read(source)

    def resume(self, report: ImportReport) -> None:
        """Let a report go on from the counts of the file."""
        for name in _COUNTS:
            if name in self.state.counts:
                setattr(report, name, self.state.counts[name])

    def mark(self, position: int, lines: int, report: ImportReport) -> None:
        """Write the state, if the last time is long enough ago."""
        if self._clock() - self._saved_at >= _EVERY_S:
            self.save(position, lines, report)

    def save(self, position: int, lines: int, report: ImportReport, *, is_done: bool = False) -> None:
        """Wait until Kafka has everything and write the state: whole or not at all."""
        self._flush()
        counts = {name: getattr(report, name) for name in _COUNTS}
        self.state = State(position, lines, is_done, counts)
        text = orjson.dumps({"input": asdict(self._input), **asdict(self.state)}, option=orjson.OPT_INDENT_2)
        beside = self._path.with_name(self._path.name + ".new")
        with beside.open("wb") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        beside.replace(self._path)
        self._saved_at = self._clock()

    def _read(self, source: Path) -> State:
        try:
            told = orjson.loads(self._path.read_bytes())
        except FileNotFoundError:
            return State()
        except (OSError, orjson.JSONDecodeError) as error:
            raise InputError(f"{self._path}: no checkpoint ({error}); remove it to begin anew") from error
        try:
            known = Input(**told.pop("input"))
            state = State(**told)
        except (TypeError, KeyError, AttributeError) as error:
            raise InputError(f"{self._path}: no checkpoint of an import; name another file") from error
        if not known.is_begin_of(source):
            raise InputError(f"{self._path}: belongs to another input ({known.name}); remove it or name another file")
        return state

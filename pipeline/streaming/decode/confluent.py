"""
Values in Confluent's frame, given the frame that the decoder knows.

The rule it owns: what a schema id names is asked of the registry and never guessed. A value whose id cannot be resolved
now is set aside with the reason; it is neither good nor bad.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from pipeline.contracts.reasons import Problem, Reason
from pipeline.contracts.schemas import WriterSchema, schema_by_fingerprint
from pipeline.contracts.wire import MARKER
from pipeline.registry.framing import ID_BYTES, MAGIC
from pipeline.registry.schemas import Foreign, IdResolver, Unresolved

_HEAD_BYTES = len(MAGIC) + ID_BYTES


@dataclass(frozen=True, slots=True)
class Opened:
    """
    Values ready for the decoder.

    Attributes:
        values: As many as were given; those named below stand there as they came.
        unresolved: Why, by row, where an id could not be resolved.
        foreign: What is wrong, by row, where an id names no schema of touchpoints.
    """

    values: list[bytes | None]
    unresolved: dict[int, str]
    foreign: dict[int, Problem]


class ConfluentFrames:
    """
    Opens Confluent's frames; safe for several threads.

    Args:
        resolver: Asks the registry.
    """

    def __init__(self, resolver: IdResolver) -> None:
        self._resolver = resolver

    def open(self, values: Sequence[bytes | None]) -> Opened:
        """Give values in Confluent's frame that of a single object; all others stay."""
        opened = Opened([*values], {}, {})
        rows: defaultdict[bytes, list[int]] = defaultdict(list)
        for row, value in enumerate(values):
            if value is not None and value[:1] == MAGIC and len(value) >= _HEAD_BYTES:
                rows[value[:_HEAD_BYTES]].append(row)
        for head, found in rows.items():
            resolved = self._resolver.resolve(int.from_bytes(head[len(MAGIC) :], "big"))
            if isinstance(resolved, Unresolved):
                opened.unresolved.update(dict.fromkeys(found, resolved.why))
            elif isinstance(resolved, Foreign):
                problem = Problem(Reason.UNKNOWN_SCHEMA, "", resolved.why)
                opened.foreign.update(dict.fromkeys(found, problem))
            else:
                self._reframe(opened.values, found, resolved)
        return opened

    def schema_of(self, fingerprint: bytes) -> WriterSchema | None:
        """Return a schema of ours, released or told by the registry."""
        return schema_by_fingerprint(fingerprint) or self._resolver.schema_by_fingerprint(fingerprint)

    @staticmethod
    def _reframe(values: list[bytes | None], rows: Sequence[int], schema: WriterSchema) -> None:
        head = MARKER + schema.fingerprint
        for row in rows:
            value = values[row]
            if value is not None:
                values[row] = head + value[_HEAD_BYTES:]

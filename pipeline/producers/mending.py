"""
Mending dead letters: read, patch, judge anew, send again.

The rule it owns: a dead letter is sent again only if it would be taken now, judged by the moment of its first receipt,
so that mending late is no way around the rules. It is sent as a record of its own that names the dead letter: the
touchpoint's identity makes sending it twice harmless, and should it be refused after all, it is no second dead letter.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from pipeline.contracts.reasons import Problem, Reason
from pipeline.contracts.schemas import WriterSchema, schema_by_fingerprint
from pipeline.contracts.unjudged import read_unjudged
from pipeline.contracts.wire import REPLAY_HEADER
from pipeline.producers.admission import Admission, Admitted
from pipeline.producers.feeder import Feeder
from pipeline.producers.patching import PatchError, Step, parse_steps, patched
from pipeline.warehouse.dead_letters import DeadLetter

_REVISION: Final = ("revision",)
_SET: Final = re.compile(r"(?:^|; )set /revision (\d+)(?=;|$)", re.ASCII)
_RAISED: Final = re.compile(r"(?:^|; )set /revision \d+$", re.ASCII)


@dataclass(frozen=True, slots=True)
class Mended:
    """
    What mending came to.

    Attributes:
        letter: The dead letter.
        before: What it says as JSON; None where it cannot be read.
        after: The same after the patch; None where there is none.
        admitted: The record to send; None where it would be refused again.
        problems: Why it would be.
        patch: The steps that were applied, as one text.
    """

    letter: DeadLetter
    before: dict[str, Any] | None
    after: dict[str, Any] | None
    admitted: Admitted | None
    problems: tuple[Problem, ...] = ()
    patch: str = ""


def mend(
    letter: DeadLetter,
    steps: Sequence[Step],
    admission: Admission,
    schema_of: Callable[[bytes], WriterSchema | None] = schema_by_fingerprint,
) -> Mended:
    """
    Apply a patch to a dead letter and judge what comes of it; nothing is sent.

    One that was mended otherwise before is given the next revision, so that what is said last holds.

    Args:
        letter: The dead letter.
        steps: The patch; empty to try it as it is.
        admission: Judges; must believe the receipt that a touchpoint brings.
        schema_of: Finds the schema that the letter was written with.
    """
    before = read_unjudged(letter.payload, schema_of)
    if isinstance(before, Problem):
        return Mended(letter, None, None, None, (before,))
    steps = _superseding(letter, before, steps)
    try:
        after = patched(before, steps)
    except PatchError as error:
        return Mended(letter, before, None, None, (Problem(Reason.WRONG_TYPE, "", str(error)),))
    judged = admission.judge(after, letter.rejected_at_ms)
    if isinstance(judged, Admitted):
        return Mended(letter, before, after, judged, patch=_text_of(steps))
    return Mended(letter, before, after, None, judged.problems, _text_of(steps))


def _superseding(letter: DeadLetter, before: Mapping[str, Any], steps: Sequence[Step]) -> Sequence[Step]:
    """Return the steps, and a step for the revision where an earlier repair must not win."""
    if letter.patch is None or any(_REVISION in (step.at, step.to) for step in steps):
        return steps
    told = [int(number) for number in _SET.findall(letter.patch)]
    revision = before.get("revision")
    highest = max((*told, revision if type(revision) is int else 0))
    if _RAISED.sub("", letter.patch) != _text_of(steps):
        highest += 1
    elif not told:
        return steps  # the same repair again is the same event
    return (*steps, *parse_steps([f"set /revision {highest}"]))


def _text_of(steps: Sequence[Step]) -> str:
    return "; ".join(step.text for step in steps)


def send(mended: Sequence[Mended], feeder: Feeder) -> None:
    """
    Send what can be sent; when this returns, Kafka has confirmed all of it.

    Raises:
        ProducerError: If Kafka does not take it; what was confirmed is harmless to send again.
    """
    for entry in mended:
        if entry.admitted is not None:
            feeder.send(entry.admitted.record, ((REPLAY_HEADER, entry.letter.name.encode()),))
    feeder.flush()

"""
Who goes next where chance would hardly ever choose it: the beginning of a schedule, written down.

The rule owned here: a script names turns, one after the other, each until somebody is about to take a step or until
nobody it names has anything to do. When all turns are over, chance decides as everywhere else. Whom partitions fall to
is chance's all the same, so a script fits some seeds only; others go on without harm.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from tests.model.stage import Actor

_FOR_EVER: Final = 1_000_000


@dataclass(frozen=True, slots=True)
class Turn:
    """
    Whose turn it is, and until when.

    Attributes:
        who: How the names of the actors begin.
        before: The turn ends when one of them is about to take this step.
        steps: The turn ends after so many steps.
    """

    who: str
    before: str = ""
    steps: int = _FOR_EVER


class Script:
    """The turns that are left of a script; for one schedule."""

    def __init__(self, turns: Sequence[Turn]) -> None:
        self._turns = list(turns)
        self._taken = 0

    def choose(self, actors: Sequence[Actor]) -> Actor | None:
        """Return who goes next; None: the script is over."""
        while self._turns:
            turn = self._turns[0]
            named = [actor for actor in actors if actor.name.startswith(turn.who) and not actor.is_done]
            ready = [actor for actor in named if actor.is_ready()]
            is_there = self._taken > 0 and any(actor.at == turn.before for actor in named)
            if ready and not is_there and self._taken < turn.steps:
                self._taken += 1
                return ready[0]
            self._turns.pop(0)
            self._taken = 0
        return None

"""
One person at one time: whom it is about, where it is written, chance, and what is planted around.

Everything that people do takes a scene and moments, writes touchpoints, and returns when it was over.
"""

from dataclasses import dataclass
from hashlib import blake2b
from random import Random

from pipeline.producers.simulator.journal import Journal
from pipeline.producers.simulator.people import Person
from pipeline.producers.simulator.rhythm import MINUTE, SECOND
from pipeline.producers.simulator.stories import Stories


@dataclass(frozen=True, slots=True)
class Scene:
    """
    What everything that people do needs.

    Attributes:
        is_lucky: Nothing goes wrong for this person (the loyal fan).
    """

    person: Person
    journal: Journal
    rng: Random
    stories: Stories
    is_lucky: bool = False

    def chance(self, share: float) -> bool:
        """Tell whether something with this probability happens; the number is drawn in any case."""
        return self.rng.random() < share

    def mishap(self, share: float) -> bool:
        """Tell whether something bad with this probability happens; never to the lucky."""
        return self.chance(share) and not self.is_lucky

    def seconds(self, least: int, most: int) -> int:
        """Return a random while, given in seconds, in milliseconds."""
        return self.rng.randrange(least * SECOND, most * SECOND)

    def minutes(self, least: int, most: int) -> int:
        """Return a random while, given in minutes, in milliseconds."""
        return self.rng.randrange(least * MINUTE, most * MINUTE)


def text_hash(text: str) -> str:
    """Return the hash under which a text appears; the shop never sends what people wrote."""
    return blake2b(text.encode(), digest_size=8).hexdigest()

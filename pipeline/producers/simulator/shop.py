"""
The whole simulation: people are made, live through the period, and their touchpoints are put in order of time.

The one rule: the same seed, number of customers and period give the same bytes. Every person draws from random
numbers of their own, so that more customers change nothing about the first ones.
"""

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from random import Random
from typing import Any, Final

from pipeline.producers.simulator.journal import Entry, Journal, Touchpoint
from pipeline.producers.simulator.life import live, live_as_fan, suffer_bad_week, suffer_bot, suffer_outage
from pipeline.producers.simulator.misfortunes import suffer_flaw, suffer_overload, suffer_stalled_return
from pipeline.producers.simulator.people import Person, make_person
from pipeline.producers.simulator.rhythm import DAY, MINUTE, SECOND, visiting_moment
from pipeline.producers.simulator.scene import Scene
from pipeline.producers.simulator.stories import PlantedStory, Stories
from pipeline.producers.simulator.world import ARTICLES, CRAWLER_AGENT, SHOP_URL

DEFAULT_DAYS: Final = 120
_LEAST_DAYS: Final = 60
_CRAWLERS: Final = 3

# Of a thousand people: how many each story strikes for certain, beside those whom it meets by chance.
_STRUCK_PER_MILLE: Final = {
    suffer_outage: 25,
    suffer_bad_week: 25,
    suffer_bot: 16,
    suffer_flaw: 14,
    suffer_stalled_return: 14,
    suffer_overload: 16,
}
_LEAST_STRUCK: Final = 5


class Simulation:
    """
    One simulated stretch of the shop's life.

    Attributes:
        seed: The number that everything follows from.
        started_at: First moment of the period, epoch milliseconds.
        ended_at: Moment after the last one.
    """

    def __init__(
        self,
        seed: int,
        customers: int,
        *,
        end: datetime,
        days: int = DEFAULT_DAYS,
        stories: bool = True,
    ) -> None:
        if customers < 1:
            raise ValueError("customers must be at least 1")
        if days < _LEAST_DAYS:
            raise ValueError(f"days must be at least {_LEAST_DAYS}: the planted stories need room")
        self.seed = seed
        self.ended_at = int(end.timestamp()) * 1000
        first_day = int((end - timedelta(days=days)).timestamp()) * 1000 // DAY * DAY
        self.started_at = first_day
        self._days = days
        self._stories = Stories(first_day, days, planted=stories)
        self._planted = stories
        self._entries: list[Entry] = []
        for index in range(customers):
            self._entries += self._live(index, customers)
        for number in range(_CRAWLERS):
            self._entries += self._crawl(customers + number)
        # The person and the running number stand before the touchpoint, so two entries never compare it.
        self._entries.sort()

    def __len__(self) -> int:
        """Return how many touchpoints there are."""
        return len(self._entries)

    def __iter__(self) -> Iterator[Touchpoint]:
        """Yield the touchpoints in order of time."""
        return (entry.touchpoint for entry in self._entries)

    def entries(self) -> list[Entry]:
        """Return the touchpoints with the person behind each: the truth that stitching looks for."""
        return self._entries

    def planted_truth(self) -> tuple[PlantedStory, ...]:
        """Return the planted stories as they struck."""
        return self._stories.told()

    def pains(self) -> Mapping[str, Mapping[str, str]]:
        """Return everything that hurt, planted or not: kind → business id → event id that shows it."""
        return self._stories.pains

    def _live(self, index: int, customers: int) -> list[Entry]:
        rng = Random(f"{self.seed}/{index}")
        person = make_person(self.seed, index, rng)
        is_fan = self._planted and index == 0
        scene = self._scene(person, rng, is_lucky=is_fan)
        if is_fan:
            live_as_fan(scene, self.started_at, self._days)
            return scene.journal.entries
        first = 1
        for suffer, per_mille in _STRUCK_PER_MILLE.items():
            crowd = max(_LEAST_STRUCK, customers * per_mille // 1000)
            if self._planted and first <= index < first + crowd:
                suffer(scene)
            first += crowd
        live(scene, self.started_at, self._days, ("cookie_id", f"ck-kiosk-{self.seed}"))
        return scene.journal.entries

    def _crawl(self, index: int) -> list[Entry]:
        """Let a search engine read the journal: never a customer, always the same machine's name."""
        rng = Random(f"{self.seed}/crawler/{index}")
        scene = self._scene(make_person(self.seed, index, rng), rng, is_lucky=True)
        at = visiting_moment(rng, self.started_at, self._days)
        cookie = ("cookie_id", f"ck-crawler-{self.seed}-{rng.getrandbits(32):08x}")
        for slug, title in ARTICLES:
            context = {"url": f"{SHOP_URL}/journal/{slug}", "title": title, "user_agent": CRAWLER_AGENT}
            scene.journal.write("web.page_viewed", "webshop", at, [cookie], context=context)
            at += MINUTE + 7 * SECOND
        return scene.journal.entries

    def _scene(self, person: Person, rng: Random, *, is_lucky: bool) -> Scene:
        journal = Journal(person.index, rng, self.started_at, self.ended_at)
        return Scene(person, journal, rng, self._stories, is_lucky)


def simulate(seed: int, customers: int, *, end: datetime, days: int = DEFAULT_DAYS, stories: bool = True) -> Simulation:
    """
    Simulate the shop for some customers over the days before `end`.

    Args:
        seed: Any number; the same one gives the same bytes.
        customers: How many people, most of whom only look around or buy once.
        end: Where the period ends, with its time zone; what lies after has not happened yet.
        days: Length of the period.
        stories: Whether the stories are planted.

    Returns:
        The simulation: iterate over it for touchpoints, ask it for the planted truth.
    """
    return Simulation(seed, customers, end=end, days=days, stories=stories)


def truth_as_json(simulation: Simulation) -> dict[str, Any]:
    """Return everything that was planted as plain JSON values."""
    return {
        "seed": simulation.seed,
        "touchpoints": len(simulation),
        "stories": [story.as_json() for story in simulation.planted_truth()],
        "pains": {kind: len(found) for kind, found in simulation.pains().items()},
    }

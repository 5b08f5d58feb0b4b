"""
`make quiet`: simulated shops without stories bring no incidents, shops with stories bring just these, on any day.

Each seed's shop lands in the real warehouse and is read as `throughline incidents` reads it. A false incident is one
that no planted story explains; over twenty quiet seeds there may be one. The shop of the demo is looked at on seven
days in a row: what happens depends on the weekday on which its history ends, and on nothing else of the date.
"""

import argparse
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from pydantic import SecretStr

from pipeline.cli.clickhouse import Warehouse
from pipeline.cli.incidents import read_incidents
from pipeline.config import ClickHouseSettings
from pipeline.findings.incidents import Incident
from pipeline.findings.rules import IncidentRules
from pipeline.producers.simulator import PlantedStory, Simulation, simulate
from pipeline.warehouse.connection import connect
from pipeline.warehouse.migrate import migrate
from tests.embedded.servers import new_warehouse
from tests.streaming.test_stitcher import RECEIVED_MS, Shop, make_shop

SEEDS = 20
# Shops that nothing was chosen by; docs/what-hurts.md tells of the others.
FIRST_STORIES = 401
DEMO_SEED = 1
WEEK_DAYS = 7
MOST_FALSE = 1
END = datetime.fromtimestamp(RECEIVED_MS / 1000, UTC).replace(hour=0, minute=0, day=25, month=4)


@dataclass(frozen=True)
class Shops:
    """Simulated shops, one after the other in one database."""

    shop: Shop
    warehouse: Warehouse

    def incidents(self, simulation: Simulation) -> list[Incident]:
        """Let a shop in, find its incidents, and let it out again."""
        self.shop.land(*simulation)
        self.shop.stitch()
        try:
            return read_incidents(self.warehouse, IncidentRules(), 3)
        finally:
            for table in ("touchpoints", "identity_links", "identity_statements", "stitched", "landed"):
                self.shop.query(f"TRUNCATE TABLE {table}")


def shop_of(seed: int, *, stories: bool, customers: int = 1_000, end: datetime = END) -> Simulation:
    """Return the shop of a seed."""
    return simulate(seed, customers, end=end, stories=stories)


def days_off(incident: Incident, story: PlantedStory) -> int:
    """Return by how many days the dates of an incident differ from those of a story, the worse of both ends."""
    first, last = (datetime.fromisoformat(text) for text in (story.started_at, story.ended_at))
    # The end is excluded: what ends at midnight ended on the day before.
    whole = last.hour == last.minute == 0
    ended = incident.what.last_day
    beyond = abs((last.date() - ended).days - whole)
    return max(abs((first.date() - incident.started_at.date()).days), beyond)


def found(incidents: list[Incident], story: PlantedStory) -> Incident | None:
    """Return the incident of the story's kind whose days meet the story's."""
    first, last = (datetime.fromisoformat(text) for text in (story.started_at, story.ended_at))
    return next(
        (
            each
            for each in incidents
            if each.what.kind == story.pain_point and each.what.from_at < last and each.what.until_at > first
        ),
        None,
    )


@contextmanager
def open_shops(settings: ClickHouseSettings) -> Iterator[Shops]:
    """Make the tables and the views that the incidents are read from."""
    client = connect(settings)
    migrate(client, metrics=False)
    client.close()
    yield Shops(make_shop(settings), Warehouse(settings.url.get_secret_value()))


def main() -> None:
    """Look at all seeds and say what was found; exit 1 if it is not as it must be."""
    parser = argparse.ArgumentParser(prog="python -m tests.findings.quiet", description=__doc__)
    parser.add_argument("--seeds", type=int, default=SEEDS)
    parser.add_argument("--first", type=int, default=1)
    parser.add_argument("--stories", type=int, default=6, help="seeds with stories")
    parser.add_argument("--first-stories", type=int, default=FIRST_STORIES)
    arguments = parser.parse_args()
    false = missed = 0
    seeds = range(arguments.first, arguments.first + arguments.seeds)
    with tempfile.TemporaryDirectory() as folder, new_warehouse(Path(folder)) as server:
        connect(ClickHouseSettings(url=SecretStr(f"{server.url}/default"))).command("CREATE DATABASE quiet")
        with open_shops(ClickHouseSettings(url=SecretStr(f"{server.url}/quiet"))) as shops:
            for seed in seeds:
                false += _say(f"quiet {seed}", shops.incidents(shop_of(seed, stories=False)))
            for seed in range(arguments.first_stories, arguments.first_stories + arguments.stories):
                missed += _judged(f"stories {seed}", shop_of(seed, stories=True), shops)
            for day in (END - timedelta(days=back) for back in range(WEEK_DAYS)):
                missed += _judged(f"demo until {day:%a}", shop_of(DEMO_SEED, stories=True, end=day), shops)
    sys.stdout.write(
        f"{false} false incidents over {arguments.seeds} quiet seeds; {missed} stories missed or misdated\n"
    )
    sys.exit(false > MOST_FALSE or missed > 0)


def _judged(name: str, simulation: Simulation, shops: Shops) -> int:
    incidents = shops.incidents(simulation)
    _say(name, incidents)
    stories = [story for story in simulation.planted_truth() if story.pain_point is not None]
    missed = 0
    for story in stories:
        match = found(incidents, story)
        fits = match is not None and match.rank <= len(stories) and days_off(match, story) <= 1
        missed += not fits
        told = "missed" if match is None else f"rank {match.rank}, {days_off(match, story)} days off"
        sys.stdout.write(f"    {story.kind} {story.started_at} to {story.ended_at}: {told}\n")
    return missed


def _say(name: str, incidents: list[Incident]) -> int:
    for each in incidents:
        what = each.what
        sys.stdout.write(
            f"{name}: {each.rank} {what.kind} {what.segment} {what.value} {what.from_at.date()} to {what.last_day}, "
            f"{what.hits}/{what.cases} against {what.baseline_hits}/{what.baseline_cases}, p {what.p_value:.2g}\n"
        )
    sys.stdout.write(f"{name}: {len(incidents)} incidents\n")
    sys.stdout.flush()
    return len(incidents)


if __name__ == "__main__":
    main()

"""
Making results again on command, and moving the readers of `journeys.updated` when the active version is switched.

The work itself is that of a stitch worker, by the same functions and under a registered version; a command that is
killed leaves whole batches behind, and nobody waits for it.
"""

import os
import socket
from collections.abc import Callable
from dataclasses import dataclass
from uuid import UUID

import polars as pl

from pipeline.config import Settings
from pipeline.streaming.changes import journey_changes
from pipeline.streaming.closure import close_blocks
from pipeline.streaming.making import Making
from pipeline.streaming.ports import Publisher
from pipeline.streaming.publishing import JourneyPublisher, KafkaWriter
from pipeline.streaming.stitcher import StitchOutcome, StitchRulesOf, stitch_batch
from pipeline.streaming.switching import ActiveOnly
from pipeline.warehouse.connection import connect
from pipeline.warehouse.results import StitchStore
from pipeline.warehouse.rules import NOWHERE, RulesBook
from pipeline.warehouse.rules_making import MakingStore
from pipeline.warehouse.rules_snapshot import Snapshot

RANGE_CUSTOMERS = 5_000


@dataclass(frozen=True)
class Extent:
    """How much a restitch would make again."""

    identifiers: int
    touchpoints: int


class Restitcher:
    """
    Stitches under the rules of one version, outside of any worker.

    Not safe for concurrent use. Methods may raise `WarehouseUnavailable` and `BrokerUnavailable`.

    Args:
        settings: With the rules and the number of the version.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._version = settings.stitching.rules_version
        client = connect(settings.clickhouse)
        self._store = StitchStore(client, self._version, settings.stitching.sweep_margin)
        self._publisher = ActiveOnly(_LazyPublisher(settings), self._version, RulesBook(client).active)
        self._rules = StitchRulesOf(settings.identity, settings.stitching, settings.pain_points)
        self._name = f"restitch-{socket.gethostname()}-{os.getpid()}"

    def stitch(self, keys: pl.Series) -> StitchOutcome:
        """Make everybody's results anew whom these identifiers concern."""
        return stitch_batch(keys, self._store, self._publisher, self._rules, self._name)

    def extent(self, keys: pl.Series) -> Extent:
        """Return how much `stitch` would make anew; writes nothing."""
        blocks = close_blocks(keys, self._store, self._settings.identity)
        facts = self._store.facts(blocks.identifiers["ident_key"])
        return Extent(blocks.identifiers.height, facts["event_uid"].n_unique())

    def making(self) -> Making:
        """Return the making of all results of this version by this process."""
        margin = self._settings.stitching.sweep_margin
        return Making(MakingStore(connect(self._settings.clickhouse), self._version, margin), self.stitch)


class Switch:
    """
    What readers of `journeys.updated` have to be told when one version takes over from another.

    First a tombstone for every journey that the new version does not have, then every journey that it has. A journey
    that moved between customers is so told last. While this goes on workers of the new version publish what changes;
    therefore each range is read again after it was written, until nothing has changed in between: whatever a worker
    published before our record is repeated after it.

    Args:
        settings: All settings.
        old: The version that readers had.
        new: The version that is active now.
        publisher: Takes the journeys.
    """

    def __init__(self, settings: Settings, old: int, new: int, publisher: Publisher | None = None) -> None:
        client = connect(settings.clickhouse)
        margin = settings.stitching.sweep_margin
        self._versions = {number: Snapshot(client, number) for number in (old, new)}
        self._stores = {number: StitchStore(client, number, margin) for number in (old, new)}
        self._old, self._new = old, new
        self._publisher = publisher or JourneyPublisher(KafkaWriter(settings.kafka))
        self._worker = f"switch-{socket.gethostname()}-{os.getpid()}"

    def publish(self, told: Callable[[int], None]) -> int:
        """
        Publish the switch; safe to repeat.

        Args:
            told: Called with the number of journeys published so far.

        Returns:
            Records published.
        """
        published = 0
        for number, tell in ((self._old, self._tell_gone), (self._new, self._tell_standing)):
            position = NOWHERE
            while not (keys := self._versions[number].anchors_after(position, RANGE_CUSTOMERS)).is_empty():
                published += tell(keys)
                position = UUID(bytes=keys[-1])
                told(published)
        return published

    def _tell_gone(self, keys: pl.Series) -> int:
        stamp = self._stores[self._new].register_version(self._worker)
        before = self._stores[self._old].journeys(keys)
        changes = journey_changes(before, self._versions[self._new].rows(keys, stamp)).filter("gone")
        self._publisher.publish(changes)
        return changes.height

    def _tell_standing(self, keys: pl.Series) -> int:
        store, snapshot = self._stores[self._new], self._versions[self._new]
        published, before = 0, store.journeys(keys).clear()
        while True:
            stamp = store.register_version(self._worker)
            standing = store.journeys(keys)
            changes = journey_changes(before, snapshot.rows(keys, stamp))
            if changes.is_empty():
                return published
            self._publisher.publish(changes)
            published += changes.height
            before = standing


class _LazyPublisher:
    """Connects to Kafka when something is to be published."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._publisher: JourneyPublisher | None = None

    def publish(self, changes: pl.DataFrame) -> None:
        if self._publisher is None:
            self._publisher = JourneyPublisher(KafkaWriter(self._settings.kafka))
        self._publisher.publish(changes)

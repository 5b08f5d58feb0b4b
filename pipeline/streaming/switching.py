"""
Only the active rules version speaks: readers of `journeys.updated` move with the switch as readers of the views do.

One rule: results of other versions are published by nobody. Their journeys have the same ids and their tombstones say
nothing of a version, so beside the active ones they would undo what readers hold.
"""

import time
from collections.abc import Callable

import polars as pl

from pipeline.streaming.ports import Publisher

# A switch is known to every worker within this time.
ASKED_EVERY_S = 2.0


class ActiveOnly:
    """
    A `Publisher` that passes changes on while its rules version is the active one.

    Args:
        publisher: Takes the changes.
        rules_version: Version of the worker.
        active: Asks the warehouse which version is active; may raise `WarehouseUnavailable`.
        clock: Seconds that never step back.
    """

    def __init__(
        self,
        publisher: Publisher,
        rules_version: int,
        active: Callable[[], int],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._publisher = publisher
        self._rules_version = rules_version
        self._active = active
        self._clock = clock
        self._known = 0
        self._known_until = 0.0

    def publish(self, changes: pl.DataFrame) -> None:
        """Publish the changes (none: what is left from before), or nothing while another version is active."""
        now = self._clock()
        if now >= self._known_until:
            self._known = self._active()
            self._known_until = now + ASKED_EVERY_S
        if self._known == self._rules_version:
            self._publisher.publish(changes)

"""
What LAND and STITCH need of the world, as four small contracts; anything that keeps them may stand in for the real one.

The rule common to all: a call either did what it says or raised. What it raises says what the caller does:
`WarehouseUnavailable` and trouble with the broker mean «the outcome is unknown, the same batch comes again, for ever»;
only `WarehouseRefused` is about the rows. So everything here must bear being said twice. `StitchStore` stands in
`stitch_port`, for its reads have rules of their own.
"""

from datetime import datetime
from typing import Protocol

import polars as pl


class FactStore(Protocol):
    """
    Where facts are landed.

    Called by one landing worker from one thread, one call at a time; each worker has its own. Every method may block
    for as long as an INSERT may take, and may raise `WarehouseUnavailable` (rows may or may not be in) or
    `WarehouseRefused` (none of this call's rows is in). After either, the caller repeats all calls of the batch with
    the same rows, or with fewer of them. A call that returned is seen by every read that starts later, also in other
    processes: what is announced must be found.
    """

    def landing_stamp(self) -> datetime:
        """
        Return max(now, greatest registered version of results), to the microsecond, aware, never going back.

        Called twice a batch: before the first INSERT, and after the last one of facts.
        """

    def insert_touchpoints(self, frame: pl.DataFrame) -> None:
        """Insert rows of table `touchpoints`, all of one batch at once, whatever their topics; once a batch."""

    def insert_links(self, frame: pl.DataFrame) -> None:
        """Insert rows of table `identity_links`, both directions given; after the touchpoints they come from."""

    def insert_statements(self, frame: pl.DataFrame) -> None:
        """Insert rows of table `identity_statements`, both directions given; mostly none."""

    def insert_rejected(self, frame: pl.DataFrame) -> None:
        """Insert rows of table `rejected`; mostly none. Payloads and keys are bytes that nobody understood."""

    def insert_landed(self, frame: pl.DataFrame) -> None:
        """Insert rows of table `landed`: the ranges now accounted for. Only after everything of them is in."""


class Announcer(Protocol):
    """
    Tells the stitching workers whose facts are new.

    Called by one landing worker, once a batch, after its facts and ranges are in and before its offsets are committed.
    """

    def announce(self, keys: pl.DataFrame, received_at_ms: int | None) -> None:
        """
        Announce identifiers.

        Blocks until the broker has them all. May raise whatever the broker's trouble is; the caller then lands the
        whole batch again and announces again. Announcing too often costs time, never correctness; a lost announcement
        is found by the sweep.

        Args:
            keys: subject, ident_key (Binary, 16 bytes): identifiers of events under their event's subject, distinct.
                Those of one subject must go to one partition, or two workers would compute the same customer.
            received_at_ms: Earliest receipt of these events: how fresh the journeys are is measured from it.
                None where nobody knows (the sweep).
        """


class Publisher(Protocol):
    """
    Tells the world which journeys changed.

    Called by one stitching worker, once per written group, after its rows are in the warehouse and before its offsets
    are committed. The same change may be published again; readers keep the greatest version of a journey.
    """

    def publish(self, changes: pl.DataFrame) -> None:
        """
        Publish journeys as they now stand.

        Blocks until the broker has them all. May raise whatever the broker's trouble is; the caller then stitches the
        whole batch again, under a greater version.

        Args:
            changes: journey_id, customer_uid, version, rules_version, started_at, ended_at, touchpoints, visits,
                orders, pain_points, channels, path, and `gone`: such a journey becomes a tombstone.
        """


class Clock(Protocol):
    """
    The time of this machine: for pauses, lingering and measurements, never for what is stored as truth.

    Called from any thread, as often as one likes; neither blocks nor raises.
    """

    def now(self) -> datetime:
        """Return the time of day, aware, in UTC; it may step back."""

    def monotonic(self) -> float:
        """Return seconds that never step back, from an arbitrary start."""

"""
The calls by which a worker touches the world: each one is a step at which it may be suspended, crash or be refused.

The rule owned here: between two steps nothing can happen, so a statement of the warehouse is atomic and everything else
is not. Registering a version is two statements, as in the real store; writing records to the broker is one step each.
Mutants of the stores are subclasses that do one of these calls wrong.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

from pipeline.streaming.publishing import Outgoing
from pipeline.warehouse.errors import WarehouseUnavailable
from tests.model.broker import Broker
from tests.model.tables import LedgerRow, StitchedRow
from tests.model.warehouse import Answer, Reader, Warehouse

WRITES = frozenset({"register_version", "write", "publish"})


class Surroundings(Protocol):
    """What hands need of the simulation."""

    broker: Broker
    warehouse: Warehouse
    deferred: dict[str, set[bytes]]

    def step(self, what: str) -> None:
        """Wait for the next turn."""

    def now_us(self, machine: str) -> int:
        """Return what the clock of the warehouse's machine shows to this worker."""

    def is_unavailable(self) -> bool:
        """Say whether the call at hand fails."""

    def is_lost(self) -> bool:
        """Say whether an announcement that was acknowledged is forgotten."""


@dataclass(frozen=True, slots=True)
class Owner:
    """Whose hands: the worker's name, the machine of its warehouse connection, and what it reads."""

    worker: str
    machine: str
    reader: Reader


class Hands:
    """
    The hands of one worker during one batch.

    Args:
        world: The simulation.
        owner: The worker.
    """

    def __init__(self, world: Surroundings, owner: Owner) -> None:
        self.world = world
        self.owner = owner
        self.stamps: dict[int, int] = {}

    def perform(self, method: str, payload: tuple[Any, ...]) -> Answer:
        """
        Do one call.

        Raises:
            Crash: If the worker ends here.
            WarehouseUnavailable: If the call failed; it may have been done all the same.
        """
        if method == "partitions":
            return (self.world.broker.partitions(payload[0]),)
        if method.startswith("insert_") and not payload[0]:
            return ()
        self.world.step(method)
        if self.world.is_unavailable():
            raise WarehouseUnavailable(f"{method} was not done")
        answer: Answer = getattr(self, method)(*payload)
        if self.world.is_unavailable():
            raise WarehouseUnavailable(f"{method} was done, but nobody was told")
        return answer

    def landing_stamp(self) -> Answer:
        """Take a stamp; the code is given its mark."""
        return self._marked(self.world.warehouse.landing_stamp(self._now()))

    def insert_touchpoints(self, rows: Sequence[Any]) -> Answer:
        """Insert with the real stamps in the places of the marks."""
        self.world.warehouse.tables.touchpoints.insert(
            replace(row, landed_at=self.stamps[row.landed_at]) for row in rows
        )
        return ()

    def insert_links(self, rows: Sequence[Any]) -> Answer:
        """Insert, as above."""
        self.world.warehouse.tables.identity_links.insert(
            replace(row, landed_at=self.stamps[row.landed_at], first_landed_at=self.stamps[row.first_landed_at])
            for row in rows
        )
        return ()

    def insert_statements(self, rows: Sequence[Any]) -> Answer:
        """Insert, as above."""
        self.world.warehouse.tables.identity_statements.insert(
            replace(row, landed_at=self.stamps[row.landed_at]) for row in rows
        )
        return ()

    def insert_rejected(self, rows: Sequence[Any]) -> Answer:
        """Insert, as above."""
        self.world.warehouse.tables.rejected.insert(replace(row, landed_at=self.stamps[row.landed_at]) for row in rows)
        return ()

    def insert_landed(self, rows: Sequence[Any]) -> Answer:
        """Insert, as above."""
        self.world.warehouse.tables.landed.insert(
            replace(row, landed_at=self.stamps[row.landed_at], completed_at=self.stamps[row.completed_at])
            for row in rows
        )
        return ()

    def write(self, records: Sequence[Outgoing]) -> Answer:
        """Write records to the broker, one a step."""
        for place, record in enumerate(records):
            if place:
                self.world.step("write")
            self.world.broker.append([record], self._now() // 1000, self.world.is_lost())
        return (len(records),)

    def register_version(self, _worker: str) -> Answer:
        """Ask for the next version, then write it down."""
        version = self.world.warehouse.next_version(self._now())
        self.world.step("register_version: insert")
        self.world.warehouse.register(version)
        return self._marked(version)

    def links(self, keys: Sequence[bytes]) -> Answer:
        """Read links."""
        return self.world.warehouse.links(keys)

    def named(self, limit: int) -> Answer:
        """Read whom statements name."""
        return self.world.warehouse.named(limit)

    def kinds(self, keys: Sequence[bytes]) -> Answer:
        """Read kinds of subjects."""
        return self.world.warehouse.kinds(keys)

    def statements(self, keys: Sequence[bytes]) -> Answer:
        """Read which statements name the keys, then all contents of these."""
        named = self.world.warehouse.naming(keys)
        if not named:
            return ()
        self.world.step("statements: contents")
        return self.world.warehouse.statements(named)

    def facts(self, keys: Sequence[bytes]) -> Answer:
        """Read touchpoints."""
        return self.world.warehouse.facts(keys)

    def journeys(self, keys: Sequence[bytes]) -> Answer:
        """Read the journeys of now."""
        return self.world.warehouse.journeys(keys, self.owner.reader)

    def former_members(self, customers: Sequence[bytes]) -> Answer:
        """Read who belonged to customers."""
        return self.world.warehouse.former_members(customers, self.owner.reader)

    def link_touchpoints(self, pairs: Sequence[tuple[bytes, bytes, int]]) -> Answer:
        """Read which touchpoints made links."""
        return self.world.warehouse.link_touchpoints(pairs)

    def insert_ledger(self, rows: Sequence[LedgerRow]) -> Answer:
        """Append to the ledger."""
        self.world.warehouse.tables.identity_ledger.insert(
            replace(row, version=self.stamps[row.version]) for row in rows
        )
        return ()

    def overlooked_neighbours(self, hubs: Sequence[tuple[bytes, int, int, bool]]) -> Answer:
        """Read who may not know of a crossing."""
        return self.world.warehouse.overlooked_neighbours(hubs, self.owner.reader)

    def stale_identifiers(self, limit: int, since_us: int) -> Answer:
        """Sweep."""
        return self.world.warehouse.stale_identifiers(limit, since_us, self.owner.reader)

    def insert_stitched(self, rows: Sequence[StitchedRow]) -> Answer:
        """Insert results under the version that was registered."""
        self.world.warehouse.tables.stitched.insert(replace(row, version=self.stamps[row.version]) for row in rows)
        return ()

    def defer(self, keys: Sequence[bytes]) -> Answer:
        """Leave large customers to the slow lane of this worker."""
        self.world.deferred.setdefault(self.owner.worker, set()).update(keys)
        return ()

    def publish(self, _changes: Sequence[Any]) -> Answer:
        """Publish changes: nobody reads them here."""
        return ()

    def _now(self) -> int:
        return self.world.now_us(self.owner.machine)

    def _marked(self, stamp: int) -> Answer:
        mark = len(self.stamps) + 1
        self.stamps[mark] = stamp
        return (mark,)

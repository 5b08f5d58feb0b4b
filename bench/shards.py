"""
Whether the protocol holds across shards: `python -m bench.shards`, thousands of small random schedules.

A model, not our code: it has what a sharded and replicated warehouse adds to the protocol and nothing else. Identifiers
of one customer live on several shards of two replicas each. Landing inserts a fact for each of them and then announces;
stitching registers a version, reads the facts of the whole block, writes one row for each identifier, shard by shard,
and then commits. Any step of one may come between any two of another, and a stitcher may end at every step and be
followed by one that begins again. In the end the winning row of every identifier must hold every fact.

The sweep is left out on purpose: it would find later what a broken read loses now.
"""

import argparse
import random
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field

from bench.arguments import WithDefaults, whole

SHARDS, REPLICAS, IDENTIFIERS, LANDINGS, STITCHERS = 3, 2, 4, 5, 2
CRASH = 0.03
CATCH_UP = 0.2
# Whoever is scheduled goes on for so many steps: a process that stalls meanwhile finds the world changed.
BURSTS = (1, 2, 5, 12)
SKEW = 40
VARIANTS = {
    "sound": "quorum inserts, reads that see them, one register of versions",
    "any_replica": "a stitcher reads a replica that lags",
    "queued_insert": "a Distributed table takes the insert and applies it later",
    "version_of_a_shard": "each shard gives versions by a clock of its own",
    "version_after_read": "the version is taken after the facts were read",
}
Row = tuple[int, frozenset[int]]


@dataclass
class Warehouse:
    """
    Shards with replicas; what is not yet copied or applied waits in `pending`.

    Attributes:
        facts: (shard, replica) → identifier → facts.
        rows: Identifier → winning row; results are looked at when all is at rest, so their copies do not matter.
        pending: Facts on their way: (shard, replica, identifier, fact).
    """

    variant: str
    chance: random.Random
    facts: dict[tuple[int, int], dict[int, set[int]]] = field(default_factory=dict)
    rows: dict[int, Row] = field(default_factory=dict)
    pending: list[tuple[int, int, int, int]] = field(default_factory=list)
    registered: int = 0
    moment: int = 0

    def insert(self, identifier: int, fact: int) -> None:
        """Insert a fact, as far as the variant waits for it."""
        shard = identifier % SHARDS
        for replica in range(REPLICAS):
            is_late = self.variant == "queued_insert" or (self.variant == "any_replica" and replica > 0)
            if is_late:
                self.pending.append((shard, replica, identifier, fact))
            else:
                self._apply(shard, replica, identifier, fact)

    def catch_up(self) -> None:
        """Apply one fact that is on its way."""
        if self.pending:
            self._apply(*self.pending.pop(self.chance.randrange(len(self.pending))))

    def read(self, identifier: int) -> set[int]:
        """Read the facts of an identifier from one of its replicas."""
        replica = self.chance.randrange(REPLICAS)
        return set(self.facts.get((identifier % SHARDS, replica), {}).get(identifier, set()))

    def version(self, identifier: int) -> int:
        """Register a version."""
        self.moment += 1
        if self.variant == "version_of_a_shard":
            return self.moment + SKEW * (identifier % SHARDS)
        self.registered = max(self.registered + 1, self.moment)
        return self.registered

    def write(self, identifier: int, row: Row) -> None:
        """Write a row; the greatest version wins."""
        if identifier not in self.rows or row[0] >= self.rows[identifier][0]:
            self.rows[identifier] = row

    def _apply(self, shard: int, replica: int, identifier: int, fact: int) -> None:
        self.facts.setdefault((shard, replica), {}).setdefault(identifier, set()).add(fact)


def landing(warehouse: Warehouse, fact: int, announced: list[int]) -> Iterator[None]:
    """Land a fact of two identifiers, then announce one of them."""
    first, second = warehouse.chance.sample(range(IDENTIFIERS), 2)
    warehouse.insert(first, fact)
    yield
    warehouse.insert(second, fact)
    yield
    announced.append(first)


def stitching(warehouse: Warehouse, announced: list[int]) -> Iterator[None]:
    """Stitch the block of every announcement: the whole customer; commit last."""
    while True:
        if not announced:
            yield
            continue
        identifier = announced[0]
        is_early = warehouse.variant != "version_after_read"
        version = warehouse.version(identifier) if is_early else 0
        yield
        found: set[int] = set()
        for member in range(IDENTIFIERS):
            found |= warehouse.read(member)
            yield
        version = version or warehouse.version(identifier)
        for member in range(IDENTIFIERS):
            yield
            warehouse.write(member, (version, frozenset(found)))
        if announced and announced[0] == identifier:
            announced.pop(0)
        yield


def diverges(variant: str, seed: int) -> bool:
    """Run one schedule to its rest; true if a winning row lacks a fact."""
    chance = random.Random(seed)
    warehouse = Warehouse(variant, chance)
    # Each stitcher has announcements of its own, as each has partitions of its own.
    announced: list[list[int]] = [[] for _ in range(STITCHERS)]
    landings = [landing(warehouse, fact, announced[fact % STITCHERS]) for fact in range(LANDINGS)]
    stitchers = [stitching(warehouse, mine) for mine in announced]
    while landings or any(announced):
        number = chance.randrange(len(landings) + STITCHERS + 1)
        for _ in range(chance.choice(BURSTS)):
            warehouse.moment += 1
            if number < len(landings):
                if next(landings[number], "done") == "done":
                    landings.pop(number)
                    break
            elif number < len(landings) + STITCHERS:
                which = number - len(landings)
                if chance.random() < CRASH:
                    stitchers[which] = stitching(warehouse, announced[which])
                next(stitchers[which])
            elif chance.random() < CATCH_UP:
                warehouse.catch_up()
    everything = frozenset(range(LANDINGS))
    return any(warehouse.rows[member][1] != everything for member in range(IDENTIFIERS))


def count(variant: str, schedules: int, seed: int = 1) -> int:
    """Return how many schedules diverge."""
    return sum(diverges(variant, seed * 1_000_003 + number) for number in range(schedules))


def main() -> int:
    """Run all variants; exit 1 if the sound one diverges or a broken one is not caught."""
    parser = argparse.ArgumentParser(prog="python -m bench.shards", description=__doc__, formatter_class=WithDefaults)
    parser.add_argument("--schedules", type=whole(1), default=5_000, help="of each variant")
    parser.add_argument("--seed", type=int, default=1, help="of the first schedule")
    given = parser.parse_args()
    is_right = True
    for variant, meaning in VARIANTS.items():
        found = count(variant, given.schedules, given.seed)
        is_right = is_right and (found == 0) == (variant == "sound")
        print(f"{variant}: {found} of {given.schedules} diverged ({meaning})")
    return 0 if is_right else 1


if __name__ == "__main__":
    sys.exit(main())

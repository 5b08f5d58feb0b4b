"""
The broker of the simulation: logs of records, consumer groups, and a consumer that commits by the real rule.

The rule owned here is Kafka's: a group's committed offset is where the next reader of a partition begins; a commit
counts only from the generation that holds the partition; what was not committed is read again. The commit rule itself
is the product's own `AckLedger`.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from random import Random

from pipeline.streaming.publishing import Outgoing
from pipeline.streaming.records import Chunk
from pipeline.streaming.transport.ledger import AckLedger

Place = tuple[str, int]


@dataclass(frozen=True, slots=True)
class Stored:
    """A record in a log."""

    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None


@dataclass(slots=True)
class Group:
    """A consumer group: who holds what in which generation, and how far everything is committed."""

    topics: tuple[str, ...]
    generation: int = 0
    holders: dict[Place, str] = field(default_factory=dict)
    committed: dict[Place, int] = field(default_factory=dict)


class Broker:
    """
    Logs and groups.

    Attributes:
        logs: Records by place; None is a record that the broker forgot.
        ends: How far each log may be read yet: later records are still to be produced.
    """

    def __init__(self, logs: dict[Place, list[Stored | None]]) -> None:
        self.logs = logs
        self.ends = dict.fromkeys(logs, 0)
        self.groups: dict[str, Group] = {}

    def append(self, records: Iterable[Outgoing], timestamp: int, is_lost: bool) -> None:
        """Append records at once readable; a lost one was acknowledged and then forgotten."""
        for record in records:
            place = (record.topic, record.partition or 0)
            log = self.logs[place]
            log.append(None if is_lost else Stored(len(log), timestamp, record.key, record.value))
            self.ends[place] = len(log)

    def partitions(self, topic: str) -> int:
        """Return how many partitions a topic has."""
        return sum(place[0] == topic for place in self.logs)

    def places(self, topics: Sequence[str]) -> list[Place]:
        """Return the partitions of topics."""
        return sorted(place for place in self.logs if place[0] in topics)

    def assign(self, name: str, members: Sequence[str], random: Random) -> None:
        """Rebalance: give every partition of the group to one of its members."""
        group = self.groups[name]
        group.generation += 1
        group.holders = {place: random.choice(members) for place in self.places(group.topics)} if members else {}

    def lag(self, name: str) -> int:
        """Return how many records the group has not committed."""
        group = self.groups[name]
        return sum(self.ends[place] - group.committed.get(place, 0) for place in self.places(group.topics))


class Consumer:
    """A member of a group: fetches chunks of what it holds, and commits what is finished."""

    def __init__(self, broker: Broker, group: str, member: str) -> None:
        self._broker = broker
        self._group = broker.groups[group]
        self._member = member
        self._generation = -1
        self._positions: dict[Place, int] = {}
        self._ledgers: dict[Place, AckLedger] = {}

    def has_news(self) -> bool:
        """Tell whether polling or committing would do something."""
        if self._generation != self._group.generation:
            return self._member in self._group.holders.values()
        return any(position < self._broker.ends[place] for place, position in self._positions.items()) or any(
            ledger.committable() is not None for ledger in self._ledgers.values()
        )

    def poll(self, random: Random, most: int) -> list[Chunk]:
        """Fetch a chunk of one or two of the partitions that it holds."""
        self._rejoin()
        waiting = [place for place, position in self._positions.items() if position < self._broker.ends[place]]
        random.shuffle(waiting)
        return [self._fetch(place, random.randint(1, most)) for place in waiting[: random.randint(1, 2)]]

    def finish(self, chunks: Iterable[Chunk]) -> None:
        """Acknowledge chunks; those of partitions that it lost meanwhile count for nothing."""
        for chunk in chunks:
            ledger = self._ledgers.get((chunk.topic, chunk.partition))
            if ledger is not None:
                ledger.finish(chunk.last_offset)

    def commit(self) -> None:
        """Commit what the ledgers give, unless the group has moved on."""
        if self._generation != self._group.generation:
            return
        for place, ledger in self._ledgers.items():
            offset = ledger.committable()
            if offset is not None:
                self._group.committed[place] = offset
                ledger.committed(offset)

    def _rejoin(self) -> None:
        if self._generation == self._group.generation:
            return
        self._generation = self._group.generation
        mine = [place for place, holder in self._group.holders.items() if holder == self._member]
        self._positions = {place: self._group.committed.get(place, 0) for place in mine}
        self._ledgers = {place: AckLedger() for place in mine}

    def _fetch(self, place: Place, most: int) -> Chunk:
        first, log = self._positions[place], self._broker.logs[place]
        last = min(first + most, self._broker.ends[place]) - 1
        records = [record for record in log[first : last + 1] if record is not None]
        self._positions[place] = last + 1
        self._ledgers[place].deliver(first, last)
        return Chunk(*place, first, last, records)

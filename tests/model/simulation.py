"""
One schedule: a world's records go through workers to which everything happens that may happen, then it is judged.

The rule owned here: one random number generator, made from the seed, decides everything; so a seed is a schedule. In
the end everything is delivered, and what `wait` does is done: only then the views are compared with the oracle.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, tzinfo
from random import Random
from typing import Any, Final
from unittest.mock import patch

import polars as pl

from pipeline.contracts.topics import STITCH_DIRTY
from pipeline.streaming import work as streaming_work
from pipeline.streaming.announcing import dirty_records
from pipeline.warehouse.facts import from_micros
from tests.model.broker import Broker, Group
from tests.model.clocks import Clocks
from tests.model.expected import expected_views
from tests.model.hands import Owner
from tests.model.happenings import Happenings
from tests.model.judging import Diverged, difference
from tests.model.script import Script
from tests.model.stage import Actor, Stage
from tests.model.views import seen_views
from tests.model.warehouse import Reader, Warehouse
from tests.model.workers import (
    LAND_GROUP,
    TOPICS,
    Gear,
    LandWorker,
    StitchWorker,
    Worker,
    reader_of,
    stitch_group,
)
from tests.model.worlds import World

_MOST_STALE: Final = 100_000
_MOST_ROUNDS: Final = 12
_STRIKES: Final = 0.3
_WAIT_US: Final = 60_000_000
_RUNAWAY_STEPS: Final = 20_000


class Simulation:
    """
    A schedule.

    Args:
        world: What is sent.
        random: Decides.
        happenings: What may happen.
        gear: What workers are made with.
        tell: Told every step, for a replay.
    """

    def __init__(
        self,
        world: World,
        random: Random,
        happenings: Happenings,
        gear: Gear,
        tell: Callable[[str], None] | None = None,
    ) -> None:
        self.world = world
        self.random = random
        self.happenings = happenings
        self.gear = gear
        self.warehouse = Warehouse()
        self.clocks = Clocks()
        self.broker = Broker({place: list(log) for place, log in world.logs.items()})
        self.stage = Stage(self._direct)
        self.script = Script(())
        self._tell = tell
        self.deferred: dict[str, set[bytes]] = {}
        # What a dead worker's slow lane left undone is the sweep's to find.
        self.has_slow_lane = happenings.has_sweep
        self._workers: dict[str, Worker] = {}
        self._lanes: dict[str, Actor] = {}
        self._steps = self._born = 0
        self._is_calm = False
        self._versions = [1, 2] if happenings.changes_rules else [1]
        self._begin()

    def run(self) -> None:
        """
        Run the schedule and judge it.

        Raises:
            Diverged: If a view shows something else than the oracle says.
        """
        with _clock(self.clocks):
            try:
                self.stage.play()
                self._calm_down()
                self._wait()
                self._judge("when everything is visible")
                self._let_zombies_finish()
                self._judge("after the last zombies")
            finally:
                self.stage.end()

    def step(self, what: str) -> None:
        """Wait for the next turn."""
        actor, chances = self.stage.current, self.happenings
        if actor is not None and actor.name in self._workers and self._goes_wrong():
            if what in chances.stalls_before and self._chance(_STRIKES):
                self._stall(actor)
            if what in chances.crashes_before and self._chance(_STRIKES):
                self._crash(actor)
        self.stage.step(what)
        self._say(what)

    def rest(self, what: str, is_ready: Callable[[], bool]) -> None:
        """Wait for a turn that makes sense."""
        self.stage.step(what, is_ready)
        self._say(what)

    def now_us(self, machine: str) -> int:
        """Return what a machine's clock shows."""
        return self.clocks.now_us(machine)

    def is_unavailable(self) -> bool:
        """Say whether the call at hand fails."""
        return self._goes_wrong() and self._chance(self.happenings.unavailable)

    def is_lost(self) -> bool:
        """Say whether an announcement is forgotten."""
        return not self._is_calm and self._chance(self.happenings.lose)

    def _goes_wrong(self) -> bool:
        return not self._is_calm and self._steps <= self.happenings.steps

    def commits_now(self) -> bool:
        """Say whether what is finished is committed now."""
        return self._is_calm or self._chance(self.happenings.commit)

    def _begin(self) -> None:
        self.broker.groups[LAND_GROUP] = Group(tuple(TOPICS["land"]))
        for version in (1, 2):
            self.broker.groups[stitch_group(version)] = Group(tuple(TOPICS["stitch"]))
        for machine in ("land-0", "land-1", "stitch-0", "stitch-1"):
            if self.happenings.skew_us:
                self.clocks.off_us[machine] = self.random.randint(-self.happenings.skew_us, self.happenings.skew_us)
        self.stage.enter(Actor("producer", self._produce))
        for role in ("land", "stitch"):
            self._hire(role, 0)
            self._hire(role, 1)
        self._rules_change_at = self.random.randint(0, self.happenings.steps) if len(self._versions) > 1 else None
        for group in self._groups():
            self._rebalance(group)

    def _hire(self, role: str, slot: int, rules_version: int = 1) -> None:
        rules = self.world.rules[rules_version]
        self._born += 1
        name = f"{role}-{slot}" + (f" of rules {rules_version}" if rules_version > 1 else "") + f" #{self._born}"
        owner = Owner(name, f"{role}-{slot}", reader_of(rules))
        worker = LandWorker(self, owner, rules.identity) if role == "land" else StitchWorker(self, owner, rules)
        self._workers[name] = worker
        self.stage.enter(Actor(name, worker.live))
        if role == "stitch" and self.has_slow_lane:
            self._lanes[name] = Actor(f"{name}, slow lane", worker.live_slowly)
            self.stage.enter(self._lanes[name])

    def _produce(self) -> None:
        waiting = [place for place in self.broker.places(TOPICS["land"]) for _ in self.broker.logs[place]]
        self.random.shuffle(waiting)
        for place in waiting:
            self.step(f"produces to {place[0]}/{place[1]}")
            self.broker.ends[place] += 1

    def _direct(self) -> Actor | None:
        self._steps += 1
        if self._steps > _RUNAWAY_STEPS:
            raise Diverged("it never comes to rest")
        self.clocks.pass_by(self.random.randint(1, self.happenings.tick_us))
        if not self._is_calm:
            if scripted := self.script.choose(self.stage.actors):
                return scripted
            self._happen()
        able = [actor for actor in self.stage.actors if not actor.is_done and actor.is_ready()]
        ready = [actor for actor in able if actor.stalled_until <= self._steps]
        if not ready and (self._is_calm or not able):
            return None
        ready = ready or able
        if self.stage.current in ready and self._chance(self.happenings.stick):
            return self.stage.current
        return self.random.choice(ready)

    def _happen(self) -> None:
        chances = self.happenings
        if self._rules_change_at is not None and self._steps >= self._rules_change_at:
            self._rules_change_at = None
            self._hire("stitch", 0, 2)
            self._hire("stitch", 1, 2)
            self._rebalance(stitch_group(2))
        if self._steps > chances.steps:
            return
        if self._chance(chances.crash):
            self._crash(self._some_worker())
        if self._chance(chances.stall):
            self._stall(self._some_worker())
        if self._chance(chances.rebalance):
            self._rebalance(self.random.choice(self._groups()))
        if self._chance(chances.merge):
            self._merge()
        if self._chance(chances.clock) and self.clocks.off_us:
            machine = self.random.choice(list(self.clocks.off_us))
            self.clocks.off_us[machine] = self.random.randint(-chances.skew_us, chances.skew_us)
        if self._chance(chances.sweep):
            self._workers[self._some_worker().name].must_sweep = True
        if self._chance(chances.rewind):
            self._rewind()

    def _crash(self, actor: Actor) -> None:
        self._note(f"{actor.name} crashes")
        for part in (actor, self._lanes.get(actor.name)):
            if part is not None:
                part.is_doomed = True
                part.is_done = part.is_done or part.thread is None
        worker = self._workers[actor.name]
        role, slot = worker.owner.machine.split("-")
        self._hire(role, int(slot), worker.owner.reader.rules_version)
        if self._chance(0.7):
            self._rebalance(worker.group)

    def _stall(self, actor: Actor) -> None:
        actor.stalled_until = self._steps + self.random.randint(10, 200)
        self._note(f"{actor.name} stalls before it {actor.at}")
        if self._chance(0.7):
            self._rebalance(self._workers[actor.name].group)

    def _merge(self) -> None:
        name, table = self.random.choice(list(self.warehouse.tables.by_name().items()))
        if len(table.parts) > 1:
            first = self.random.randrange(len(table.parts) - 1)
            last = self.random.randint(first + 1, len(table.parts) - 1)
            self._note(f"{name} merges parts {first} to {last}")
            table.merge(first, last)

    def _rewind(self) -> None:
        name = self.random.choice(self._groups())
        committed = self.broker.groups[name].committed
        if committed:
            place = self.random.choice(sorted(committed))
            committed[place] = self.random.randint(0, committed[place])
            self._rebalance(name)

    def _groups(self) -> list[str]:
        return sorted({worker.group for worker in self._workers.values()})

    def _some_worker(self) -> Actor:
        """Choose a worker that lives, rather one in the middle of something."""
        living = [actor for actor in self.stage.actors if actor.name in self._workers and not actor.is_done]
        busy = [actor for actor in living if actor.at not in ("polls", "starts")]
        return self.random.choice(busy if busy and self._chance(0.8) else living)

    def _rebalance(self, group: str) -> None:
        living = [
            actor.name
            for actor in self.stage.actors
            if actor.name in self._workers
            and self._workers[actor.name].group == group
            and not actor.is_done
            and not actor.is_doomed
            and actor.stalled_until <= self._steps
        ]
        self.broker.assign(group, living, self.random)
        self._note(f"rebalance of {group}")

    def _calm_down(self) -> None:
        """Nothing happens any more; some who stalled stay behind, to finish after everybody else."""
        self._is_calm = True
        never = 10**9
        for actor in self.stage.actors:
            if actor.name in self._workers and not actor.is_done:
                is_late = actor.at not in ("polls", "starts") and self._chance(0.3 if actor.stalled_until else 0.1)
                actor.stalled_until = never if is_late else 0
        for role in ("land", "stitch"):
            for version in [1] if role == "land" else self._versions:
                self._hire(role, 9, version)
        for group in self._groups():
            self._rebalance(group)
        self.stage.play()

    def _wait(self) -> None:
        """Do what `throughline wait` does for every rules_version."""
        for _ in range(_MOST_ROUNDS if self.happenings.has_sweep else 0):
            stale = {key for version in self._versions for key in self._stale(version)}
            if not stale:
                break
            keys = pl.Series("subject", sorted(stale), dtype=pl.Binary)
            announced = pl.DataFrame([keys, keys.alias("ident_key")])
            self._note(f"wait announces {len(stale)} stale identifiers")
            records = dirty_records(announced, self.broker.partitions(STITCH_DIRTY))
            self.broker.append(list(records), self.clocks.true_us // 1000, is_lost=False)
            self.clocks.pass_by(_WAIT_US)
            self.stage.play()
        else:
            if self.happenings.has_sweep:
                raise Diverged("wait never ends: some identifiers stay stale")
        for name in self._groups():
            if self.broker.lag(name):
                raise Diverged(f"{name} is behind by {self.broker.lag(name)} although nobody has anything to do")

    def _stale(self, version: int) -> Any:
        # No margin, as `wait`: whatever it waits for is in a batch that completed.
        owner = Owner("wait", "wait", Reader(version, 0))
        return self.gear.hands(self, owner).stale_identifiers(_MOST_STALE, 0)

    def _let_zombies_finish(self) -> None:
        for actor in self.stage.actors:
            actor.stalled_until = 0
        self.stage.play()

    def _judge(self, when: str) -> None:
        for version in self._versions:
            expected = expected_views(self.world.number, self.world.shape, version)
            seen = seen_views(self.warehouse, version)
            if seen != expected:
                raise Diverged(f"{when}, rules {version}: {difference(expected, seen)}")

    def _chance(self, chance: float) -> bool:
        return chance > 0 and self.random.random() < chance

    def _say(self, what: str) -> None:
        if self._tell is not None and self.stage.current is not None:
            self._tell(f"{self._steps:5} {self.stage.current.name:24} {what}")

    def _note(self, what: str) -> None:
        if self._tell is not None:
            self._tell(f"{self._steps:5} {'':24} — {what}")


@contextmanager
def _clock(clocks: Clocks) -> Iterator[None]:
    """Let the sweep of the real `StitchWork` read the simulated time."""

    class Simulated(datetime):
        @classmethod
        def now(cls, tz: tzinfo | None = None) -> datetime:  # type: ignore[override]  # it is a moment all the same
            return from_micros(clocks.true_us).astimezone(tz)

    with patch.object(streaming_work, "datetime", Simulated):
        yield
